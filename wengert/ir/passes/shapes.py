"""Rules of ops that move elements, of reductions, and of contractions.

All are exact but two kinds, which stay inside one reduction: sums of sums are summed together,
and the sum of n equal elements is n times the element.
"""

from __future__ import annotations

import math
from itertools import pairwise

from wengert.ir.floats import kind_of
from wengert.ir.passes.splats import splat
from wengert.ir.program import Atom, Literal
from wengert.ir.rewrite import Node, Rewriter, Rule
from wengert.ir.types import Dim, Shape, has_dims

Table = dict[str, tuple[Rule, ...]]


def squeezed(shape: Shape) -> Shape:
    """`shape` without its axes of length 1."""
    return tuple([n for n in shape if n != 1])


def _squeeze(r: Rewriter, x: Atom) -> Atom:
    shape = squeezed(x.type.shape)
    return x if shape == x.type.shape else r.emit("reshape", x, shape=shape)


def same_type(r: Rewriter, n: Node) -> Atom | None:
    """A reshape or slice or broadcast that leaves the type alone leaves the elements alone."""
    return n.inputs[0] if n.inputs[0].type == n.type else None


# transpose


def transpose_identity(r: Rewriter, n: Node) -> Atom | None:
    """transpose by 0, 1, 2, ... -> x."""
    perm = n.params["perm"]
    return n.inputs[0] if perm == tuple(range(len(perm))) else None


def transpose_transpose(r: Rewriter, n: Node) -> Atom | None:
    """transpose(transpose(x, p), q) -> transpose(x, p[q])."""
    maker = r.maker(n.inputs[0], "transpose")
    if maker is None:
        return None
    inner = maker.params["perm"]
    return r.emit("transpose", maker.inputs[0], perm=tuple([inner[a] for a in n.params["perm"]]))


def transpose_broadcast(r: Rewriter, n: Node) -> Atom | None:
    """transpose(broadcast(x)) -> broadcast(transpose(x))."""
    maker = r.maker(n.inputs[0], "broadcast")
    if maker is None:
        return None
    place = {axis: i for i, axis in enumerate(n.params["perm"])}
    moved = [place[d] for d in maker.params["dims"]]
    order = tuple(sorted(range(len(moved)), key=moved.__getitem__))
    x = r.emit("transpose", maker.inputs[0], perm=order)
    return r.emit("broadcast", x, shape=n.type.shape, dims=tuple(sorted(moved)))


def transpose_dot(r: Rewriter, n: Node) -> Atom | None:
    """transpose(dot_general(x, y)) -> transpose(dot_general(y, x)).

    Where that swaps the free axes into place, no transpose is left; where it makes the last axis
    stay the last, the transpose that is left moves whole rows.
    """
    dot = r.maker(n.inputs[0], "dot_general")
    if dot is None or not r.used_once(n.inputs[0]):
        return None
    x, y = dot.inputs
    (contract_x, contract_y), (batch_x, batch_y) = dot.params["contract"], dot.params["batch"]
    batch, total = len(batch_x), len(n.type.shape)
    split = batch + len(x.type.shape) - batch - len(contract_x)
    if not batch <= n.params["perm"][-1] < split:
        return None
    swapped = (*range(batch), *range(split, total), *range(batch, split))
    contract, batches = (contract_y, contract_x), (batch_y, batch_x)
    product = r.emit("dot_general", y, x, contract=contract, batch=batches)
    return r.emit("transpose", product, perm=tuple(swapped.index(a) for a in n.params["perm"]))


# reshape and broadcast


def reshape_reshape(r: Rewriter, n: Node) -> Atom | None:
    """reshape(reshape(x)) -> reshape(x)."""
    maker = r.maker(n.inputs[0], "reshape")
    return None if maker is None else r.emit("reshape", maker.inputs[0], shape=n.type.shape)


