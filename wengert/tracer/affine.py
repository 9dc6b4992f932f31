"""What is known of integers while tracing: affine in loop indices, and intervals.

An index that is provably in range needs no check, and a slice whose length is affine in loop
indices has a `Dim`. Everything is found by walking the equations that give a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from wengert.ir.builder import Value
from wengert.ir.program import Atom, Eqn, Literal, Var
from wengert.ir.types import INT64, Dim, Symbol
from wengert.tracer.array import Tracer
from wengert.tracer.stack import Form, Trace, current

MOST_STEPS = 200
"""Longer chains of equations are not looked through."""

Interval = tuple[int, int]
Index = Symbol | Var
"""What affine forms are made of: indices of loops, and integers that nothing is known of."""
Affine = tuple[dict[Index, int], int]


# affine forms


def index_form(x: Any) -> Form | None:
    """The affine form of an integer scalar in loop indices; None if it has none."""
    found = _form(x)
    if found is None:
        return None
    terms = {s: c for s, c in found[0].items() if c}
    if any(isinstance(s, Var) for s in terms):
        return None
    return tuple((s, c) for s, c in terms.items() if isinstance(s, Symbol)), found[1]


def _form(x: Any) -> Affine | None:
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
        elements = x.concrete()
        if elements is not None and elements.ndim == 0:
            return x.owner, Literal(int(elements), INT64)
        return x.owner, x.value.atom
    assert isinstance(x, Value)
    trace = current()
    while trace is not None and trace.builder is not x.builder:
        trace = trace.parent
    return trace, x.atom


def _walk(trace: Trace, atom: Atom, budget: list[int]) -> Affine:
    """The affine form, in which scalars that are not affine stand for themselves."""
    budget[0] -= 1
    if isinstance(atom, Literal):
        return {}, int(atom.value)
    symbol = trace.symbols.get(atom)
    if symbol is not None:
        return {symbol: 1}, 0
    if atom in trace.known:
        return {atom: 1}, 0
    origin = trace.origin(atom)
    if origin is not None and not origin.mutable:
        return _walk(origin.owner, origin.value.atom, budget)
    eqn = trace.producer(atom)
    if eqn is None or budget[0] < 0 or eqn.outputs[0].type.dtype != INT64:
        return {atom: 1}, 0
    return _combined(trace, eqn, budget) or ({atom: 1}, 0)


def _combined(trace: Trace, eqn: Eqn, budget: list[int]) -> Affine | None:
    name = eqn.op.name
    if name == "cast":
        source = eqn.inputs[0].type.dtype
        exact = source.kind == "i" or (source.kind == "u" and source.itemsize < 8)
        return _walk(trace, eqn.inputs[0], budget) if exact else None
    if name not in ("add", "sub", "mul", "neg"):
        return None
    parts = [_walk(trace, a, budget) for a in eqn.inputs]
    if name == "neg":
        return scaled(parts[0], -1)
    first, second = parts
    if name == "mul":
        if second[0]:
            first, second = second, first
        return None if second[0] else scaled(first, second[1])
    return added(first, second if name == "add" else scaled(second, -1))


def scaled(form: tuple[Mapping[Any, int], int], factor: int) -> Affine:
    """A multiple of an affine form."""
    return {s: c * factor for s, c in form[0].items()}, form[1] * factor


def added(x: tuple[Mapping[Any, int], int], y: tuple[Mapping[Any, int], int]) -> Affine:
    """The sum of two affine forms."""
    terms = dict(x[0])
    for symbol, c in y[0].items():
        terms[symbol] = terms.get(symbol, 0) + c
    return {s: c for s, c in terms.items() if c}, x[1] + y[1]


def _difference(x: Any, y: Any) -> Affine | None:
    first, second = _form(x), _form(y)
    return None if first is None or second is None else added(first, scaled(second, -1))


def difference(x: Any, y: Any) -> int | None:
    """x - y as an int or a `Dim`, for integers whose difference is affine in loop indices."""
    found = _difference(x, y)
    if found is None or any(isinstance(s, Var) for s in found[0]):
        return None
    return Dim.make({s: c for s, c in found[0].items() if isinstance(s, Symbol)}, found[1])


# intervals


def _levels(trace: Trace | None) -> Iterator[Trace]:
    while trace is not None:
        yield trace
        trace = trace.parent


def extreme(form: Affine, least: bool) -> int | None:
    """The least or the greatest value of an affine form; None if there is no bound.

    Inner indices are replaced by their limits first, which may depend on outer ones: so i - j is
    known to be positive for j in range(i).
    """
    left: Affine = (dict(form[0]), form[1])
    for level in _levels(current()):
        for symbol in level.symbols.values():
            c = left[0].pop(symbol, 0)
            if not c:
                continue
            low, high = level.limits.get(symbol, (((), symbol.low), ((), symbol.high)))
            limit = low if (c > 0) == least else high
            left = added(left, scaled((dict(limit[0]), limit[1]), c))
    total = left[1]
    for index, c in left[0].items():
        ends = (index.low, index.high) if isinstance(index, Symbol) else _rule_of(index)
        if ends is None:
            return None
        total += c * ends[0 if (c > 0) == least else 1]
    return total


def _extent(form: Affine) -> Interval | None:
    """What a form lies in; None if that is not known, or int64 has not all of it, and may wrap."""
    low = extreme(form, least=True)
    high = None if low is None else extreme(form, least=False)
    return None if low is None or high is None else _kept((low, high))


def _kept(interval: Interval) -> Interval | None:
    least, greatest = -(2**63), 2**63 - 1
    return interval if least <= interval[0] and interval[1] <= greatest else None


def bounds(x: Any) -> Interval | None:
    """An interval that an integer scalar lies in; None if none is known."""
    form = _form(x)
    return None if form is None else _extent(form)


def difference_bounds(x: Any, y: Any) -> Interval | None:
    """An interval that x - y lies in; None if none is known."""
    form = _difference(x, y)
    return None if form is None else _extent(form)


def compared(name: str, x: Any, y: Any) -> bool | None:
    """The outcome of comparing two integers in a loop, where their intervals decide it."""
    if not any(level.symbols for level in _levels(current())):
        return None
    if not (_is_integer(x) and _is_integer(y)):
        return None
    found = difference_bounds(x, y)
    if found is None:
        return None
    low, high = found
    outcomes = {"less": (high < 0, low >= 0), "less_equal": (high <= 0, low > 0),
                "greater": (low > 0, high <= 0), "greater_equal": (low >= 0, high < 0),
                "equal": (low == high == 0, high < 0 or low > 0),
                "not_equal": (high < 0 or low > 0, low == high == 0)}  # fmt: skip
    surely, never = outcomes[name]
    return True if surely else (False if never else None)


def _is_integer(x: Any) -> bool:
    if isinstance(x, Tracer):
        return not x.type.shape and x.type.dtype.kind == "i"
    return isinstance(x, int) and not isinstance(x, bool)


def _rule_of(var: Var) -> Interval | None:
    """The interval of a value that is no affine function, from the equation that gives it.

    Integers wrap around where they would leave what their dtype has.
    """
    dtype = var.type.dtype
    every = None if dtype.itemsize >= INT64.itemsize else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    for level in _levels(current()):
        if var in level.known:
            return level.known[var]
        eqn = level.producer(var)
        if eqn is None:
            continue
        rule = _RULES.get(eqn.op.name)
        if rule is None or (dtype != INT64 and eqn.op.name not in _NEVER_WRAP):
            return every
        found = rule([_operand(level, a) for a in eqn.inputs], eqn.params)
        return (found and _kept(found)) or every
    return every


def _operand(trace: Trace, atom: Atom) -> Interval | None:
    if atom.type.shape or atom.type.dtype.kind not in "iu":
        return None
    return _extent(_walk(trace, atom, [MOST_STEPS]))


def _mod(x: list[Any], params: Any) -> Interval | None:
    """By a positive number, whatever is divided."""
    return (0, x[1][1] - 1) if x[1] is not None and x[1][0] > 0 else None


def _floordiv(x: list[Any], params: Any) -> Interval | None:
    if None in x or x[1][0] <= 0:
        return None
    quotients = [a // b for a in x[0] for b in x[1]]
    return min(quotients), max(quotients)


def _mul(x: list[Any], params: Any) -> Interval | None:
    if None in x:
        return None
    products = [a * b for a in x[0] for b in x[1]]
    return min(products), max(products)


def _min(x: list[Any], params: Any) -> Interval | None:
    return None if None in x else (min(x[0][0], x[1][0]), min(x[0][1], x[1][1]))


def _max(x: list[Any], params: Any) -> Interval | None:
    return None if None in x else (max(x[0][0], x[1][0]), max(x[0][1], x[1][1]))


def _select(x: list[Any], params: Any) -> Interval | None:
    return None if None in x[1:] else (min(x[1][0], x[2][0]), max(x[1][1], x[2][1]))


def _check(x: list[Any], params: Any) -> Interval:
    return (0, int(params["size"]) - 1)


def _bitand(x: list[Any], params: Any) -> Interval | None:
    """No more than any operand that is not negative, whatever the other one is."""
    tops = [each[1] for each in x if each is not None and each[0] >= 0]
    return (0, min(tops)) if tops else None


def _bits(x: list[Any], params: Any) -> Interval | None:
    """Of two numbers that are not negative, no bit beyond those of the larger one."""
    if None in x or min(x[0][0], x[1][0]) < 0:
        return None
    return 0, (1 << max(x[0][1], x[1][1]).bit_length()) - 1


def _shr(x: list[Any], params: Any) -> Interval | None:
    """By a count from 0 on, a number only comes nearer to 0, or to -1."""
    return None if x[0] is None else (min(x[0][0], 0), max(x[0][1], 0))


_RULES = {
    "mod": _mod,
    "floordiv": _floordiv,
    "mul": _mul,
    "min": _min,
    "max": _max,
    "select": _select,
    "check_index": _check,
    "bitand": _bitand,
    "bitor": _bits,
    "bitxor": _bits,
    "shr": _shr,
}
_NEVER_WRAP = frozenset({"mod", "bitand", "bitor", "bitxor", "shr", "min", "max", "select"})
"""Operations whose results every integer dtype has."""


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


def bind_item(item: Any, start: Any, stop: Any, step: Any) -> None:
    """Notes that a traced item of range(start, stop, step) is from start to stop - 1."""
    first, last, by = bounds(start), bounds(stop), bounds(step)
    if first is None or last is None or by is None or by[0] < 1:
        return
    trace, atom = _place(item)
    if trace is not None and isinstance(atom, Var):
        trace.known[atom] = (first[0], last[1] - 1)
