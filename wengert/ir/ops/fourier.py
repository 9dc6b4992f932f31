"""Discrete Fourier transforms along an axis: the op fft, and pocketfft that it is made of.

The op fft does not scale; the functions of `numpy.fft` are it with scaling and padding.
Its kinds, with w = exp(-2 pi i / n):

- forward: y[k] = sum of x[j] w**(jk), of complex x
- backward: the same with w**-1
- real: the first n // 2 + 1 numbers of `forward` of real x; the others are their conjugates
- halved: the real numbers of `backward` of such a half; imaginary parts that have to be 0 are
  taken as such

Matrices of the transforms are symmetric, and transposes are taken without conjugates, so forward
and backward are their own transposes.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from wengert.errors import DTypeError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.forms import Library, Transform, half
from wengert.ir.op import Linear, Op, Sample, linear_in_all, register
from wengert.ir.ops.matrices import COST
from wengert.ir.ops.parts import Parts
from wengert.ir.ops.structural_family import Params, batch_unary, check_axes, draw
from wengert.ir.types import (
    COMPLEX,
    FLOAT32,
    FLOAT64,
    Shape,
    TensorType,
    complex_dtype,
    real_dtype,
)

Array = np.ndarray[Any, Any]
FLOATS = (FLOAT32, FLOAT64)
KINDS = ("forward", "backward", "real", "halved")


def _infer(x: TensorType, *, kind: str, n: int, axis: int) -> tuple[TensorType]:
    check_axes("fft", x, (axis,))
    wanted = FLOATS if kind == "real" else COMPLEX
    if x.dtype not in wanted:
        listed = " or ".join(d.name for d in wanted)
        raise DTypeError(f"fft ({kind}) takes {listed}, got {x}; convert it first")
    length = half(n) if kind == "halved" else n
    if n < 1 or x.shape[axis] != length or not x.is_static:
        raise ShapeError(f"fft ({kind}) of {n} numbers takes {length} along axis {axis}, got {x}")
    shape = _with_length(x.shape, axis, half(n) if kind == "real" else n)
    if kind == "real":
        return (TensorType(complex_dtype(x.dtype), shape),)
    return (TensorType(real_dtype(x.dtype) if kind == "halved" else x.dtype, shape),)


def _with_length(shape: Shape, axis: int, length: int) -> Shape:
    return (*shape[:axis], length, *shape[axis + 1 :])


def _evaluate(x: Array, *, kind: str, n: int, axis: int) -> Array:
    match kind:
        case "forward":
            return np.fft.fft(x, axis=axis)
        case "backward":
            return np.fft.ifft(x, axis=axis, norm="forward")
        case "real":
            return np.fft.rfft(x, axis=axis)
        case _:
            return np.fft.irfft(x, n, axis, norm="forward")


def _jvp(
    primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value], **params: Any
) -> list[Value]:
    return [tangents[0].fft(**params)]


def _transpose(
    cotangents: Sequence[Value], inputs: Sequence[Linear], *, kind: str, n: int, axis: int
) -> list[Value]:
    """See the module's text; the two kinds of real numbers are written in terms of the others.

    real: Re(sum over k of c[k] w**(jk)) for each j, which is the real part of the transform of c
    with zeros behind it. halved: x[j] = Re(sum of m[k] y[k] w**(-jk)), where m counts y[k] and its
    conjugate: 1 at the ends that are their own, else 2. So m times the conjugate of `real` of c.
    """
    ct = cotangents[0]
    if kind == "real":
        none = (0,) * ct.ndim
        padded = ct.pad(0, low=none, high=_with_length(none, axis, n - half(n)), interior=none)
        return [padded.fft(kind="forward", n=n, axis=axis).real()]
    if kind == "halved":
        found = ct.fft(kind="real", n=n, axis=axis).conj()
        weights = ct.builder.constant(_multiplicities(n).astype(found.dtype))
        return [found * weights.broadcast(shape=found.shape, dims=(axis,))]
    return [ct.fft(kind=kind, n=n, axis=axis)]


def _multiplicities(n: int) -> Array:
    counts = np.full(half(n), 2.0)
    counts[0] = 1.0
    if n % 2 == 0:
        counts[-1] = 1.0
    return counts


def _parts(
    operands: Sequence[Parts | Value], *, kind: str, n: int, axis: int
) -> list[Parts | Value]:
    """Rows of interleaved numbers given to the library; backward is forward with parts swapped."""
    x = operands[0]
    shape = (x if isinstance(x, Value) else x.re).shape
    rows, inner = prod(shape[:axis]), prod(shape[axis + 1 :])
    if isinstance(x, Value):
        given = x.reshape(shape=(rows, n * inner))
        found = given.pocketfft(routine=f"r2c_{n}x{inner}")
        return [_taken_apart(found, _with_length(shape, axis, half(n)))]
    if kind == "halved":
        found = _interleaved(x, axis).pocketfft(routine=f"c2r_{n}x{inner}")
        return [found.reshape(shape=_with_length(shape, axis, n))]
    x = x if kind == "forward" else Parts(x.im, x.re)
    found = _interleaved(x, axis).pocketfft(routine=f"c2c_{n}x{inner}")
    result = _taken_apart(found, shape)
    return [result if kind == "forward" else Parts(result.im, result.re)]


def _interleaved(x: Parts, axis: int) -> Value:
    """Rows of all axes from this one on, in which real and imaginary parts are neighbours."""
    shape = x.re.shape
    columns = x.map(lambda part: part.reshape(shape=(*shape, 1)))
    pairs = columns.re.concat(columns.im, axis=len(shape))
    return pairs.reshape(shape=(prod(shape[:axis]), 2 * prod(shape[axis:])))


def _taken_apart(rows: Value, shape: Shape) -> Parts:
    """The parts of an array of this shape, from rows as `_interleaved` makes them."""
    pairs = rows.reshape(shape=(*shape, 2))

    def part(number: int) -> Value:
        start, stop = (*(0 for _ in shape), number), (*shape, number + 1)
        return pairs.slice(start=start, stop=stop, step=(1,) * pairs.ndim).reshape(shape=shape)

    return Parts(part(0), part(1))


def _samples() -> list[Sample]:
    found: list[Sample] = []
    for kind in KINDS:
        dtype = np.dtype(float if kind == "real" else complex)

        def sample(
            n: int, *around: int, axis: int = -1, dtype: Any = dtype, kind: str = kind
        ) -> None:
            length = half(n) if kind == "halved" else n
            place = axis % (len(around) + 1)
            shape = (*around[:place], length, *around[place:])
            params = {"kind": kind, "n": n, "axis": place}
            found.append(Sample((draw(shape, dtype, n),), params, tolerance=8))

        for n in (1, 2, 8, 12):
            sample(n)
        sample(5, 2, 3)
        sample(5, 2, 3, axis=1)
        sample(6, 3, axis=0)
        sample(4, 3, dtype=np.float32 if kind == "real" else np.complex64)
        sample(4, 0)
        sample(4, 0, axis=0)
        sample(4, 2, 0)
    return found


def _batched(size: int, *, kind: str, n: int, axis: int) -> Params:
    return {"kind": kind, "n": n, "axis": axis + 1}


fft = register(
    Op(
        name="fft",
        family="fourier",
        params=("kind", "n", "axis"),
        infer=_infer,
        evaluate=_evaluate,
        jvp=_jvp,
        linear=linear_in_all,
        transpose=_transpose,
        batch=batch_unary("fft", _batched),
        parts=_parts,
        samples=_samples,
        doc="The discrete Fourier transform along an axis, of length n, without a factor.",
    )
)


# the library's transforms, on rows of real numbers


def _rows_infer(x: TensorType, *, routine: str) -> tuple[TensorType]:
    found = Transform.named(routine)
    if x.dtype not in FLOATS or not x.ndim or x.shape[-1] != found.row_before:
        raise ShapeError(f"{routine} takes rows of {found.row_before} floats, got {x}")
    return (x.with_shape((*x.shape[:-1], found.row_after)),)


def _rows_evaluate(x: Array, *, routine: str) -> Array:
    found = Transform.named(routine)
    rows = np.ascontiguousarray(x)
    if found.pair_before == 2:
        rows = rows.view(complex_dtype(x.dtype))
    split = rows.reshape(*x.shape[:-1], found.before, found.inner)
    match found.kind:
        case "r2c":
            result = np.fft.rfft(split, axis=-2)
        case "c2r":
            result = np.fft.irfft(split, found.n, -2, norm="forward")
        case _:
            result = np.fft.fft(split, axis=-2)
    flat = np.ascontiguousarray(result).view(x.dtype)
    return flat.reshape(*x.shape[:-1], found.row_after)


def _rows_samples() -> list[Sample]:
    found: list[Sample] = []
    for kind in ("c2c", "r2c", "c2r"):
        for n, inner in ((1, 1), (2, 1), (7, 1), (12, 1), (3, 4), (8, 5)):
            name = f"{kind}_{n}x{inner}"
            length = Transform.named(name).row_before
            for shape, dtype in (((length,), float), ((3, 2, length), float), ((5, length), "f4")):
                args = (draw(shape, dtype, n),)
                found.append(Sample(args, {"routine": name}, False, tolerance=1000))
    # rows that are transformed in steps on the CPU
    for name in ("c2c_64x1", "r2c_128x1", "c2r_128x1"):
        args = (draw((Transform.named(name).row_before,), float, 1),)
        found.append(Sample(args, {"routine": name}, False, tolerance=1000))
    return found


pocketfft = register(
    Op(
        name="pocketfft",
        family="fourier",
        params=("routine",),
        infer=_rows_infer,
        evaluate=_rows_evaluate,
        jvp=lambda primals, tangents, outs, **params: [None],
        batch=batch_unary("pocketfft", lambda size, **params: params),
        form=lambda types, *, routine: Library(routine, "pocketfft"),
        samples=_rows_samples,
        cost=COST,
        doc="A routine of NumPy's pocketfft for each row: c2c, r2c (real to half) or c2r, of n "
        "numbers `inner` apart (c2c_8x3); complex numbers are two floats. Without derivatives.",
    )
)