def reshape_broadcast(r: Rewriter, n: Node) -> Atom | None:
    """reshape(broadcast(x)) -> broadcast(x), if x is 0-d or only axes of length 1 come or go."""
    maker = r.maker(n.inputs[0], "broadcast")
    if maker is None:
        return None
    x, wide = maker.inputs[0], maker.params["shape"]
    if not x.type.shape:
        return r.full(x, n.type)
    if squeezed(wide) != squeezed(n.type.shape):
        return None
    old = [a for a, size in enumerate(wide) if size != 1]
    new = [a for a, size in enumerate(n.type.shape) if size != 1]
    moved = dict(zip(old, new, strict=True))
    dims = tuple([moved[d] for d in maker.params["dims"] if wide[d] != 1])
    return r.emit("broadcast", _squeeze(r, x), shape=n.type.shape, dims=dims)


def broadcast_broadcast(r: Rewriter, n: Node) -> Atom | None:
    """broadcast(broadcast(x)) -> broadcast(x)."""
    maker = r.maker(n.inputs[0], "broadcast")
    if maker is None:
        return None
    dims = tuple([n.params["dims"][d] for d in maker.params["dims"]])
    return r.emit("broadcast", maker.inputs[0], shape=n.type.shape, dims=dims)


def broadcast_reshape(r: Rewriter, n: Node) -> Atom | None:
    """broadcast(reshape(x)) -> broadcast(x), if the reshape only adds axes of length 1."""
    maker = r.maker(n.inputs[0], "reshape")
    if maker is None:
        return None
    x, shape = maker.inputs[0], maker.params["shape"]
    if 1 not in shape or squeezed(shape) != squeezed(x.type.shape):
        return None
    dims = tuple([d for d, size in zip(n.params["dims"], shape, strict=True) if size != 1])
    return r.emit("broadcast", _squeeze(r, x), shape=n.type.shape, dims=dims)


# slice, pad, concat, rev


def slice_slice(r: Rewriter, n: Node) -> Atom | None:
    """slice(slice(x)) -> slice(x), with elements left (else `empty` comes first)."""
    maker = r.maker(n.inputs[0], "slice")
    if maker is None:
        return None
    inner, outer = maker.params, n.params
    bounds = [
        (first + a * s, first + (a + (size - 1) * t) * s + 1, s * t)
        for first, s, a, t, size in zip(
            inner["start"], inner["step"], outer["start"], outer["step"], n.type.shape, strict=True
        )
    ]
    start, stop, step = zip(*bounds, strict=True)
    return r.emit("slice", maker.inputs[0], start=start, stop=stop, step=step)


def slice_broadcast(r: Rewriter, n: Node) -> Atom | None:
    """slice(broadcast(x)) -> broadcast(slice(x))."""
    maker = r.maker(n.inputs[0], "broadcast")
    if maker is None:
        return None
    x, dims = maker.inputs[0], maker.params["dims"]
    if dims:
        part = {
            name: tuple([n.params[name][d] for d in dims]) for name in ("start", "stop", "step")
        }
        x = r.emit("slice", x, **part)
    return r.emit("broadcast", x, shape=n.type.shape, dims=dims)


def slice_concat(r: Rewriter, n: Node) -> Atom | None:
    """slice(concat(x, y, ...)) -> slice(y), if it reads nothing of the others."""
    maker = r.maker(n.inputs[0], "concat")
    if maker is None or 0 in n.type.shape or has_dims(tuple(x.type.shape for x in maker.inputs)):
        return None
    axis: int = maker.params["axis"]
    start: Shape = n.params["start"]
    stop: Shape = n.params["stop"]
    offset = 0
    for x in maker.inputs:
        size = x.type.shape[axis]
        if offset <= start[axis] and stop[axis] <= offset + size:
            moved = {
                "start": (*start[:axis], start[axis] - offset, *start[axis + 1 :]),
                "stop": (*stop[:axis], stop[axis] - offset, *stop[axis + 1 :]),
            }
            return r.emit("slice", x, step=n.params["step"], **moved)
        offset += size
    return None


def pad_nothing(r: Rewriter, n: Node) -> Atom | None:
    """pad by nothing -> x."""
    return n.inputs[0] if n.inputs[0].type == n.type else None


