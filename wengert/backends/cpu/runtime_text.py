"""What all compiled programs call, in LLVM text, compiled once: threads, failures, BLAS's threads.

Cells of `wengert_runtime` (see `threads.py`): 0 the pool's parallel loop, 1 its thread count, 2 an
idle arena, 4 how many programs run that call a BLAS, 5 the BLAS's own thread count.
"""

from __future__ import annotations

MAIN = "wengert_main"  # the function that every program exports
RUNTIME = "wengert_runtime"
CELLS = 8
TEAM = 128  # the most threads that a loop is spread over

FAIL, PARALLEL, POLL = "wg.fail", "wg.parallel", "wg.poll"
POLL_EVERY = 1 << 16  # turns of a while loop between two looks for signals
INTERRUPTED = -1  # the failure code under which Python's own exception is waiting
BLAS_BEGIN, BLAS_END = "wg.blas.begin", "wg.blas.end"
DECLARATIONS = {
    FAIL: ("void", "ptr, i64, i64"),
    PARALLEL: ("void", "ptr, ptr, i64, i64"),
    POLL: ("i64", "ptr"),
    BLAS_BEGIN: ("void", ""),
    BLAS_END: ("void", ""),
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

# What one thread of the team does: run the chunks of its own share, then those that are left of
# the others'. Each share has a counter, on a cache line of its own, from which the next chunk is
# taken; so a thread that the system has put aside holds up one chunk at most. A job is {counters,
# team, count, start, function, table}. The pool calls a worker with args[0] advanced by steps[0]
# times the worker's number; as it leaves null alone, counting starts at address 1.
_WORKER = """
@wg.one = internal constant i64 1
define internal void @wg.worker(ptr %args, ptr %dims, ptr %steps, ptr %job) nounwind {
start:
  %address = load i64, ptr %args
  %me = sub nsw i64 %address, 1
  %counters = load ptr, ptr %job
  %pteam = getelementptr inbounds i64, ptr %job, i64 1
  %team = load i64, ptr %pteam
  %pcount = getelementptr inbounds i64, ptr %job, i64 2
  %count = load i64, ptr %pcount
  %pstart = getelementptr inbounds i64, ptr %job, i64 3
  %begin = load i64, ptr %pstart
  %pfunction = getelementptr inbounds i64, ptr %job, i64 4
  %function = load ptr, ptr %pfunction
  %ptable = getelementptr inbounds i64, ptr %job, i64 5
  %table = load ptr, ptr %ptable
  br label %share
share:
  %turn = phi i64 [ 0, %start ], [ %turn1, %exhausted ]
  %ahead = add nuw nsw i64 %me, %turn
  %owner = urem i64 %ahead, %team
  %scaled = mul nuw nsw i64 %owner, %count
  %first = udiv i64 %scaled, %team
  %scaled1 = add nuw nsw i64 %scaled, %count
  %last = udiv i64 %scaled1, %team
  %line = mul nuw nsw i64 %owner, 8
  %counter = getelementptr inbounds i64, ptr %counters, i64 %line
  br label %take
take:
  %taken = atomicrmw add ptr %counter, i64 1 monotonic
  %next = add nuw nsw i64 %first, %taken
  %left = icmp ult i64 %next, %last
  br i1 %left, label %run, label %exhausted
run:
  %chunk = add nsw i64 %next, %begin
  call void %function(i64 %chunk, ptr %table)
  br label %take
exhausted:
  %turn1 = add nuw nsw i64 %turn, 1
  %more = icmp ult i64 %turn1, %team
  br i1 %more, label %share, label %done
done:
  ret void
}
"""

# Call %function(chunk, %table) for %count chunk numbers from %begin, on the pool's threads.
_PARALLEL = f"""
declare i64 @llvm.umin.i64(i64, i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
define void @{PARALLEL}(ptr %function, ptr %table, i64 %begin, i64 %count) nounwind {{
start:
  %threads = load atomic i64, ptr {_CELL % 1} monotonic, align 8
  %most = call i64 @llvm.umin.i64(i64 %count, i64 {TEAM})
  %team = call i64 @llvm.umin.i64(i64 %threads, i64 %most)
  %many = icmp ugt i64 %team, 1
  br i1 %many, label %pool, label %alone
pool:
  %counters = alloca [{8 * TEAM} x i64], align 64
  %size = mul nuw nsw i64 %team, 64
  call void @llvm.memset.p0.i64(ptr align 64 %counters, i8 0, i64 %size, i1 false)
  %job = alloca [6 x i64], align 64
  store ptr %counters, ptr %job
  %job1 = getelementptr inbounds i64, ptr %job, i64 1
  store i64 %team, ptr %job1
  %job2 = getelementptr inbounds i64, ptr %job, i64 2
  store i64 %count, ptr %job2
  %job3 = getelementptr inbounds i64, ptr %job, i64 3
  store i64 %begin, ptr %job3
  %job4 = getelementptr inbounds i64, ptr %job, i64 4
  store ptr %function, ptr %job4
  %job5 = getelementptr inbounds i64, ptr %job, i64 5
  store ptr %table, ptr %job5
  %dims = alloca i64
  store i64 %team, ptr %dims
  %args = alloca i64
  store i64 1, ptr %args
  %run = load ptr, ptr @{RUNTIME}
  %size32 = trunc i64 %team to i32
  call void %run(ptr @wg.worker, ptr %args, ptr %dims, ptr @wg.one,
    ptr %job, i64 0, i64 1, i32 %size32)
  ret void
alone:
  %some = icmp ugt i64 %count, 0
  br i1 %some, label %loop, label %done
loop:
  %k = phi i64 [ 0, %alone ], [ %k1, %loop ]
  %chunk = add nsw i64 %begin, %k
  call void %function(i64 %chunk, ptr %table)
  %k1 = add nuw nsw i64 %k, 1
  %more = icmp ult i64 %k1, %count
  br i1 %more, label %loop, label %done
done:
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

RUNTIME_TEXT = "".join((_FAIL, _WORKER, _PARALLEL, _BLAS, _POLL))
