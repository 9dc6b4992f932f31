"""Complex numbers taken apart and put together: real, imag, conj, complex.

These four are what the real and the complex part of a program meet in. They are linear over the
real numbers, and transposed by the pairing of all cotangents, <c, t> = Re(c t), without a
conjugate: so the gradient of a real function of x + iy is df/dx - i df/dy, as in JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.op import Linear, Op, Sample, linear_in, linear_in_all, register
from wengert.ir.ops.families import batch_elementwise, check_arity, common_dtype, common_shape, fit
from wengert.ir.ops.parts import Parts
from wengert.ir.ops.samples import draw
from wengert.ir.types import (
    COMPLEX,
    COMPLEX64,
    COMPLEX128,
    FLOAT32,
    FLOAT64,
    Shape,
    TensorType,
    complex_dtype,
    real_dtype,
)

Array = np.ndarray[Any, Any]
SHAPES = ((3, 4), (), (0, 2))


def _samples() -> list[Sample]:
    drawn = [Sample((draw(COMPLEX128, shape, -3, 3, 1),)) for shape in SHAPES]
    return [*drawn, Sample((draw(COMPLEX64, (5,), -3, 3, 2),))]


def _unary(
    name: str,
    evaluate: Callable[[Array], Any],
    parts: Callable[[Parts], Parts | Value],
    transpose: Callable[[Value], Value],
    doc: str,
) -> Op:
    """An op of one complex operand, linear over the reals; a real result is of the parts' dtype."""

    def infer(*types: TensorType) -> tuple[TensorType, ...]:
        check_arity(name, types, 1)
        dtype = common_dtype(name, types, COMPLEX)
        return (types[0].with_dtype(dtype if name == "conj" else real_dtype(dtype)),)

    def jvp(primals: Any, tangents: Sequence[Value], outs: Any) -> list[Value]:
        return [getattr(tangents[0], name)()]

    return register(
        Op(
            name=name,
            family="complex numbers",
            infer=infer,
            evaluate=evaluate,
            jvp=jvp,
            linear=linear_in_all,
            transpose=lambda cotangents, inputs: [transpose(cotangents[0])],
            batch=batch_elementwise(name),
            parts=lambda operands: [parts(operands[0])],
            samples=_samples,
            doc=doc,
        )
    )


def _zero(like: Value) -> Value:
    return like.builder.literal(0, like.dtype)


def _times_minus_i(ct: Value) -> Value:
    """-i c: Re(-i c t) = c Im t."""
    return _zero(ct).complex(-ct)


real = _unary("real", np.real, lambda z: z.re, lambda ct: ct.complex(_zero(ct)), "the real part")
imag = _unary("imag", np.imag, lambda z: z.im, _times_minus_i, "the imaginary part")
conj = _unary(
    "conj", np.conj, lambda z: Parts(z.re, -z.im), lambda ct: ct.conj(), "the complex conjugate"
)


def _complex_infer(*types: TensorType) -> tuple[TensorType, ...]:
    check_arity("complex", types, 2)
    dtype = common_dtype("complex", types, (FLOAT32, FLOAT64))
    return (TensorType(complex_dtype(dtype), common_shape("complex", types)),)


def _complex_evaluate(re: Array, im: Array) -> Array:
    re, im = np.broadcast_arrays(re, im)
    out = np.empty(re.shape, complex_dtype(re.dtype))
    out.real, out.imag = re, im
    return out


def _complex_jvp(
    primals: Sequence[Value], tangents: Sequence[Value | None], outs: Sequence[Value]
) -> list[Value]:
    re, im = (_zero(primals[0]) if t is None else t for t in tangents)
    moved = re.complex(im)
    return [moved if moved.shape == outs[0].shape else _spread(moved, outs[0].shape)]


def _spread(x: Value, shape: Shape) -> Value:
    return x.broadcast(shape=shape, dims=())


def _complex_transpose(
    cotangents: Sequence[Value], inputs: Sequence[Value | Linear]
) -> list[Value | None]:
    """Re(c (re + i im)) = Re(c) re - Im(c) im."""
    ct, (re, im) = cotangents[0], inputs
    return [
        fit(ct.real(), re) if isinstance(re, Linear) else None,
        fit(-ct.imag(), im) if isinstance(im, Linear) else None,
    ]


def _complex_samples() -> list[Sample]:
    pairs = [(s, s) for s in SHAPES] + [((), (2, 3)), ((2, 3), ())]
    wide = [Sample((draw(FLOAT64, a, -3, 3, 1), draw(FLOAT64, b, -3, 3, 2))) for a, b in pairs]
    return [*wide, Sample((draw(FLOAT32, (4,), -3, 3, 3), draw(FLOAT32, (4,), -3, 3, 4)))]


make_complex = register(
    Op(
        name="complex",
        family="complex numbers",
        infer=_complex_infer,
        evaluate=_complex_evaluate,
        jvp=_complex_jvp,
        linear=linear_in(0, 1),
        transpose=_complex_transpose,
        batch=batch_elementwise("complex"),
        parts=lambda operands: [Parts(*operands)],
        samples=_complex_samples,
        doc="re + i im",
    )
)
