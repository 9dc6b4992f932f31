// More special functions of float64 that neither CUDA's nor C's library has. Included after
// special.h by programs that call them. Compiled by NVRTC and by g++ alike.

#define WG_EULER 0.5772156649015329

// Complete elliptic integrals of m = 1 - p by the arithmetic-geometric mean (DLMF 19.8).
WG_DEVICE double wg_ellipkm1(double p) {
  if (!(p >= 0)) return wg_nan<double>();
  if (p == 0) return wg_infinity<double>();
  if (p == wg_infinity<double>()) return 0;
  double a = 1, b = sqrt(p);
  for (int n = 0; n < 40 && fabs(a - b) > 1e-16 * a; ++n) {
    double mean = 0.5 * (a + b);
    b = sqrt(a * b);
    a = mean;
  }
  return 1.5707963267948966 / a;
}
WG_DEVICE double wg_ellipk(double m) { return wg_ellipkm1(1 - m); }
WG_DEVICE double wg_ellipe(double m) {
  if (!(m <= 1)) return wg_nan<double>();
  if (m == 1) return 1;
  if (m == -wg_infinity<double>()) return wg_infinity<double>();
  // E = K (1 - sum of 2^(n-1) c_n^2), c_0^2 = m
  double a = 1, b = sqrt(1 - m), weight = 0.5, sum = 0.5 * m;
  for (int n = 0; n < 40 && fabs(a - b) > 1e-16 * a; ++n) {
    double c = 0.5 * (a - b), mean = 0.5 * (a + b);
    b = sqrt(a * b);
    a = mean;
    weight *= 2;
    sum += weight * c * c;
  }
  return 1.5707963267948966 / a * (1 - sum);
}

// The exponential integrals E_n(x), x > 0: the continued fraction (DLMF 8.19.17), or for x <= 1 the
// series (8.19.8).
WG_DEVICE double wg_expn(double order, double x) {
  int n = (int)order;
  if (order != order || !(x >= 0) || n < 0) return wg_nan<double>();
  if (x == 0) return n < 2 ? wg_infinity<double>() : 1.0 / (n - 1);
  if (x == wg_infinity<double>()) return 0;
  if (n == 0) return exp(-x) / x;
  if (x > 1) {
    double b = x + n, c = 1e300, d = 1 / b, h = d;
    for (int i = 1; i < 10000; ++i) {
      double a = -i * (n - 1.0 + i);
      b += 2;
      d = 1 / (a * d + b);
      c = b + a / c;
      h *= c * d;
      if (fabs(c * d - 1) < 1e-16) break;
    }
    return h * exp(-x);
  }
  double sum = n == 1 ? -log(x) - WG_EULER : 1.0 / (n - 1), factor = 1;
  for (int k = 1; k < 1000; ++k) {
    factor *= -x / k;
    double term;
    if (k != n - 1) {
      term = -factor / (k - n + 1);
    } else {
      double psi = -WG_EULER;
      for (int j = 1; j < n; ++j) psi += 1.0 / j;
      term = factor * (psi - log(x));
    }
    sum += term;
    if (fabs(term) < fabs(sum) * 1e-17) break;
  }
  return sum;
}

// Ei: its series (DLMF 6.6.2), whose terms are positive, or what it tends to (6.12.2).
WG_DEVICE double wg_expi(double x) {
  if (x != x) return x;
  if (x < 0) return -wg_expn(1, -x);
  if (x == 0) return -wg_infinity<double>();
  if (x == wg_infinity<double>()) return x;
  if (x < 40) {
    double sum = 0, term = 1;
    for (int k = 1; k < 500; ++k) {
      term *= x / k;
      sum += term / k;
      if (term < sum * 1e-17) break;
    }
    return WG_EULER + log(x) + sum;
  }
  double sum = 1, term = 1;
  for (int k = 1; k < 60 && k < x; ++k) {
    term *= k / x;
    sum += term;
  }
  return exp(x - log(x)) * sum;
}

// erfi: the series of positive terms (DLMF 7.6.1), or what it tends to (7.12.1).
WG_DEVICE double wg_erfi(double x) {
  double square = x * x, sum = 1, term = 1;
  if (!(square < 800)) return x != x ? x : copysign(wg_infinity<double>(), x);
  if (square < 60) {
    for (int n = 1; n < 1000; ++n) {
      term *= square / n;
      sum += term / (2 * n + 1);
      if (term < sum * 1e-17) break;
    }
    return 1.1283791670955126 * x * sum;
  }
  for (int n = 1; n < 40; ++n) {
    term *= (2 * n - 1) / (2 * square);
    sum += term;
  }
  double half = exp(0.5 * square);
  return 0.5641895835477563 / x * sum * half * half;
}

