"""Transforms that differentiate: grad, jvp, vjp, linearize, linear_transpose, hvp and friends.

Each traces the function, transforms the program, and runs the result: inside another trace the
transformed program becomes part of it, so transforms nest to any depth. Values of enclosing traces
that the function closes over are further inputs, with respect to which nothing is differentiated.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api.arguments import (
    Selected,
    abstract,
    check_inputs,
    check_output,
    differentiable,
    fail,
    function_name,
    require_callable,
    same_structure,
    select,
    split_aux,
    tangent,
    zero_tangent,
)
from wengert.errors import DifferentiationError, InputTypeError
from wengert.ir.builder import Builder
from wengert.ir.floats import kind_of
from wengert.ir.program import Program
from wengert.ir.transforms.gradient import gradient
from wengert.ir.transforms.jvp import jvp as jvp_program
from wengert.ir.transforms.linearize import Linearized, split_linear
from wengert.ir.transforms.linearize import linearize as linearize_program
from wengert.ir.transforms.transpose import pull, transpose
from wengert.ir.types import TensorType
from wengert.tracer.array import Tracer
from wengert.tracer.lift import is_weak, lift, wrap
from wengert.tracer.pytree import TreeDef, flatten, tree_map
from wengert.tracer.trace import Traced, run, trace


def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """A function that gives the value of the scalar function `fun` and its gradient.

    The gradient has the structure of the argument that `argnums` names, or is a tuple of such for
    a sequence. With `has_aux`, `fun` returns (value, aux), and the result is ((value, aux),
    gradient). With `allow_int`, integer inputs get gradients of dtype `float0`.

    The gradient in a complex input x + iy is df/dx - i df/dy. With `holomorphic`, inputs and value
    are complex, and the result is the complex derivative.
    """
    require_callable("grad", fun)

    @functools.wraps(fun)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        chosen = select("grad", argnums, args, kwargs)
        types, active = differentiable("grad", chosen, allow_int)
        check_inputs("grad", types, chosen.names, holomorphic, real=False)
        closed = chosen.close(fun)
        body = split_aux("grad", closed) if has_aux else closed
        traced = trace(_scalar_first(body, has_aux, holomorphic), types, keep_static=True)
        program = gradient(traced.program, [*active, *(False for _ in traced.captured)])
        results = run(program, [*chosen.leaves, *traced.captured])
        count = len(traced.program.outputs)
        value = traced.unflatten(results[:count])
        slopes = iter(results[count:])
        grads = [
            next(slopes) if on else zero_tangent(a.type)
            for on, a in zip(active, types, strict=True)
        ]
        return value, chosen.result(grads)

    return value_and_gradient


def _scalar_first(fun: Callable[..., Any], has_aux: bool, holomorphic: bool) -> Callable[..., Any]:
    """`fun` with its value checked to be a scalar, complex if the derivative is to be."""

    def checked_scalar(*leaves: Any) -> Any:
        result = fun(*leaves)
        value = result[0] if has_aux else result
        scalar = wrap(_scalar(value, function_name(fun), holomorphic), is_weak(value))
        return (scalar, result[1]) if has_aux else scalar

    checked_scalar.__name__ = function_name(fun)
    return checked_scalar


def _scalar(value: Any, name: str, holomorphic: bool) -> Any:
    leaves, tree = flatten(value)
    if tree.kind is not None:
        hint = "; for a second result pass has_aux=True" if isinstance(value, tuple) else ""
        fail(
            DifferentiationError(
                f"grad needs a function with one scalar result, and '{name}' returned "
                f"{type(value).__name__} with {len(leaves)} leaves{hint}"
            )
        )
    found = abstract(value, f"the result of '{name}'").type
    if found.shape != ():
        fail(
            DifferentiationError(
                f"grad needs a function with a scalar result, and '{name}' returned {found}; sum "
                "or average it, or use jacrev, jacfwd or vjp"
            )
        )
    if not found.is_float:
        fail(
            DifferentiationError(
                f"grad needs a function with a float result, and '{name}' returned {found}; "
                "convert it with .astype(float) before it is returned"
            )
        )
    check_output("grad", found, name, holomorphic)
    return lift(value)


def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """A function that gives the gradient of the scalar function `fun`; see `value_and_grad`.

    With `has_aux`, `fun` returns (value, aux), and the result is (gradient, aux).
    """
    both = value_and_grad(fun, argnums, has_aux, holomorphic, allow_int)

    @functools.wraps(fun)
    def gradient_of(*args: Any, **kwargs: Any) -> Any:
        value, slopes = both(*args, **kwargs)
        return (slopes, value[1]) if has_aux else slopes

    return gradient_of


def traced_primals(
    transform: str, fun: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool
) -> tuple[Selected, list[bool], Traced]:
    """The primals, which inputs have derivatives, and the program; captured ones come last."""
    require_callable(transform, fun)
    chosen = select(transform, tuple(range(len(primals))), primals, {})
    types, active = differentiable(transform, chosen, allow_int=True)
    closed = chosen.close(fun)
    body = split_aux(transform, closed) if has_aux else closed
    # numbers in the result are results too; only aux keeps its Python values
    lifted = _lift_value(body, has_aux)
    traced = trace(lifted, types, name=function_name(fun), keep_static=True)
    return chosen, [*active, *(False for _ in traced.captured)], traced


def _lift_value(fun: Callable[..., Any], has_aux: bool) -> Callable[..., Any]:
    def lift_leaf(x: Any) -> Any:
        return x if isinstance(x, Tracer) else wrap(lift(x), is_weak(x))

    def lifted(*leaves: Any) -> Any:
        result = fun(*leaves)
        if has_aux:
            return tree_map(lift_leaf, result[0]), result[1]
        return tree_map(lift_leaf, result)

    return lifted


def _value_tree(traced: Traced, has_aux: bool) -> TreeDef:
    return traced.out_tree.children[0] if has_aux else traced.out_tree


def jvp(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """The value of `fun(*primals)` and its derivative in the direction `tangents`.

    With `has_aux`, `fun` returns (value, aux), and the result is (value, tangent, aux).
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        fail(
            InputTypeError(
                "jvp takes its primals and tangents as tuples, one entry for each argument of the "
                f"function; got {type(primals).__name__} and {type(tangents).__name__}"
            )
        )
    chosen, active, traced = traced_primals("jvp", fun, tuple(primals), has_aux)
    given = same_structure("the tangents of jvp", tuple(tangents), chosen.tree)
    types = traced.program.in_types
    checked = [
        tangent(t, k, f"the tangent of {n}")
        for t, k, n in zip(given, types, chosen.names, strict=False)
    ]
    pushed = jvp_program(traced.program, active)
    moving = [t for t in checked if t is not None]
    results = run(pushed.program, [*chosen.leaves, *traced.captured, *moving])
    count = len(traced.program.outputs)
    tree = _value_tree(traced, has_aux)
    out_tangents = _spread(results[count:], pushed.out_active, traced.program.out_types)
    out = traced.unflatten(results[:count])
    # those of aux come after those of the value, and are dropped
    slope = tree.unflatten(out_tangents[: tree.num_leaves])
    return (out[0], slope, out[1]) if has_aux else (out, slope)


