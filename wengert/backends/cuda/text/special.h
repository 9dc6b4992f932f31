// Special functions of two and three parameters, which neither CUDA's nor C's library has. Included
// by programs that call them. Compiled by NVRTC and by g++ alike.

// x^a e^-x / Gamma(a + 1). Where a is large its logarithm is -a (m - log(1 + m)), with m = x/a - 1,
// and Stirling's series: x^a and Gamma(a + 1) would cancel. (Temme, SIAM J. Sci. Stat. Comput. 1987.)
WG_DEVICE double wg_gamma_factor(double a, double x) {
  if (a < 20) return exp(a * log(x) - x - lgamma(a + 1));
  double m = (x - a) / a, r = 1 / (a * a);
  double stirling = (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r / 1680))) / a;
  return exp(-a * (m - log1p(m)) - stirling) / sqrt(6.283185307179586 * a);
}

// P(a, x) for x < a + 1, by its series (DLMF 8.11.4), or Q(a, x) by its continued fraction (DLMF
// 8.9.2; Lentz's method), which is better there; `upper` says which of the two is wanted.
WG_DEVICE double wg_incomplete_gamma(double a, double x, bool upper) {
  if (!(a >= 0) || !(x >= 0)) return wg_nan<double>();
  if (a == 0) return x > 0 ? (double)!upper : wg_nan<double>();
  if ((a == wg_infinity<double>())) return (x == wg_infinity<double>()) ? wg_nan<double>() : (double)upper;
  if (x == 0) return (double)upper;
  if ((x == wg_infinity<double>())) return (double)!upper;
  double factor = wg_gamma_factor(a, x);
  if (x < a + 1) {
    double term = 1, sum = 1;
    for (int n = 1; n < 200000; ++n) {
      term *= x / (a + n);
      sum += term;
      if (term <= sum * 1e-17) break;
    }
    double found = factor * sum;
    return upper ? 1 - found : found;
  }
  double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
  for (int n = 1; n < 200000; ++n) {
    double an = -n * (n - a);
    b += 2;
    d = an * d + b;
    d = 1 / (fabs(d) < 1e-300 ? 1e-300 : d);
    c = b + an / c;
    c = fabs(c) < 1e-300 ? 1e-300 : c;
    h *= d * c;
    if (fabs(d * c - 1) < 1e-16) break;
  }
  double found = factor * a * h;
  return upper ? found : 1 - found;
}
WG_DEVICE double wg_gammainc(double a, double x) { return wg_incomplete_gamma(a, x, false); }
WG_DEVICE double wg_gammaincc(double a, double x) { return wg_incomplete_gamma(a, x, true); }

// The continued fraction of I_x(a, b) without its factor (DLMF 8.17.22; Lentz's method).
WG_DEVICE double wg_beta_fraction(double a, double b, double x) {
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (fabs(d) < 1e-300 ? 1e-300 : d);
  double h = d;
  for (int n = 1; n < 200000; ++n) {
    double even = n * (b - n) * x / ((a + 2 * n - 1) * (a + 2 * n));
    double odd = -(a + n) * (a + b + n) * x / ((a + 2 * n) * (a + 2 * n + 1));
    double change = 1;
    for (int k = 0; k < 2; ++k) {
      double step = k == 0 ? even : odd;
      d = 1 + step * d;
      d = 1 / (fabs(d) < 1e-300 ? 1e-300 : d);
      c = 1 + step / c;
      c = fabs(c) < 1e-300 ? 1e-300 : c;
      change *= d * c;
    }
    h *= change;
    if (fabs(change - 1) < 1e-16) break;
  }
  return h;
}
WG_DEVICE double wg_betainc(double a, double b, double x) {
  if (!(a >= 0) || !(b >= 0) || !(x >= 0) || x > 1) return wg_nan<double>();
  // of two weights at 0 and at 1, one is all
  if (a == 0 || (b == wg_infinity<double>())) return b == 0 || (a == wg_infinity<double>()) ? wg_nan<double>() : (double)(x > 0);
  if (b == 0 || (a == wg_infinity<double>())) return (double)(x == 1);
  if (x == 0 || x == 1) return x;
  double other = lgamma(a + b) - lgamma(a) - lgamma(b);
  double factor = exp(other + a * log(x) + b * log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return factor * wg_beta_fraction(a, b, x) / a;
  return 1 - factor * wg_beta_fraction(b, a, 1 - x) / b;
}

// Kummer's function M(a, b, x): its series (DLMF 13.2.2), after Kummer's transformation (13.2.39)
// where its terms would cancel, and what it tends to for large |x| (13.7.2).
WG_DEVICE double wg_kummer_tail(double p, double q, double x) {
  double term = 1, sum = 1;
  for (int n = 0; n < 500; ++n) {
    double next = term * (p + n) * (q + n) / ((n + 1) * x);
    if (fabs(next) >= fabs(term) || next == 0) break;
    term = next;
    sum += term;
    if (fabs(term) < fabs(sum) * 1e-17) break;
  }
  return sum;
}
// 1 / Gamma(x), 0 at its poles.
WG_DEVICE double wg_reciprocal_gamma(double x) { return x <= 0 && floor(x) == x ? 0 : 1 / tgamma(x); }
WG_DEVICE double wg_hyp1f1(double a, double b, double x) {
  if (a != a || b != b || x != x) return wg_nan<double>();
  bool ends = a <= 0 && floor(a) == a;
  if (b <= 0 && floor(b) == b && !(ends && a > b)) return wg_infinity<double>();
  if (a == 0 || x == 0) return 1;
  if (a == b) return exp(x);
  if (!ends && fabs(x) > 60 + 2 * (fabs(a) + fabs(b)) * (1 + fabs(a)) && fabs(b) < 150) {
    if (x > 0)
      return tgamma(b) * wg_reciprocal_gamma(a) * exp(x + (a - b) * log(x)) * wg_kummer_tail(b - a, 1 - a, x);
    double power = pow(-x, -a) * tgamma(b) * wg_reciprocal_gamma(b - a);
    return power * wg_kummer_tail(a, a - b + 1, -x);
  }
  double scale = 1;
  if (x < 0 && !ends) {
    scale = exp(x);
    a = b - a;
    x = -x;
  }
  double term = 1, sum = 1;
  for (int n = 0; n < 20000; ++n) {
    term *= (a + n) * x / ((b + n) * (n + 1));
    sum += term;
    if (term == 0 || (fabs(term) < fabs(sum) * 1e-17 && n > fabs(a) + fabs(b))) break;
  }
  return scale * sum;
}
