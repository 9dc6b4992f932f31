"""What all compiled programs call, in LLVM text, compiled once: threads, failures, BLAS's threads.

Cells of `wengert_runtime` (see `threads.py`): 0 the pool's parallel loop, 1 its thread count, 2 an
idle arena, 4 how many programs run that call a BLAS, 5 the BLAS's own thread count, from 8 on those
of the team (`team_text.py`).
"""

from __future__ import annotations

from wengert.backends.cpu.routines import team_text

PLAN = "wengert_plan"  # what every program exports
RUNTIME = "wengert_runtime"
CELLS = 48
TEAM = 128  # the most threads that a loop is spread over

MAIN, FAIL, PARALLEL, POLL = "wg.main", "wg.fail", "wg.parallel", "wg.poll"
LAUNCH = "wg.launch"
MOST_POINTERS = 20  # of kernels that are called through a function of the runtime
SERIAL = -1  # the number of chunks of a kernel that has none
FAILURE = -(2**63)  # the pointer to the record of failures, where a plan names addresses
POLL_EVERY = 1 << 16  # turns of a while loop between two looks for signals
INTERRUPTED = -1  # the failure code under which Python's own exception is waiting
BLAS_BEGIN, BLAS_END = "wg.blas.begin", "wg.blas.end"


def caller(pointers: int) -> str:
    """The function that calls a kernel of so many pointers."""
    return f"wg.call.{pointers}"


DECLARATIONS = {
    MAIN: ("i64", "ptr, ptr, ptr, ptr"),
    FAIL: ("void", "ptr, i64, i64"),
    PARALLEL: ("void", "ptr, ptr, i64, i64"),
    LAUNCH: ("void", "ptr, i64"),
    POLL: ("i64", "ptr"),
    **({team_text.TEAM_THREAD: ("ptr", "ptr")} if team_text.SUPPORTED else {}),
    BLAS_BEGIN: ("void", ""),
    BLAS_END: ("void", ""),
    **{caller(n): ("i64", "i64, ptr") for n in range(MOST_POINTERS + 1)},
}

_CELL = f"getelementptr inbounds (i64, ptr @{RUNTIME}, i64 %s)"

# Note failure number %code, counted from 1, unless another thread has noted one before.
_FAIL = f"""
@{RUNTIME} = external global [{CELLS} x i64]
define void @{FAIL}(ptr %failure, i64 %code, i64 %value) nounwind {{
  %swapped = cmpxchg ptr %failure, i64 0, i64 %code seq_cst seq_cst
  %first = extractvalue {{ i64, i1 }} %swapped, 1
  br i1 %first, label %store, label %done
store:
  %slot = getelementptr inbounds i64, ptr %failure, i64 1
  store i64 %value, ptr %slot
  br label %done
done:
  ret void
}}
"""

