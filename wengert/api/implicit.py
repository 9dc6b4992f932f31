"""Solutions of equations, differentiated by the equation and not through the iterations.

Where f(x, a) = 0 defines x, the implicit function theorem gives  (∂f/∂x) ẋ = -(∂f/∂a) ȧ,  and in
reverse  (∂f/∂x)' λ = x̄,  ā = -(∂f/∂a)' λ.  One linear system for each derivative, whatever the
solver did. A. Griewank, A. Walther, Evaluating Derivatives, 2nd edition, SIAM 2008, chapter 15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api.arguments import abstract, function_name, require_callable
from wengert.api.custom import Custom
from wengert.api.derivatives import jvp, vjp
from wengert.api.jacobians import jacfwd
from wengert.api.ravel import ravel_pytree
from wengert.capture.convert import convert
from wengert.errors import (
    DTypeError,
    Location,
    ShapeError,
    TreeError,
    located,
)
from wengert.plain.iteration import iterated
from wengert.tracer.closures import Closed
from wengert.tracer.pytree import flatten, tree_map
from wengert.tracer.stack import user_location

Operator = Callable[[Any], Any]
Solve = Callable[[Operator, Any], Any]


def custom_root(
    f: Callable[..., Any],
    initial_guess: Any,
    solve: Callable[[Operator, Any], Any],
    tangent_solve: Solve | None = None,
    args: Sequence[Any] = (),
    has_aux: bool = False,
) -> Any:
    """x with f(x, *args) = 0, found by `solve(lambda x: f(x, *args), initial_guess)`.

    Derivatives with respect to `args` come from the equation, and so do those with respect to
    traced values that `f` reads of the functions around it; how `solve` depends on such values does
    not matter. The guess has none. Linear systems with the derivative of `f` in x, or its
    transpose, are solved by `tangent_solve(operator, right_hand_side)`, by default by elimination
    of the whole matrix. `x`, `f`'s value and `args` are pytrees; the first two have one structure.
    With `has_aux`, `solve` returns (x, aux), and so does this; `aux`, a count of steps say, has no
    derivatives.
    """
    require_callable("custom_root", f)
    require_callable("custom_root", solve)
    f, solve = convert(f), convert(solve)
    where = user_location()
    linear = eliminated
    if tangent_solve is not None:
        require_callable("custom_root", tangent_solve)
        linear = _checking(convert(tangent_solve), where, "custom_root's tangent_solve")
    residual = f"the value of custom_root's function '{function_name(f)}'"

    def root(guess: Any, parameters: Any) -> Any:
        found = solve(lambda x: f(x, *parameters), guess)
        x, aux = _pair(found, where) if has_aux else (found, ())
        _checked(f(x, *parameters), x, where, residual, "the unknowns")
        return x, aux

    solved = Custom(root, closes=True)
    _give_rules_of_root(solved, f, linear)
    found = solved(initial_guess, tuple(args))
    return found if has_aux else found[0]


def _give_rules_of_root(solved: Custom, f: Callable[..., Any], linear: Solve) -> None:
    """The rules of `custom_root`."""

    def forward(over: Closed, primals: Any, tangents: Any) -> Any:
        guess, *given = primals
        x, aux = solved(guess, given[0])
        _, moved = jvp(_of_parameters(f, over, x), given, tangents[1:])
        found = linear(_derivative(f, x, given[0]), tree_map(np.negative, moved))
        return (x, aux), (found, tree_map(np.zeros_like, aux))

    def first(over: Closed, guess: Any, *given: Any) -> Any:
        x, aux = solved(guess, given[0])
        return (x, aux), (guess, x, given)

    def second(over: Closed, saved: Any, bar: Any) -> Any:
        guess, x, given = saved
        _, pull = vjp(lambda y: f(y, *given[0]), x)
        multiplier = linear(lambda v: pull(v)[0], bar[0])
        _, pull_parameters = vjp(_of_parameters(f, over, x), *given)
        bars = pull_parameters(tree_map(np.negative, multiplier))
        return tree_map(lambda g: np.zeros_like(g), guess), *bars

    solved.defjvp(forward)
    solved.defvjp(first, second)


def custom_linear_solve(
    matvec: Callable[..., Any],
    b: Any,
    solve: Solve,
    transpose_solve: Solve | None = None,
    symmetric: bool = False,
    args: Sequence[Any] = (),
) -> Any:
    """x with matvec(x, *args) = b, found by `solve(lambda x: matvec(x, *args), b)`.

    Derivatives with respect to `b`, `args` and what `matvec` reads of the functions around it solve
    one more system: forward by `solve`, in reverse mode by `transpose_solve(transposed_matvec,
    x_bar)`, which is `solve` if `symmetric`, and by default elimination of the whole matrix.
    """
    require_callable("custom_linear_solve", matvec)
    require_callable("custom_linear_solve", solve)
    where = user_location()
    name = "custom_linear_solve's"
    matvec = convert(matvec)
    solve = _checking(convert(solve), where, f"{name} solver")
    backward = solve if symmetric else eliminated
    if transpose_solve is not None:
        require_callable("custom_linear_solve", transpose_solve)
        backward = _checking(convert(transpose_solve), where, f"{name} transpose_solve")

    def solution(right: Any, parameters: Any) -> Any:
        return solve(lambda x: matvec(x, *parameters), right)

    solved = Custom(solution, closes=True)

    def product(x: Any, value: Any) -> None:
        what = f"what {name} matvec '{function_name(matvec)}' gives"
        _checked(value, x, where, what, "the right-hand side")

    _give_rules_of_solve(solved, matvec, (solve, backward), product)
    return solved(b, tuple(args))


def _give_rules_of_solve(
    solved: Custom,
    matvec: Callable[..., Any],
    solvers: tuple[Solve, Solve],
    check: Callable[[Any, Any], None],
) -> None:
    """The rules of `custom_linear_solve`; `check` looks at the product with the unknowns."""
    solve, backward = solvers

    def forward(over: Closed, primals: Any, tangents: Any) -> Any:
        right, *given = primals
        x = solved(right, given[0])
        moved = tangents[0]
        if flatten(given)[0]:
            value, through = jvp(_of_parameters(matvec, over, x), given, tangents[1:])
            check(x, value)
            moved = tree_map(np.subtract, moved, through)
        return x, solve(lambda v: matvec(v, *given[0]), moved)

    def first(over: Closed, right: Any, *given: Any) -> Any:
        x = solved(right, given[0])
        return x, (x, given)

    def second(over: Closed, saved: Any, bar: Any) -> Any:
        x, given = saved
        value, pull = vjp(lambda y: matvec(y, *given[0]), x)
        check(x, value)
        multiplier = backward(lambda v: pull(v)[0], bar)
        _, pull_parameters = vjp(_of_parameters(matvec, over, x), *given)
        bars = pull_parameters(tree_map(np.negative, multiplier))
        return multiplier, *bars

    solved.defjvp(forward)
    solved.defvjp(first, second)


def fixed_point(
    step: Callable[..., Any],
    initial_guess: Any,
    args: Sequence[Any] = (),
    tol: float = 1e-10,
    max_steps: int = 10_000,
    tangent_solve: Solve | None = None,
) -> Any:
    """x with step(x, *args) = x, by iteration, differentiated by the equation, as `custom_root` is.

    It ends when no number x changes by more than tol (1 + |x|), or after `max_steps` steps.
    """
    require_callable("fixed_point", step)
    where = user_location()
    what = f"what fixed_point's step '{function_name(step)}' gives"
    step = convert(step)

    def residual(x: Any, *parameters: Any) -> Any:
        after = _same_shapes(step(x, *parameters), x, where, what, "what it was given")
        return tree_map(np.subtract, x, after)

    def solve(equation: Operator, guess: Any) -> Any:
        vector, back = ravel_pytree(guess)

        def advanced(v: Any) -> Any:
            return v - ravel_pytree(equation(back(v)))[0]

        return back(convert(iterated)(advanced, vector, tol, max_steps))

    return custom_root(residual, initial_guess, solve, tangent_solve, args)


def eliminated(operator: Operator, right: Any) -> Any:
    """The solution of a linear system given as a function, from its whole matrix."""
    vector, back = ravel_pytree(right)
    matrix = jacfwd(lambda v: ravel_pytree(operator(back(v)))[0])(np.zeros_like(vector))
    return back(np.linalg.solve(matrix, vector))


def _of_parameters(f: Callable[..., Any], over: Closed, x: Any) -> Callable[..., Any]:
    """`f` at `x` as a function of its parameters and of the arrays that it closes over."""
    return lambda parameters, values: over.call(f, values, x, *parameters)


def _derivative(f: Callable[..., Any], x: Any, parameters: Any) -> Operator:
    return lambda v: jvp(lambda y: f(y, *parameters), (x,), (v,))[1]


def _pair(found: Any, where: Location | None) -> tuple[Any, Any]:
    """What a solver gives with `has_aux`."""
    if not isinstance(found, tuple | list) or len(found) != 2:
        error = TreeError(
            "with has_aux=True, custom_root needs a solver that returns (x, aux), and it returned "
            f"{type(found).__name__}"
        )
        raise located(error, where)
    return found[0], found[1]


def _checked(found: Any, like: Any, where: Location | None, what: str, partner: str) -> Any:
    """`found`, which must have the structure, shapes and dtypes of `like`, a `partner`."""
    _same_shapes(found, like, where, what, partner)
    for x, y in zip(flatten(found)[0], flatten(like)[0], strict=True):
        given, needed = abstract(x, what), abstract(y, partner)
        if given.type.dtype != needed.type.dtype and not (given.weak or needed.weak):
            error = DTypeError(
                f"{what} is {given.type.dtype}, and should have the dtype of {partner}; convert it "
                f"by .astype('{needed.type.dtype}')"
            )
            raise located(error, where)
    return found


def _same_shapes(found: Any, like: Any, where: Location | None, what: str, partner: str) -> Any:
    (leaves, tree), (wanted, expected) = flatten(found), flatten(like)
    if tree != expected:
        text = f"has the structure {tree}, and should have that of {partner}, {expected}"
        raise located(TreeError(f"{what} {text}"), where)
    for x, y in zip(leaves, wanted, strict=True):
        given, needed = abstract(x, what).type, abstract(y, partner).type
        if given.shape != needed.shape:
            text = f"has the shape {given.shape}, and should have that of {partner}, {needed.shape}"
            raise located(ShapeError(f"{what} {text}"), where)
    return found


def _checking(solve: Solve, where: Location | None, name: str) -> Solve:
    """A solver of linear systems whose results are checked."""

    def solved(operator: Operator, right: Any) -> Any:
        what = f"what {name} '{function_name(solve)}' gives"
        return _checked(solve(operator, right), right, where, what, "the right-hand side")

    return solved
