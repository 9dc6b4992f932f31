"""The team: threads that wait for parallel loops in a hurry, in LLVM text, for Linux on x86-64.

Handing a loop to Numba's pool takes some 5 microseconds more than it must, which a step of a small
network does ten times. The threads of the team look for the next loop for a while after each one,
so that a program with many short loops finds them awake: they begin within one microsecond. After
that while they sleep in the kernel (U. Drepper, "Futexes Are Tricky", 2011).

One loop at a time is the team's. Who finds it busy, as loops in loops and programs that run at the
same time do, takes the pool.

- *Joining.* Threads come in through a door, whose word counts those inside. The caller opens it
  when the loop is ready, does chunks itself, shuts it when none is left, and waits until nobody is
  inside. It never waits for threads that have not come in yet: those that the system keeps waiting
  find the door shut. So a loop ends as soon as its chunks have, whoever has done them.
- *Sleeping.* A thread counts itself as asleep, and then sleeps unless a loop was announced since
  it looked last, which the kernel compares. The caller announces first and looks for sleepers
  then. So one of the two sees the other.
- *Apart.* Linux may wake a thread on the caller's core, behind the caller, and leave it there for
  tens of milliseconds beside an idle core (measured: loops of two threads took the time of one in a
  third of the stretches that followed other threads' work). A thread that finds itself there moves
  to another core by forbidding itself this one for a moment.
"""

from __future__ import annotations

import platform
import sys

TEAM_THREAD = "wg.team.thread"  # what a thread of the team runs
SUPPORTED = sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64")

# cells of the runtime's memory, on lines of the cache of their own
ANNOUNCED, DOOR, BUSY, ASLEEP, JOB = 8, 16, 24, 32, 40
CALLER = 41  # the core on which the last caller that found threads asleep was
SHUT = 1 << 32  # of the door's word, whose lower half is the number of those inside

_FUTEX, _WAIT, _WAKE = 202, 9 | 128, 10 | 128  # the system call; of chosen threads of this process
_CORES = 1024  # how many cores a set of them has room for
_KINDS = 32  # how many kinds of threads a wake can choose among
_EAGER, _PATIENCE, _POLITE = 128, 2048, 31
"""Looks (of some 40 ns) before a thread offers its core to others between looks, which it does
at every one of so many; looks before it sleeps."""


_DECLARED = """declare void @llvm.x86.sse2.pause()
declare i32 @sched_yield()
declare i32 @sched_getcpu()
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @sched_setaffinity(i32, i64, ptr)
declare i64 @syscall(i64, ...)
"""

# Before another look, offer the core to others between some.
_AGAIN = f"""  call void @llvm.x86.sse2.pause()
  %looks1 = add nuw nsw i64 %looks, 1
  %early = icmp ult i64 %looks, {_EAGER}
  %place = and i64 %looks, {_POLITE}
  %between = icmp ne i64 %place, 0
  %hurry = or i1 %early, %between
  br i1 %hurry, label %again, label %offer
offer:
  %offered = call i32 @sched_yield()
  br label %again
again:
  br label %look
"""


def join(cell: str) -> str:
    """How a caller has the team run the job in %job, in blocks of `wg.parallel`.

    They go on to %done, or to %pool if the team is busy. `cell` has a place for a cell's number.
    """
    if not SUPPORTED:
        return "  br label %pool"
    return f"""
  %claim = cmpxchg ptr {cell % BUSY}, i64 0, i64 1 seq_cst seq_cst
  %claimed = extractvalue {{ i64, i1 }} %claim, 1
  br i1 %claimed, label %open, label %pool
open:
  store atomic ptr %job, ptr {cell % JOB} monotonic, align 8
  %shut = atomicrmw and ptr {cell % DOOR}, i64 {SHUT - 1} seq_cst
  %before = atomicrmw add ptr {cell % ANNOUNCED}, i64 1 seq_cst
  %asleep = load atomic i64, ptr {cell % ASLEEP} seq_cst, align 8
  %anyone = icmp ne i64 %asleep, 0
  br i1 %anyone, label %wake, label %lead
wake:
  %core = call i32 @sched_getcpu()
  %wide = sext i32 %core to i64
  store atomic i64 %wide, ptr {cell % CALLER} monotonic, align 8
  %kinds = call i64 @llvm.umin.i64(i64 %team, i64 {_KINDS})
  %power = shl i64 1, %kinds
  %chosen = sub i64 %power, 1
  %woken = call i64 (i64, ...) @syscall(i64 {_FUTEX}, ptr {cell % ANNOUNCED}, i64 {_WAKE},
    i64 2147483647, i64 0, i64 0, i64 %chosen)
  br label %lead
lead:
  call void @wg.share(i64 0, ptr %job)
  %last = atomicrmw or ptr {cell % DOOR}, i64 {SHUT} seq_cst
  br label %look
look:
  %looks = phi i64 [ 0, %lead ], [ %looks1, %again ]
  %word = load atomic i64, ptr {cell % DOOR} acquire, align 8
  %empty = icmp eq i64 %word, {SHUT}
  br i1 %empty, label %free, label %stay
stay:
{_AGAIN}free:
  store atomic i64 0, ptr {cell % BUSY} release, align 8
  br label %done
"""


