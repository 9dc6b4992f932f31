"""Views: they see what is written to their base, and what is written to them goes through."""

import numpy as np

from corpus.case import Case, square, vector


def row_is_a_view(a):
    row = a[1]
    row[:] = 0.0
    return a.sum()


def rows_in_a_loop(a):
    for i in range(a.shape[0]):
        row = a[i]
        row *= i + 1
        row[0] = row[1] + row[2]


def iterating_gives_views(a):
    for row in a:
        row -= row.mean()
    return a[0, 0]


def view_of_a_view(a):
    block = a[1:, :2]
    column = block[:, 1]
    column[0] = 9.0
    column *= 2.0
    return block.sum()


def view_sees_later_stores(x):
    tail = x[2:]
    x[3] = 10.0 * x[0]
    x *= 0.5
    return tail.sum(), tail[1]


def copy_does_not_see_later_stores(x):
    before = x.copy()
    also = np.array(x)
    x[0] = 5.0
    return before * x + also


def reshape_is_a_view(x):
    a = x.reshape(2, 3)
    a[1] = a[0] * 2.0
    a[:, 0] += 1.0
    return x[3] + x[0]


def ravel_is_a_view(a):
    flat = a.ravel()
    flat[::2] = -1.0
    a[0, 1] = flat[1] * 4.0
    return flat[1]


def flatten_is_a_copy(a):
    flat = a.flatten()
    flat[0] = 100.0
    return a + flat[1]


def transpose_is_a_view(a):
    b = a.T
    b[0] = 7.0
    b[1, 2] *= b[2, 1]
    np.transpose(a)[2] += 1.0
    return b @ a


def row_of_a_transpose(a):
    column = a.T[1]
    for i in range(len(column)):
        column[i] = column[i] * i
    return a[0]


def swapped_axes(t):
    u = t.swapaxes(0, 2)
    u[1] = u[0] * 0.5
    v = np.moveaxis(t, 1, 0)
    v[0, 0] += 3.0
    return u.sum(axis=0)


def squeezed_and_expanded(a):
    b = a[:, None]
    c = b[:, 0]
    c[0] *= 3.0
    np.squeeze(b)[1] = a[0]
    np.expand_dims(a, 0)[0, 2] -= 1.0
    return c


def negative_steps(x):
    back = x[::-1]
    back[0] = 4.0
    back[1:3] *= back[0]
    return back[::-1][0]


def negative_steps_in_two_axes(a):
    turned = a[::-1, ::-2]
    turned[0] += turned[1]
    return turned


def steps_of_steps(x):
    y = x[1::2]
    z = y[::2]
    z += 1.0
    y[1] = z[0]
    return z


def view_passed_to_a_helper(a):
    def scale(v):
        v /= np.sum(v * v)

    for i in range(a.shape[1]):
        scale(a[:, i])


def swapped_buffers(u, v):
    for _ in range(5):
        v[1:-1] = 0.5 * (u[:-2] + u[2:])
        v[0] = u[0]
        v[-1] = u[-1]
        u, v = v, u
    return u


def swapped_buffers_with_traced_turns(u, turns):
    v = u.copy()
    for _ in range(turns):
        v[1:-1] = u[1:-1] + 0.1 * (u[:-2] - 2.0 * u[1:-1] + u[2:])
        u, v = v, u
    return u


def unpacked_rows(a):
    first, second, third = a
    first += second
    third[:] = first
    return a[2] - second


def diagonal_reads(a):
    d = np.diagonal(a)
    e = np.diag(a)
    a[1, 1] = 4.0
    return d * 2.0 + a.diagonal(1).sum(), np.trace(a), e.sum()


def overlapping_halves(x):
    left, right = x[:4], x[2:]
    left += right
    right[:] = left[::-1]


def same_array_under_two_names(x):
    y = x
    z = y[1:]
    y[1] = 3.0 * x[0]
    z[1] += y[1]
    return x


def reshaped_loop_writes(x):
    a = x.reshape(3, -1)
    for i in range(3):
        for j in range(1, a.shape[1]):
            a[i, j] += a[i, j - 1]
    return x[-1]