def pad_splat(r: Rewriter, n: Node) -> Atom | None:
    """pad(x, fill) -> fill, if x has no elements or all are the fill."""
    x, fill = n.inputs
    known = splat(r, x)
    if 0 in x.type.shape:
        return r.full(fill, n.type)
    if known is None or not isinstance(fill, Literal) or repr(known.value) != repr(fill.value):
        return None
    return r.full(fill, n.type)


def concat_trivial(r: Rewriter, n: Node) -> Atom | None:
    """concat(x) -> x; operands without elements along the axis are left out."""
    axis = n.params["axis"]
    kept = [x for x in n.inputs if x.type.shape[axis] != 0] or [n.inputs[0]]
    if len(kept) == 1:
        return kept[0]
    if len(kept) < len(n.inputs):
        return r.emit("concat", *kept, axis=axis)
    return None


def concat_slices(r: Rewriter, n: Node) -> Atom | None:
    """concat(slice(x), slice(x), ...) -> slice(x), if each begins where the one before ends."""
    makers = [r.maker(a, "slice") for a in n.inputs]
    first = makers[0]
    axis: int = n.params["axis"]
    if first is None or any(m is None or m.inputs[0] is not first.inputs[0] for m in makers):
        return None
    given = [m.params for m in makers if m is not None]
    if any(p["step"] != given[0]["step"] for p in given) or given[0]["step"][axis] != 1:
        return None
    for before, after in pairwise(given):
        others = [(*p["start"][:axis], *p["start"][axis + 1 :]) for p in (before, after)]
        ends = [(*p["stop"][:axis], *p["stop"][axis + 1 :]) for p in (before, after)]
        if others[0] != others[1] or ends[0] != ends[1]:
            return None
        if before["stop"][axis] != after["start"][axis]:
            return None
    stop = given[-1]["stop"]
    return r.emit(
        "slice", first.inputs[0], start=given[0]["start"], stop=stop, step=given[0]["step"]
    )


def scatter_nothing(r: Rewriter, n: Node) -> Atom | None:
    """A scatter of no updates -> the operand."""
    return n.inputs[0] if 0 in n.inputs[1].type.shape else None


def rev_rev(r: Rewriter, n: Node) -> Atom | None:
    """rev of no axes or axes of length 1 -> x; rev(rev(x)) -> rev(x) along axes in one of them."""
    x, axes = n.inputs[0], n.params["axes"]
    kept = tuple([a for a in axes if x.type.shape[a] > 1])
    if not kept:
        return x
    maker = r.maker(x, "rev")
    if maker is not None:
        odd = tuple(sorted(set(kept) ^ set(maker.params["axes"])))
        return r.emit("rev", maker.inputs[0], axes=odd)
    return r.emit("rev", x, axes=kept) if len(kept) < len(axes) else None


def rev_broadcast(r: Rewriter, n: Node) -> Atom | None:
    """rev(broadcast(x)) -> broadcast(rev(x)) along the axes that x has."""
    maker = r.maker(n.inputs[0], "broadcast")
    if maker is None:
        return None
    dims = maker.params["dims"]
    inner = tuple([i for i, d in enumerate(dims) if d in n.params["axes"]])
    x = maker.inputs[0]
    x = r.emit("rev", x, axes=inner) if inner else x
    return r.emit("broadcast", x, shape=n.type.shape, dims=dims)


# reductions


def reduce_nothing(r: Rewriter, n: Node) -> Atom | None:
    """A reduction over no axes -> x; over axes of length 1 only -> reshape(x)."""
    x = n.inputs[0]
    axes: Shape = n.params["axes"]
    if not axes:
        return x
    if all(x.type.shape[a] == 1 for a in axes):
        return r.emit("reshape", x, shape=n.type.shape)
    return None


IDENTITIES = {"reduce_sum": 0, "reduce_prod": 1, "reduce_and": True, "reduce_or": False}


def reduce_empty(r: Rewriter, n: Node) -> Atom | None:
    """A reduction of no elements -> the number that it starts from."""
    if 0 not in n.inputs[0].type.shape:
        return None
    return r.full(r.literal(IDENTITIES[n.op.name], n.type.dtype), n.type)


