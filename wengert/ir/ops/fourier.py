"""Discrete Fourier transforms along the last axis: the op fft, and pocketfft that it is made of.

The op fft does not scale; the functions of `numpy.fft` are it with scaling, padding and moved axes.
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
from typing import Any

import numpy as np

from wengert.errors import DTypeError, ShapeError
from wengert.ir.builder import Value
from wengert.ir.forms import Library
from wengert.ir.op import Linear, Op, Sample, linear_in_all, register
from wengert.ir.ops.matrices import COST
from wengert.ir.ops.parts import Parts
from wengert.ir.ops.structural_family import batch_unary, draw
from wengert.ir.types import (
    COMPLEX,
    FLOAT32,
    FLOAT64,
    Dim,
    TensorType,
    complex_dtype,
    real_dtype,
)

Array = np.ndarray[Any, Any]
FLOATS = (FLOAT32, FLOAT64)
KINDS = ("forward", "backward", "real", "halved")


def half(n: int) -> int:
    """How many numbers of the transform of n real ones are no conjugates of others."""
    return n // 2 + 1


def _infer(x: TensorType, *, kind: str, n: int) -> tuple[TensorType]:
    wanted = FLOATS if kind == "real" else COMPLEX
    if x.dtype not in wanted:
        listed = " or ".join(d.name for d in wanted)
        raise DTypeError(f"fft ({kind}) takes {listed}, got {x}; convert it first")
    length = half(n) if kind == "halved" else n
    if n < 1 or not x.ndim or type(x.shape[-1]) is Dim or x.shape[-1] != length:
        raise ShapeError(f"fft ({kind}) of {n} numbers takes {length} along the last axis, got {x}")
    shape = (*x.shape[:-1], half(n) if kind == "real" else n)
    if kind == "real":
        return (TensorType(complex_dtype(x.dtype), shape),)
    return (TensorType(real_dtype(x.dtype) if kind == "halved" else x.dtype, shape),)


def _evaluate(x: Array, *, kind: str, n: int) -> Array:
    match kind:
        case "forward":
            return np.fft.fft(x)
        case "backward":
            return np.fft.ifft(x, norm="forward")
        case "real":
            return np.fft.rfft(x)
        case _:
            return np.fft.irfft(x, n, norm="forward")


def _jvp(
    primals: Sequence[Value], tangents: Sequence[Value], outs: Sequence[Value], **params: Any
) -> list[Value]:
    return [tangents[0].fft(**params)]


def _transpose(
    cotangents: Sequence[Value], inputs: Sequence[Linear], *, kind: str, n: int
) -> list[Value]:
    """See the module's text; the two kinds of real numbers are written in terms of the others.

    real: Re(sum over k of c[k] w**(jk)) for each j, which is the real part of the transform of c
    with zeros behind it. halved: x[j] = Re(sum of m[k] y[k] w**(-jk)), where m counts y[k] and its
    conjugate: 1 at the ends that are their own, else 2. So m times the conjugate of `real` of c.
    """
    ct = cotangents[0]
    if kind == "real":
        none = (0,) * ct.ndim
        padded = ct.pad(0, low=none, high=(*none[1:], n - half(n)), interior=none)
        return [padded.fft(kind="forward", n=n).real()]
    if kind == "halved":
        found = ct.fft(kind="real", n=n).conj()
        weights = ct.builder.constant(_multiplicities(n).astype(found.dtype))
        return [found * weights.broadcast(shape=found.shape, dims=(found.ndim - 1,))]
    return [ct.fft(kind=kind, n=n)]


def _multiplicities(n: int) -> Array:
    counts = np.full(half(n), 2.0)
    counts[0] = 1.0
    if n % 2 == 0:
        counts[-1] = 1.0
    return counts


def _parts(operands: Sequence[Parts | Value], *, kind: str, n: int) -> list[Parts | Value]:
    """Rows of interleaved numbers given to the library; backward is forward with parts swapped."""
    x = operands[0]
    if isinstance(x, Value):
        return [_taken_apart(x.pocketfft(routine=f"r2c_{n}"))]
    if kind == "halved":
        return [_interleaved(x).pocketfft(routine=f"c2r_{n}")]
    if kind == "forward":
        return [_taken_apart(_interleaved(x).pocketfft(routine=f"c2c_{n}"))]
    turned = _interleaved(Parts(x.im, x.re)).pocketfft(routine=f"c2c_{n}")
    found = _taken_apart(turned)
    return [Parts(found.im, found.re)]


def _interleaved(x: Parts) -> Value:
    """Rows of real and imaginary parts by turns."""
    *batch, n = x.re.shape
    columns = x.map(lambda part: part.reshape(shape=(*batch, n, 1)))
    pairs = columns.re.concat(columns.im, axis=len(batch) + 1)
    return pairs.reshape(shape=(*batch, 2 * n))


def _taken_apart(rows: Value) -> Parts:
    """The parts of numbers in rows as `_interleaved` makes them."""
    *batch, length = rows.shape
    shape = (*batch, length // 2)
    pairs = rows.reshape(shape=(*shape, 2))

    def part(number: int) -> Value:
        start, stop = (*(0 for _ in shape), number), (*shape, number + 1)
        return pairs.slice(start=start, stop=stop, step=(1,) * pairs.ndim).reshape(shape=shape)

    return Parts(part(0), part(1))


def _samples() -> list[Sample]:
    found: list[Sample] = []
    for kind in KINDS:
        for n in (1, 2, 5, 8, 12):
            length = half(n) if kind == "halved" else n
            dtype = np.dtype(float if kind == "real" else complex)
            params = {"kind": kind, "n": n}
            shape = (2, 3, length) if n == 5 else (length,)
            found.append(Sample((draw(shape, dtype, n),), params, tolerance=8))
        single = np.float32 if kind == "real" else np.complex64
        found.append(Sample((draw((4, length), single),), params, tolerance=8))
        found.append(Sample((draw((0, length), dtype),), params))
    return found


fft = register(
    Op(
        name="fft",
        family="fourier",
        params=("kind", "n"),
        infer=_infer,
        evaluate=_evaluate,
        jvp=_jvp,
        linear=linear_in_all,
        transpose=_transpose,
        batch=batch_unary("fft", lambda size, **params: params),
        parts=_parts,
        samples=_samples,
        doc="The discrete Fourier transform along the last axis, of length n, without a factor.",
    )
)


# the library's transforms, on rows of real numbers


def _counts(routine: str) -> tuple[str, int, int, int]:
    """The name and the length of a transform, and how many numbers a row has before and after."""
    name, _, length = routine.partition("_")
    n = int(length)
    pairs = 2 * half(n)
    match name:
        case "c2c":
            return name, n, 2 * n, 2 * n
        case "r2c":
            return name, n, n, pairs
        case _:
            return name, n, pairs, n


def _rows_infer(x: TensorType, *, routine: str) -> tuple[TensorType]:
    _, _, before, after = _counts(routine)
    if x.dtype not in FLOATS or not x.ndim or x.shape[-1] != before:
        raise ShapeError(f"{routine} takes rows of {before} floats, got {x}")
    return (x.with_shape((*x.shape[:-1], after)),)


def _rows_evaluate(x: Array, *, routine: str) -> Array:
    name, n, _, _ = _counts(routine)
    rows = np.ascontiguousarray(x)
    if name == "r2c":
        return np.fft.rfft(rows).view(x.dtype)
    numbers = rows.view(complex_dtype(x.dtype))
    if name == "c2r":
        return np.fft.irfft(numbers, n, norm="forward")
    return np.fft.fft(numbers).view(x.dtype)


def _rows_samples() -> list[Sample]:
    found: list[Sample] = []
    for name in ("c2c", "r2c", "c2r"):
        for n in (1, 2, 7, 12):
            routine = f"{name}_{n}"
            before = _counts(routine)[2]
            for shape, dtype in (((before,), float), ((3, 2, before), float), ((5, before), "f4")):
                args = (draw(shape, dtype, n),)
                found.append(Sample(args, {"routine": routine}, False, tolerance=1000))
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
        doc="A routine of NumPy's pocketfft for each row: c2c_n, r2c_n (real to half) and c2r_n, "
        "complex numbers being two neighbours; without derivatives.",
    )
)