def text(cell: str) -> str:
    """What `join` needs, and ptr TEAM_THREAD(ptr number), which never returns."""
    if not SUPPORTED:
        return ""
    return f"""
{_DECLARED}{_apart(cell)}
define ptr @{TEAM_THREAD}(ptr %number) nounwind {{
start:
  %me = ptrtoint ptr %number to i64
  %kind = urem i64 %me, {_KINDS}
  %own = shl i64 1, %kind
  %first = load atomic i64, ptr {cell % ANNOUNCED} seq_cst, align 8
  br label %look
look:
  %seen = phi i64 [ %first, %start ], [ %seen, %again ], [ %now, %leave ], [ %now, %other ],
    [ %seen, %up ]
  %looks = phi i64 [ 0, %start ], [ %looks1, %again ], [ 0, %leave ], [ %looks, %other ], [ 0, %up ]
  %now = load atomic i64, ptr {cell % ANNOUNCED} acquire, align 8
  %old = icmp eq i64 %now, %seen
  br i1 %old, label %wait, label %enter
enter:
  %word = atomicrmw add ptr {cell % DOOR}, i64 1 seq_cst
  %shut = icmp uge i64 %word, {SHUT}
  br i1 %shut, label %other, label %inside
inside:
  %job = load atomic ptr, ptr {cell % JOB} monotonic, align 8
  %pteam = getelementptr inbounds i64, ptr %job, i64 1
  %team = load i64, ptr %pteam
  %wanted = icmp ult i64 %me, %team
  br i1 %wanted, label %work, label %other
work:
  call void @wg.share(i64 %me, ptr %job)
  br label %leave
leave:
  %out = atomicrmw sub ptr {cell % DOOR}, i64 1 seq_cst
  br label %look
other:
  %off = atomicrmw sub ptr {cell % DOOR}, i64 1 seq_cst
  br label %look
wait:
  %tired = icmp ugt i64 %looks, {_PATIENCE}
  br i1 %tired, label %bed, label %stay
stay:
{_AGAIN}{_bed(cell)}}}
"""


def _bed(cell: str) -> str:
    """How a thread that has looked long enough sleeps until it is woken."""
    return f"""bed:
  %down = atomicrmw add ptr {cell % ASLEEP}, i64 1 seq_cst
  %slept = call i64 (i64, ...) @syscall(i64 {_FUTEX}, ptr {cell % ANNOUNCED}, i64 {_WAIT},
    i64 %seen, i64 0, i64 0, i64 %own)
  br label %up
up:
  %awake = atomicrmw sub ptr {cell % ASLEEP}, i64 1 seq_cst
  call void @wg.apart()
  br label %look
"""


def _apart(cell: str) -> str:
    """How a thread leaves the caller's core, unless it may run on no other.

    It may run on the same cores afterwards as before. Where there are more cores than a set has
    room for, the calls fail and it stays.
    """
    cores = _CORES // 64
    return f"""define internal void @wg.apart() nounwind {{
start:
  %core = call i32 @sched_getcpu()
  %wide = sext i32 %core to i64
  %caller = load atomic i64, ptr {cell % CALLER} monotonic, align 8
  %behind = icmp eq i64 %wide, %caller
  %room = icmp ult i64 %wide, {_CORES}
  %try = and i1 %behind, %room
  br i1 %try, label %ask, label %done
ask:
  %allowed = alloca [{cores} x i64], align 64
  call void @llvm.memset.p0.i64(ptr align 64 %allowed, i8 0, i64 {_CORES // 8}, i1 false)
  %asked = call i32 @sched_getaffinity(i32 0, i64 {_CORES // 8}, ptr %allowed)
  %failed = icmp slt i32 %asked, 0
  br i1 %failed, label %done, label %move
move:
  %others = alloca [{cores} x i64], align 64
  call void @llvm.memcpy.p0.p0.i64(ptr align 64 %others, ptr align 64 %allowed, i64 {_CORES // 8},
    i1 false)
  %word = lshr i64 %wide, 6
  %place = and i64 %wide, 63
  %bit = shl i64 1, %place
  %mask = xor i64 %bit, -1
  %slot = getelementptr inbounds i64, ptr %others, i64 %word
  %with = load i64, ptr %slot
  %without = and i64 %with, %mask
  store i64 %without, ptr %slot
  %moved = call i32 @sched_setaffinity(i32 0, i64 {_CORES // 8}, ptr %others)
  %stays = icmp slt i32 %moved, 0
  br i1 %stays, label %done, label %restore
restore:
  %restored = call i32 @sched_setaffinity(i32 0, i64 {_CORES // 8}, ptr %allowed)
  br label %done
done:
  ret void
}}
"""
