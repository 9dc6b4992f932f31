// What the scalar vocabulary means where C++ leaves it open: NumPy's answers, as on the CPU.
// Compiled by NVRTC and by g++ alike.

template <class To, class From> WG_DEVICE To wg_bits(From x) {
  static_assert(sizeof(To) == sizeof(From), "a change of type, not of size");
  To y;
  memcpy(&y, &x, sizeof(To));
  return y;
}

template <class T> WG_DEVICE T wg_infinity();
template <> WG_DEVICE float wg_infinity<float>() { return wg_bits<float>(0x7f800000u); }
template <> WG_DEVICE double wg_infinity<double>() {
  return wg_bits<double>(0x7ff0000000000000ULL);
}
template <class T> WG_DEVICE T wg_nan();
template <> WG_DEVICE float wg_nan<float>() { return wg_bits<float>(0x7fc00000u); }
template <> WG_DEVICE double wg_nan<double>() { return wg_bits<double>(0x7ff8000000000000ULL); }

// A zero divisor gives 0, and the quotient of the least number by -1 wraps.
template <class T> WG_DEVICE T wg_idiv(T x, T y) {
  if (y == T(0)) return T(0);
  if (T(-1) < T(0) && y == T(-1)) return T(0ULL - (unsigned long long)x);
  return T(x / y);
}
template <class T> WG_DEVICE T wg_irem(T x, T y) {
  if (y == T(0) || (T(-1) < T(0) && y == T(-1))) return T(0);
  return T(x % y);
}

// Wrapping arithmetic: signed overflow is undefined in C++, so it is done without a sign.
template <class T> WG_DEVICE T wg_iadd(T x, T y) {
  return T((unsigned long long)x + (unsigned long long)y);
}
template <class T> WG_DEVICE T wg_isub(T x, T y) {
  return T((unsigned long long)x - (unsigned long long)y);
}
template <class T> WG_DEVICE T wg_imul(T x, T y) {
  return T((unsigned long long)x * (unsigned long long)y);
}

// NaN wins; the two zeros are not ordered.
template <class T> WG_DEVICE T wg_minimum(T x, T y) { return (x < y || x != x) ? x : y; }
template <class T> WG_DEVICE T wg_maximum(T x, T y) { return (x > y || x != x) ? x : y; }

// A shift by the width or more gives 0, or the sign.
template <class T> WG_DEVICE T wg_shl(T x, T y) {
  constexpr unsigned long long width = 8 * sizeof(T);
  unsigned long long by = (unsigned long long)y;
  return by < width ? T((unsigned long long)x << by) : T(0);
}
template <class T> WG_DEVICE T wg_shr(T x, T y) {
  constexpr unsigned long long width = 8 * sizeof(T);
  unsigned long long by = (unsigned long long)y;
  if (by >= width) return (T(-1) < T(0) && x < T(0)) ? T(-1) : T(0);
  return T(x >> by);
}

// Floats outside the range of an integer: the least int32 or int64, and its low bits for narrow ones.
template <class F> WG_DEVICE long long wg_to_int64(F x) {
  return (x >= F(-9223372036854775808.0) && x < F(9223372036854775808.0))
             ? (long long)x
             : (-9223372036854775807LL - 1);
}
template <class F> WG_DEVICE int wg_to_int32(F x) {
  return ((double)x > -2147483649.0 && (double)x < 2147483648.0) ? (int)x : (-2147483647 - 1);
}
template <class F> WG_DEVICE unsigned long long wg_to_uint64(F x) {
  if (x < F(9223372036854775808.0)) return (unsigned long long)wg_to_int64(x);
  return (unsigned long long)wg_to_int64(x - F(9223372036854775808.0)) ^ 0x8000000000000000ULL;
}

// Around the zero of digamma between 1 and 2, where its terms cancel: the Taylor series with
// coefficients -(-1)^n zeta(n + 1, zero); the zero is the sum of two numbers.
WG_DEVICE double wg_digamma_near_zero(double x) {
  const double c[26] = {
      0.9676722454476212, -0.4427631689835921, 0.258499760955651, -0.16394270544240652,
      0.10782405069126237, -0.07219956125645471, 0.04880428816414311, -0.03316112647484736,
      0.022597648232218104, -0.01542476590494896, 0.010538791616612175, -0.007204534386356869,
      0.004926781395729853, -0.003369801655439328, 0.002305126326734928, -0.0015769367714301972,
      0.0010788252019162967, -0.0007380709389960052, 0.000504953265834602, -0.0003454680251063077,
      0.00023635601564027053, -0.00016170622091974803, 0.0001106337276874741, -7.569179582195066e-05,
      5.178575795222081e-05, -3.5430070947659604e-05};
  double t = (x - 1.4616321449683622) - 9.549995429965697e-17;
  double sum = c[25];
  for (int n = 24; n >= 0; --n) sum = sum * t + c[n];
  return sum * t;
}

// The derivative of lgamma: the asymptotic series (Abramowitz and Stegun 6.3.18) above 10, reached
// by the recurrence; below 0 by reflection (6.3.7).
WG_DEVICE double wg_digamma(double x) {
  if (x == 0.0) return copysign(wg_infinity<double>(), -x);
  if (fabs(x - 1.46) < 0.3) return wg_digamma_near_zero(x);
  double shift = 0.0;
  if (x < 0.0) {
    if (floor(x) == x) return wg_nan<double>();
    shift = -3.14159265358979323846 / tan(3.14159265358979323846 * (x - rint(x)));
    x = 1.0 - x;
  }
  double sum = 0.0;
  while (x < 10.0) {
    sum -= 1.0 / x;
    x += 1.0;
  }
  double r = 1.0 / x, q = r * r;
  double series = q * (1.0 / 12 - q * (1.0 / 120 - q * (1.0 / 252 - q * (1.0 / 240 - q * (1.0 / 132
      - q * (691.0 / 32760 - q * (1.0 / 12)))))));
  return shift + sum + log(x) - 0.5 * r - series;
}

// SciPy's answers, which the CPU gives: infinity at subnormal numbers, and -infinity at -infinity.
WG_DEVICE double wg_gammaln(double x) {
  if (fabs(x) < 2.2250738585072014e-308) return wg_infinity<double>();
  return x == -wg_infinity<double>() ? x : lgamma(x);
}

// In float64: the C library's erfcf is off by units in the last place where it underflows.
WG_DEVICE float wg_erfcf(float x) { return (float)erfc((double)x); }
WG_DEVICE double wg_erfc(double x) { return erfc(x); }

// The first failed check of a program: its number plus one, and the value it shows.
WG_DEVICE void wg_fail(long long* failure, long long code, long long value) {
  unsigned long long* slot = (unsigned long long*)failure;
  if (wg_atomic_cas(slot, 0ULL, (unsigned long long)(code + 1)) == 0ULL) failure[1] = value;
}

// Bessel functions; NaN at infinity, as SciPy's.
WG_DEVICE double wg_j0(double x) { return x - x == 0.0 ? j0(x) : x - x; }
WG_DEVICE double wg_j1(double x) { return x - x == 0.0 ? j1(x) : x - x; }
