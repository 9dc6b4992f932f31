"""The C entry of compiled programs, in LLVM text: one function for all programs.

    PyObject *wengert_entry(PyObject *self, PyObject *const *args, Py_ssize_t nargs)

`self` is a tuple whose first item is a bytes object, the specification: 64-bit words that
`entry.py` writes. The function checks the arguments against it, allocates the outputs and the
arena, runs the program's plan, and returns a tuple of results. A result in the memory of
a donated argument is that argument. An argument that is not exactly as specified, or is donated
and overlaps another, makes it return NotImplemented before anything was done.

Words of the specification: see the constants below. Records of arguments and results follow one
another, each as long as its dimensions require.
"""

from __future__ import annotations

from wengert.backends.cpu.routines.runtime_text import INTERRUPTED, MAIN

ENTRY = "wengert_entry"

# words at the start of the specification
(
    INPUTS,
    CONSTANTS,
    OUTPUTS,
    PROGRAM,
    ARENA,
    RELEASE,
    FAIL,
    FIRST_INPUT,
    FIRST_CONSTANT,
    FIRST_OUTPUT,
    DONATED,
    FIRST_DONATED,
    FIRST_SIZE,
) = range(13)
HEADER_WORDS = 13
# words of an argument's record: dimensions, two accepted type numbers, two accepted scalar types,
# the flags that an array must have
INPUT_WORDS = 6
# words of a result's record: dimensions, dtype object, the donated argument whose memory it has
OUTPUT_WORDS = 3
# an array's flags: C-contiguous, aligned; a donated argument's also writeable
PLAIN, OWN = 1 | 256, 1 | 256 | 1024

SMALL_ARENA = 32 * 1024  # arenas up to this size are on the stack
# Larger ones than this ask for huge pages, where Linux gives them to those who ask: temporaries are
# often read across, and with small pages each step is another page.
LARGE_ARENA, HUGE_PAGE, WANT_HUGE = 1 << 21, 1 << 21, 14  # the last is MADV_HUGEPAGE

# byte offsets in CPython's and NumPy's objects; `entry.py` verifies them
OBJECT_TYPE = 8
SCALAR_VALUE = 16
BYTES_VALUE = 32
TUPLE_ITEMS = 24
ARRAY_DATA, ARRAY_NDIM, ARRAY_SHAPE, ARRAY_DTYPE, ARRAY_FLAGS = 16, 24, 32, 56, 64
DTYPE_ORDER, DTYPE_NUMBER = 26, 28

# numbers in NumPy's table of C functions (__multiarray_api.h)
API_SCALAR, API_NEW_FROM_DTYPE = 60, 94

_DECLARATIONS = """
@py.ndarray = external global i8
@py.NotImplemented = external global i8
@py.format = internal constant [3 x i8] c"LL\\00"
@wengert_runtime = external global [8 x i64]
declare ptr @npy.60(ptr, ptr, ptr)
declare ptr @npy.94(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare ptr @PyTuple_New(i64)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyObject_CallFunction(ptr, ptr, ...)
declare ptr @PyErr_NoMemory()
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare noalias ptr @aligned_alloc(i64, i64)
declare i32 @madvise(ptr, i64, i32)
declare void @free(ptr)

; word number %index of the specification or of a record
define internal i64 @word(ptr %words, i64 %index) alwaysinline {
  %p = getelementptr inbounds i64, ptr %words, i64 %index
  %v = load i64, ptr %p
  ret i64 %v
}

; a field of an object
define internal ptr @field(ptr %object, i64 %offset) alwaysinline {
  %p = getelementptr inbounds i8, ptr %object, i64 %offset
  %v = load ptr, ptr %p
  ret ptr %v
}
"""

