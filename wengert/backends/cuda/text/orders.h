// Bessel functions of real order and hypergeometric functions of float64. Included after functions.h
// by programs that call them. Compiled by NVRTC and by g++ alike.

// J_v and Y_v of v >= 0 and x > 0, by one of three ways.
struct wg_bessel_pair { double j, y; };

// Hankel's expansion (DLMF 10.17.3) for x > 25 and x > v^2 / 2.
WG_DEVICE wg_bessel_pair wg_bessel_far(double v, double x) {
  double four = 4 * v * v, term = 1, p = 1, q = 0;
  for (int k = 1; k < 200; ++k) {
    double odd = 2 * k - 1, next = term * (four - odd * odd) / (8 * x * k);
    if (fabs(next) > fabs(term) || fabs(next) < 1e-18) break;
    term = next;
    double signed_term = (k / 2) % 2 ? -term : term;
    if (k % 2) q += signed_term; else p += signed_term;
  }
  double turn = 1.5707963267948966 * fmod(v + 0.5, 4.0), c = cos(turn), s = sin(turn);
  double cosine = cos(x) * c + sin(x) * s, sine = sin(x) * c - cos(x) * s;
  double scale = sqrt(0.6366197723675814 / x);
  return {scale * (p * cosine - q * sine), scale * (p * sine + q * cosine)};
}

// The power series of J_v (DLMF 10.2.2), where its terms fall.
WG_DEVICE double wg_bessel_series(double v, double x) {
  double quarter = -0.25 * x * x, term = 1, sum = 1;
  for (int k = 1; k < 500; ++k) {
    term *= quarter / (k * (k + v));
    sum += term;
    if (fabs(term) < fabs(sum) * 1e-17) break;
  }
  return sum * exp(v * log(0.5 * x) - lgamma(v + 1));
}

// Y_m and Y_(m+1) for |m| <= 1/2 and x < 2: N. M. Temme, "On the numerical evaluation of the ordinary
// Bessel function of the second kind", Journal of Computational Physics 21 (1976), with the Taylor
// series of 1 / Gamma(1 + m) (DLMF 5.7.1).
WG_DEVICE void wg_temme(double m, double x, double* y0, double* y1) {
  const double taylor[] = {
      1.0, 0.5772156649015329, -0.6558780715202539, -0.04200263503409524, 0.16653861138229148,
      -0.04219773455554433, -0.009621971527876973, 0.0072189432466631, -0.0011651675918590652,
      -0.00021524167411495098, 0.0001280502823881162, -2.013485478078824e-05, -1.2504934821426706e-06,
      1.133027231981696e-06, -2.056338416977607e-07, 6.116095104481416e-09, 5.002007644469223e-09,
      -1.18127457048702e-09, 1.0434267116911005e-10, 7.782263439905071e-12};
  double square = m * m, odd = 0, even = 0;
  for (int k = 18; k >= 0; k -= 2) {
    even = even * square + taylor[k];
    odd = odd * square + taylor[k + 1];
  }
  // 1 / Gamma(1 + m) is even + m odd
  double pim = 3.141592653589793 * m, log_term = log(2 / x), e = m * log_term;
  double sine = fabs(pim) < 1e-8 ? 1 : pim / sin(pim), sinhc = fabs(e) < 1e-8 ? 1 : sinh(e) / e;
  double f = 0.6366197723675814 * sine * (-odd * cosh(e) + even * log_term * sinhc);
  double grown = exp(e);
  double p = grown / ((even + m * odd) * 3.141592653589793);
  double q = 1 / (grown * 3.141592653589793 * (even - m * odd));
  double half = 0.5 * pim, ratio = fabs(half) < 1e-8 ? 1 : sin(half) / half;
  double r = 3.141592653589793 * half * ratio * ratio, c = 1, d = -0.25 * x * x;
  double sum = f + r * q, sum1 = p;
  for (int k = 1; k < 100; ++k) {
    f = (k * f + p + q) / (k * k - square);
    c *= d / k;
    p /= k - m;
    q /= k + m;
    double step = c * (f + r * q);
    sum += step;
    sum1 += c * p - k * step;
    if (fabs(step) < (1 + fabs(sum)) * 1e-17) break;
  }
  *y0 = -sum;
  *y1 = -sum1 * 2 / x;
}

