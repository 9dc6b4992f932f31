// The device layer for g++: each CUDA thread is a fiber, blocks run one after another.
//
// A fiber gives way only at barriers and shuffles. The scheduler runs all that can run, in an order
// that it shuffles each round, and then opens the barriers at which all have come. Threads that wait
// for one that has ended, or at another barrier, are reported. Kernels without barriers need no
// fibers: their threads run in a plain loop.
//
// The scheduler is compiled once, with WG_SCHEDULER, and linked to all kernels. These see headers of
// C alone, which are a fraction of C++'s to read, so functions of floats have their names with an f.

#include <math.h>
#include <stdint.h>
#include <string.h>

#define WG_DEVICE inline
#define WG_KERNEL(name, threads) extern "C" void name
#define WG_DYNAMIC(name) unsigned char* name = wg_host::running->block->shared

#if defined(__SANITIZE_ADDRESS__)
extern "C" void __asan_unpoison_memory_region(void const volatile*, size_t);
extern "C" void __asan_handle_no_return();
#endif

#pragma GCC visibility push(hidden)
namespace wg_host {

enum State { READY, AT_BLOCK, AT_WARP, AT_GRID, DONE };

struct Block;
struct Fiber {
  void* stack_pointer;
  State state;
  int thread;
  int turn;  // of its double-buffered shuffle slots
  uint64_t slot[2];
  Block* block;
};
struct Block {
  int index;
  unsigned char* shared;
  Fiber* fibers;  // one for each thread
};

extern Fiber* running;
extern int block_threads, grid_blocks;
void give_way(State state);

template <class T> static inline T exchange(T value, int mask) {
  Fiber* self = running;
  int turn = self->turn;
  self->turn ^= 1;
  memcpy(&self->slot[turn], &value, sizeof(T));
  give_way(AT_WARP);
  T other;
  memcpy(&other, &self->block->fibers[self->thread ^ mask].slot[turn], sizeof(T));
  return other;
}

}  // namespace wg_host
#pragma GCC visibility pop

#if defined(WG_SCHEDULER)

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <utility>
#include <vector>

#pragma GCC visibility push(hidden)
namespace wg_host {

Fiber* running;              // nullptr in a plain loop, but for `plain`
static void* scheduler;      // its stack pointer
int block_threads, grid_blocks;
static uint64_t random_state;
static char report[512];

static uint64_t next_random() {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

using Kernel = void (*)(...);
static Kernel kernel;
static void** parameters;
static int parameter_count;

// All parameters are pointers, so a call with more of them than a kernel takes is harmless.
constexpr int MANY = 1024;
template <size_t... K> static void call_with(std::index_sequence<K...>) {
  ((void (*)(decltype((void)K, (void*)nullptr)...))kernel)(parameters[K]...);
}
static void call_kernel() {
  if (parameter_count <= 8)
    call_with(std::make_index_sequence<8>());
  else if (parameter_count <= 64)
    call_with(std::make_index_sequence<64>());
  else
    call_with(std::make_index_sequence<MANY>());
}

// switch_stack(save, load): keeps the callee-saved registers on the stack that it leaves.
extern "C" void wg_switch_stack(void** save, void* load);
__asm__(
    ".text\n"
    ".type wg_switch_stack, @function\n"
    "wg_switch_stack:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n"
    "  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n"
    ".size wg_switch_stack, .-wg_switch_stack\n");

void give_way(State state) {
  running->state = state;
  Fiber* self = running;
  wg_switch_stack(&self->stack_pointer, scheduler);
}

static void fiber_main() {
  call_kernel();
  give_way(DONE);
  abort();  // an ended fiber is never resumed
}

constexpr size_t STACK = 64 * 1024;

static void start(Fiber& fiber, unsigned char* stack) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack, STACK);
#endif
  uint64_t* top = (uint64_t*)(((uintptr_t)stack + STACK) & ~(uintptr_t)15);
  *--top = 0;                     // the return address of fiber_main, never used
  *--top = (uint64_t)&fiber_main;  // where the first switch returns to
  for (int k = 0; k < 6; ++k) *--top = 0;
  fiber.stack_pointer = top;
}

static bool complain(const char* what, const Block& block, int waiting, int others) {
  snprintf(report, sizeof(report), "block %d: %d threads wait at %s, which %d others never reach",
           block.index, waiting, what, others);
  return false;
}

