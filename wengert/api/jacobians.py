"""Whole derivative matrices: jacfwd, jacrev, jacobian, hessian."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wengert.api.arguments import (
    check_inputs,
    check_output,
    differentiable,
    fail,
    function_name,
    require_callable,
    select,
    split_aux,
    zero_tangent,
)
from wengert.api.jacobian_modes import JACOBIAN_MODES, choose
from wengert.errors import DifferentiationError, InputTypeError
from wengert.ir.program import Program
from wengert.ir.transforms.jacobian import jacobian as jacobian_program
from wengert.ir.types import TensorType
from wengert.tracer.array import Tracer
from wengert.tracer.lift import is_weak, lift, wrap
from wengert.tracer.pytree import tree_map
from wengert.tracer.trace import Traced, run, trace

Argnums = int | Sequence[int]


def jacfwd(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The Jacobian of `fun` by forward mode: best if there are fewer inputs than outputs.

    The result has the structure of the value of `fun`, with the structure of the argument at each
    of its leaves; the shape of such a block is the output's followed by the input's. With
    `has_aux`, `fun` returns (value, aux), and the result is (jacobian, aux). Inputs are real,
    unless `holomorphic` asks for the complex derivative of a complex function.
    """
    rule: Rule = functools.partial(jacobian_program, forward=True)
    return _jacobian(Task("jacfwd", rule, holomorphic, real_inputs=True), fun, argnums, has_aux)


def jacrev(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """The Jacobian of `fun` by reverse mode: best if there are fewer outputs than inputs.

    As `jacfwd` otherwise, but that results are real, unless `holomorphic` is set. With
    `allow_int`, integer inputs get blocks of dtype `float0`.
    """
    rule: Rule = functools.partial(jacobian_program, forward=False)
    task = Task("jacrev", rule, holomorphic, real_outputs=True)
    return _jacobian(task, fun, argnums, has_aux, allow_int)


def jacobian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
    mode: str = "auto",
    explain: bool = False,
) -> Callable[..., Any]:
    """The Jacobian of `fun`, dense; `mode` is "forward", "reverse", "sparse" or "auto".

    "sparse" finds out which entries can differ from zero and computes only those, several columns
    or rows by one directional derivative; `sparse_jacobian` gives that as a sparse matrix. "auto"
    compares what these need: a sweep for each input in forward mode, for each output in reverse
    mode (which costs half as much again), for each colour in sparse mode. With `explain`, a line
    that says which was chosen, and why, is printed at each call (each compilation under `jit`).
    """
    if mode not in JACOBIAN_MODES:
        fail(InputTypeError(f"mode of jacobian is one of {JACOBIAN_MODES}, not {mode!r}"))
    rule = functools.partial(choose, mode, function_name(fun) if explain else None)
    task = Task("jacobian", rule, holomorphic, real_inputs=True, real_outputs=True)
    return _jacobian(task, fun, argnums, has_aux, allow_int)


def hessian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The Hessian of `fun`: forward mode over reverse mode, by colours where many entries are zero.

    For a scalar function of an array of shape S, an array of shape S + S; for pytrees, the blocks
    nested as those of `jacfwd(jacrev(fun))`. Several columns come from one directional derivative
    where the program shows that no row has entries in two of them, as in `jacobian`.
    """
    inner = jacrev(fun, argnums, has_aux, holomorphic)
    rule = functools.partial(choose, "auto", None)
    task = Task("hessian", rule, holomorphic, real_inputs=True)
    return _jacobian(task, inner, argnums, has_aux)


Rule = Callable[[Program, Sequence[bool], int], Program]
"""From a program, its active inputs and the number of its float outputs to the Jacobian's."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked for: by which transform and rule, and what must be real, or else complex."""

    transform: str
    rule: Rule
    holomorphic: bool = False
    real_inputs: bool = False
    real_outputs: bool = False


def _jacobian(
    task: Task,
    fun: Callable[..., Any],
    argnums: Argnums,
    has_aux: bool,
    allow_int: bool = False,
) -> Callable[..., Any]:
    transform = task.transform
    require_callable(transform, fun)

    @functools.wraps(fun)
    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        chosen = select(transform, argnums, args, kwargs)
        types, active = differentiable(transform, chosen, allow_int)
        check_inputs(transform, types, chosen.names, task.holomorphic, task.real_inputs)
        closed = chosen.close(fun)
        body = split_aux(transform, closed) if has_aux else closed
        lifted = _float_value(task, body, function_name(fun), has_aux)
        traced = trace(lifted, types, name=function_name(fun), keep_static=True)
        tree = traced.out_tree.children[0] if has_aux else traced.out_tree
        moving = [*active, *(False for _ in traced.captured)]
        program = task.rule(traced.program, moving, tree.num_leaves)
        results = run(program, [*chosen.leaves, *traced.captured])
        count = len(traced.program.outputs)
        blocks = iter(results[count:])
        rows = [
            chosen.result(_row(blocks, active, out, [a.type for a in types]))
            for out in traced.program.out_types[: tree.num_leaves]
        ]
        found = tree.unflatten(rows)
        return (found, _aux(traced, results[:count])) if has_aux else found

    return jacobian_of


def _row(
    blocks: Any, active: Sequence[bool], out: TensorType, types: Sequence[TensorType]
) -> list[Any]:
    return [
        next(blocks) if on else zero_tangent(t.with_shape(out.shape + t.shape))
        for on, t in zip(active, types, strict=True)
    ]


def _aux(traced: Traced, outputs: Sequence[Any]) -> Any:
    return traced.unflatten(outputs)[1]


def _float_value(
    task: Task, fun: Callable[..., Any], name: str, has_aux: bool
) -> Callable[..., Any]:
    """`fun` with the leaves of its value lifted, and checked to be floats."""

    def lift_leaf(x: Any) -> Tracer:
        lifted = x if isinstance(x, Tracer) else wrap(lift(x), is_weak(x))
        if not lifted.type.is_float:
            fail(
                DifferentiationError(
                    f"{task.transform} needs a function with float results, and '{name}' returned "
                    f"{lifted.value.type}; convert it with .astype(float) before it is returned"
                )
            )
        if task.real_outputs or task.holomorphic:
            check_output(task.transform, lifted.type, name, task.holomorphic)
        return lifted

    def checked(*leaves: Any) -> Any:
        result = fun(*leaves)
        if has_aux:
            return tree_map(lift_leaf, result[0]), result[1]
        return tree_map(lift_leaf, result)

    return checked
