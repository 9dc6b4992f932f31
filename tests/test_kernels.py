"""The lowering to loops: every program means the same to the tensor and the loop interpreter."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import wengert.ir.ops  # noqa: F401  (fills the registry)
from wengert.errors import VerificationError
from wengert.ir.builder import Builder, Value
from wengert.ir.evaluate import evaluate
from wengert.ir.program import Program
from wengert.ir.scalar import ScalarOp
from wengert.ir.transforms.transpose import vjp
from wengert.ir.types import TensorType
from wengert.kernels.expressions import nodes
from wengert.kernels.interpret import CheckFailed, interpret
from wengert.kernels.loops import Accumulate, Kernel, Kind, Loop, Space, Store
from wengert.kernels.lower import Lowered, lower
from wengert.kernels.scheduling import schedule
from wengert.kernels.statements import buffers, expressions, walk
from wengert.kernels.text import to_text
from wengert.kernels.verify import verify

Body = Callable[..., Any]


def tensor(*shape: int, dtype: str = "float64") -> TensorType:
    return TensorType(np.dtype(dtype), shape)


def program(body: Body, *types: TensorType) -> Program:
    builder = Builder()
    outputs = body(*(builder.input(t) for t in types))
    return builder.finish(outputs if isinstance(outputs, list) else [outputs])


def rows(x: Value, like: Value) -> Value:
    return x.broadcast(shape=like.shape, dims=(0,))


def softmax(x: Value) -> Value:
    e = (x - rows(x.reduce_max(axes=(1,)), x)).exp()
    return e / rows(e.reduce_sum(axes=(1,)), x)


def layernorm(x: Value, gain: Value) -> Value:
    n = float(x.shape[1])
    centred = x - rows(x.reduce_sum(axes=(1,)) / n, x)
    variance = (centred * centred).reduce_sum(axes=(1,)) / n
    normal = centred / rows((variance + 1e-5).sqrt(), x)
    return normal * gain.broadcast(shape=x.shape, dims=(1,))


def rosenbrock(x: Value) -> Value:
    n = x.shape[0]
    ahead = x.slice(start=(1,), stop=(n,), step=(1,))
    here = x.slice(start=(0,), stop=(n - 1,), step=(1,))
    curve = ahead - here * here
    return ((curve * curve) * 100.0 + (1.0 - here) * (1.0 - here)).reduce_sum(axes=(0,))


def gradient(body: Body) -> Body:
    """`body`'s gradient as a function on values: its pullback of ones."""

    def differentiated(*xs: Value) -> list[Value]:
        builder = Builder()
        inner = builder.finish([body(*(builder.input(x.type) for x in xs))])
        both = vjp(inner, [True] * len(xs)).program
        seed = xs[0].builder.full(inner.out_types[0].shape, 1.0, inner.out_types[0].dtype)
        return xs[0].builder.inline(both, [*xs, seed])[1:]

    return differentiated


