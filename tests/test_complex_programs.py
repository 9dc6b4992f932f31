"""Laws on random programs of complex numbers: the pass, native code, derivatives, batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from derivative_laws import check_derivatives
from op_cases import assert_close, run

from wengert.api.compilation import compile_program
from wengert.ir.builder import Builder, Value
from wengert.ir.parser import parse
from wengert.ir.passes.parts import complex_as_parts, has_complex, interleaved
from wengert.ir.passes.pipeline import real_pipeline
from wengert.ir.program import Program
from wengert.ir.text import to_text
from wengert.ir.transforms.batch import batch
from wengert.ir.transforms.jvp import jvp
from wengert.ir.transforms.transpose import vjp
from wengert.ir.types import COMPLEX128, FLOAT64, TensorType
from wengert.ir.verify import verify

Array = np.ndarray[Any, Any]
SHAPE = (3, 4)
seeds = pytest.mark.parametrize("seed", range(25))


@dataclass
class Draft:
    """A program being drawn, all of whose arrays have one shape."""

    rng: np.random.Generator
    builder: Builder = field(default_factory=Builder)
    values: list[Value] = field(default_factory=list[Value])

    def any_of(self, kind: str) -> Value:
        found = [v for v in self.values if v.dtype.kind == kind]
        return found[self.rng.integers(len(found))]

    def number(self) -> complex:
        return complex(*self.rng.uniform(0.5, 2, 2))


def _tame(z: Value) -> Value:
    """Numbers of moderate size, away from where functions are singular."""
    return z / (z * z.conj() + 1.0) + (2 + 0.5j)


def _turned(d: Draft) -> Value:
    return d.any_of("c").transpose(perm=(1, 0)).reshape(shape=SHAPE)


def _chosen(d: Draft) -> Value:
    return d.any_of("f").gt(0.1).select(d.any_of("c"), d.any_of("c"))


def _summed(d: Draft) -> Value:
    axis = int(d.rng.integers(2))
    return d.any_of("c").reduce_sum(axes=(axis,)).broadcast(shape=SHAPE, dims=(1 - axis,))


def _multiplied(d: Draft) -> Value:
    z = d.any_of("c").dot_general(d.any_of("c"), contract=((1,), (1,)), batch=((), ()))  # 3 by 3
    return _tame(z).dot_general(d.any_of("c"), contract=((1,), (0,)), batch=((), ()))


def _gathered(d: Draft) -> Value:
    order = d.builder.constant(d.rng.integers(0, 3, 3))
    return d.any_of("c").gather(order)


def _shifted(d: Draft) -> Value:
    z = d.any_of("c")
    kept = z.slice(start=(0, 1), stop=(3, 4), step=(1, 1))
    return kept.pad(d.number(), low=(0, 0), high=(0, 1), interior=(0, 0))


def _transformed(d: Draft) -> Value:
    axis = int(d.rng.integers(2))
    kind = ("forward", "backward")[d.rng.integers(2)]
    return d.any_of("c").fft(kind=kind, n=SHAPE[axis], axis=axis) * 0.5


STEPS: tuple[Callable[[Draft], Value], ...] = (
    lambda d: d.any_of("c") + d.any_of("c"),
    lambda d: d.any_of("c") - d.number(),
    lambda d: d.any_of("c") * d.any_of("c"),
    lambda d: d.any_of("c") / _tame(d.any_of("c")),
    lambda d: -d.any_of("c").conj(),
    lambda d: (_tame(d.any_of("c")) * 0.5).exp(),
    lambda d: _tame(d.any_of("c")).log(),
    lambda d: _tame(d.any_of("c")).sqrt(),
    lambda d: (_tame(d.any_of("c")) * 0.25).tan(),
    lambda d: _tame(d.any_of("c")).integer_pow(exponent=3),
    lambda d: _tame(d.any_of("c")).pow(d.number()),
    lambda d: d.any_of("c").real(),
    lambda d: d.any_of("c").imag(),
    lambda d: d.any_of("f").complex(d.any_of("f")),
    lambda d: d.any_of("f").to(COMPLEX128),
    lambda d: d.any_of("f") * d.any_of("f"),
    lambda d: _tame(d.any_of("c")).cumprod(axis=1, reverse=False),
    lambda d: d.any_of("c").cumsum(axis=0, reverse=True),
    *(_turned, _chosen, _summed, _multiplied, _gathered, _shifted, _transformed),
)


def drawn(seed: int) -> tuple[Program, list[Array]]:
    """A random program of two complex inputs and a real one, and arguments for it."""
    d = Draft(np.random.default_rng(seed))
    d.values = [d.builder.input(TensorType(t, SHAPE)) for t in (COMPLEX128, COMPLEX128, FLOAT64)]
    for _ in range(12):
        step = STEPS[d.rng.integers(len(STEPS))]
        found = step(d)
        d.values.append(_tame(found) if found.type.is_complex else found)
    args = [d.rng.uniform(-1, 1, SHAPE) + 1j * d.rng.uniform(-1, 1, SHAPE) for _ in range(2)]
    outputs = [d.any_of("c"), d.values[-1], d.values[-1].eq(d.any_of(d.values[-1].dtype.kind))]
    return d.builder.finish(outputs), [*args, d.rng.uniform(-1, 1, SHAPE)]


def native(program: Program, args: list[Array]) -> list[Array]:
    """The program compiled for the CPU."""
    return [np.asarray(x) for x in compile_program(program, "cpu")(*args)]


def agree(found: list[Array], wanted: list[Array]) -> None:
    for x, y in zip(found, wanted, strict=True):
        assert_close(np.asarray(x), y, 1e-9, 1e-9)


@seeds
def test_text_and_types(seed: int) -> None:
    program, _ = drawn(seed)
    verify(program)
    assert to_text(parse(to_text(program))) == to_text(program)


@pytest.mark.slow
@seeds
def test_real_arithmetic_gives_what_numpy_gives(seed: int) -> None:
    program, args = drawn(seed)
    wanted = run(program, args)
    apart = complex_as_parts(program)
    verify(apart)
    agree(run(apart, args), wanted)
    agree(native(program, args), wanted)


@seeds
def test_nothing_complex_reaches_the_kernels(seed: int) -> None:
    program, args = drawn(seed)
    for made in (real_pipeline(program), interleaved(complex_as_parts(program))):
        verify(made)
        assert not has_complex(made)
        floats = [np.stack([a.real, a.imag], -1) if a.dtype.kind == "c" else a for a in args]
        results = [
            x if t.dtype == x.dtype else x.view(t.dtype).reshape(t.shape)
            for x, t in zip(run(made, floats), program.out_types, strict=True)
        ]
        agree(results, run(program, args))


@seeds
def test_derivatives(seed: int) -> None:
    """Forward against differences, reverse against forward, in pairings of complex numbers."""
    program, args = drawn(seed)
    check_derivatives(program, args, (0, 1, 2))


@pytest.mark.slow
@seeds
def test_derivatives_of_native_code(seed: int) -> None:
    program, args = drawn(seed)
    rng = np.random.default_rng(seed)
    for transform in (jvp, vjp):
        derived = transform(program, [True] * 3).program
        verify(derived)
        extra = [
            rng.standard_normal(t.shape).astype(t.dtype) for t in derived.in_types[len(args) :]
        ]
        agree(native(derived, [*args, *extra]), run(derived, [*args, *extra]))


@seeds
def test_batches(seed: int) -> None:
    program, args = drawn(seed)
    stacked = [np.stack([a, 0.5 * a]) for a in args]
    spread = batch(program, [True] * 3, 2)
    results = run(spread.program, stacked)
    for k in range(2):
        wanted = run(program, [a[k] for a in stacked])
        pairs = zip(results, spread.out_batched, strict=True)
        agree([np.asarray(x[k] if on else x) for x, on in pairs], wanted)