// Opens the barriers of one warp; false after a report.
static bool open_warp(Block& block, size_t first) {
  size_t last = first + 32 < (size_t)block_threads ? first + 32 : block_threads;
  int waiting = 0, others = 0;
  for (size_t k = first; k < last; ++k) {
    if (block.fibers[k].state == READY) return true;  // not all of them have run yet
    block.fibers[k].state == AT_WARP ? ++waiting : ++others;
  }
  if (waiting == 0) return true;
  if (others) return complain("a barrier of their warp", block, waiting, others);
  for (size_t k = first; k < last; ++k) block.fibers[k].state = READY;
  return true;
}

static int count(const Block& block, State state) {
  int found = 0;
  for (int k = 0; k < block_threads; ++k) found += block.fibers[k].state == state;
  return found;
}

// After all fibers have stopped: opens what can be opened; false after a report.
static bool open_barriers(std::vector<Block>& blocks) {
  int at_grid = 0, all = 0, done = 0;
  for (Block& block : blocks) {
    for (size_t first = 0; first < (size_t)block_threads; first += 32)
      if (!open_warp(block, first)) return false;
    int size = block_threads, waiting = count(block, AT_BLOCK);
    if (waiting && waiting == size) {
      for (int k = 0; k < block_threads; ++k) block.fibers[k].state = READY;
    } else if (waiting && count(block, READY) == 0) {
      return complain("a barrier of the block", block, waiting, size - waiting);
    }
    at_grid += count(block, AT_GRID);
    done += count(block, DONE);
    all += size;
  }
  if (at_grid && at_grid == all)
    for (Block& block : blocks)
      for (int k = 0; k < block_threads; ++k) block.fibers[k].state = READY;
  else if (at_grid && at_grid + done == all)
    return complain("a barrier of the grid", blocks[0], at_grid, done);
  return true;
}

// The fibers that can run, of all warps or of about half of them: some warps run far ahead, so that
// a barrier of the block shows where one is missing.
static void choose(std::vector<Block>& blocks, std::vector<Fiber*>& order, bool all) {
  order.clear();
  for (Block& block : blocks)
    for (size_t first = 0; first < (size_t)block_threads; first += 32) {
      if (!all && next_random() % 2) continue;
      for (size_t k = first; k < first + 32 && k < (size_t)block_threads; ++k)
        if (block.fibers[k].state == READY) order.push_back(&block.fibers[k]);
    }
}

static bool run(std::vector<Block>& blocks) {
  std::vector<Fiber*> order;
  for (;;) {
    choose(blocks, order, false);
    if (order.empty()) choose(blocks, order, true);
    if (order.empty()) {
      bool over = true;
      for (Block& block : blocks) over = over && count(block, DONE) == block_threads;
      if (over) return true;
      snprintf(report, sizeof(report), "block %d: deadlock", blocks[0].index);
      return false;
    }
    for (size_t k = order.size() - 1; k > 0; --k) std::swap(order[k], order[next_random() % (k + 1)]);
    for (Fiber* fiber : order) {
      running = fiber;
#if defined(__SANITIZE_ADDRESS__)
      __asan_handle_no_return();
#endif
      wg_switch_stack(&scheduler, fiber->stack_pointer);
    }
    if (!open_barriers(blocks)) return false;
  }
}

static std::vector<unsigned char> stacks;

static bool run_blocks(int first, int number, int shared_bytes) {
  std::vector<Block> blocks(number);
  std::vector<Fiber> fibers((size_t)number * block_threads);
  std::vector<unsigned char> shared((size_t)number * shared_bytes + 64, 0xff);
  size_t needed = (size_t)number * block_threads * STACK;
  if (stacks.size() < needed) stacks.resize(needed);
  unsigned char* base = (unsigned char*)(((uintptr_t)shared.data() + 63) & ~(uintptr_t)63);
  for (int b = 0; b < number; ++b) {
    blocks[b].index = first + b;
    blocks[b].shared = base + (size_t)b * shared_bytes;
    blocks[b].fibers = fibers.data() + (size_t)b * block_threads;
    for (int t = 0; t < block_threads; ++t) {
      Fiber& fiber = blocks[b].fibers[t];
      fiber.state = READY;
      fiber.thread = t;
      fiber.turn = 0;
      fiber.block = &blocks[b];
      start(fiber, stacks.data() + ((size_t)b * block_threads + t) * STACK);
    }
  }
  return run(blocks);
}

