"""Collectives: what the processes along an axis make of an array that each of them has.

Each is linear (but pmax and pmin), as a function from the arrays of all processes to the results of
all. Its transpose is that of this function of everything: with it, reverse mode differentiates the
*sum over all processes* of what a program returns, by what each process put in. So the sum of all,
which everyone gets, has the sum of all cotangents as its transpose: sum_r ybar_r dy_r with
y_r = sum_s x_s is sum_s (sum_r ybar_r) dx_s. Rows that are gathered are summed and scattered back,
what was sent from s to t comes back from t to s.

Programs are the same in all processes, so a structural zero is one in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from wengert.errors import DTypeError, ShapeError
from wengert.ir.builder import Builder, Value
from wengert.ir.forms import Collective
from wengert.ir.op import REGISTRY, Linear, Op, Sample, linear_in_all, register
from wengert.ir.ops.parts import separately
from wengert.ir.ops.structural_family import Batched, check_real
from wengert.ir.types import BOOL, INT64, TensorType
from wengert.world import WORLD, Request, perform

Array = Any
Pairs = tuple[tuple[int, int], ...]
FAMILY = "collective"
COST = 1000
"""What an element of a collective costs: it is never computed twice."""

# what a collective does to types


def _same(x: TensorType, size: int) -> TensorType:
    return x


def _stacked(x: TensorType, size: int) -> TensorType:
    return x.with_shape((size, *x.shape))


def _row(x: TensorType, size: int) -> TensorType:
    return x.with_shape(x.shape[1:])


def _check(kind: str, x: TensorType, size: int) -> None:
    if x.dtype == BOOL:
        raise DTypeError(f"{kind} takes numbers, got {x}; convert it with .astype(int)")
    if kind in ("pmax", "pmin"):
        check_real(kind, x)
    if kind in ("psum_scatter", "all_to_all") and (not x.shape or x.shape[0] != size):
        raise ShapeError(
            f"{kind} needs a row of its first axis for each of the {size} processes, got {x}"
        )


# constructors


def _collective(
    kind: str,
    result: Callable[[TensorType, int], TensorType],
    jvp: Callable[..., Sequence[Any]],
    transpose: Callable[..., Value] | None,
    batch: Callable[..., Value],
    samples: Callable[[], Iterable[Sample]],
    doc: str,
    detail: str = "",
) -> Op:
    """A collective of one operand; `detail` names the param of its request's numbers."""

    def infer(x: TensorType, *, axis: str, size: int, **given: Any) -> tuple[TensorType]:
        _check(kind, x, size)
        return (result(x, size),)

    def evaluate(x: Array, *, axis: str, size: int, **given: Any) -> Array:
        request = _request(kind, detail, axis, size, given)
        source = np.array(x, order="C")
        shape = result(TensorType(source.dtype, source.shape), size).shape
        out = source if request.in_place else np.empty(shape, source.dtype)
        perform(request, [source.reshape(-1)], [out.reshape(-1)])
        return out

    def pull(cotangents: Sequence[Value], inputs: Sequence[Linear], **params: Any) -> list[Value]:
        assert transpose is not None
        return [transpose(cotangents[0], **params)]

    def batched(values: Sequence[Value], flags: Any, size: int, /, **params: Any) -> Batched:
        return [batch(values[0], **params)], [True]

    return register(
        Op(
            name=kind,
            family=FAMILY,
            params=("axis", "size", *((detail,) if detail else ())),
            infer=infer,
            evaluate=evaluate,
            jvp=jvp,
            linear=linear_in_all if transpose is not None else lambda positions: False,
            transpose=pull if transpose is not None else None,
            parts=separately(kind) if transpose is not None else None,
            batch=batched,
            form=_form(kind, detail),
            samples=samples,
            cost=COST,
            doc=doc,
        )
    )


def _request(kind: str, detail: str, axis: str, size: int, given: dict[str, Any]) -> Request:
    """The request of an op whose param `detail` has its numbers: pairs one after the other."""
    return Request(kind, axis, size, tuple([int(x) for x in np.ravel(given.get(detail, ()))]))


def _form(kind: str, detail: str) -> Callable[..., Collective]:
    def form(types: Sequence[TensorType], *, axis: str, size: int, **given: Any) -> Collective:
        return Collective(_request(kind, detail, axis, size, given))

    return form


def _of_tangent(kind: str) -> Callable[..., list[Value]]:
    def jvp(primals: Any, tangents: Sequence[Value], outs: Any, **params: Any) -> list[Value]:
        return [getattr(tangents[0], kind)(**params)]

    return jvp


def _unchanged(kind: str) -> Callable[..., Value]:
    """The batch rule of what is done elementwise."""

    def batch(x: Value, **params: Any) -> Value:
        return getattr(x, kind)(**params)

    return batch


