// What stands between results of cuSOLVER and the rows of numbers that programs read of them. NUMBER
// is float or double; `step` leads from the row of one matrix to that of the next. All arguments are
// eight bytes wide.

// first, first + step, ...: the matrices of a batch, for routines that take their addresses.
WG_KERNEL(wg_addresses, 256)(unsigned long long* out, unsigned long long first, long long step,
                             long long batch) {
  for (long long k = wg_block() * 256 + wg_thread(); k < batch; k += wg_blocks() * 256)
    out[k] = first + k * step;
}

WG_KERNEL(wg_statuses, 256)(NUMBER* out, long long step, const int* status, long long batch) {
  for (long long k = wg_block() * 256 + wg_thread(); k < batch; k += wg_blocks() * 256)
    out[k * step] = (NUMBER)status[k];
}

// From the rows that were exchanged one after the other, counted from 1, to the permutation that they
// make together, its inverse, and its sign.
WG_KERNEL(wg_permutations, 256)(NUMBER* out, long long step, const int* pivots, int* order,
                                long long n, long long batch) {
  for (long long matrix = wg_block(); matrix < batch; matrix += wg_blocks()) {
    const int* other = pivots + matrix * n;
    int* own = order + matrix * n;
    NUMBER* row = out + matrix * step;
    for (long long k = wg_thread(); k < n; k += 256) own[k] = (int)k;
    wg_sync();
    if (wg_thread() == 0) {
      NUMBER sign = 1;
      for (long long k = 0; k < n; ++k) {
        long long swapped = other[k] - 1;
        if (swapped == k || swapped < 0 || swapped >= n) continue;
        int kept = own[k];
        own[k] = own[swapped];
        own[swapped] = kept;
        sign = -sign;
      }
      row[2 * n] = sign;
    }
    wg_sync();
    for (long long k = wg_thread(); k < n; k += 256) {
      row[k] = (NUMBER)own[k];
      row[n + own[k]] = (NUMBER)k;
    }
    wg_sync();
  }
}

// The conjugate transposes of matrices that have `rows` rows and stand columns first, `given` apart.
// A number is a `pair` of floats, or one.
WG_KERNEL(wg_turned, 256)(NUMBER* out, long long step, const NUMBER* in, long long given,
                          long long rows, long long columns, long long pair, long long batch) {
  long long size = rows * columns * pair;
  for (long long k = wg_block() * 256 + wg_thread(); k < size * batch; k += wg_blocks() * 256) {
    long long matrix = k / size, at = k % size, part = at % pair;
    long long row = at / pair / columns, column = at / pair % columns;
    NUMBER found = in[matrix * given + (column * rows + row) * pair + part];
    out[matrix * step + at] = part ? -found : found;
  }
}

// The first `k` columns of Q = H_0 H_1 ... from k reflections H_i = 1 - tau_i v_i v_i^H, as geqrf
// leaves them: column i of the m x n matrix at `out` has v_i below its diagonal, where 1 stands for
// what is there. Q follows that matrix. Column j is H_0 ... H_j e_j, since all others leave e_j as it
// is: so each column is the work of a warp, whose lanes keep to their own elements.
WG_KERNEL(wg_reflected, 256)(NUMBER* out, long long step, const NUMBER* tau, long long m,
                             long long n, long long k, long long pair, long long batch) {
  long long lane = wg_thread() % 32, warp = wg_block() * 8 + wg_thread() / 32;
  for (; warp < k * batch; warp += wg_blocks() * 8) {
    long long matrix = warp / k, j = warp % k;
    const NUMBER* vectors = out + matrix * step;
    NUMBER* q = out + matrix * step + (n + j) * m * pair;
    for (long long r = lane; r < m; r += 32) {
      q[r * pair] = r == j;
      if (pair == 2) q[2 * r + 1] = 0;
    }
    for (long long i = j; i >= 0; --i) {
      const NUMBER* v = vectors + i * m * pair;
      const NUMBER* t = tau + (matrix * k + i) * pair;
      long long first = i + (lane - i % 32 + 32) % 32;
      NUMBER re = 0, im = 0;
      for (long long r = first; r < m; r += 32) {
        NUMBER x = r == i ? 1 : v[r * pair], y = pair == 1 || r == i ? 0 : v[2 * r + 1];
        re += x * q[r * pair];
        if (pair == 2) {
          re += y * q[2 * r + 1];
          im += x * q[2 * r + 1] - y * q[2 * r];
        }
      }
      re = wg_warp_reduce<wg_add, NUMBER>(re);
      im = wg_warp_reduce<wg_add, NUMBER>(im);
      NUMBER a = t[0] * re, b = 0;
      if (pair == 2) {
        a -= t[1] * im;
        b = t[0] * im + t[1] * re;
      }
      for (long long r = first; r < m; r += 32) {
        NUMBER x = r == i ? 1 : v[r * pair], y = pair == 1 || r == i ? 0 : v[2 * r + 1];
        q[r * pair] -= a * x - b * y;
        if (pair == 2) q[2 * r + 1] -= a * y + b * x;
      }
    }
  }
}

// Complex numbers as all of their real parts and then all of their imaginary ones.
WG_KERNEL(wg_parts, 256)(NUMBER* out, long long step, const NUMBER* in, long long n,
                         long long batch) {
  for (long long k = wg_block() * 256 + wg_thread(); k < n * batch; k += wg_blocks() * 256) {
    NUMBER* row = out + k / n * step;
    row[k % n] = in[2 * k];
    row[n + k % n] = in[2 * k + 1];
  }
}