def _spread(found: Sequence[Any], active: Sequence[bool], types: Sequence[TensorType]) -> list[Any]:
    rest = iter(found)
    return [next(rest) if on else zero_tangent(t) for on, t in zip(active, types, strict=True)]


class _Linear:
    """A linearised function at a point: the linear program and the residuals it reads."""

    def __init__(
        self,
        split: Linearized,
        residuals: list[Any],
        chosen: Selected,
        out_tree: TreeDef,
        types: tuple[tuple[TensorType, ...], tuple[TensorType, ...]],
    ) -> None:
        self.split = split
        self.residuals = residuals
        self.chosen = chosen
        self.out_tree = out_tree
        self.in_types, self.out_types = types

    def push(self, *tangents: Any) -> Any:
        """The linear map: tangents of the primals to the tangent of the value."""
        given = same_structure("the tangents of a linearized function", tangents, self.chosen.tree)
        checked = [
            tangent(t, k, f"the tangent of {n}")
            for t, k, n in zip(given, self.in_types, self.chosen.names, strict=True)
        ]
        moving = [t for t in checked if t is not None]
        results = run(self.split.linear, [*self.residuals, *moving])
        slopes = _spread(results, self.split.out_active, self.out_types)
        return self.out_tree.unflatten(slopes[: self.out_tree.num_leaves])

    @functools.cached_property
    def transposed(self) -> Program:
        """The transpose of the linear program, with zero cotangents for aux."""
        builder = Builder()
        linear = self.split.linear
        known = [builder.input(t) for t in linear.in_types[: self.split.residuals]]
        count = self.out_tree.num_leaves
        wanted = [i < count for i, on in enumerate(self.split.out_active) if on]
        bars = [
            builder.input(t) if on else None for t, on in zip(linear.out_types, wanted, strict=True)
        ]
        return builder.finish(pull(builder, linear, known, bars))

    def pull(self, cotangent: Any) -> tuple[Any, ...]:
        """The transpose: a cotangent of the value to cotangents of the primals."""
        given = same_structure("the cotangent of a pullback", cotangent, self.out_tree)
        checked = [
            tangent(c, k, f"cotangent {i}" if len(given) > 1 else "the cotangent")
            for i, (c, k) in enumerate(zip(given, self.out_types, strict=False))
        ]
        active = self.split.out_active[: len(checked)]
        moving = [c for c, on in zip(checked, active, strict=True) if on]
        results = iter(run(self.transposed, [*self.residuals, *moving]))
        slopes = [next(results) if t.is_float else zero_tangent(t) for t in self.in_types]
        return self.chosen.tree.unflatten(slopes)