// The dilogarithm of 1 - x (DLMF 25.12), by the series in -log(1 - z) with Bernoulli's numbers for
// |z| small, after reflection or inversion.
WG_DEVICE double wg_dilogarithm_series(double z) {
  double u = -log1p(-z), square = u * u, power = u, sum = u - 0.25 * square;
  const double terms[] = {2.777777777777778e-02, -2.777777777777778e-04, 4.72411186696901e-06,
                          -9.185773074661964e-08, 1.897886998897100e-09, -4.064761645144226e-11,
                          8.921691020456452e-13, -1.993929586072108e-14, 4.518980029619918e-16,
                          -1.035651761218125e-17};
  for (int k = 0; k < 10; ++k) {
    power *= square;
    sum += power * terms[k];
  }
  return sum;
}
WG_DEVICE double wg_spence(double x) {
  if (!(x >= 0) || x == wg_infinity<double>()) return wg_nan<double>();
  double z = 1 - x;
  if (x == 0) return 1.6449340668482264;
  if (x < 0.5) return 1.6449340668482264 - log(x) * log1p(-x) - wg_dilogarithm_series(x);
  if (x <= 2) return wg_dilogarithm_series(z);
  double log_x = log(x - 1);
  return -1.6449340668482264 - 0.5 * log_x * log_x - wg_dilogarithm_series(1 / z);
}

// e^x K_v(x), the integral of exp(-x (cosh t - 1)) cosh(v t) (DLMF 10.32.9) by the trapezoidal rule,
// whose error falls exponentially as the integrand does so twice over.
WG_DEVICE double wg_kve(double v, double x) {
  if (v != v || !(x >= 0) || x == wg_infinity<double>()) return wg_nan<double>();
  if (x == 0) return wg_infinity<double>();
  v = fabs(v);
  double step = 0.0625 / sqrt(1 + 0.25 * x), sum = 0.5, largest = 0, scale = 0;
  for (int n = 1; n < 200000; ++n) {
    double t = n * step, half = sinh(0.5 * t), fall = -2 * x * half * half;
    double exponent = fall + v * t;
    if (exponent - scale > 600) {  // keeps the sum in range
      sum *= exp(scale - exponent);
      scale = exponent;
    }
    double term = 0.5 * (exp(exponent - scale) + exp(fall - v * t - scale));
    sum += term;
    largest = term > largest ? term : largest;
    if (term < sum * 1e-18 && 2 * x * half * sqrt(1 + half * half) > v) break;
  }
  return sum * step * exp(scale);
}
WG_DEVICE double wg_kv(double v, double x) {
  return x == wg_infinity<double>() && v == v ? 0 : wg_kve(v, x) * exp(-x);
}
WG_DEVICE double wg_k0e(double x) { return x == wg_infinity<double>() ? 0 : wg_kve(0, x); }
WG_DEVICE double wg_k1e(double x) { return x == wg_infinity<double>() ? 0 : wg_kve(1, x); }

// e^-|x| I_v(x), x >= 0: the power series of positive terms (DLMF 10.25.2), or what it tends to for
// large x (10.40.1); of negative orders by that of K (10.27.2).
WG_DEVICE double wg_ive_positive(double v, double x) {
  if (x == 0) return v == 0 ? 1 : 0;
  if (x > 30 && x > v * v) {
    double term = 1, sum = 1, four = 4 * v * v;
    for (int k = 1; k < 100; ++k) {
      double odd = 2 * k - 1, next = -term * (four - odd * odd) / (8 * x * k);
      if (fabs(next) > fabs(term)) break;
      term = next;
      sum += term;
      if (fabs(term) < fabs(sum) * 1e-17) break;
    }
    return sum / sqrt(6.283185307179586 * x);
  }
  double quarter = 0.25 * x * x, term = 1, sum = 1, scale = 0;
  for (int k = 1; k < 100000; ++k) {
    term *= quarter / (k * (k + v));
    sum += term;
    if (term < sum * 1e-17) break;
    if (sum > 1e280) {
      term *= 1e-280;
      sum *= 1e-280;
      scale += 644.7238260383328;
    }
  }
  return sum * exp(v * log(0.5 * x) - lgamma(v + 1) - x + scale);
}
WG_DEVICE double wg_ive(double v, double x) {
  if (v != v || x - x != 0) return wg_nan<double>();
  bool whole = floor(v) == v;
  if (x < 0) {
    if (!whole) return wg_nan<double>();
    double found = wg_ive_positive(fabs(v), -x);
    return fmod(fabs(v), 2.0) == 1 ? -found : found;
  }
  if (v >= 0 || whole) return wg_ive_positive(fabs(v), x);
  if (x == 0) return wg_nan<double>();
  double turn = sin(3.141592653589793 * fmod(-v, 2.0));
  return wg_ive_positive(-v, x) + 0.6366197723675814 * turn * wg_kve(-v, x) * exp(-2 * x);
}
WG_DEVICE double wg_iv(double v, double x) {
  if (x == 0 && v < 0 && floor(v) != v) return wg_infinity<double>();
  return wg_ive(v, x) * exp(fabs(x));
}
WG_DEVICE double wg_y0(double x) { return x >= 0 && x - x == 0 ? y0(x) : wg_nan<double>(); }
WG_DEVICE double wg_y1(double x) { return x >= 0 && x - x == 0 ? y1(x) : wg_nan<double>(); }