INT = "int64"
CASES: dict[str, tuple[Body, tuple[TensorType, ...]]] = {
    "elementwise": (lambda x, y: (x + y) * x.exp(), (tensor(3, 4), tensor(3, 4))),
    "scalar": (lambda x: x * 2.0, (tensor(),)),
    "literal output": (lambda x: [x.builder.literal(3.0, x.dtype), x], (tensor(2),)),
    "softmax": (softmax, (tensor(5, 7),)),
    "softmax gradient": (gradient(softmax), (tensor(5, 7),)),
    "layernorm": (layernorm, (tensor(5, 7), tensor(7))),
    "layernorm gradient": (gradient(layernorm), (tensor(5, 7), tensor(7))),
    "rosenbrock gradient": (gradient(rosenbrock), (tensor(9),)),
    "sums": (
        lambda x: [x.reduce_sum(axes=a) for a in ((0,), (1,), (0, 1), (0, 2), (1, 2), ())],
        (tensor(4, 5, 3),),
    ),
    "extrema": (
        lambda x: [x.reduce_max(axes=(0,)), x.reduce_min(axes=(1,)), x.reduce_prod(axes=(2,))],
        (tensor(4, 5, 3),),
    ),
    "logic": (
        lambda x: [x.gt(0.0).reduce_or(axes=(0,)), x.gt(0.0).reduce_and(axes=(1,))],
        (tensor(4, 5),),
    ),
    "positions": (
        lambda x: [x.argmax(axis=0), x.argmin(axis=1), x.argmax(axis=2)],
        (tensor(4, 5, 1),),
    ),
    "scans": (
        lambda x: [
            x.cumsum(axis=0, reverse=False),
            x.cumsum(axis=1, reverse=True),
            x.cumprod(axis=2, reverse=False),
            x.cummax(axis=0, reverse=True),
        ],
        (tensor(4, 5, 3),),
    ),
    "recurrence": (
        lambda a, b: a.linear_recurrence(b, axis=0, reverse=True),
        (tensor(4, 3), tensor(4, 3)),
    ),
    "gemm": (
        lambda x, y: x.dot_general(y, contract=((1,), (0,)), batch=((), ())),
        (tensor(40, 30), tensor(30, 20)),
    ),
    "gemm transposed": (
        lambda x, y: x.dot_general(y, contract=((0,), (1,)), batch=((), ())),
        (tensor(30, 40), tensor(20, 30)),
    ),
    "gemm with a batch inside": (
        lambda x, y: x.dot_general(y, contract=((1,), (2,)), batch=((0,), (1,))),
        (tensor(4, 30, 20), tensor(20, 4, 30)),
    ),
    "small products": (
        lambda x, y: x.dot_general(y, contract=((2,), (1,)), batch=((0,), (0,))),
        (tensor(6, 4, 4), tensor(6, 4, 4)),
    ),
    "integer product": (
        lambda x, y: x.dot_general(y, contract=((1,), (0,)), batch=((), ())),
        (tensor(20, 21, dtype=INT), tensor(21, 22, dtype=INT)),
    ),
    "matrix times vector": (
        lambda x, y: x.dot_general(y, contract=((1,), (0,)), batch=((), ())).tanh(),
        (tensor(6, 4), tensor(4)),
    ),
    "vector times matrix": (
        lambda x, y: x.dot_general(y, contract=((0,), (0,)), batch=((), ())),
        (tensor(6), tensor(6, 4)),
    ),
    "transposed matrix times vector": (
        lambda x, y: x.dot_general(y, contract=((0,), (0,)), batch=((), ())),
        (tensor(6, 4), tensor(6)),
    ),
    "outer product": (
        lambda x, y: x.dot_general(y, contract=((), ()), batch=((), ())),
        (tensor(3), tensor(4)),
    ),
    "concatenation": (lambda x, y: x.concat(y, x, axis=0), (tensor(4, 3), tensor(2, 3))),
    "padding": (
        lambda x: x.pad(0.5, low=(1, 2), high=(0, 1), interior=(1, 0)),
        (tensor(4, 3),),
    ),
    "gather": (lambda x, i: x.gather(i), (tensor(4, 3), tensor(5, dtype=INT))),
    "scatter": (
        lambda x, u, i: x.scatter_add(u, i) * 2.0,
        (tensor(4, 3), tensor(5, 3), tensor(5, dtype=INT)),
    ),
    "scatter set": (
        lambda x, u, i: x.scatter_set(u, i),
        (tensor(4, 3), tensor(5, 3), tensor(5, dtype=INT)),
    ),
    "index check": (lambda i: i.check_index(size=3, axis=0), (tensor(5, dtype=INT),)),
    "reshapes": (
        lambda x: (x.exp().reshape(shape=(6, 4)) + 1.0).reshape(shape=(24,)),
        (tensor(4, 3, 2),),
    ),
    "reshaped input": (lambda x: x.reshape(shape=(6,)), (tensor(2, 3),)),
    "transposed sum": (lambda x, y: x.transpose(perm=(1, 0)) + y, (tensor(4, 6), tensor(6, 4))),
    "no elements": (lambda x: [x.exp(), x.reduce_sum(axes=(0,))], (tensor(0, 3),)),
    "unit axes": (lambda x: softmax(x.reshape(shape=(1, 5))), (tensor(5, 1),)),
}


