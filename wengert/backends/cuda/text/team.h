// Sums over the threads that work together, in an order that does not depend on timing.
// Compiled by NVRTC and by g++ alike. Every thread gets the result.

struct wg_add { template <class T> WG_DEVICE static T of(T x, T y) { return x + y; } };
struct wg_mul { template <class T> WG_DEVICE static T of(T x, T y) { return x * y; } };
struct wg_max { template <class T> WG_DEVICE static T of(T x, T y) { return wg_maximum<T>(x, y); } };
struct wg_min { template <class T> WG_DEVICE static T of(T x, T y) { return wg_minimum<T>(x, y); } };
struct wg_and { template <class T> WG_DEVICE static T of(T x, T y) { return T(x & y); } };
struct wg_or { template <class T> WG_DEVICE static T of(T x, T y) { return T(x | y); } };

// The 32 threads of a warp.
template <class Op, class T> WG_DEVICE T wg_warp_reduce(T value) {
  for (int mask = 16; mask > 0; mask >>= 1)
    value = Op::of(value, wg_shuffle_xor(value, mask));
  return value;
}

// The SIZE threads of a block: warps first, then every thread over the warps' results. The first
// barrier parts this from what used `scratch` before, so calls may follow one another.
template <int SIZE, class Op, class T> WG_DEVICE T wg_team_reduce(T value, unsigned char* scratch) {
  T* parts = (T*)scratch;
  value = wg_warp_reduce<Op, T>(value);
  wg_sync();
  if (wg_thread() % 32 == 0) parts[wg_thread() / 32] = value;
  wg_sync();
  T total = parts[0];
  for (int k = 1; k < SIZE / 32; ++k) total = Op::of(total, parts[k]);
  return total;
}

// All threads of a grid: its blocks meet in global memory, a counter and then one part per block.
template <class Op, class T>
WG_DEVICE T wg_wide_reduce(T value, unsigned char* scratch, unsigned char* meeting) {
  T* parts = (T*)(meeting + 256);
  T own = wg_team_reduce<256, Op, T>(value, scratch);
  if (wg_thread() == 0) parts[wg_block()] = own;
  wg_grid_sync((unsigned*)meeting);
  T total = ((volatile T*)parts)[0];
  for (int k = 1; k < wg_blocks(); ++k) total = Op::of(total, (T)((volatile T*)parts)[k]);
  wg_grid_sync((unsigned*)meeting);
  return total;
}