// For x >= 2, Steed's way: J'/J by a continued fraction from v downwards to a turning point, there
// p + i q = (J' + i Y') / (J + i Y) by another, and the Wronskian. A. R. Barnett, D. H. Feng, J. W.
// Steed, L. J. B. Goldfarb, Computer Physics Communications 8 (1974); DLMF 10.74(v).
WG_DEVICE void wg_steed(double m, int steps, double v, double x, double* j, double* y0, double* y1) {
  double sign = 1, inverse = 1 / x, b = 2 * v * inverse, h = v * inverse;
  h = h < 1e-300 ? 1e-300 : h;
  double c = h, d = 0;
  for (int k = 0; k < 100000; ++k) {
    b += 2 * inverse;
    d = b - d;
    d = fabs(d) < 1e-300 ? 1e-300 : d;
    c = b - 1 / c;
    c = fabs(c) < 1e-300 ? 1e-300 : c;
    d = 1 / d;
    h *= c * d;
    if (d < 0) sign = -sign;
    if (fabs(c * d - 1) < 1e-16) break;
  }
  double now = sign * 1e-300, slope = h * now, first = now, fact = v * inverse;
  for (int k = 0; k < steps; ++k) {
    double below = fact * now + slope;
    fact -= inverse;
    slope = fact * below - now;
    now = below;
    if (fabs(now) > 1e200) {
      now *= 1e-250;
      slope *= 1e-250;
      first *= 1e-250;
    }
  }
  now = now == 0 ? 1e-300 : now;
  double f = slope / now, a = 0.25 - m * m, p = -0.5 * inverse, q = 1, br = 2 * x, bi = 2;
  double s = a * inverse / (p * p + q * q), cr = br + q * s, ci = bi + p * s, den = br * br + bi * bi;
  double dr = br / den, di = -bi / den, dlr = cr * dr - ci * di, dli = cr * di + ci * dr;
  double t = p * dlr - q * dli;
  q = p * dli + q * dlr;
  p = t;
  for (int k = 2; k < 100000; ++k) {
    a += 2 * (k - 1);
    bi += 2;
    dr = a * dr + br;
    di = a * di + bi;
    if (fabs(dr) + fabs(di) < 1e-300) dr = 1e-300;
    s = a / (cr * cr + ci * ci);
    cr = br + cr * s;
    ci = bi - ci * s;
    if (fabs(cr) + fabs(ci) < 1e-300) cr = 1e-300;
    den = dr * dr + di * di;
    dr /= den;
    di /= -den;
    dlr = cr * dr - ci * di;
    dli = cr * di + ci * dr;
    t = p * dlr - q * dli;
    q = p * dli + q * dlr;
    p = t;
    if (fabs(dlr - 1) + fabs(dli) < 1e-16) break;
  }
  double gamma = (p - f) / q, at = sqrt(0.6366197723675814 * inverse / ((p - f) * gamma + q));
  at = copysign(at, now);
  *j = first * (at / now);
  *y0 = at * gamma;
  *y1 = m * inverse * *y0 - at * (p * gamma + q);
}

WG_DEVICE wg_bessel_pair wg_bessel(double v, double x) {
  if (x > 25 && x > 0.5 * v * v) return wg_bessel_far(v, x);
  int steps = x < 2 ? (int)(v + 0.5) : (v > x - 1.5 ? (int)(v - x + 1.5) : 0);
  double m = v - steps, j, y0, y1;
  if (x < 2) {
    j = wg_bessel_series(v, x);
    wg_temme(m, x, &y0, &y1);
  } else {
    wg_steed(m, steps, v, x, &j, &y0, &y1);
    if (x * x < 4 * (v + 1)) j = wg_bessel_series(v, x);
  }
  for (int k = 1; k <= steps && y0 - y0 == 0; ++k) {
    double next = 2 * (m + k) / x * y1 - y0;
    y0 = y1;
    y1 = next;
  }
  return {j, y0};
}

// Of negative orders DLMF 10.4.5; sin and cos of pi v exactly where v is a multiple of 1/2.
WG_DEVICE double wg_turned_sine(double v) { return sin(3.141592653589793 * (v - 2 * rint(0.5 * v))); }
WG_DEVICE double wg_jv(double v, double x) {
  if (v != v || x - x != 0) return wg_nan<double>();
  bool whole = floor(v) == v;
  double sign = 1;
  if (x < 0) {
    if (!whole) return wg_nan<double>();
    sign = fmod(fabs(v), 2.0) == 1 ? -1 : 1;
    x = -x;
  }
  if (v < 0 && whole) {
    sign = fmod(-v, 2.0) == 1 ? -sign : sign;
    v = -v;
  }
  if (x == 0) return v == 0 ? 1 : v > 0 ? 0 : wg_infinity<double>();
  if (v >= 0) return sign * wg_bessel(v, x).j;
  wg_bessel_pair at = wg_bessel(-v, x);
  double sine = wg_turned_sine(-v), cosine = wg_turned_sine(0.5 - v);
  return cosine * at.j - (sine == 0 ? 0 : sine * at.y);
}
WG_DEVICE double wg_yv(double v, double x) {
  if (v != v || !(x >= 0) || x - x != 0) return wg_nan<double>();
  if (x == 0) return v < 0 && fmod(-v, 2.0) == 1 ? wg_infinity<double>() : -wg_infinity<double>();
  if (v >= 0) return wg_bessel(v, x).y;
  wg_bessel_pair at = wg_bessel(-v, x);
  bool half = floor(v) != v && floor(2 * v) == 2 * v;
  return (half ? 0 : wg_turned_sine(0.5 - v) * at.y) + wg_turned_sine(-v) * at.j;
}