# What one thread of the team does: run the chunks of its own share of each step, one step after the
# other, then those that are left of the others' shares. Each share has a counter, on a cache line
# of its own, from which the next chunk is taken; so a thread that the system has put aside holds up
# one chunk at most. The count goes through all steps: chunk %taken is that of step %number with
# this number less %base, the chunks of the share in the steps before. A job is {counters, team,
# steps, number of them}, a step {function, table, first chunk, number of chunks}.
_SHARE = """
define internal void @wg.share(i64 %me, ptr %job) nounwind {
start:
  %counters = load ptr, ptr %job
  %pteam = getelementptr inbounds i64, ptr %job, i64 1
  %team = load i64, ptr %pteam
  %psteps = getelementptr inbounds i64, ptr %job, i64 2
  %steps = load ptr, ptr %psteps
  %pnumbers = getelementptr inbounds i64, ptr %job, i64 3
  %numbers = load i64, ptr %pnumbers
  br label %share
share:
  %turn = phi i64 [ 0, %start ], [ %turn1, %exhausted ]
  %ahead = add nuw nsw i64 %me, %turn
  %owner = urem i64 %ahead, %team
  %line = mul nuw nsw i64 %owner, 8
  %counter = getelementptr inbounds i64, ptr %counters, i64 %line
  %first = atomicrmw add ptr %counter, i64 1 monotonic
  br label %enter
enter:
  %number = phi i64 [ 0, %share ], [ %number1, %advance ]
  %base = phi i64 [ 0, %share ], [ %base1, %advance ]
  %came = phi i64 [ %first, %share ], [ %taken, %advance ]
  %all = icmp eq i64 %number, %numbers
  br i1 %all, label %exhausted, label %step
step:
  %function.at = getelementptr inbounds [4 x i64], ptr %steps, i64 %number
  %function = load ptr, ptr %function.at
  %table.at = getelementptr inbounds i64, ptr %function.at, i64 1
  %table = load ptr, ptr %table.at
  %begin.at = getelementptr inbounds i64, ptr %function.at, i64 2
  %begin = load i64, ptr %begin.at
  %count.at = getelementptr inbounds i64, ptr %function.at, i64 3
  %count = load i64, ptr %count.at
  %scaled = mul nuw nsw i64 %owner, %count
  %low = udiv i64 %scaled, %team
  %scaled1 = add nuw nsw i64 %scaled, %count
  %high = udiv i64 %scaled1, %team
  %size = sub nuw nsw i64 %high, %low
  %place = add nsw i64 %begin, %low
  br label %check
check:
  %taken = phi i64 [ %came, %step ], [ %next, %run ]
  %rest = sub nuw nsw i64 %taken, %base
  %left = icmp ult i64 %rest, %size
  br i1 %left, label %run, label %advance
run:
  %chunk = add nsw i64 %place, %rest
  %status = call i64 %function(i64 %chunk, ptr %table)
  %next = atomicrmw add ptr %counter, i64 1 monotonic
  br label %check
advance:
  %base1 = add nuw nsw i64 %base, %size
  %number1 = add nuw nsw i64 %number, 1
  br label %enter
exhausted:
  %turn1 = add nuw nsw i64 %turn, 1
  %more = icmp ult i64 %turn1, %team
  br i1 %more, label %share, label %done
done:
  ret void
}
"""

# The pool calls a worker with args[0] advanced by steps[0] times the worker's number; as it leaves
# null alone, counting starts at address 1.
_WORKER = """
@wg.one = internal constant i64 1
define internal void @wg.worker(ptr %args, ptr %dims, ptr %ones, ptr %job) nounwind {
  %address = load i64, ptr %args
  %me = sub nsw i64 %address, 1
  call void @wg.share(i64 %me, ptr %job)
  ret void
}
"""