def reduce_reduce(r: Rewriter, n: Node) -> Atom | None:
    """reduce(reduce(x)) -> reduce(x) over the axes of both, unless 16 bits round in between."""
    maker = r.maker(n.inputs[0], n.op.name)
    if maker is None or (kind_of(n.type.dtype) == "f" and n.type.dtype.itemsize < 4):
        return None
    if not r.used_once(n.inputs[0]):
        return None
    x = maker.inputs[0]
    inner: Shape = maker.params["axes"]
    left = [a for a in range(len(x.type.shape)) if a not in inner]
    outer: Shape = n.params["axes"]
    axes = tuple(sorted([*inner, *(left[a] for a in outer)]))
    return r.emit(n.op.name, x, axes=axes)


def reduce_broadcast(r: Rewriter, n: Node) -> Atom | None:
    """reduce(broadcast(x)) -> broadcast(reduce(x)), with a sum of n equal elements as n * x."""
    maker = r.maker(n.inputs[0], "broadcast")
    if maker is None:
        return None
    x, wide, dims = maker.inputs[0], maker.params["shape"], maker.params["dims"]
    axes = n.params["axes"]
    if any(isinstance(wide[a], Dim) for a in axes):
        return None  # how many there are depends on the turn of a loop
    count = math.prod(wide[a] for a in axes if a not in dims)
    if kind_of(n.type.dtype) == "f" and r.literal(count, n.type.dtype).value != count:
        return None  # n is rounded, or infinite in float16
    if count == 0 or (count == 1 and all(a in dims for a in axes)):
        return None
    inner = tuple([i for i, d in enumerate(dims) if d in axes])
    small = r.emit(n.op.name, x, axes=inner) if inner else x
    if n.op.name == "reduce_sum" and count > 1:
        small = r.emit("mul", small, r.literal(count, n.type.dtype))
    place = {a: i for i, a in enumerate([a for a in range(len(wide)) if a not in axes])}
    kept = tuple([place[d] for d in dims if d in place])
    return r.emit("broadcast", small, shape=n.type.shape, dims=kept)


def reduce_transpose(r: Rewriter, n: Node) -> Atom | None:
    """reduce(transpose(x)) -> reduce(x), if the axes that stay keep their order."""
    maker = r.maker(n.inputs[0], "transpose")
    if maker is None:
        return None
    perm, axes = maker.params["perm"], n.params["axes"]
    stay = [p for i, p in enumerate(perm) if i not in axes]
    if stay != sorted(stay):
        return None
    return r.emit(n.op.name, maker.inputs[0], axes=tuple(sorted(perm[a] for a in axes)))


def reduce_reshape(r: Rewriter, n: Node) -> Atom | None:
    """reduce(reshape(x)) -> reduce(x), if only axes of length 1 come or go, or all axes go."""
    maker = r.maker(n.inputs[0], "reshape")
    if maker is None or (kind_of(n.type.dtype) == "f" and n.type.dtype.itemsize < 4):
        return None
    x, wide = maker.inputs[0], maker.params["shape"]
    axes: Shape = n.params["axes"]
    if len(axes) == len(wide):
        return r.emit(n.op.name, x, axes=tuple(range(len(x.type.shape))))
    if squeezed(wide) != squeezed(x.type.shape):
        return None
    old = [a for a, size in enumerate(wide) if size != 1]
    new = [a for a, size in enumerate(x.type.shape) if size != 1]
    inner = tuple([b for a, b in zip(old, new, strict=True) if a in axes])
    return r.emit("reshape", r.emit(n.op.name, x, axes=inner), shape=n.type.shape)


def reduce_negated(r: Rewriter, n: Node) -> Atom | None:
    """reduce_sum(-x) -> -reduce_sum(x)."""
    maker = r.maker(n.inputs[0], "neg")
    if maker is None or not r.used_once(n.inputs[0]):
        return None
    return r.emit("neg", r.emit("reduce_sum", maker.inputs[0], axes=n.params["axes"]))


# contractions


