// All NaNs as the one that stands behind infinity where numbers are sorted by their bits. BITS is an
// unsigned integer as wide as the numbers, INFINITE and QUIET are infinity and this NaN as such.
WG_KERNEL(wg_quieted, 256)(BITS* x, long long n) {
  for (long long k = wg_block() * 256 + wg_thread(); k < n; k += wg_blocks() * 256)
    if ((x[k] & (BITS)((BITS)~(BITS)0 >> 1)) > (BITS)INFINITE) x[k] = (BITS)QUIET;
}
