"""The order of the elements of rows in arithmetic of whole arrays, for where no library sorts.

Short rows count, for each element, those that come before it. Longer ones are merged, run by run:
an element's place in the merged run is its own rank plus the number of elements of the neighbouring
run that come before it, which a binary search finds. All elements do that at once, so a pass is a
few elementwise equations, and there are log2(n) passes of log2(n) steps.
"""

from __future__ import annotations

from wengert.ir.builder import Value
from wengert.ir.floats import kind_of
from wengert.ir.ops.complex_order import comes_before
from wengert.ir.ops.control_family import emit_loop
from wengert.ir.ops.parts import Parts
from wengert.ir.ops.structural_family import iota
from wengert.ir.types import INT64

SHORT = 32
"""Up to so many elements are sorted by counting."""


def order_of_rows(keys: Value, size: Value | None = None) -> Value:
    """The permutation [b, n] that sorts each row of keys [b, n]; stable, and NaNs come last.

    `size` is n, where the type does not tell it.
    """
    if size is not None:
        return _merged(keys, size)
    n = keys.shape[1]
    if n < 2:
        return iota(keys.builder, keys.shape, 1)
    return _counted(keys) if n <= SHORT else _merged(keys, keys.builder.literal(n, INT64))


def less(x: Value, y: Value) -> Value:
    """Whether x comes before y; NaNs come last."""
    if x.type.is_complex:
        return comes_before(Parts(x.real(), x.imag()), Parts(y.real(), y.imag()))
    found = x.lt(y)
    return found.bitor(y.isnan().bitand(x.isnan().bitnot())) if kind_of(x.dtype) == "f" else found


def _counted(keys: Value) -> Value:
    rows, n = keys.shape
    cube = (rows, n, n)
    own = keys.broadcast(shape=cube, dims=(0, 1))
    other = keys.broadcast(shape=cube, dims=(0, 2))
    earlier = iota(keys.builder, cube, 2).lt(iota(keys.builder, cube, 1))
    tied = less(own, other).bitnot().bitand(earlier)
    rank = less(other, own).bitor(tied).to(INT64).reduce_sum(axes=(2,))
    return _placed(iota(keys.builder, keys.shape, 1), rank)


def _placed(x: Value, places: Value) -> Value:
    """x with the elements of each row brought to their places."""
    zeros = x.full_like(0)
    return zeros.scatter_set(x, iota(x.builder, x.shape, 0), places)


def _merged(keys: Value, size: Value) -> Value:
    builder, shape = keys.builder, keys.shape
    passes = (int(shape[1]) - 1).bit_length()

    def merge(level: Value, consts: list[Value], carry: list[Value]) -> list[Value]:
        runs, order = carry
        places = _merged_places(runs, level, passes, consts[0])
        return [_placed(runs, places), _placed(order, places)]

    bounds = (builder.literal(0, INT64), builder.literal(passes, INT64))
    carry = [keys, iota(builder, shape, 1)]
    return emit_loop(builder, bounds, [size], carry, merge, turns=passes)[1]


def _merged_places(keys: Value, level: Value, steps: int, size: Value) -> Value:
    """Where each element goes when neighbouring runs of 2**level elements are merged."""
    builder, shape = keys.builder, keys.shape
    n = size.broadcast(shape=shape, dims=())
    one = builder.literal(1, INT64)
    width = one.shl(level).broadcast(shape=shape, dims=())
    i = iota(builder, shape, 1)
    start = i.sub(i.mod(width.mul(2)))
    middle = start.add(width).min(n)
    end = middle.add(width).min(n)
    left = i.lt(middle)
    low, high = left.select(middle, start), left.select(end, middle)
    found = _search(keys, left, low, high, steps, n)
    rank = i.sub(left.select(start, middle))
    return start.add(rank).add(found.sub(low))


def _search(keys: Value, left: Value, low: Value, high: Value, steps: int, n: Value) -> Value:
    """For each element the end of those of its neighbouring run that come before it."""
    builder = keys.builder

    def step(i: Value, consts: list[Value], carry: list[Value]) -> list[Value]:
        x, from_left, length = consts
        first, last = carry
        middle = first.add(last).floordiv(2)
        other = x.gather(iota(x.builder, x.shape, 0), middle.min(length.sub(1)))
        # of equal elements those of the left run come first
        before = from_left.select(less(other, x), less(x, other).bitnot())
        before = before.bitand(first.lt(last))
        searching = first.lt(last).bitand(before.bitnot())
        return [before.select(middle.add(1), first), searching.select(middle, last)]

    bounds = (builder.literal(0, INT64), builder.literal(steps, INT64))
    return emit_loop(builder, bounds, [keys, left, n], [low, high], step, turns=steps)[0]