def _linearized(
    transform: str, fun: Callable[..., Any], primals: tuple[Any, ...], has_aux: bool
) -> tuple[Any, _Linear]:
    chosen, active, traced = traced_primals(transform, fun, primals, has_aux)
    split = linearize_program(traced.program, active)
    results = run(split.primal, [*chosen.leaves, *traced.captured])
    count = len(traced.program.outputs)
    out = traced.unflatten(results[:count])
    types = (traced.program.in_types[: len(chosen.leaves)], traced.program.out_types)
    tree = _value_tree(traced, has_aux)
    return out, _Linear(split, results[count:], chosen, tree, types)


def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of `fun(*primals)` and its derivative there, as a linear function of tangents.

    The function does its nonlinear work once; applying the derivative again and again is cheap.
    With `has_aux` the result is (value, derivative, aux).
    """
    out, linear = _linearized("linearize", fun, primals, has_aux)
    return (out[0], linear.push, out[1]) if has_aux else (out, linear.push)


def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of `fun(*primals)` and a pullback from its cotangent to those of the primals.

    The pullback gives a tuple with one entry per primal. With `has_aux` the result is (value,
    pullback, aux).
    """
    out, linear = _linearized("vjp", fun, primals, has_aux)
    return (out[0], linear.pull, out[1]) if has_aux else (out, linear.pull)


def linear_transpose(fun: Callable[..., Any], *primals: Any) -> Callable[[Any], tuple[Any, ...]]:
    """The transpose of a function that is linear in all of its arguments.

    `primals` only give shapes and dtypes (arrays or `ShapeDtypeStruct`). The transpose takes a
    cotangent of the result and gives a tuple with a cotangent for each argument.
    """
    require_callable("linear_transpose", fun)
    chosen = select("linear_transpose", tuple(range(len(primals))), primals, {})
    types, _ = differentiable("linear_transpose", chosen)
    traced = trace(_lift_value(chosen.close(fun), False), types, name=function_name(fun))
    try:
        program = _transposed_linear(traced, len(types))
    except DifferentiationError as error:  # it names the line already
        raise DifferentiationError(
            f"linear_transpose needs a linear function, and '{function_name(fun)}' is not: {error}"
        ) from None

    def transposed(cotangent: Any) -> tuple[Any, ...]:
        given = same_structure("the cotangent of a transpose", cotangent, traced.out_tree)
        checked = [
            tangent(c, t, "the cotangent")
            for c, t in zip(given, traced.program.out_types, strict=True)
        ]
        moving = [c for c in checked if c is not None]
        return chosen.tree.unflatten(run(program, [*traced.captured, *moving]))

    return transposed


def _transposed_linear(traced: Traced, count: int) -> Program:
    """From captured values and cotangents to the cotangents of the first `count` inputs."""
    program = traced.program
    split = split_linear(program, program.inputs[:count])
    floats = tuple(a for a in split.linear.outputs if a.type.is_float)
    linear = Program(split.linear.inputs, split.linear.eqns, floats)
    builder = Builder()
    captured = [builder.input(t) for t in program.in_types[count:]]
    residuals = builder.inline(split.known, captured)
    turned = transpose(linear, len(residuals))
    bars = [builder.input(t) for t in linear.out_types]
    return builder.finish(builder.inline(turned, [*residuals, *bars]))


def hvp(fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The product of the Hessian of a scalar function with `tangents`, forward over reverse.

    Primals and tangents are tuples, as for `jvp`. The result has the structure of the argument if
    there is one, and is a tuple with an entry for each argument if there are more.
    """
    argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(fun, argnums), primals, tangents)[1]


def gauss_newton_product(
    fun: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    loss: Callable[[Any], Any] | None = None,
) -> Any:
    """J' H J times `tangents`: J is the Jacobian of `fun`, H the Hessian of `loss` at its value.

    Without a loss, a scalar function of what `fun` returns, it is half the sum of squares, and H is
    the identity. This is the Hessian of loss(fun(*primals)) without the second derivatives of
    `fun`; it is positive semidefinite where the loss is convex. Primals, tangents and the result
    are as in `hvp`. The Jacobian is never made: one product forwards, one in reverse.
    N. N. Schraudolph, Fast curvature matrix-vector products for second-order gradient descent,
    Neural Computation 14 (2002).
    """
    value, linear = _linearized("gauss_newton_product", fun, tuple(primals), False)
    moved = linear.push(*tangents)
    curved = tree_map(_conjugate, moved) if loss is None else hvp(loss, (value,), (moved,))
    bars = linear.pull(curved)
    return bars[0] if len(primals) == 1 else bars


def _conjugate(x: Any) -> Any:
    """The gradient of half the square of an absolute value, as `grad` has it."""
    return np.conj(x) if kind_of(x.dtype) == "c" else x


def stop_gradient(x: Any) -> Any:
    """`x`, which derivatives take for a constant; for each leaf of a pytree."""

    def stop(leaf: Any) -> Any:
        if isinstance(leaf, Tracer) and kind_of(leaf.dtype) in "fc":
            return wrap(lift(leaf).stop_gradient(), leaf.weak)
        return leaf

    return tree_map(stop, x)