# Run all chunks of %numbers steps, one or more, on the team's threads or, if they have other work,
# on the pool's: at most as many of them as the step of the most chunks has.
_LAUNCH = f"""
declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.umax.i64(i64, i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
define void @{LAUNCH}(ptr %steps, i64 %numbers) nounwind {{
start:
  %threads = load atomic i64, ptr {_CELL % 1} monotonic, align 8
  br label %measure
measure:
  %n = phi i64 [ 0, %start ], [ %n1, %measure ]
  %most = phi i64 [ 0, %start ], [ %most1, %measure ]
  %size.at = getelementptr inbounds [4 x i64], ptr %steps, i64 %n, i64 3
  %size = load i64, ptr %size.at
  %most1 = call i64 @llvm.umax.i64(i64 %most, i64 %size)
  %n1 = add nuw nsw i64 %n, 1
  %another = icmp ult i64 %n1, %numbers
  br i1 %another, label %measure, label %choose
choose:
  %limit = call i64 @llvm.umin.i64(i64 %most1, i64 {TEAM})
  %team = call i64 @llvm.umin.i64(i64 %threads, i64 %limit)
  %many = icmp ugt i64 %team, 1
  br i1 %many, label %share, label %alone
share:
  %counters = alloca [{8 * TEAM} x i64], align 64
  %bytes = mul nuw nsw i64 %team, 64
  call void @llvm.memset.p0.i64(ptr align 64 %counters, i8 0, i64 %bytes, i1 false)
  %job = alloca [4 x i64], align 64
  store ptr %counters, ptr %job
  %job1 = getelementptr inbounds i64, ptr %job, i64 1
  store i64 %team, ptr %job1
  %job2 = getelementptr inbounds i64, ptr %job, i64 2
  store ptr %steps, ptr %job2
  %job3 = getelementptr inbounds i64, ptr %job, i64 3
  store i64 %numbers, ptr %job3
{team_text.join(_CELL)}
pool:
  %dims = alloca i64
  store i64 %team, ptr %dims
  %args = alloca i64
  store i64 1, ptr %args
  %run = load ptr, ptr @{RUNTIME}
  %size32 = trunc i64 %team to i32
  call void %run(ptr @wg.worker, ptr %args, ptr %dims, ptr @wg.one,
    ptr %job, i64 0, i64 1, i32 %size32)
  br label %done
alone:
  %number = phi i64 [ 0, %choose ], [ %number1, %stepped ]
  %function.at = getelementptr inbounds [4 x i64], ptr %steps, i64 %number
  %function = load ptr, ptr %function.at
  %table.at = getelementptr inbounds i64, ptr %function.at, i64 1
  %table = load ptr, ptr %table.at
  %begin.at = getelementptr inbounds i64, ptr %function.at, i64 2
  %begin = load i64, ptr %begin.at
  %count.at = getelementptr inbounds i64, ptr %function.at, i64 3
  %count = load i64, ptr %count.at
  %some = icmp ugt i64 %count, 0
  br i1 %some, label %loop, label %stepped
loop:
  %k = phi i64 [ 0, %alone ], [ %k1, %loop ]
  %chunk = add nsw i64 %begin, %k
  %status = call i64 %function(i64 %chunk, ptr %table)
  %k1 = add nuw nsw i64 %k, 1
  %more = icmp ult i64 %k1, %count
  br i1 %more, label %loop, label %stepped
stepped:
  %number1 = add nuw nsw i64 %number, 1
  %further = icmp ult i64 %number1, %numbers
  br i1 %further, label %alone, label %done
done:
  ret void
}}
"""

# Call %function(chunk, %table) for %count chunk numbers from %begin, on threads in the same way.
_PARALLEL = f"""
define void @{PARALLEL}(ptr %function, ptr %table, i64 %begin, i64 %count) nounwind {{
  %step = alloca [4 x i64], align 32
  store ptr %function, ptr %step
  %table.at = getelementptr inbounds i64, ptr %step, i64 1
  store ptr %table, ptr %table.at
  %begin.at = getelementptr inbounds i64, ptr %step, i64 2
  store i64 %begin, ptr %begin.at
  %count.at = getelementptr inbounds i64, ptr %step, i64 3
  store i64 %count, ptr %count.at
  call void @{LAUNCH}(ptr %step, i64 1)
  ret void
}}
"""

# While a program with matrix products runs, the BLAS is told to use one thread. Programs may run
# at the same time; the last one to end gives the BLAS its threads back.
_BLAS = f"""
declare i32 @blasthreads.get()
declare void @blasthreads.set(i32)
define void @{BLAS_BEGIN}() nounwind {{
  %before = atomicrmw add ptr {_CELL % 4}, i64 1 seq_cst
  %threads = call i32 @blasthreads.get()
  %many = icmp sgt i32 %threads, 1
  br i1 %many, label %set, label %done
set:
  %kept = sext i32 %threads to i64
  store atomic i64 %kept, ptr {_CELL % 5} seq_cst, align 8
  call void @blasthreads.set(i32 1)
  br label %done
done:
  ret void
}}
define void @{BLAS_END}() nounwind {{
  %before = atomicrmw sub ptr {_CELL % 4}, i64 1 seq_cst
  %last = icmp eq i64 %before, 1
  br i1 %last, label %check, label %done
check:
  %kept = load atomic i64, ptr {_CELL % 5} seq_cst, align 8
  %many = icmp sgt i64 %kept, 1
  br i1 %many, label %set, label %done
set:
  %threads = trunc i64 %kept to i32
  call void @blasthreads.set(i32 %threads)
  br label %done
done:
  ret void
}}
"""