# The address of an argument's elements, or null if it is not as its record says.
_ARGUMENT = f"""
define internal ptr @argument(ptr %object, ptr %record) {{
start:
  %type = call ptr @field(ptr %object, i64 {OBJECT_TYPE})
  %isarray = icmp eq ptr %type, @py.ndarray
  br i1 %isarray, label %array, label %scalar
scalar:
  %number = ptrtoint ptr %type to i64
  %accepted1 = call i64 @word(ptr %record, i64 3)
  %accepted2 = call i64 @word(ptr %record, i64 4)
  %is1 = icmp eq i64 %number, %accepted1
  %is2 = icmp eq i64 %number, %accepted2
  %isscalar = or i1 %is1, %is2
  %value = getelementptr inbounds i8, ptr %object, i64 {SCALAR_VALUE}
  %result = select i1 %isscalar, ptr %value, ptr null
  ret ptr %result
array:
  %pflags = getelementptr inbounds i8, ptr %object, i64 {ARRAY_FLAGS}
  %flags = load i32, ptr %pflags
  %wantedflags = call i64 @word(ptr %record, i64 5)
  %mask = trunc i64 %wantedflags to i32
  %needed = and i32 %flags, %mask
  %ordered = icmp eq i32 %needed, %mask
  br i1 %ordered, label %dtype, label %no
dtype:
  %descr = call ptr @field(ptr %object, i64 {ARRAY_DTYPE})
  %pnumber = getelementptr inbounds i8, ptr %descr, i64 {DTYPE_NUMBER}
  %typenum32 = load i32, ptr %pnumber
  %typenum = sext i32 %typenum32 to i64
  %num1 = call i64 @word(ptr %record, i64 1)
  %num2 = call i64 @word(ptr %record, i64 2)
  %isnum1 = icmp eq i64 %typenum, %num1
  %isnum2 = icmp eq i64 %typenum, %num2
  %isnum = or i1 %isnum1, %isnum2
  %porder = getelementptr inbounds i8, ptr %descr, i64 {DTYPE_ORDER}
  %order = load i8, ptr %porder
  %native = icmp ne i8 %order, {ord(">")}
  %pndim = getelementptr inbounds i8, ptr %object, i64 {ARRAY_NDIM}
  %ndim32 = load i32, ptr %pndim
  %ndim = sext i32 %ndim32 to i64
  %wanted = call i64 @word(ptr %record, i64 0)
  %samendim = icmp eq i64 %ndim, %wanted
  %good1 = and i1 %isnum, %native
  %good = and i1 %good1, %samendim
  br i1 %good, label %shape, label %no
shape:
  %dims = call ptr @field(ptr %object, i64 {ARRAY_SHAPE})
  %expected = getelementptr inbounds i64, ptr %record, i64 {INPUT_WORDS}
  br label %next
next:
  %k = phi i64 [ 0, %shape ], [ %k1, %more ]
  %finished = icmp eq i64 %k, %ndim
  br i1 %finished, label %yes, label %more
more:
  %found = call i64 @word(ptr %dims, i64 %k)
  %want = call i64 @word(ptr %expected, i64 %k)
  %k1 = add i64 %k, 1
  %same = icmp eq i64 %found, %want
  br i1 %same, label %next, label %no
yes:
  %data = call ptr @field(ptr %object, i64 {ARRAY_DATA})
  ret ptr %data
no:
  ret ptr null
}}
"""

# Whether no donated argument overlaps another argument.
_APART = f"""
define internal i1 @apart(ptr %spec, ptr %table) {{
start:
  %inputs = call i64 @word(ptr %spec, i64 {INPUTS})
  %count = call i64 @word(ptr %spec, i64 {DONATED})
  %offset = call i64 @word(ptr %spec, i64 {FIRST_DONATED})
  %numbers = getelementptr inbounds i64, ptr %spec, i64 %offset
  %sizeoffset = call i64 @word(ptr %spec, i64 {FIRST_SIZE})
  %sizes = getelementptr inbounds i64, ptr %spec, i64 %sizeoffset
  br label %next
next:
  %k = phi i64 [ 0, %start ], [ %k1, %compared ]
  %finished = icmp eq i64 %k, %count
  br i1 %finished, label %yes, label %one
one:
  %number = call i64 @word(ptr %numbers, i64 %k)
  %first = call i64 @word(ptr %table, i64 %number)
  %size = call i64 @word(ptr %sizes, i64 %number)
  %last = add i64 %first, %size
  br label %compare
compare:
  %j = phi i64 [ 0, %one ], [ %j1, %compare ]
  %met = phi i1 [ false, %one ], [ %met1, %compare ]
  %otherfirst = call i64 @word(ptr %table, i64 %j)
  %othersize = call i64 @word(ptr %sizes, i64 %j)
  %otherlast = add i64 %otherfirst, %othersize
  %before = icmp ult i64 %otherfirst, %last
  %after = icmp ult i64 %first, %otherlast
  %differs = icmp ne i64 %j, %number
  %overlap = and i1 %before, %after
  %hit = and i1 %overlap, %differs
  %met1 = or i1 %met, %hit
  %j1 = add i64 %j, 1
  %all = icmp eq i64 %j1, %inputs
  br i1 %all, label %compared, label %compare
compared:
  %k1 = add i64 %k, 1
  br i1 %met1, label %no, label %next
yes:
  ret i1 true
no:
  ret i1 false
}}
"""

