"""Affine forms of int64 scalars in loop indices, and the boxes of elements that windows touch."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from wengert.ir.program import Atom, Eqn, Literal
from wengert.ir.types import INT64, Dim, Symbol

_FAR = 1 << 40


@dataclass(frozen=True, slots=True)
class Form:
    """const + the sum of coefficient * index."""

    terms: Mapping[Symbol, int]
    const: int

    def plus(self, other: Form, factor: int = 1) -> Form:
        terms = dict(self.terms)
        for symbol, coefficient in other.terms.items():
            terms[symbol] = terms.get(symbol, 0) + factor * coefficient
        kept = {s: c for s, c in terms.items() if c}
        return Form(kept, self.const + factor * other.const)

    def shifted(self, by: int) -> Form:
        return Form(self.terms, self.const + by)

    def times(self, factor: int) -> Form:
        return Form({s: c * factor for s, c in self.terms.items()}, self.const * factor)

    def substituted(self, symbol: Symbol, form: Form) -> Form:
        """With a form for an index."""
        coefficient = self.terms.get(symbol, 0)
        rest = Form({s: c for s, c in self.terms.items() if s is not symbol}, self.const)
        return rest.plus(form, coefficient) if coefficient else self


Forms = dict[Atom, Form]
Side = Form | None


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known of int64 scalars at a place of the program.

    `ranges` are the first and the last value of the indices of the loops around it, the outermost
    first, in the indices of loops further out.
    """

    forms: Forms = field(default_factory=dict[Atom, Form])
    ranges: Mapping[Symbol, tuple[Side, Side]] = field(
        default_factory=dict[Symbol, tuple[Side, Side]]
    )

    def form(self, atom: Atom) -> Side:
        """The form of a value."""
        if isinstance(atom, Literal):
            return Form({}, atom.value) if type(atom.value) is int else None
        return self.forms.get(atom)

    def least(self, form: Form) -> int:
        """A value that a form never falls below, by the ranges of the indices."""
        inner = next((s for s in reversed([*self.ranges]) if s in form.terms), None)
        if inner is None:
            ends = [c * (s.low if c > 0 else s.high) for s, c in form.terms.items()]
            return form.const + sum(ends)
        rising = form.terms[inner] > 0
        end = self.ranges[inner][0 if rising else 1]
        bound = form.substituted(inner, Form({}, inner.low if rising else inner.high))
        found = self.least(bound)
        if end is None or inner in end.terms:
            return found
        return max(found, self.least(form.substituted(inner, end)))


Box = tuple[tuple[Side, Side], ...]
"""For each axis the first element and the one after the last; None where that is not known."""

_around: ContextVar[Scope] = ContextVar("the scope around a region", default=Scope())  # noqa: B039


@contextmanager
def around(scope: Scope) -> Generator[None]:
    """Splits regions inside with what is known around them at hand."""
    token = _around.set(scope)
    try:
        yield
    finally:
        _around.reset(token)


def surroundings() -> Scope:
    """What is known around the region that is being taken apart."""
    return _around.get()


def _of_dim(dim: int) -> Form:
    return Form(dict(dim.terms), dim.const) if isinstance(dim, Dim) else Form({}, dim)


def enter(scope: Scope, eqns: Iterable[Eqn]) -> Scope:
    """Adds the forms of what equations compute."""
    for eqn in eqns:
        out = eqn.outputs[0] if len(eqn.outputs) == 1 else None
        if out is None or out.type.shape or out.type.dtype != INT64:
            continue
        operands = [scope.form(a) for a in eqn.inputs]
        found = _computed(eqn.op.name, operands)
        if found is not None:
            scope.forms[out] = found
    return scope


def _computed(name: str, operands: Sequence[Form | None]) -> Form | None:
    match name, operands:
        case "add", [Form() as x, Form() as y]:
            return x.plus(y)
        case "sub", [Form() as x, Form() as y]:
            return x.plus(y, -1)
        case "mul", [Form() as x, Form() as y] if not x.terms or not y.terms:
            return y.times(x.const) if not x.terms else x.times(y.const)
        case "neg", [Form() as x]:
            return x.times(-1)
        case "cast", [Form() as x]:
            return x
        case _:
            return None


def inside(scope: Scope, eqn: Eqn) -> tuple[Scope, Symbol]:
    """What is known at the entry of a for_loop's body, and the symbol that its index has there."""
    body, consts = eqn.params["body"], eqn.params["consts"]
    symbol = eqn.params["symbol"] or Symbol(-_FAR, _FAR)
    forms: Forms = {body.inputs[0]: Form({symbol: 1}, 0)}
    for var, atom in zip(body.inputs[1 : 1 + consts], eqn.inputs[2 : 2 + consts], strict=True):
        found = scope.form(atom)
        if found is not None:
            forms[var] = found
    return Scope(forms, {**scope.ranges, symbol: _ends(scope, eqn)}), symbol


def _ends(scope: Scope, eqn: Eqn) -> tuple[Side, Side]:
    """The least and the greatest index of a for_loop."""
    stop = scope.form(eqn.inputs[1])
    return scope.form(eqn.inputs[0]), None if stop is None else stop.shifted(-1)


def window_box(
    scope: Scope, starts: Sequence[Atom], sizes: Sequence[int], steps: Sequence[int]
) -> Box:
    """The box of a window."""
    box: list[tuple[Side, Side]] = []
    for atom, size, step in zip(starts, sizes, steps, strict=True):
        start = scope.form(atom)
        if start is None:
            box.append((None, None))
            continue
        end = start.plus(_of_dim(size).shifted(-1), step)
        low, high = (start, end) if step > 0 else (end, start)
        box.append((low, high.shifted(1)))
    return tuple(box)


def over_turns(box: Box, eqn: Eqn, symbol: Symbol, scope: Scope) -> Box:
    """The box of all turns of a for_loop, from the box of one."""
    first, last = _ends(scope, eqn)

    def extreme(side: Side, low: bool) -> Side:
        if side is None or symbol not in side.terms:
            return side
        end = first if (side.terms[symbol] > 0) == low else last
        return None if end is None else side.substituted(symbol, end)

    return tuple([(extreme(low, True), extreme(high, False)) for low, high in box])


def never_meet(x: Box, y: Box, symbol: Symbol, later: int, scope: Scope) -> bool:
    """Whether box x at one turn shares no element with y at a later one.

    `later` is 1 if the index grows from turn to turn, -1 if it falls, 0 for the same turn.
    """
    return any(
        _apart(b[0], a[1], symbol, later, 1, scope) or _apart(b[1], a[0], symbol, later, -1, scope)
        for a, b in zip(x, y, strict=True)
    )


def _apart(
    later_side: Side, side: Side, symbol: Symbol, later: int, sign: int, scope: Scope
) -> bool:
    """Whether sign * (later_side - side) >= 0, the index of `later_side` being further on."""
    if later_side is None or side is None:
        return False
    growth = sign * later_side.terms.get(symbol, 0) * later
    if growth < 0:
        return False
    ahead = later_side.shifted(later_side.terms.get(symbol, 0) * later)
    return scope.least(ahead.plus(side, -1).times(sign)) >= 0


__all__ = [
    "Box",
    "Form",
    "Forms",
    "Scope",
    "around",
    "enter",
    "inside",
    "never_meet",
    "over_turns",
    "surroundings",
    "window_box",
]