# Whether the user has interrupted (Ctrl-C). Programs with while loops run without the GIL. In the
# main thread a signal's handler runs here, and the exception it raises waits in the thread's state.
_POLL = f"""
declare i32 @PyGILState_Ensure()
declare i32 @PyErr_CheckSignals()
declare void @PyGILState_Release(i32)
define i64 @{POLL}(ptr %failure) nounwind {{
  %state = call i32 @PyGILState_Ensure()
  %raised = call i32 @PyErr_CheckSignals()
  call void @PyGILState_Release(i32 %state)
  %none = icmp eq i32 %raised, 0
  br i1 %none, label %go, label %stop
go:
  ret i64 0
stop:
  %swapped = cmpxchg ptr %failure, i64 0, i64 {INTERRUPTED} seq_cst seq_cst
  ret i64 1
}}
"""

# Call a kernel, whose address is the first one of the table and whose pointers are the others.
_KERNEL_CALL = """
define {linkage} i64 @{name}(i64 %chunk, ptr %table) nounwind {{
  %kernel = load ptr, ptr %table
{loads}
  %status = call i64 %kernel({arguments})
  ret i64 %status
}}
"""


def kernel_call(pointers: int, linkage: str = "") -> str:
    """The text of `caller(pointers)`."""
    loads: list[str] = []
    for k in range(pointers):
        loads.append(f"  %s{k} = getelementptr inbounds ptr, ptr %table, i64 {k + 1}")
        loads.append(f"  %p{k} = load ptr, ptr %s{k}")
    arguments = ", ".join(["i64 %chunk", *(f"ptr %p{k}" for k in range(pointers))])
    return _KERNEL_CALL.format(
        linkage=linkage, name=caller(pointers), loads="\n".join(loads), arguments=arguments
    )