# One idle arena is kept for the next call of any program, in cell 2 of the runtime block; its
# first word is its size. A caller takes it by exchanging it for null, so that two never share it.
_ARENA = f"""
define internal ptr @take_arena(i64 %size) {{
start:
  %slot = getelementptr inbounds i64, ptr @wengert_runtime, i64 2
  %number = atomicrmw xchg ptr %slot, i64 0 acquire
  %idle = inttoptr i64 %number to ptr
  %none = icmp eq i64 %number, 0
  br i1 %none, label %allocate, label %compare
compare:
  %has = load i64, ptr %idle
  %enough = icmp uge i64 %has, %size
  br i1 %enough, label %use, label %drop
use:
  ret ptr %idle
drop:
  call void @free(ptr %idle)
  br label %allocate
allocate:
  %whole = add i64 %size, 64
  %large = icmp uge i64 %size, {LARGE_ARENA}
  %alignment = select i1 %large, i64 {HUGE_PAGE}, i64 64
  %made = call ptr @aligned_alloc(i64 %alignment, i64 %whole)
  %failed = icmp eq ptr %made, null
  br i1 %failed, label %out, label %sized
sized:
  br i1 %large, label %advise, label %note
advise:
  %ignored = call i32 @madvise(ptr %made, i64 %whole, i32 {WANT_HUGE})
  br label %note
note:
  store i64 %size, ptr %made
  br label %out
out:
  ret ptr %made
}}

define internal void @put_arena(ptr %arena) {{
start:
  %slot = getelementptr inbounds i64, ptr @wengert_runtime, i64 2
  %number = ptrtoint ptr %arena to i64
  %old = atomicrmw xchg ptr %slot, i64 %number acq_rel
  %rest = inttoptr i64 %old to ptr
  call void @free(ptr %rest)
  ret void
}}
"""

