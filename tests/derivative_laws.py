"""Laws of derivatives of programs: forward against differences, reverse against forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from op_cases import run

import wengert as wg
from wengert.ir.program import Program
from wengert.ir.transforms.jvp import jvp
from wengert.ir.transforms.transpose import transpose, vjp

Arrays = Sequence[np.ndarray]
STEP = 1e-5


def inner(xs: Arrays, ys: Arrays) -> float:
    """The pairing of two lists of arrays: the real part of the sum of products."""
    return float(sum(np.sum(wide(x) * y).real for x, y in zip(xs, ys, strict=True)))


def wide(x: np.ndarray) -> np.ndarray:
    return x.astype(complex if x.dtype.kind == "c" else float)


def normal(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Normal numbers, complex ones if the dtype is."""
    drawn = rng.standard_normal(shape)
    if dtype.kind == "c":
        drawn = drawn + 1j * rng.standard_normal(shape)
    return np.asarray(drawn).astype(dtype)


def randoms(rng: np.random.Generator, like: Arrays) -> list[np.ndarray]:
    return [normal(rng, a.shape, a.dtype) for a in like]


def moved(args: Arrays, positions: Sequence[int], directions: Arrays, step: float) -> list:
    """`args` moved along directions at some positions."""
    result = list(args)
    for i, direction in zip(positions, directions, strict=True):
        result[i] = np.asarray(args[i] + step * direction)
    return result


def check_derivatives(program: Program, args: Arrays, positions: Sequence[int]) -> None:
    """The JVP in these float64 operands is the difference quotient, the VJP its transpose."""
    rng = np.random.default_rng(len(program.eqns))
    active = [i in positions for i in range(len(args))]
    tangents = randoms(rng, [args[i] for i in positions])
    pushed = jvp(program, active)
    results = run(pushed.program, [*args, *tangents])
    count = len(program.outputs)
    outs, given = results[:count], iter(results[count:])
    out_tangents = [
        next(given) if on else np.zeros(out.shape, out.dtype)
        for out, on in zip(outs, pushed.out_active, strict=True)
    ]
    _check_differences(program, args, positions, tangents, out_tangents)
    if not any(pushed.out_active):
        return
    pulled = vjp(program, active)
    assert pulled.out_active == pushed.out_active
    live = [t for t, on in zip(out_tangents, pulled.out_active, strict=True) if on]
    cotangents = randoms(rng, live)
    bars = run(pulled.program, [*args, *cotangents])[count:]
    forward, backward = inner(cotangents, live), inner(bars, tangents)
    scale = 1 + sum(np.abs(t).sum() for t in live)
    np.testing.assert_allclose(forward, backward, 1e-9, 1e-9 * scale)


def _check_differences(
    program: Program, args: Arrays, positions: Sequence[int], tangents: Arrays, expected: Arrays
) -> None:
    """Central differences of fourth order."""
    at = [run(program, moved(args, positions, tangents, k * STEP)) for k in (-2, -1, 1, 2)]
    for a, b, c, d, tangent in zip(*at, expected, strict=True):
        if a.dtype.kind not in "fc":
            continue
        quotient = (a - 8 * b + 8 * c - d) / (12 * STEP)
        np.testing.assert_allclose(tangent, quotient, 1e-6, 1e-6)


def assert_slopes(
    f: Callable[[Any], Any], x: np.ndarray, rtol: float = 2e-5, atol: float = 1e-6
) -> None:
    """The tangent of a traced function along a direction is the difference quotient."""
    direction, step = np.cos(np.arange(x.size) + 1.0).reshape(x.shape), 1e-6
    tangent = wg.jvp(f, (x,), (direction,))[1]
    expected = (f(x + step * direction) - f(x - step * direction)) / (2 * step)
    np.testing.assert_allclose(tangent, expected, rtol, atol)


def check_linear(program: Program, args: Arrays, positions: Sequence[int]) -> None:
    """The program is linear in these operands, and `transpose` gives its transpose."""
    rng = np.random.default_rng(3)
    single = any(
        t.dtype not in (np.float64, np.complex128) for t in (*program.in_types, *program.out_types)
    )
    tolerance = 1e-3 if single else 1e-9
    x, y = (randoms(rng, [args[i] for i in positions]) for _ in range(2))
    mixed = [np.asarray(2 * a - 3 * b) for a, b in zip(x, y, strict=True)]

    def apply(values: Arrays) -> list[np.ndarray]:
        full = list(args)
        for i, value in zip(positions, values, strict=True):
            full[i] = value.astype(args[i].dtype)
        return run(program, full)

    fx, fy, fmixed = apply(x), apply(y), apply(mixed)
    for a, b, c in zip(fx, fy, fmixed, strict=True):
        np.testing.assert_allclose(c, 2 * a - 3 * b, tolerance, tolerance)
    known = [i for i in range(len(args)) if i not in positions]
    order = (*known, *positions)
    reordered = Program(tuple(program.inputs[i] for i in order), program.eqns, program.outputs)
    cotangents = randoms(rng, fx)
    bars = run(transpose(reordered, len(known)), [*(args[i] for i in known), *cotangents])
    forward, backward = inner(fx, cotangents), inner(x, bars)
    scale = 1 + sum(np.abs(a).sum() for a in fx)
    np.testing.assert_allclose(forward, backward, tolerance, tolerance * scale)
