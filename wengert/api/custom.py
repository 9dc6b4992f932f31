"""Functions with derivatives of the user's own: custom_jvp and custom_vjp."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np

from wengert.api.arguments import (
    abstract,
    fail,
    float0,
    function_name,
    own,
    require_callable,
)
from wengert.capture.convert import convert
from wengert.errors import (
    DifferentiationError,
    DTypeError,
    InputTypeError,
    LeakedTracerError,
    Location,
    ShapeError,
    TreeError,
    WengertError,
    located,
)
from wengert.ir.floats import kind_of
from wengert.ir.op import REGISTRY
from wengert.ir.ops.custom import Rules
from wengert.ir.program import Program, Var
from wengert.ir.types import INT64, TensorType
from wengert.tracer.array import Tracer
from wengert.tracer.closures import Closed, closed
from wengert.tracer.lift import is_weak, lift, wrap
from wengert.tracer.pytree import TreeDef, flatten
from wengert.tracer.stack import current, is_users, user_location
from wengert.tracer.trace import Abstract, Traced, trace


class Custom:
    """A function whose derivatives are given by rules.

    `defjvp` sets the forward rule, `defvjp` the reverse rule; with one of them the other mode is
    derived from it, with both each mode has its own. Values come from the function itself, except
    that reverse mode takes them from the first half of the reverse rule. Arguments that are not
    traced (Python ints, strings, functions, arrays known beforehand) reach the rules as they are.

    The function and its rules may read arrays of a function around them, as long as those do not
    depend on what is differentiated. If it `closes`, they may: the arrays are then one more
    argument, a tuple, in what the rules take and give; and the rules, which take the `Closed`
    arrays in front of all else, say what the derivatives are.
    """

    def __init__(self, fun: Callable[..., Any], closes: bool = False) -> None:
        require_callable("a custom rule", fun)
        self._fun = fun
        self._closes = closes
        self._jvp: Callable[..., Any] | None = None
        self._vjp: tuple[Callable[..., Any], Callable[..., Any]] | None = None
        functools.update_wrapper(self, fun)

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Sets the forward rule: `rule(primals, tangents) -> (result, tangent of the result)`.

        Primals and tangents are tuples with an entry for each argument; what the rule does must
        be linear in the tangents. Integers have tangents of dtype `float0`. Gives the rule back,
        so that this can decorate it.
        """
        require_callable("defjvp", rule)
        self._jvp = rule
        return rule

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """Sets the reverse rule.

        `forward(*args) -> (result, residuals)`, any pytree of arrays; `backward(residuals,
        cotangent) -> cotangents`, a tuple with an entry for each argument, None for zero. Unless
        it is linear in the cotangent, there is no forward mode without a rule for it.
        """
        require_callable("defvjp", forward)
        require_callable("defvjp", backward)
        self._vjp = (forward, backward)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result of the function."""
        if kwargs:
            args = (*args, *self._by_position(args, kwargs))
        leaves, tree = flatten(args)
        places = [i for i, x in enumerate(leaves) if isinstance(x, Tracer)]
        if current() is None or not (places or self._closes):
            return self._fun(*args)
        if self._jvp is None and self._vjp is None:
            fail(
                DifferentiationError(
                    f"'{function_name(self._fun)}' is to have derivatives of its own, and has no "
                    "rule yet; give one by defjvp or defvjp before it is used"
                )
            )
        fixed = [None if isinstance(x, Tracer) else x for x in leaves]
        call = _Call(self._fun, fixed, tree, places, user_location())
        inputs = [leaves[i] for i in places]
        if not self._closes:
            return call.apply(inputs, self._jvp, self._vjp)
        return call.apply_closing(args, inputs, self._jvp, self._vjp)

    def _by_position(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        names = function_name(self._fun)
        return fail(
            InputTypeError(
                f"'{names}' has derivative rules, which know its arguments by position; pass "
                f"{', '.join(kwargs)} by position too"
            )
        )

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call inside a trace: `places` are the leaves that are traced, None among `leaves`.

    What the function and its rules read beside the arguments are the last of the operands.
    """

    fun: Callable[..., Any]
    leaves: list[Any]
    tree: TreeDef
    places: list[int]
    location: Location | None
    closed: Closed = field(default_factory=Closed)

    @property
    def name(self) -> str:
        return f"'{function_name(self.fun)}'"

    def apply(self, inputs: list[Tracer], rule: Any, halves: Any) -> Any:
        """The outputs of a `custom` equation with these rules, as the function's result."""
        found = self.found(inputs)
        over = closed(found.captured, (self.fun, rule, halves))
        call = replace(self, closed=over)
        results = call.emit(found, [*inputs, *over.arrays], rule, halves, len(over.arrays))
        return found.unflatten(results)

    def apply_closing(self, args: Any, inputs: list[Tracer], rule: Any, halves: Any) -> Any:
        """As `apply`, with what is read beside the arguments as one more of them."""
        found = self.found(inputs)
        over = closed(found.captured, (self.fun, rule, halves))
        if not (inputs or over.arrays):
            return self.fun(*args)
        _, tree = flatten((*args, over.arrays))
        added = range(len(self.leaves), len(self.leaves) + len(over.arrays))
        leaves = [*self.leaves, *(None for _ in added)]
        call = _Call(self.fun, leaves, tree, [*self.places, *added], self.location, over)
        forward = None if rule is None else functools.partial(rule, over)
        both = None if halves is None else tuple(functools.partial(h, over) for h in halves)
        return found.unflatten(call.emit(found, [*inputs, *over.arrays], forward, both))

    def found(self, inputs: list[Tracer]) -> Traced:
        """The function, traced."""
        types = [abstract(x, "an argument") for x in inputs]
        name = function_name(self.fun)
        return trace(lambda *traced: convert(self.fun)(*self.args(traced)), types, name=name)

    def emit(
        self, found: Traced, inputs: list[Tracer], rule: Any, halves: Any, hidden: int = 0
    ) -> list[Tracer]:
        """The equation's outputs."""
        here = current()
        assert here is not None
        values = [lift(x) for x in inputs]
        types = [Abstract(v.type, x.weak) for v, x in zip(values, inputs, strict=True)]
        program = found.program
        read = [*program.inputs, *(Var(t.type) for t in types[len(program.inputs) :])]
        primal = Program(tuple(read), program.eqns, program.outputs)
        like = (types, primal, found.out_tree)
        rules = Rules(
            function_name(self.fun),
            None if rule is None else lambda: self.tangent(rule, *like),
            None if halves is None else lambda: self.halves(halves, *like),
            hidden,
            self.location,
        )
        params = {"primal": primal, "rules": rules}
        return [wrap(v) for v in here.builder.emit(REGISTRY["custom"], values, params)]

    def args(self, traced: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments, with other values in the place of the traced leaves."""
        leaves = list(self.leaves)
        for place, value in zip(self.places, traced, strict=False):  # hidden ones come after
            leaves[place] = value
        return own(self.tree.unflatten(leaves))

    def run(self, rule: Any, operands: Sequence[Any], *args: Any) -> Any:
        """What a rule gives, for the last of these operands in place of what it reads."""
        hidden = operands[len(operands) - len(self.closed.arrays) :]
        return self.closed.call_later(convert(rule), hidden, *args)

    def traced(self, fun: Callable[..., Any], types: list[Abstract], rule: str) -> Program:
        """The program of a rule, of traced values alone."""
        cause: LeakedTracerError | None = None
        try:
            found = trace(fun, types, name=function_name(self.fun))
            if not found.captured:
                return found.program
        except LeakedTracerError as error:
            cause = error
        raise located(
            DifferentiationError(
                f"the {rule} reads a traced value of the function around it, of which "
                " it was not known that the rule reads it; pass the value as an argument"
            ),
            self.location,
        ) from cause

    # the forward rule

    def tangent(
        self, rule: Callable[..., Any], types: list[Abstract], primal: Program, out: TreeDef
    ) -> Program:
        """Traced values, then tangents of the floats -> results, then tangents of the floats."""
        floats = [t for t in types if t.type.is_float]
        what = f"forward rule of {self.name}{_written(rule)}"

        def rates(*traced: Any) -> Any:
            given, moving = traced[: len(types)], iter(traced[len(types) :])
            tangents = [
                next(moving) if t.type.is_float else np.zeros(t.type.shape, float0) for t in types
            ]
            source = next(t for t in traced[len(types) :])
            dots: list[Any] = [_zero(x, source) for x in self.leaves]
            for place, value in zip(self.places, tangents, strict=False):
                dots[place] = value
            pair = self.run(rule, given, self.args(given), self.tree.unflatten(dots))
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                self.refuse(
                    TreeError(
                        f"the {what} should return (result, tangent), and returned "
                        f"{_described(pair)}"
                    )
                )
            results = self.checked(pair[0], primal.out_types, out, what, "result")
            slopes = self.checked(pair[1], primal.out_types, out, what, "tangent")
            return (
                *results,
                *(s for s, t in zip(slopes, primal.out_types, strict=True) if t.is_float),
            )

        return self.traced(rates, [*types, *floats], what)

    # the reverse rule

    def halves(
        self, rules: Any, types: list[Abstract], primal: Program, out: TreeDef
    ) -> tuple[Program, Program]:
        """The two halves: see `ir.ops.custom`."""
        kept: list[TreeDef] = []
        names = [
            f"{half} half of the reverse rule of {self.name}{_written(rule)}"
            for half, rule in zip(("first", "second"), rules, strict=True)
        ]

        def first(*traced: Any) -> Any:
            pair = self.run(rules[0], traced, *self.args(traced))
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                self.refuse(
                    TreeError(
                        f"the {names[0]} should return (result, residuals), and returned "
                        f"{_described(pair)}"
                    )
                )
            results = self.checked(pair[0], primal.out_types, out, names[0], "result")
            residuals, tree = flatten(pair[1])
            kept.append(tree)
            hidden = traced[len(traced) - len(self.closed.arrays) :]
            return (*results, *(self.array(r, names[0], "residual") for r in residuals), *hidden)

        forward = self.traced(first, types, names[0])
        count = len(primal.outputs)
        residuals = [Abstract(t) for t in forward.out_types[count:]]
        bars = [Abstract(t) for t in primal.out_types if t.is_float]

        def second(*traced: Any) -> Any:
            kept_values, given = traced[: len(residuals)], iter(traced[len(residuals) :])
            cotangents = [
                next(given) if t.is_float else np.zeros(t.shape, float0) for t in primal.out_types
            ]
            saved = kept[0].unflatten(kept_values[: kept[0].num_leaves])
            result = self.run(rules[1], kept_values, saved, out.unflatten(cotangents))
            return self.cotangents(result, types, names[1])

        return forward, self.traced(second, [*residuals, *bars], names[1])

    def cotangents(self, result: Any, types: list[Abstract], rule: str) -> tuple[Any, ...]:
        """What the reverse rule gives for the traced floats, checked."""
        arguments = self.tree.children
        if not isinstance(result, (tuple, list)) or len(result) != len(arguments):
            self.refuse(
                TreeError(
                    f"the {rule} should return a tuple of {len(arguments)} cotangents, one for "
                    f"each argument, and returned {_described(result)}"
                )
            )
        found: list[Any] = []
        for number, (value, tree) in enumerate(zip(result, arguments, strict=True)):
            leaves, kind = flatten(value)
            if value is None:
                leaves = [None] * tree.num_leaves
            elif kind != tree:
                self.refuse(
                    TreeError(
                        f"the {rule} gives a cotangent of structure {kind} for argument "
                        f"{number}, whose structure is {tree}"
                    )
                )
            found += [(number, leaf) for leaf in leaves]
        chosen = [found[place] for place in self.places]
        chosen += [(0, None)] * (len(types) - len(chosen))
        return tuple(
            self.fitting(value, t.type, rule, f"cotangent of argument {number}")
            for (number, value), t in zip(chosen, types, strict=True)
            if t.type.is_float
        )

    # checks

    def refuse(self, error: WengertError) -> NoReturn:
        """Raises an error with the line on which the function is called."""
        raise located(error, self.location)

    def array(self, value: Any, rule: str, what: str) -> Tracer:
        """A leaf of what a rule gives."""
        try:
            return wrap(lift(value))
        except InputTypeError:
            self.refuse(
                InputTypeError(
                    f"the {rule} gives a {what} that is {type(value).__name__} {value!r:.40}, and "
                    "no array or number"
                )
            )

    def checked(
        self, value: Any, types: Sequence[TensorType], tree: TreeDef, rule: str, what: str
    ) -> list[Any]:
        """The leaves of what a rule gives, which must be like the function's results."""
        leaves, found = flatten(value)
        if found != tree:
            self.refuse(
                TreeError(
                    f"the {rule} gives a {what} of structure {found}, and the "
                    f"function's result has the structure {tree}"
                )
            )
        return [self.fitting(x, t, rule, what) for x, t in zip(leaves, types, strict=True)]

    def fitting(self, value: Any, like: TensorType, rule: str, what: str) -> Any:
        """`value` as an array of a type; None and Python numbers take it on."""
        if value is None or getattr(value, "dtype", None) == float0:
            return wrap(lift(np.zeros(like.shape, like.dtype)))
        found = lift(self.array(value, rule, what))
        if found.shape != like.shape:
            self.refuse(
                ShapeError(
                    f"the {rule} gives a {what} of shape {found.shape}, which "
                    f"should be {like.shape}"
                )
            )
        if found.type.dtype != like.dtype and not is_weak(value):
            self.refuse(
                DTypeError(
                    f"the {rule} gives a {what} of {found.type.dtype}, which "
                    f"should be {like.dtype}; convert it by .astype('{like.dtype}')"
                )
            )
        return wrap(found.to(like.dtype))


def _written(rule: Callable[..., Any]) -> str:
    """Where a rule of the user's is written."""
    code = getattr(rule, "__code__", None)
    return f" ({code.co_filename}:{code.co_firstlineno})" if code and is_users(code) else ""


def _described(value: Any) -> str:
    """What a rule returned, in words."""
    if isinstance(value, Tracer):
        return str(value.type)
    size = f" of length {len(value)}" if isinstance(value, (tuple, list)) else ""
    return f"{type(value).__name__}{size}"


def _zero(leaf: Any, source: Tracer) -> Any:
    """The tangent of a leaf that is not traced: zeros, as a linear function of a tangent."""
    if isinstance(leaf, (float, complex)) or kind_of(getattr(leaf, "dtype", INT64)) in "fc":
        dtype = getattr(leaf, "dtype", np.dtype(type(leaf)))
        params = {"shape": np.shape(leaf), "dtype": dtype}
        return wrap(source.value.builder.emit(REGISTRY["vanish"], [source.value], params)[0])
    return np.zeros(np.shape(leaf), float0) if isinstance(leaf, (np.ndarray, int)) else None


def custom_jvp(fun: Callable[..., Any]) -> Custom:
    """`fun` with a forward rule of its own, which `defjvp` of the result sets:

        @wg.custom_jvp
        def f(x, y): ...

        @f.defjvp
        def f_jvp(primals, tangents):
            x, y = primals
            return f(x, y), ... tangents ...

    Reverse mode, Hessians, vmap and jit are derived from the rule. A rule that calls `f` itself
    is used again in higher derivatives. See `Custom`.
    """
    return Custom(fun)


def custom_vjp(fun: Callable[..., Any]) -> Custom:
    """`fun` with a reverse rule of its own, which `defvjp(forward, backward)` of the result sets.

    Forward mode is derived from it where `backward` is linear in the cotangent. See `Custom`.
    """
    return Custom(fun)


__all__ = ["Custom", "custom_jvp", "custom_vjp"]