// For kernels without barriers: one thread after the other, on this stack.
static void run_plain(int shared_bytes) {
  Block block;
  std::vector<unsigned char> shared(shared_bytes + 64, 0xff);
  block.shared = (unsigned char*)(((uintptr_t)shared.data() + 63) & ~(uintptr_t)63);
  Fiber only{};
  only.block = &block;
  running = &only;
  for (block.index = 0; block.index < grid_blocks; ++block.index)
    for (only.thread = 0; only.thread < block_threads; ++only.thread) call_kernel();
}

static std::mutex lock;

}  // namespace wg_host
#pragma GCC visibility pop

// Runs a kernel; 0, or 1 with a report. `mode`: 0 plain, 1 fibers, 2 fibers of all blocks at once.
extern "C" int wg_launch(void* kernel, int count, void** parameters, int blocks, int threads,
                         int shared, int mode, uint64_t seed) {
  std::lock_guard<std::mutex> guard(wg_host::lock);
  static void* padded[wg_host::MANY];
  if (count > wg_host::MANY) {
    snprintf(wg_host::report, sizeof(wg_host::report), "a kernel has %d parameters", count);
    return 1;
  }
  for (int k = 0; k < wg_host::MANY; ++k) padded[k] = k < count ? *(void**)parameters[k] : nullptr;
  wg_host::kernel = (wg_host::Kernel)kernel;
  wg_host::parameters = padded;
  wg_host::parameter_count = count;
  wg_host::block_threads = threads;
  wg_host::grid_blocks = blocks;
  wg_host::random_state = seed * 2654435761u + 88172645463325252ull;
  if (mode == 0) {
    wg_host::run_plain(shared);
    return 0;
  }
  if (mode == 2) return wg_host::run_blocks(0, blocks, shared) ? 0 : 1;
  for (int b = 0; b < blocks; ++b)
    if (!wg_host::run_blocks(b, 1, shared)) return 1;
  return 0;
}
extern "C" const char* wg_report() { return wg_host::report; }

#endif  // WG_SCHEDULER

static inline int wg_thread() { return wg_host::running->thread; }
static inline int wg_block() { return wg_host::running->block->index; }
static inline int wg_threads() { return wg_host::block_threads; }
static inline int wg_blocks() { return wg_host::grid_blocks; }
static inline void wg_sync() { wg_host::give_way(wg_host::AT_BLOCK); }
static inline void wg_warp_sync() { wg_host::give_way(wg_host::AT_WARP); }
static inline void wg_grid_sync(unsigned*) { wg_host::give_way(wg_host::AT_GRID); }
template <class T> static inline T wg_shuffle_xor(T value, int mask) {
  return wg_host::exchange(value, mask);
}
static inline unsigned long long wg_atomic_cas(unsigned long long* at, unsigned long long expected,
                                               unsigned long long desired) {
  unsigned long long before = *at;
  if (before == expected) *at = desired;
  return before;
}

struct wg_half { unsigned short bits; };
static inline float wg_from_half(wg_half x) {
  _Float16 y;
  memcpy(&y, &x, 2);
  return (float)y;
}
template <class F> static inline wg_half wg_narrowed(F x) {
  _Float16 y = (_Float16)x;
  wg_half z;
  memcpy(&z, &y, 2);
  return z;
}
static inline wg_half wg_to_half(float x) { return wg_narrowed(x); }
static inline wg_half wg_to_half(double x) { return wg_narrowed(x); }

// To the nearest, of two equally near ones to the even one; NaN as the device has it.
struct wg_bfloat { unsigned short bits; };
static inline float wg_from_bfloat(wg_bfloat x) {
  unsigned bits = (unsigned)x.bits << 16;
  float y;
  memcpy(&y, &bits, 4);
  return y;
}
static inline wg_bfloat wg_to_bfloat(float x) {
  unsigned bits;
  memcpy(&bits, &x, 4);
  if (x != x) return {0x7fff};
  return {(unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

template <class T, int N> struct alignas(sizeof(T) * N) wg_vec { T a[N]; };