// The limit function 0F1: its series, or J for negative x, where its terms cancel (DLMF 10.16.9).
WG_DEVICE double wg_hyp0f1(double b, double x) {
  if (b != b || x != x || (b <= 0 && floor(b) == b)) return wg_nan<double>();
  if (x < 0 && -x > fabs(b) + 1) {
    double root = sqrt(-x);
    return tgamma(b) * pow(root, 1 - b) * wg_jv(b - 1, 2 * root);
  }
  double term = 1, sum = 1;
  for (int n = 0; n < 100000; ++n) {
    term *= x / ((b + n) * (n + 1));
    sum += term;
    if (fabs(term) < fabs(sum) * 1e-17 && n + b > 0) break;
  }
  return sum;
}

// Gauss' series (DLMF 15.2.1).
WG_DEVICE double wg_gauss_series(double a, double b, double c, double x) {
  double term = 1, sum = 1;
  for (int n = 0; n < 1000000; ++n) {
    term *= (a + n) * (b + n) / ((c + n) * (n + 1)) * x;
    sum += term;
    if (term == 0 || (fabs(term) < fabs(sum) * 1e-17 && n > fabs(a) + fabs(b) + fabs(c))) return sum;
  }
  return wg_nan<double>();
}
// c = a + b + m for a whole m >= 0, near 1 (DLMF 15.8.10), where rest = 1 - x.
WG_DEVICE double wg_gauss_logarithmic(double a, double b, int m, double rest) {
  double head = 0, term = 1, log_rest = log(rest);
  for (int k = 1; k < m; ++k) term *= k;
  for (int k = 0; k < m; ++k) {
    head += term;
    if (k + 1 < m) term *= -(a + k) * (b + k) * rest / ((k + 1.0) * (m - k - 1));
  }
  head *= wg_reciprocal_gamma(a + m) * wg_reciprocal_gamma(b + m);
  double scale = wg_reciprocal_gamma(a) * wg_reciprocal_gamma(b), sum = 0;
  for (int k = 1; k <= m; ++k) scale *= -rest / k;
  double factor = 1;
  for (int k = 0; k < 500; ++k) {
    double near = wg_digamma(a + m + k) + wg_digamma(b + m + k) - wg_digamma(k + 1.0);
    double step = factor * (log_rest + near - wg_digamma(k + m + 1.0));
    sum += step;
    if (fabs(step) < fabs(sum) * 1e-17) break;
    factor *= (a + m + k) * (b + m + k) * rest / ((k + 1.0) * (k + m + 1));
  }
  return tgamma(a + b + m) * (head - scale * sum);
}
// For 0 <= x < 1, rest = 1 - x; near 1 by DLMF 15.8.4, unless c - a - b is too near a whole number.
WG_DEVICE double wg_gauss_inner(double a, double b, double c, double x, double rest) {
  double s = c - a - b, distance = fabs(s - rint(s));
  if (x < 0.75) return wg_gauss_series(a, b, c, x);
  if (distance < 1e-3) {
    // Euler's transformation (15.8.1) makes s positive; near whole numbers the series alone is left
    double power = s < -0.5 ? pow(rest, s) : 1, p = s < -0.5 ? c - a : a, q = s < -0.5 ? c - b : b;
    if (distance < 1e-13 * (1 + fabs(a) + fabs(b)) && fabs(s) < 150)
      return power * wg_gauss_logarithmic(p, q, (int)rint(fabs(s)), rest);
    return power * wg_gauss_series(p, q, c, x);
  }
  double one = tgamma(s) * wg_reciprocal_gamma(c - a) * wg_reciprocal_gamma(c - b);
  double two = tgamma(-s) * wg_reciprocal_gamma(a) * wg_reciprocal_gamma(b) * pow(rest, s);
  one = one == 0 ? 0 : one * wg_gauss_series(a, b, 1 - s, rest);
  two = two == 0 ? 0 : two * wg_gauss_series(c - a, c - b, 1 + s, rest);
  return tgamma(c) * (one + two);
}
WG_DEVICE double wg_hyp2f1(double a, double b, double c, double x) {
  if (a != a || b != b || c != c || x != x) return wg_nan<double>();
  if (x == 0 || a == 0 || b == 0) return 1;
  bool ends = (a <= 0 && floor(a) == a) || (b <= 0 && floor(b) == b);
  if (c <= 0 && floor(c) == c) {
    bool before = (a <= 0 && floor(a) == a && a > c) || (b <= 0 && floor(b) == b && b > c);
    return before ? wg_gauss_series(a, b, c, x) : wg_infinity<double>();
  }
  if (x == 1 && (ends || c > a + b))
    return tgamma(c) * tgamma(c - a - b) * wg_reciprocal_gamma(c - a) * wg_reciprocal_gamma(c - b);
  if (!ends && x >= 1) return wg_infinity<double>();
  if (ends) return wg_gauss_series(a, b, c, x);
  if (x >= 0) return wg_gauss_inner(a, b, c, x, 1 - x);
  if (x > -0.5) return wg_gauss_series(a, b, c, x);
  // DLMF 15.8.1, with the smaller power
  if (b < a) {
    double other = a;
    a = b;
    b = other;
  }
  double rest = 1 / (1 - x);
  return pow(1 - x, -a) * wg_gauss_inner(a, c - b, c, -x * rest, rest);
}