def dot_empty(r: Rewriter, n: Node) -> Atom | None:
    """A contraction over an axis without elements -> 0."""
    x = n.inputs[0]
    if all(x.type.shape[a] for a in n.params["contract"][0]):
        return None
    return r.full(r.literal(0, n.type.dtype), n.type)


def dot_negated(r: Rewriter, n: Node) -> Atom | None:
    """dot_general(-x, y) -> -dot_general(x, y)."""
    for side in (0, 1):
        maker = r.maker(n.inputs[side], "neg")
        if maker is not None and r.used_once(n.inputs[side]):
            inputs = list(n.inputs)
            inputs[side] = maker.inputs[0]
            return r.emit("neg", r.emit("dot_general", *inputs, **n.params))
    return None


def dot_transposed(r: Rewriter, n: Node) -> Atom | None:
    """dot_general(transpose(x), y) -> dot_general(x, y) over the axes that x has for them.

    The free axes must keep their order, since the output has them in the operand's order.
    """
    for side in (0, 1):
        maker = r.maker(n.inputs[side], "transpose")
        if maker is None:
            continue
        perm = maker.params["perm"]
        contract, batch = n.params["contract"], n.params["batch"]
        free = [p for i, p in enumerate(perm) if i not in (*contract[side], *batch[side])]
        if free != sorted(free):
            continue
        inputs = list(n.inputs)
        inputs[side] = maker.inputs[0]
        params = {
            name: _with(axes, side, tuple([perm[a] for a in axes[side]]))
            for name, axes in (("contract", contract), ("batch", batch))
        }
        return r.emit("dot_general", *inputs, **params)
    return None


def _with(pair: tuple[Shape, Shape], side: int, axes: Shape) -> tuple[Shape, Shape]:
    return (axes, pair[1]) if side == 0 else (pair[0], axes)


def dot_outer(r: Rewriter, n: Node) -> Atom | None:
    """A contraction over nothing, or over axes of length 1, is a product of broadcasts."""
    x, y = n.inputs
    contract: tuple[Shape, Shape] = n.params["contract"]
    batch: tuple[Shape, Shape] = n.params["batch"]
    if any(x.type.shape[a] != 1 for a in contract[0]) or n.type.dtype.kind == "b":
        return None
    operands: list[Atom] = []
    first_free = len(batch[0])
    for side, atom in enumerate((x, y)):
        ndim = len(atom.type.shape)
        free = [a for a in range(ndim) if a not in (*contract[side], *batch[side])]
        atom = r.emit("transpose", atom, perm=(*batch[side], *free, *contract[side]))
        shape = tuple([atom.type.shape[i] for i in range(ndim - len(contract[side]))])
        atom = r.emit("reshape", atom, shape=shape)
        dims = (*range(len(batch[side])), *range(first_free, first_free + len(free)))
        operands.append(r.emit("broadcast", atom, shape=n.type.shape, dims=dims))
        first_free += len(free)
    return r.emit("mul", *operands)


REDUCTIONS = ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_and", "reduce_or")

TABLE: Table = {
    "transpose": (
        transpose_identity,
        transpose_transpose,
        transpose_broadcast,
        transpose_dot,
    ),
    "reshape": (same_type, reshape_reshape, reshape_broadcast),
    "broadcast": (same_type, broadcast_broadcast, broadcast_reshape),
    "slice": (same_type, slice_slice, slice_broadcast, slice_concat),
    "pad": (pad_nothing, pad_splat),
    "concat": (concat_trivial, concat_slices),
    "scatter_add": (scatter_nothing,),
    "scatter_set": (scatter_nothing,),
    "rev": (rev_rev, rev_broadcast),
    "dot_general": (dot_empty, dot_outer, dot_transposed, dot_negated),
    **{
        name: (
            *((reduce_empty,) if name in IDENTITIES else ()),
            reduce_nothing,
            reduce_transpose,
            reduce_reshape,
            *((reduce_negated,) if name == "reduce_sum" else ()),
            *((reduce_broadcast,) if name != "reduce_prod" else ()),
            reduce_reduce,
        )
        for name in REDUCTIONS
    },
}
