// The device layer for NVRTC.

#define WG_DEVICE __device__ __forceinline__
#define WG_KERNEL(name, threads) extern "C" __global__ void __launch_bounds__(threads) name
#define WG_DYNAMIC(name) extern __shared__ __align__(16) unsigned char name[]

WG_DEVICE int wg_thread() { return threadIdx.x; }
WG_DEVICE int wg_block() { return blockIdx.x; }
WG_DEVICE int wg_threads() { return blockDim.x; }
WG_DEVICE int wg_blocks() { return gridDim.x; }

WG_DEVICE void wg_sync() { __syncthreads(); }
WG_DEVICE void wg_warp_sync() { __syncwarp(); }
template <class T> WG_DEVICE T wg_shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}

// A barrier of all blocks of a cooperative launch, in the way of NVIDIA's cooperative groups: each
// block adds one, block 0 adds what flips the top bit when all have come, which all wait for. So
// the counter needs no reset.
WG_DEVICE void wg_grid_sync(unsigned* counter) {
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    unsigned own = blockIdx.x == 0 ? 0x80000000u - (gridDim.x - 1) : 1u;
    unsigned before = atomicAdd(counter, own);
    while ((((before ^ *(volatile unsigned*)counter)) & 0x80000000u) == 0) {}
    __threadfence();
  }
  __syncthreads();
}

WG_DEVICE unsigned long long wg_atomic_cas(unsigned long long* at, unsigned long long expected,
                                           unsigned long long desired) {
  return atomicCAS(at, expected, desired);
}

struct wg_half { unsigned short bits; };
WG_DEVICE float wg_from_half(wg_half x) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
  return y;
}
WG_DEVICE wg_half wg_to_half(float x) {
  wg_half y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
}
WG_DEVICE wg_half wg_to_half(double x) {
  wg_half y;
  asm("cvt.rn.f16.f64 %0, %1;" : "=h"(y.bits) : "d"(x));
  return y;
}

struct wg_bfloat { unsigned short bits; };
WG_DEVICE float wg_from_bfloat(wg_bfloat x) { return __uint_as_float((unsigned)x.bits << 16); }
WG_DEVICE wg_bfloat wg_to_bfloat(float x) {
  wg_bfloat y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
}

template <class T, int N> struct alignas(sizeof(T) * N) wg_vec { T a[N]; };