// Owen's T: its integral over [0, a], |a| <= 1, by Gauss' rule of three places on parts of what counts
// of it; for larger a by T(ah, 1/a). D. B. Owen, Annals of Mathematical Statistics 27, 1956.
WG_DEVICE double wg_owens_inner(double h, double a) {
  double end = a * h > 9 ? 9 / h : a, sum = 0, width = end / 256;
  const double place[] = {-0.7745966692414834, 0, 0.7745966692414834};
  const double weight[] = {0.5555555555555556, 0.8888888888888888, 0.5555555555555556};
  for (int k = 0; k < 256; k += 2) {
    for (int j = 0; j < 3; ++j) {
      double t = (k + 1 + place[j]) * width;
      sum += weight[j] * exp(-0.5 * h * h * t * t) / (1 + t * t);
    }
  }
  return exp(-0.5 * h * h) * sum * width / 6.283185307179586;
}
WG_DEVICE double wg_owens_t(double h, double a) {
  if (h != h || a != a) return wg_nan<double>();
  double sign = a < 0 ? -1 : 1;
  h = fabs(h);
  a = fabs(a);
  if (h == wg_infinity<double>()) return 0;
  double tail = 0.5 * erfc(h * 0.7071067811865476);
  if (a == wg_infinity<double>()) return sign * 0.5 * tail;
  if (a <= 1) return sign * wg_owens_inner(h, a);
  double other = 0.5 * erfc(a * h * 0.7071067811865476);
  double found = 0.5 * (tail + other) - tail * other;
  return sign * (found - wg_owens_inner(a * h, 1 / a));
}

// Inverses in x, by halving in log(x) or in x, ended by Newton's steps.
WG_DEVICE double wg_gamma_inverse(double a, double y, bool upper) {
  if (!(a >= 0) || !(y >= 0) || y > 1) return wg_nan<double>();
  if (y == (upper ? 1 : 0)) return 0;
  if (y == (upper ? 0 : 1)) return wg_infinity<double>();
  if (a == 0 || a == wg_infinity<double>()) return wg_nan<double>();
  double low = -800, high = log(a + 800) + 1;
  for (int n = 0; n < 80; ++n) {
    double middle = 0.5 * (low + high), found = wg_incomplete_gamma(a, exp(middle), upper);
    if ((found > y) == upper) low = middle; else high = middle;
    if (high - low < 1e-9) break;
  }
  double x = exp(0.5 * (low + high));
  for (int n = 0; n < 3; ++n) {
    double slope = a * wg_gamma_factor(a, x) / x, rest = wg_incomplete_gamma(a, x, upper) - y;
    double step = (upper ? -rest : rest) / slope;
    if (!(fabs(step) < 0.1 * x)) break;
    x -= step;
  }
  return x;
}
WG_DEVICE double wg_gammaincinv(double a, double y) { return wg_gamma_inverse(a, y, false); }
WG_DEVICE double wg_gammainccinv(double a, double y) { return wg_gamma_inverse(a, y, true); }
WG_DEVICE double wg_betaincinv(double a, double b, double y) {
  if (!(a > 0) || !(b > 0) || !(y >= 0) || y > 1) return wg_nan<double>();
  if (y == 0 || y == 1) return y;
  if (a - a != 0 || b - b != 0) return wg_nan<double>();
  // in log(x) if x is below 1/2, else in log(1 - x), which is found as the inverse of the complement
  bool turned = wg_betainc(a, b, 0.5) < y;
  double p = turned ? b : a, q = turned ? a : b, low = -745, high = -0.6931471805599453;
  for (int n = 0; n < 80 && high - low > 1e-9; ++n) {
    double middle = 0.5 * (low + high), x = exp(middle);
    bool below = turned ? 1 - wg_betainc(p, q, x) > y : wg_betainc(p, q, x) < y;
    if (below) low = middle; else high = middle;
  }
  double x = exp(0.5 * (low + high)), scale = lgamma(p + q) - lgamma(p) - lgamma(q);
  for (int n = 0; n < 3; ++n) {
    double slope = exp(scale + (p - 1) * log(x) + (q - 1) * log1p(-x));
    double rest = turned ? 1 - y - wg_betainc(p, q, x) : wg_betainc(p, q, x) - y;
    double step = turned ? -rest / slope : rest / slope;
    if (!(fabs(step) < 0.1 * x)) break;
    x -= step;
  }
  return turned ? 1 - x : x;
}