def arguments(types: tuple[TensorType, ...]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [
        rng.standard_normal(t.shape) if t.is_float else rng.integers(0, 3, t.shape) for t in types
    ]


def assert_same_meaning(ir: Program, args: list[Any]) -> Lowered:
    """Lowers, verifies, interprets with chunks forwards and backwards, compares."""
    lowered = lower(ir)
    verify(lowered.loops)
    wanted = evaluate(ir, args)
    for order in (iter, reversed):
        got = interpret(lowered.loops, args, lowered.constants, order)
        for flat, array in zip(got, wanted, strict=True):
            assert flat.dtype == array.dtype
            np.testing.assert_allclose(flat, np.ravel(array), rtol=1e-12, atol=1e-12)
    return lowered


@pytest.mark.parametrize("name", CASES)
def test_loops_mean_what_the_program_means(name: str) -> None:
    body, types = CASES[name]
    assert_same_meaning(program(body, *types), arguments(types))


@pytest.mark.parametrize("name", CASES)
def test_chunks_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "CHUNK_WORK", 1)
    monkeypatch.setattr(schedule, "MAX_CHUNKS", 3)
    body, types = CASES[name]
    assert_same_meaning(program(body, *types), arguments(types))


@pytest.mark.parametrize("name", CASES)
def test_printing_twice_gives_one_text(name: str) -> None:
    body, types = CASES[name]
    first, second = (lower(program(body, *types)).loops for _ in range(2))
    assert to_text(first) == to_text(second)


def kernels(body: Body, *types: TensorType) -> list[Kernel]:
    return [s for s in lower(program(body, *types)).loops.steps if isinstance(s, Kernel)]


def test_softmax_is_one_kernel_without_temporaries() -> None:
    (kernel,) = kernels(softmax, tensor(8, 16))
    assert {b.space for b in buffers(kernel.body)} <= {Space.INPUT, Space.OUTPUT, Space.LOCAL}


def test_layernorm_with_its_gradient_reads_its_input_in_one_kernel() -> None:
    body, _ = CASES["layernorm gradient"]
    found = kernels(body, tensor(8, 16), tensor(16))
    assert len(found) == 1


def test_siblings_share_their_loop() -> None:
    (kernel,) = kernels(lambda x: [x.exp(), x.sin(), x * 2.0], tensor(100))
    assert len([s for s in walk(kernel.body) if isinstance(s, Loop)]) == 1


def test_contiguous_loops_collapse() -> None:
    (kernel,) = kernels(lambda x, y: x + y, tensor(4, 5, 6), tensor(4, 5, 6))
    (loop,) = kernel.body
    assert isinstance(loop, Loop) and loop.index.extent == 120


def test_edges_are_split_off() -> None:
    (kernel,) = kernels(lambda x: x.pad(0.0, low=(2,), high=(3,), interior=(0,)), tensor(10))
    bounds = [(s.start.attr, s.stop.attr) for s in kernel.body if isinstance(s, Loop)]
    assert bounds == [(0, 2), (2, 12), (12, 15)]
    assert "guard" not in to_text(
        replace(lower(program(lambda x: x, tensor(1))).loops, steps=(kernel,))
    )


def test_big_loops_are_cut_into_chunks() -> None:
    found = kernels(lambda x: x.exp().reduce_sum(axes=(0,)), tensor(1_000_000))
    (first,) = found[0].body
    assert isinstance(first, Loop) and first.kind is Kind.PARALLEL and first.index.extent > 1


@pytest.mark.slow
def test_transposed_reads_are_tiled() -> None:
    def body(x: Value, y: Value) -> Value:
        return x.transpose(perm=(1, 0)) + y

    types = (tensor(130, 134), tensor(134, 130))
    kernel, *_ = assert_same_meaning(program(body, *types), arguments(types)).loops.steps
    extents = [s.index.extent for s in walk(kernel.body) if isinstance(s, Loop)]
    assert extents[-6:] == [2, 2, 64, 67, 67, 64]


@pytest.mark.slow
def test_tiles_of_few_rows() -> None:
    """All rows are in one tile; threads share the columns."""

    def body(x: Value, y: Value) -> Value:
        return x.transpose(perm=(1, 0)) + y

    types = (tensor(2050, 10), tensor(10, 2050))
    kernel, *_ = assert_same_meaning(program(body, *types), arguments(types)).loops.steps
    extents = [s.index.extent for s in walk(kernel.body) if isinstance(s, Loop)]
    assert extents[-5:] == [1, 64, 10, 10, 64]


