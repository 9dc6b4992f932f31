"""What is known of integers while tracing: affine in loop indices, and intervals.

An index that is provably in range needs no check, and a slice whose length is affine in loop
indices has a `Dim`. Everything is found by walking the equations that give a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wengert.ir.builder import Value
from wengert.ir.program import Atom, Eqn, Literal, Var
from wengert.ir.types import INT64, Dim, Symbol
from wengert.tracer.array import Tracer
from wengert.tracer.stack import Form, Trace, current

MOST_STEPS = 200
"""Longer chains of equations are not looked through."""

Interval = tuple[int, int]


# affine forms


def index_form(x: Any) -> Form | None:
    """The affine form of an integer scalar in loop indices; None if it has none."""
    found = _form(x)
    if found is None:
        return None
    terms, const = found
    return tuple((s, c) for s, c in terms.items() if c), const


def _form(x: Any) -> tuple[dict[Symbol, int], int] | None:
    if isinstance(x, Dim):
        return dict(x.terms), x.const
    if isinstance(x, int):
        return {}, int(x)
    trace, atom = _place(x)
    if trace is None or atom.type.shape or atom.type.dtype.kind not in "iu":
        return None
    return _walk(trace, atom, [MOST_STEPS])


def _place(x: Any) -> tuple[Trace | None, Atom]:
    """The trace and the name of a value in it."""
    if isinstance(x, Tracer):
        return x.owner, x.value.atom
    assert isinstance(x, Value)
    trace = current()
    while trace is not None and trace.builder is not x.builder:
        trace = trace.parent
    return trace, x.atom


def _walk(trace: Trace, atom: Atom, budget: list[int]) -> tuple[dict[Symbol, int], int] | None:
    budget[0] -= 1
    if budget[0] < 0:
        return None
    if isinstance(atom, Literal):
        return {}, int(atom.value)
    symbol = trace.symbols.get(atom)
    if symbol is not None:
        return {symbol: 1}, 0
    origin = trace.origin(atom)
    if origin is not None:
        return None if origin.mutable else _walk(origin.owner, origin.value.atom, budget)
    eqn = trace.producer(atom)
    return None if eqn is None else _combined(trace, eqn, budget)


def _combined(trace: Trace, eqn: Eqn, budget: list[int]) -> tuple[dict[Symbol, int], int] | None:
    name = eqn.op.name
    if name == "cast":
        source = eqn.inputs[0].type.dtype
        wide = eqn.outputs[0].type.dtype == INT64 and source.kind in "iu" and source != "u8"
        return _walk(trace, eqn.inputs[0], budget) if wide else None
    if name not in ("add", "sub", "mul", "neg") or eqn.outputs[0].type.dtype != INT64:
        return None
    parts = [_walk(trace, a, budget) for a in eqn.inputs]
    if any(p is None for p in parts):
        return None
    first = parts[0]
    assert first is not None
    if name == "neg":
        return scaled(first, -1)
    second = parts[1]
    assert second is not None
    if name == "mul":
        if second[0]:
            first, second = second, first
        return None if second[0] else scaled(first, second[1])
    return added(first, second if name == "add" else scaled(second, -1))


def scaled(form: tuple[Mapping[Symbol, int], int], factor: int) -> tuple[dict[Symbol, int], int]:
    """A multiple of an affine form."""
    return {s: c * factor for s, c in form[0].items()}, form[1] * factor


def added(
    x: tuple[Mapping[Symbol, int], int], y: tuple[Mapping[Symbol, int], int]
) -> tuple[dict[Symbol, int], int]:
    """The sum of two affine forms."""
    terms = dict(x[0])
    for symbol, c in y[0].items():
        terms[symbol] = terms.get(symbol, 0) + c
    return terms, x[1] + y[1]


def difference(x: Any, y: Any) -> int | None:
    """x - y as an int or a `Dim`, for integers that are affine in loop indices."""
    first, second = _form(x), _form(y)
    if first is None or second is None:
        return None
    terms, const = added(first, scaled(second, -1))
    return Dim.make(terms, const)


# intervals


def _levels(trace: Trace | None) -> Iterator[Trace]:
    while trace is not None:
        yield trace
        trace = trace.parent


def extreme(trace: Trace | None, terms: Mapping[Symbol, int], const: int, least: bool) -> int:
    """The least or the greatest value of an affine form.

    Inner indices are replaced by their limits first, which may depend on outer ones: so i - j is
    known to be positive for j in range(i).
    """
    left = (dict(terms), const)
    for level in _levels(trace):
        for symbol in level.symbols.values():
            c = left[0].pop(symbol, 0)
            if not c:
                continue
            low, high = level.limits.get(symbol, (((), symbol.low), ((), symbol.high)))
            limit = low if (c > 0) == least else high
            left = added(left, scaled((dict(limit[0]), limit[1]), c))
    rest = sum(c * (s.low if (c > 0) == least else s.high) for s, c in left[0].items())
    return left[1] + rest


def bounds(x: Any) -> Interval | None:
    """An interval that an integer scalar lies in; None if none is known."""
    form = _form(x)
    if form is not None:
        trace = current()
        return extreme(trace, *form, least=True), extreme(trace, *form, least=False)
    trace, atom = _place(x)
    if trace is None or atom.type.shape or atom.type.dtype.kind not in "iu":
        return None
    return _interval(trace, atom, [MOST_STEPS])


def _interval(trace: Trace, atom: Atom, budget: list[int]) -> Interval | None:
    form = _walk(trace, atom, budget)
    if form is not None:
        here = current() or trace
        return extreme(here, *form, least=True), extreme(here, *form, least=False)
    if isinstance(atom, Literal) or budget[0] < 0:
        return None
    origin = trace.origin(atom)
    if origin is not None:
        return None if origin.mutable else _interval(origin.owner, origin.value.atom, budget)
    eqn = trace.producer(atom)
    if eqn is None or eqn.outputs[0].type.dtype != INT64:
        return None
    rule = _RULES.get(eqn.op.name)
    if rule is None:
        return None
    operands = [_operand(trace, a, budget) for a in eqn.inputs]
    return rule(operands, eqn.params)


def _operand(trace: Trace, atom: Atom, budget: list[int]) -> Interval | None:
    return _interval(trace, atom, budget) if atom.type.dtype.kind in "iu" else None


def _add(x: list[Any], params: Any) -> Interval | None:
    return None if None in x else (x[0][0] + x[1][0], x[0][1] + x[1][1])


def _sub(x: list[Any], params: Any) -> Interval | None:
    return None if None in x else (x[0][0] - x[1][1], x[0][1] - x[1][0])


def _mul(x: list[Any], params: Any) -> Interval | None:
    if None in x:
        return None
    products = [a * b for a in x[0] for b in x[1]]
    return min(products), max(products)


def _mod(x: list[Any], params: Any) -> Interval | None:
    """By a positive number, whatever is divided."""
    return (0, x[1][1] - 1) if x[1] is not None and x[1][0] > 0 else None


def _floordiv(x: list[Any], params: Any) -> Interval | None:
    if None in x or x[1][0] <= 0:
        return None
    quotients = [a // b for a in x[0] for b in x[1]]
    return min(quotients), max(quotients)


def _min(x: list[Any], params: Any) -> Interval | None:
    return None if None in x else (min(x[0][0], x[1][0]), min(x[0][1], x[1][1]))


def _max(x: list[Any], params: Any) -> Interval | None:
    return None if None in x else (max(x[0][0], x[1][0]), max(x[0][1], x[1][1]))


def _select(x: list[Any], params: Any) -> Interval | None:
    return None if None in x[1:] else (min(x[1][0], x[2][0]), max(x[1][1], x[2][1]))


def _check(x: list[Any], params: Any) -> Interval:
    return (0, int(params["size"]) - 1)


def _same(x: list[Any], params: Any) -> Interval | None:
    return x[0]


_RULES = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "mod": _mod,
    "floordiv": _floordiv,
    "min": _min,
    "max": _max,
    "select": _select,
    "check_index": _check,
    "cast": _same,
    "argmax": lambda x, params: None,
}


# loops


def bind_index(trace: Trace, index: Value, start: Any, stop: Any) -> Symbol | None:
    """Makes `index`, an input of the new trace `trace`, a loop's index from start to stop - 1.

    `start` and `stop` are ints or traced ints of the traces around it, taken while the enclosing
    trace is the current one. Gives None, and knows nothing of the index, if they have no bounds.
    """
    low, high = bounds(start), bounds(stop)
    if low is None or high is None:
        return None
    symbol = Symbol(low[0], max(high[1] - 1, low[0]))
    assert isinstance(index.atom, Var)
    trace.symbols[index.atom] = symbol
    first, last = index_form(start), index_form(stop)
    trace.limits[symbol] = (
        first if first is not None else ((), symbol.low),
        (last[0], last[1] - 1) if last is not None else ((), symbol.high),
    )
    return symbol
