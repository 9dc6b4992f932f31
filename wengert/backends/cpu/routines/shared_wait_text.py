"""How processes of a machine wait for one another's counts in shared memory, in LLVM text.

A cell is a count and the number of processes that sleep until it changes. Who waits looks in a
hurry first, which is quickest where each process has a core to itself. Then it sleeps in the
kernel, which wakes it as soon as the count changes, and gives its core to those it waits for
meanwhile (U. Drepper, "Futexes Are Tricky", 2011). Elsewhere than on Linux it sleeps for short
whiles.
"""

from __future__ import annotations

import platform

WAIT, NOTE = "wg.shared.wait", "wg.shared.note"
_X86 = platform.machine() in ("x86_64", "AMD64")
_NUMBERS = {"x86_64": 202, "aarch64": 98}
"""Of the system call `futex`."""
_SLEEP, _WAKE = 0, 1
_ALL = 2**31 - 1
_WHILE = 50
"""Microseconds of a short sleep."""


def text() -> str:
    """The functions: i1 WAIT(cell, target, hurry, deadline, gone) gives whether the count came to
    be as large as `target` before `deadline` (in seconds since 1970) and before the process that
    counts had ended, which it notes in the cell `gone` when its counts are final; NOTE(cell, count)
    sets a count.
    """
    futex = _NUMBERS.get(platform.machine()) if platform.system() == "Linux" else None
    pause = ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()")
    declared, paused = pause if _X86 else ("", "")
    if futex is None:
        needs, sleep, wake = "declare i32 @usleep(i32)", f"call i32 @usleep(i32 {_WHILE})", ""
    else:
        needs = "declare i64 @syscall(i64, ...)"
        call = f"call i64 (i64, ...) @syscall(i64 {futex}, ptr %cell"
        sleep = f"{call}, i64 {_SLEEP}, i64 %seen, ptr @wg.shared.second, i64 0, i64 0)"
        wake = f"{call}, i64 {_WAKE}, i64 {_ALL}, i64 0, i64 0, i64 0)"
    return "\n".join((declared, needs, _wait(paused, sleep), _note(wake)))


def _wait(paused: str, sleep: str) -> str:
    return f"""
declare i64 @time(ptr)
@wg.shared.second = internal constant [2 x i64] [i64 1, i64 0]
define internal i1 @{WAIT}(ptr %cell, i64 %target, i64 %hurry, i64 %deadline,
    ptr %gone) nounwind {{
start:
  %asleep = getelementptr inbounds i64, ptr %cell, i64 1
  br label %look
look:
  %turns = phi i64 [ 0, %start ], [ %turns1, %spin ]
  %count = load atomic i64, ptr %cell acquire, align 8
  %come = icmp sge i64 %count, %target
  br i1 %come, label %done, label %more
more:
  %turns1 = add nuw nsw i64 %turns, 1
  %tired = icmp sgt i64 %turns, %hurry
  br i1 %tired, label %bed, label %spin
spin:
  {paused}
  br label %look
bed:
  %before = atomicrmw add ptr %asleep, i64 1 seq_cst
  br label %check
check:
  %end = load atomic i64, ptr %gone seq_cst, align 8
  %now = load atomic i64, ptr %cell seq_cst, align 8
  %there = icmp sge i64 %now, %target
  br i1 %there, label %up, label %clock
clock:
  %time = call i64 @time(ptr null)
  %late = icmp sgt i64 %time, %deadline
  %ended = icmp ne i64 %end, 0
  %vain = or i1 %late, %ended
  br i1 %vain, label %up, label %sleep
sleep:
  %seen = and i64 %now, 4294967295
  {sleep}
  br label %check
up:
  %awake = atomicrmw sub ptr %asleep, i64 1 seq_cst
  br label %done
done:
  %found = phi i1 [ true, %look ], [ %there, %up ]
  ret i1 %found
}}
"""


def _note(wake: str) -> str:
    return f"""
define internal void @{NOTE}(ptr %cell, i64 %count) nounwind {{
  store atomic i64 %count, ptr %cell seq_cst, align 8
  %asleep = getelementptr inbounds i64, ptr %cell, i64 1
  %sleepers = load atomic i64, ptr %asleep seq_cst, align 8
  %some = icmp ne i64 %sleepers, 0
  br i1 %some, label %wake, label %done
wake:
  {wake}
  br label %done
done:
  ret void
}}
"""