@pytest.mark.parametrize("edges", [(0, 0), (2, 0), (4, 5)])
def test_flattened_matrices_are_walked_by_rows_and_columns(edges: tuple[int, int]) -> None:
    """Behind other elements too, and with a part of a row at either end."""

    def body(x: Value, y: Value) -> Value:
        flat = x.concat(x * x, y, axis=1).reshape(shape=(240,))
        return flat.pad(1.0, low=(edges[0],), high=(edges[1],), interior=(0,)).exp()

    types = (tensor(40, 2), tensor(40, 2))
    lowered = assert_same_meaning(program(body, *types), arguments(types))
    main = next(s for s in walk(lowered.loops.steps[0].body) if isinstance(s, Loop))
    assert main.index.extent == 40
    divisions = {ScalarOp.IDIV, ScalarOp.IREM}
    assert not any(n.op in divisions for n in nodes(expressions((main,))))


def test_short_inner_loops_are_unrolled() -> None:
    (kernel,) = kernels(CASES["small products"][0], tensor(6, 4, 4), tensor(6, 4, 4))
    loops = [s for s in walk(kernel.body) if isinstance(s, Loop)]
    assert [loop.index.extent for loop in loops] == [6, 4, 4]
    assert sum(isinstance(s, Accumulate) for s in loops[-1].body) == 4


def test_short_sums_go_inside() -> None:
    """Each element is loaded and stored once for all of its terms, in their order."""
    types = (tensor(6, 3, 2, 40),)
    summed = program(lambda x: x.reduce_sum(axes=(1, 2)), *types)
    (x,) = arguments(types)
    (found,) = interpret(assert_same_meaning(summed, [x]).loops, [x])
    (kernel,) = lower(summed).loops.steps
    assert sum(isinstance(s, Store) for s in walk(kernel.body)) == 2
    wanted = np.zeros((6, 40))
    for p, q in itertools.product(range(3), range(2)):
        wanted += x[:, p, q]
    np.testing.assert_array_equal(found, wanted.ravel())


def test_a_temporary_takes_over_the_memory_of_the_one_it_is_made_from() -> None:
    def body(x: Value) -> Value:
        square = {"contract": ((1,), (0,)), "batch": ((), ())}
        y = x.dot_general(x, **square).tanh()
        return y.dot_general(y, **square)

    loops = assert_same_meaning(program(body, tensor(32, 32)), arguments((tensor(32, 32),))).loops
    assert len(loops.offsets) == 2
    assert loops.arena == 32 * 32 * 8


def test_a_temporary_that_is_read_elsewhere_keeps_its_memory() -> None:
    def body(x: Value) -> Value:
        square = {"contract": ((1,), (0,)), "batch": ((), ())}
        y = x.dot_general(x, **square)
        y = y.rev(axes=(0,)) * 2.0
        return y.dot_general(y, **square)

    loops = assert_same_meaning(program(body, tensor(32, 32)), arguments((tensor(32, 32),))).loops
    assert loops.arena == 2 * 32 * 32 * 8


def test_temporaries_share_memory_once_dead() -> None:
    def chain(x: Value) -> Value:
        for _ in range(6):
            x = x.dot_general(x, contract=((1,), (0,)), batch=((), ()))
        return x

    loops = lower(program(chain, tensor(32, 32))).loops
    assert len(loops.offsets) == 5
    assert loops.arena == 2 * 32 * 32 * 8


def test_index_out_of_bounds_fails_the_check() -> None:
    lowered = lower(program(CASES["index check"][0], tensor(2, dtype=INT)))
    with pytest.raises(CheckFailed) as caught:
        interpret(lowered.loops, [np.array([1, 7])])
    assert caught.value.value == 7
    assert lowered.loops.failures[caught.value.code].error == "OutOfBoundsError"


def test_verifier_finds_an_access_out_of_range() -> None:
    loops = lower(program(lambda x: x.exp(), tensor(10))).loops
    (kernel,) = loops.steps
    assert isinstance(kernel, Kernel)
    (loop,) = kernel.body
    assert isinstance(loop, Loop)
    longer = replace(loop, index=loop.index, stop=replace(loop.stop, attr=11))
    with pytest.raises(VerificationError, match="beyond"):
        verify(replace(loops, steps=(Kernel("map", (longer,)),)))