# Create the result tuple: arrays go in at once, and numbers after the run, from %numbers.
_RESULTS = f"""
define internal ptr @new_results(ptr %spec, ptr %table, ptr %numbers, ptr %args) {{
start:
  %count = call i64 @word(ptr %spec, i64 {OUTPUTS})
  %results = call ptr @PyTuple_New(i64 %count)
  %nothing = icmp eq ptr %results, null
  br i1 %nothing, label %out, label %begin
out:
  ret ptr null
begin:
  %offset = call i64 @word(ptr %spec, i64 {FIRST_OUTPUT})
  %first = getelementptr inbounds i64, ptr %spec, i64 %offset
  %items = getelementptr inbounds i8, ptr %results, i64 {TUPLE_ITEMS}
  br label %next
next:
  %k = phi i64 [ 0, %begin ], [ %k1, %placed ]
  %record = phi ptr [ %first, %begin ], [ %after, %placed ]
  %finished = icmp eq i64 %k, %count
  br i1 %finished, label %done, label %one
one:
  %ndim = call i64 @word(ptr %record, i64 0)
  %isnumber = icmp eq i64 %ndim, 0
  br i1 %isnumber, label %number, label %array
number:
  %cell = getelementptr inbounds [2 x i64], ptr %numbers, i64 %k
  br label %placed
array:
  %donor = call i64 @word(ptr %record, i64 2)
  %item = getelementptr inbounds ptr, ptr %items, i64 %k
  %isnew = icmp slt i64 %donor, 0
  br i1 %isnew, label %new, label %given
given:
  %parg = getelementptr inbounds ptr, ptr %args, i64 %donor
  %arg = load ptr, ptr %parg
  call void @Py_IncRef(ptr %arg)
  store ptr %arg, ptr %item
  %owndata = call ptr @field(ptr %arg, i64 {ARRAY_DATA})
  br label %placed
new:
  %dtypeword = call i64 @word(ptr %record, i64 1)
  %dtype = inttoptr i64 %dtypeword to ptr
  call void @Py_IncRef(ptr %dtype)
  %dims = getelementptr inbounds i64, ptr %record, i64 {OUTPUT_WORDS}
  %ndim32 = trunc i64 %ndim to i32
  %made = call ptr @npy.94(ptr @py.ndarray, ptr %dtype, i32 %ndim32, ptr %dims,
    ptr null, ptr null, i32 0, ptr null)
  store ptr %made, ptr %item
  %failed = icmp eq ptr %made, null
  br i1 %failed, label %undo, label %filled
undo:
  call void @Py_DecRef(ptr %results)
  ret ptr null
filled:
  %data = call ptr @field(ptr %made, i64 {ARRAY_DATA})
  br label %placed
placed:
  %address = phi ptr [ %cell, %number ], [ %owndata, %given ], [ %data, %filled ]
  %place = getelementptr inbounds ptr, ptr %table, i64 %k
  store ptr %address, ptr %place
  %words = add i64 %ndim, {OUTPUT_WORDS}
  %after = getelementptr inbounds i64, ptr %record, i64 %words
  %k1 = add i64 %k, 1
  br label %next
done:
  ret ptr %results
}}

define internal ptr @with_numbers(ptr %spec, ptr %results, ptr %numbers) {{
start:
  %count = call i64 @word(ptr %spec, i64 {OUTPUTS})
  %offset = call i64 @word(ptr %spec, i64 {FIRST_OUTPUT})
  %first = getelementptr inbounds i64, ptr %spec, i64 %offset
  %items = getelementptr inbounds i8, ptr %results, i64 {TUPLE_ITEMS}
  br label %next
next:
  %k = phi i64 [ 0, %start ], [ %k1, %placed ]
  %record = phi ptr [ %first, %start ], [ %after, %placed ]
  %finished = icmp eq i64 %k, %count
  br i1 %finished, label %done, label %one
one:
  %ndim = call i64 @word(ptr %record, i64 0)
  %isnumber = icmp eq i64 %ndim, 0
  br i1 %isnumber, label %number, label %placed
number:
  %cell = getelementptr inbounds [2 x i64], ptr %numbers, i64 %k
  %dtypeword = call i64 @word(ptr %record, i64 1)
  %dtype = inttoptr i64 %dtypeword to ptr
  %made = call ptr @npy.60(ptr %cell, ptr %dtype, ptr null)
  %item = getelementptr inbounds ptr, ptr %items, i64 %k
  store ptr %made, ptr %item
  %failed = icmp eq ptr %made, null
  br i1 %failed, label %undo, label %placed
undo:
  call void @Py_DecRef(ptr %results)
  ret ptr null
placed:
  %words = add i64 %ndim, {OUTPUT_WORDS}
  %after = getelementptr inbounds i64, ptr %record, i64 %words
  %k1 = add i64 %k, 1
  br label %next
done:
  ret ptr %results
}}
"""

_RUN = f"""
declare i64 @{MAIN}(ptr, ptr, ptr, ptr)
; run the plan; the arena is the stack's, the idle one, or none
define internal i64 @run(ptr %spec, ptr %table, ptr %failure) {{
start:
  %planword = call i64 @word(ptr %spec, i64 {PROGRAM})
  %plan = inttoptr i64 %planword to ptr
  %size = call i64 @word(ptr %spec, i64 {ARENA})
  %releases = call i64 @word(ptr %spec, i64 {RELEASE})
  %release = icmp ne i64 %releases, 0
  br i1 %release, label %drop, label %held
drop:
  %state = call ptr @PyEval_SaveThread()
  br label %held
held:
  %thread = phi ptr [ null, %start ], [ %state, %drop ]
  %small = icmp ule i64 %size, {SMALL_ARENA}
  br i1 %small, label %stack, label %heap
stack:
  %local = alloca i8, i64 %size, align 64
  %status1 = call i64 @{MAIN}(ptr %table, ptr %local, ptr %failure, ptr %plan)
  br label %finished
heap:
  %block = call ptr @take_arena(i64 %size)
  %none = icmp eq ptr %block, null
  br i1 %none, label %finished, label %use
use:
  %arena = getelementptr inbounds i8, ptr %block, i64 64
  %status2 = call i64 @{MAIN}(ptr %table, ptr %arena, ptr %failure, ptr %plan)
  call void @put_arena(ptr %block)
  br label %finished
finished:
  %status = phi i64 [ %status1, %stack ], [ %status2, %use ], [ 2, %heap ]
  br i1 %release, label %retake, label %out
retake:
  call void @PyEval_RestoreThread(ptr %thread)
  br label %out
out:
  ret i64 %status
}}
"""