# Run a program: the steps of its plan (`llvm/calls.py` has the words), after which it returns 0, or
# 1 once one has failed.
_MAIN = f"""
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
define i64 @{MAIN}(ptr %arguments, ptr %arena, ptr %failure, ptr %plan) nounwind {{
start:
  %steps = load i64, ptr %plan
  %pmost = getelementptr inbounds i64, ptr %plan, i64 1
  %most = load i64, ptr %pmost
  %launch = alloca [4 x i64], i64 %most
  %pwidest = getelementptr inbounds i64, ptr %plan, i64 2
  %widest = load i64, ptr %pwidest
  %tables = alloca ptr, i64 %widest
  %pblas = getelementptr inbounds i64, ptr %plan, i64 3
  %blas = load i64, ptr %pblas
  %multiplies = icmp ne i64 %blas, 0
  %first = getelementptr inbounds i64, ptr %plan, i64 6
  br i1 %multiplies, label %begin, label %next
begin:
  call void @{BLAS_BEGIN}()
  br label %next
next:
  %number = phi i64 [ 0, %start ], [ 0, %begin ], [ %number1, %went ], [ %number1, %wait ]
  %step = phi ptr [ %first, %start ], [ %first, %begin ], [ %following, %went ],
    [ %following, %wait ]
  %waiting = phi i64 [ 0, %start ], [ 0, %begin ], [ 0, %went ], [ %waiting1, %wait ]
  %table = phi ptr [ %tables, %start ], [ %tables, %begin ], [ %tables, %went ], [ %table1, %wait ]
  %all = icmp eq i64 %number, %steps
  br i1 %all, label %out, label %one
one:
  %function = load ptr, ptr %step
  %pkernel = getelementptr inbounds i64, ptr %step, i64 1
  %kernel = load ptr, ptr %pkernel
  store ptr %kernel, ptr %table
  %pbegin = getelementptr inbounds i64, ptr %step, i64 2
  %from = load i64, ptr %pbegin
  %pcount = getelementptr inbounds i64, ptr %step, i64 3
  %count = load i64, ptr %pcount
  %pgoes = getelementptr inbounds i64, ptr %step, i64 4
  %goes = load i64, ptr %pgoes
  %psize = getelementptr inbounds i64, ptr %step, i64 5
  %size = load i64, ptr %psize
  %names = getelementptr inbounds i64, ptr %step, i64 6
  %pointers = getelementptr inbounds ptr, ptr %table, i64 1
  %following = getelementptr inbounds i64, ptr %names, i64 %size
  %none = icmp eq i64 %size, 0
  br i1 %none, label %filled, label %fill
fill:
  %k = phi i64 [ 0, %one ], [ %k1, %fill ]
  %pname = getelementptr inbounds i64, ptr %names, i64 %k
  %name = load i64, ptr %pname
  %isslot = icmp sge i64 %name, 0
  %index = select i1 %isslot, i64 %name, i64 0
  %slot = getelementptr inbounds ptr, ptr %arguments, i64 %index
  %address = load ptr, ptr %slot
  %offset = xor i64 %name, -1
  %place = getelementptr inbounds i8, ptr %arena, i64 %offset
  %isfailure = icmp eq i64 %name, {FAILURE}
  %own = select i1 %isfailure, ptr %failure, ptr %place
  %pointer = select i1 %isslot, ptr %address, ptr %own
  %entry = getelementptr inbounds ptr, ptr %pointers, i64 %k
  store ptr %pointer, ptr %entry
  %k1 = add nuw nsw i64 %k, 1
  %more = icmp ult i64 %k1, %size
  br i1 %more, label %fill, label %filled
filled:
  %number1 = add nuw nsw i64 %number, 1
  %iscopy = icmp eq ptr %function, null
  br i1 %iscopy, label %copy, label %run
copy:
  %psource = getelementptr inbounds ptr, ptr %pointers, i64 1
  %target = load ptr, ptr %pointers
  %source = load ptr, ptr %psource
  call void @llvm.memcpy.p0.p0.i64(ptr %target, ptr %source, i64 %count, i1 false)
  br label %went
run:
  %serial = icmp eq i64 %count, {SERIAL}
  br i1 %serial, label %call, label %parallel
call:
  %status = call i64 %function(i64 0, ptr %table)
  br label %went
parallel:
  %function.at = getelementptr inbounds [4 x i64], ptr %launch, i64 %waiting
  store ptr %function, ptr %function.at
  %table.at = getelementptr inbounds i64, ptr %function.at, i64 1
  store ptr %table, ptr %table.at
  %from.at = getelementptr inbounds i64, ptr %function.at, i64 2
  store i64 %from, ptr %from.at
  %count.at = getelementptr inbounds i64, ptr %function.at, i64 3
  store i64 %count, ptr %count.at
  %waiting1 = add nuw nsw i64 %waiting, 1
  %goeson = icmp ne i64 %goes, 0
  br i1 %goeson, label %wait, label %go
wait:
  %table1 = getelementptr inbounds ptr, ptr %pointers, i64 %size
  br label %next
go:
  call void @{LAUNCH}(ptr %launch, i64 %waiting1)
  %noted = load i64, ptr %failure
  br label %went
went:
  %failed = phi i64 [ 0, %copy ], [ %status, %call ], [ %noted, %go ]
  %fine = icmp eq i64 %failed, 0
  br i1 %fine, label %next, label %stop
stop:
  %pabandon = getelementptr inbounds i64, ptr %plan, i64 4
  %abandon = load ptr, ptr %pabandon
  %begun = icmp ne ptr %abandon, null
  br i1 %begun, label %drop, label %out
drop:
  %ptext = getelementptr inbounds i64, ptr %plan, i64 5
  %text = load ptr, ptr %ptext
  %ignored = call i64 %abandon(ptr %text, ptr null)
  br label %out
out:
  %result = phi i64 [ 0, %next ], [ 1, %stop ], [ 1, %drop ]
  br i1 %multiplies, label %end, label %done
end:
  call void @{BLAS_END}()
  br label %done
done:
  ret i64 %result
}}
"""

_CALLS = "".join(map(kernel_call, range(MOST_POINTERS + 1)))
_TEAM = team_text.text(_CELL)
RUNTIME_TEXT = "".join(
    (_CALLS, _MAIN, _FAIL, _SHARE, _WORKER, _LAUNCH, _PARALLEL, _TEAM, _BLAS, _POLL),
)