def _swapped(x: Value) -> Value:
    return x.transpose(perm=(1, 0, *range(2, x.ndim)))


def _draws(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).standard_normal(shape)


def _samples_of(*shapes: tuple[int, ...], **params: Any) -> Callable[[], list[Sample]]:
    given = {"axis": WORLD, "size": 1, **params}
    return lambda: [Sample((_draws(*shape),), dict(given)) for shape in shapes]


# sums, and what is linear

_collective(
    "psum",
    _same,
    _of_tangent("psum"),
    lambda ct, **params: ct.psum(**params),
    _unchanged("psum"),
    _samples_of((3, 2), ()),
    "The sum over the processes along an axis, in each of them.",
)
_collective(
    "all_gather",
    _stacked,
    _of_tangent("all_gather"),
    lambda ct, **params: ct.psum_scatter(**params),
    lambda x, **params: _swapped(x.all_gather(**params)),
    _samples_of((3, 2), ()),
    "The arrays of the processes along an axis as rows of a new first axis, in each of them.",
)
_collective(
    "psum_scatter",
    _row,
    _of_tangent("psum_scatter"),
    lambda ct, **params: ct.all_gather(**params),
    lambda x, **params: _swapped(x).psum_scatter(**params),
    _samples_of((1, 4), (1,)),
    "Row r of the first axis, summed over the processes along an axis, in process r.",
)
_collective(
    "all_to_all",
    _same,
    _of_tangent("all_to_all"),
    lambda ct, **params: ct.all_to_all(**params),
    lambda x, **params: _swapped(_swapped(x).all_to_all(**params)),
    _samples_of((1, 4), (1,)),
    "Row r of the first axis of each process, as the rows of process r.",
)


def _ppermute_back(ct: Value, *, axis: str, size: int, pairs: Pairs) -> Value:
    return ct.ppermute(axis=axis, size=size, pairs=tuple([(t, s) for s, t in pairs]))


_collective(
    "ppermute",
    _same,
    _of_tangent("ppermute"),
    _ppermute_back,
    _unchanged("ppermute"),
    lambda: [*_samples_of((3,), pairs=((0, 0),))(), *_samples_of((3,), pairs=())()],
    "The array of the process that sends here, by pairs of source and target; zeros if none does.",
    "pairs",
)


def axis_index(builder: Builder, axis: str, size: int) -> Value:
    """The number of this process along an axis."""
    return builder.emit(REGISTRY["axis_index"], (), {"axis": axis, "size": size})[0]


def _broadcast_back(ct: Value, *, axis: str, size: int, root: int) -> Value:
    total = ct.psum(axis=axis, size=size)
    here = axis_index(ct.builder, axis, size).eq(root)
    return here.broadcast(shape=ct.shape, dims=()).select(total, 0)


_collective(
    "pbroadcast",
    _same,
    _of_tangent("pbroadcast"),
    _broadcast_back,
    _unchanged("pbroadcast"),
    _samples_of((3,), (), root=0),
    "The array of process `root`, in each process along an axis.",
    "root",
)

# extrema


def _extremum_jvp(
    primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value], **params: Any
) -> list[Value]:
    """The mean tangent of the processes whose element is the result (or is NaN), as in max."""
    x, t = primals[0], tangents[0]
    won = x.eq(outs[0]).bitor(x.ne(x))
    return [won.select(t, 0).psum(**params) / won.to(t.dtype).psum(**params)]


for _kind, _what in (("pmax", "largest"), ("pmin", "smallest")):
    _collective(
        _kind,
        _same,
        _extremum_jvp,
        None,
        _unchanged(_kind),
        _samples_of((3, 2), ()),
        f"The {_what} of each element over the processes along an axis; ties share the derivative.",
    )

# without an operand


def _integer(kind: str, doc: str, detail: str = "", effect: bool = False) -> Op:
    """A collective of no operand whose result is one integer."""

    def evaluate(*, axis: str, size: int, **given: Any) -> Array:
        out = np.zeros(1, np.int64)
        perform(_request(kind, detail, axis, size, given), [], [out])
        return out[0]

    params = {"axis": WORLD, "size": 1} | ({detail: (3,)} if detail else {})
    return register(
        Op(
            name=kind,
            family=FAMILY,
            params=tuple(params),
            infer=lambda **params: (TensorType(INT64, ()),),
            evaluate=evaluate,
            form=_form(kind, detail),
            samples=lambda: [Sample((), dict(params))],
            cost=COST,
            doc=doc,
            effect=effect,
        )
    )


_integer("axis_index", "The number of this process along an axis.")
_integer(
    "agree",
    "0, if all processes along an axis are about to do the same; else an error.",
    "detail",
    effect=True,
)