_ENTRY = f"""
define ptr @{ENTRY}(ptr %self, ptr %args, i64 %nargs) {{
start:
  %bytes = call ptr @field(ptr %self, i64 {TUPLE_ITEMS})
  %spec = getelementptr inbounds i8, ptr %bytes, i64 {BYTES_VALUE}
  %inputs = call i64 @word(ptr %spec, i64 {INPUTS})
  %constants = call i64 @word(ptr %spec, i64 {CONSTANTS})
  %outputs = call i64 @word(ptr %spec, i64 {OUTPUTS})
  %all1 = add i64 %inputs, %constants
  %all = add i64 %all1, %outputs
  %table = alloca ptr, i64 %all
  %numbers = alloca [2 x i64], i64 %outputs
  %failure = alloca [2 x i64]
  %counted = icmp eq i64 %nargs, %inputs
  br i1 %counted, label %begin, label %no
begin:
  %offset = call i64 @word(ptr %spec, i64 {FIRST_INPUT})
  %first = getelementptr inbounds i64, ptr %spec, i64 %offset
  br label %next
next:
  %k = phi i64 [ 0, %begin ], [ %k1, %good ]
  %record = phi ptr [ %first, %begin ], [ %after, %good ]
  %finished = icmp eq i64 %k, %inputs
  br i1 %finished, label %bound, label %one
one:
  %parg = getelementptr inbounds ptr, ptr %args, i64 %k
  %arg = load ptr, ptr %parg
  %data = call ptr @argument(ptr %arg, ptr %record)
  %bad = icmp eq ptr %data, null
  br i1 %bad, label %no, label %good
good:
  %place = getelementptr inbounds ptr, ptr %table, i64 %k
  store ptr %data, ptr %place
  %ndim = call i64 @word(ptr %record, i64 0)
  %words = add i64 %ndim, {INPUT_WORDS}
  %after = getelementptr inbounds i64, ptr %record, i64 %words
  %k1 = add i64 %k, 1
  br label %next
no:
  call void @Py_IncRef(ptr @py.NotImplemented)
  ret ptr @py.NotImplemented
bound:
  %fit = call i1 @apart(ptr %spec, ptr %table)
  br i1 %fit, label %fill, label %no
fill:
  %tail = getelementptr inbounds ptr, ptr %table, i64 %inputs
  %coffset = call i64 @word(ptr %spec, i64 {FIRST_CONSTANT})
  %csource = getelementptr inbounds i64, ptr %spec, i64 %coffset
  %nbytes = mul i64 %constants, 8
  call void @llvm.memcpy.p0.p0.i64(ptr %tail, ptr %csource, i64 %nbytes, i1 false)
  %outtable = getelementptr inbounds ptr, ptr %tail, i64 %constants
  %results = call ptr @new_results(ptr %spec, ptr %outtable, ptr %numbers, ptr %args)
  %nothing = icmp eq ptr %results, null
  br i1 %nothing, label %failed, label %ready
ready:
  store i64 0, ptr %failure
  %status = call i64 @run(ptr %spec, ptr %table, ptr %failure)
  %fine = icmp eq i64 %status, 0
  br i1 %fine, label %done, label %report
done:
  %complete = call ptr @with_numbers(ptr %spec, ptr %results, ptr %numbers)
  ret ptr %complete
report:
  call void @Py_DecRef(ptr %results)
  %nomemory = icmp eq i64 %status, 2
  br i1 %nomemory, label %memory, label %raise
memory:
  %ignored = call ptr @PyErr_NoMemory()
  ret ptr null
raise:
  %code = load i64, ptr %failure
  %interrupted = icmp eq i64 %code, {INTERRUPTED}
  br i1 %interrupted, label %failed, label %known
known:
  %callword = call i64 @word(ptr %spec, i64 {FAIL})
  %callable = inttoptr i64 %callword to ptr
  %number = sub i64 %code, 1
  %value = call i64 @word(ptr %failure, i64 1)
  %raised = call ptr (ptr, ptr, ...) @PyObject_CallFunction(ptr %callable,
    ptr @py.format, i64 %number, i64 %value)
  ret ptr %raised
failed:
  ret ptr null
}}
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""

ENTRY_TEXT = "".join((_DECLARATIONS, _ARGUMENT, _APART, _ARENA, _RESULTS, _RUN, _ENTRY))