def view_of_an_array_made_inside(x):
    a = np.zeros((3, len(x)))
    top, bottom = a[0], a[-1]
    top[:] = x
    bottom[1:] = top[:-1] * 2.0
    a[1] = a[0] + a[2]
    return a


def split_parts(x):
    first, second = np.split(x, 2)
    return first * second[::-1]


def blocks(a):
    for i in range(0, 4, 2):
        for j in range(0, 4, 2):
            block = a[i : i + 2, j : j + 2]
            block[0, 1] += block[1, 0]
            block *= 0.5
    return a[0, 1]


def windows_in_a_loop(x):
    for i in range(1, len(x) - 1):
        window = x[i - 1 : i + 2]
        window[1] = 0.25 * window[0] + 0.5 * window[1] + 0.25 * window[2]


def aliased_result(x):
    x[0] = 2.0
    return x, x[1:]


def broadcast_view_is_read(x):
    b = np.broadcast_to(x, (3, len(x)))
    x[0] = x[1] * 2.0
    return b.sum(axis=0) + b[1]


def view_in_a_branch(a, sign):
    row = a[0]
    if sign > 0:
        row = a[1]
        row += 1.0
    else:
        row *= 2.0
    return row.sum()


def cube(rng, n):
    return (rng.normal(size=(n, n, n)),)


def two_buffers(rng, n):
    return rng.normal(size=n), np.zeros(n)


CASES = [
    Case(row_is_a_view, square, 3, (0,)),
    Case(rows_in_a_loop, lambda r, n: (r.normal(size=(n, 3)),), 6, (0,), captured=True),
    Case(iterating_gives_views, lambda r, n: (r.normal(size=(n, 3)),), 6, (0,), captured=True),
    Case(view_of_a_view, square, 3, (0,)),
    Case(view_sees_later_stores, vector, 5, (0,)),
    Case(copy_does_not_see_later_stores, vector, 3, (0,)),
    Case(reshape_is_a_view, vector, 6, (0,)),
    Case(ravel_is_a_view, square, 3, (0,)),
    Case(flatten_is_a_copy, square, 3, (0,)),
    Case(transpose_is_a_view, square, 3, (0,)),
    Case(row_of_a_transpose, lambda r, n: (r.normal(size=(n, 3)),), 6, (0,), captured=True),
    Case(swapped_axes, cube, 2, (0,)),
    Case(squeezed_and_expanded, square, 3, (0,)),
    Case(negative_steps, vector, 5, (0,)),
    Case(negative_steps_in_two_axes, square, 3, (0,)),
    Case(steps_of_steps, vector, 8, (0,)),
    Case(view_passed_to_a_helper, lambda r, n: (r.normal(size=(3, n)),), 6, (0,), captured=True),
    Case(swapped_buffers, two_buffers, 6, (0,)),
    Case(
        swapped_buffers_with_traced_turns,
        lambda r, n: (r.normal(size=6), np.int64(n + r.integers(2))),
        5,
        (0,),
        captured=True,
        notes="which buffer is the argument depends on the number of turns",
    ),
    Case(unpacked_rows, square, 3, (0,)),
    Case(diagonal_reads, square, 3, (0,)),
    Case(overlapping_halves, vector, 6, (0,)),
    Case(same_array_under_two_names, vector, 4, (0,)),
    Case(reshaped_loop_writes, lambda r, n: (r.normal(size=3 * n),), 6, (0,), captured=True),
    Case(view_of_an_array_made_inside, vector, 4, (0,), differences=True),
    Case(split_parts, vector, 6, (0,)),
    Case(blocks, square, 4, (0,)),
    Case(windows_in_a_loop, vector, 9, (0,), captured=True),
    Case(aliased_result, vector, 3, (0,)),
    Case(broadcast_view_is_read, vector, 3, (0,)),
    Case(view_in_a_branch, lambda r, n: (r.normal(size=(n, n)), r.normal()), 3, (0,)),
]
