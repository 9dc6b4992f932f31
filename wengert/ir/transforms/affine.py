"""Affine forms of int64 scalars in loop indices, and the boxes of elements that windows touch."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

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

    @property
    def least(self) -> int:
        """The least value it takes, by the bounds of the indices."""
        return self.const + sum(c * (s.low if c > 0 else s.high) for s, c in self.terms.items())


Forms = dict[Atom, Form]
Side = Form | None
Box = tuple[tuple[Side, Side], ...]
"""For each axis the first element and the one after the last; None where that is not known."""

_around: ContextVar[Forms] = ContextVar("forms of values around a region", default={})  # noqa: B039


@contextmanager
def around(forms: Forms) -> Generator[None]:
    """Splits regions inside with the forms of the values around them at hand."""
    token = _around.set(forms)
    try:
        yield
    finally:
        _around.reset(token)


def form_around(atom: Atom) -> Form | None:
    """The form of an operand of the region that is being taken apart."""
    return _form(_around.get(), atom)


def _form(forms: Forms, atom: Atom) -> Form | None:
    if isinstance(atom, Literal):
        return Form({}, atom.value) if type(atom.value) is int else None
    return forms.get(atom)


def _of_dim(dim: int) -> Form:
    return Form(dict(dim.terms), dim.const) if isinstance(dim, Dim) else Form({}, dim)


def enter(forms: Forms, eqns: Iterable[Eqn]) -> Forms:
    """Adds the forms of what equations compute."""
    for eqn in eqns:
        out = eqn.outputs[0] if len(eqn.outputs) == 1 else None
        if out is None or out.type.shape or out.type.dtype != INT64:
            continue
        operands = [_form(forms, a) for a in eqn.inputs]
        found = _computed(eqn.op.name, operands)
        if found is not None:
            forms[out] = found
    return forms


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


def inside(forms: Forms, eqn: Eqn) -> tuple[Forms, Symbol]:
    """The forms at the entry of a for_loop's body, and the symbol that its index has there."""
    body, consts = eqn.params["body"], eqn.params["consts"]
    symbol = eqn.params["symbol"] or Symbol(-_FAR, _FAR)
    inner: Forms = {body.inputs[0]: Form({symbol: 1}, 0)}
    for var, atom in zip(body.inputs[1 : 1 + consts], eqn.inputs[2 : 2 + consts], strict=True):
        found = _form(forms, atom)
        if found is not None:
            inner[var] = found
    return inner, symbol


def window_box(
    forms: Forms, starts: Sequence[Atom], sizes: Sequence[int], steps: Sequence[int]
) -> Box:
    """The box of a window."""
    box: list[tuple[Side, Side]] = []
    for atom, size, step in zip(starts, sizes, steps, strict=True):
        start = _form(forms, atom)
        if start is None:
            box.append((None, None))
            continue
        end = start.plus(_of_dim(size).shifted(-1), step)
        low, high = (start, end) if step > 0 else (end, start)
        box.append((low, high.shifted(1)))
    return tuple(box)


def over_turns(box: Box, eqn: Eqn, symbol: Symbol, forms: Forms) -> Box:
    """The box of all turns of a for_loop, from the box of one."""
    first, stop = (_form(forms, a) for a in eqn.inputs[:2])
    last = None if stop is None else stop.shifted(-1)

    def extreme(side: Side, low: bool) -> Side:
        if side is None or symbol not in side.terms:
            return side
        end = first if (side.terms[symbol] > 0) == low else last
        return None if end is None else side.substituted(symbol, end)

    return tuple([(extreme(low, True), extreme(high, False)) for low, high in box])


def never_meet(x: Box, y: Box, symbol: Symbol, later: int) -> bool:
    """Whether box x at one turn shares no element with y at a later one.

    `later` is 1 if the index grows from turn to turn, -1 if it falls, 0 for the same turn.
    """
    return any(
        _apart(b[0], a[1], symbol, later, 1) or _apart(b[1], a[0], symbol, later, -1)
        for a, b in zip(x, y, strict=True)
    )


def _apart(later_side: Side, side: Side, symbol: Symbol, later: int, sign: int) -> bool:
    """Whether sign * (later_side - side) >= 0, the index of `later_side` being further on."""
    if later_side is None or side is None:
        return False
    growth = sign * later_side.terms.get(symbol, 0) * later
    if growth < 0:
        return False
    ahead = later_side.shifted(later_side.terms.get(symbol, 0) * later)
    return ahead.plus(side, -1).times(sign).least >= 0


__all__ = [
    "Box",
    "Form",
    "Forms",
    "around",
    "enter",
    "form_around",
    "inside",
    "never_meet",
    "over_turns",
    "window_box",
]
