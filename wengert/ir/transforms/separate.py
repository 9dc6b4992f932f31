"""Takes a program apart: what depends on some of its values, the tainted ones, and what does not.

An equation with regions can belong to both sides, as a loop that carries primal values and their
tangents does. Its op's `split` rule then makes equations for either side. The known ones give
what the linear ones read: the residuals, for a loop a tape with one entry for each turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from wengert.ir.builder import Builder, Value
from wengert.ir.program import Atom, Eqn, Literal, Program, Var, acts
from wengert.ir.rewrite import map_regions
from wengert.ir.transforms.final import Finals
from wengert.ir.transforms.storage import Plan, in_bytes, nbytes, plan, work
from wengert.ir.transforms.taint import depending, tainted_outputs

_NOTHING: Mapping[Var, int | None] = {}
_HOPES = 2
"""How often the regions inside choose before they are told of no hope at all."""


@dataclass(frozen=True, slots=True)
class Price:
    """The bytes to store at each run of a region to have a known value in the linear part.

    None where it is there anyway. What an equation takes over as an operand, to change it in
    place, has to be copied if it is `kept` as it was.
    """

    of: Callable[[Atom], int | None]
    kept: Callable[[Atom], int | None]

    def __call__(self, atom: Atom) -> int | None:
        return self.of(atom)


@dataclass(frozen=True, slots=True)
class Split:
    """An equation apart: equations on known values, and linear ones that read those."""

    known: Sequence[Eqn]
    linear: Sequence[Eqn]


@dataclass(frozen=True, slots=True)
class Parts:
    """The known and the linear equations of a program, and the values that are tainted."""

    known: Sequence[Eqn]
    linear: Sequence[Eqn]
    tainted: frozenset[Atom]


def separate(
    eqns: Sequence[Eqn],
    tainted: Iterable[Var],
    prices: Mapping[Var, int | None] | None = None,
    turns: int = 1,
    hoped: Mapping[Var, int | None] = _NOTHING,
) -> Parts:
    """Splits equations by what depends on the `tainted` values.

    Known values cost the linear part what `prices` says of inputs and what their bytes are
    otherwise; without prices they are there at no cost. The regions inside choose by this what
    they store. To them `hoped` prices come first.
    """
    marked: set[Atom] = set(tainted)
    ledger = _Ledger(prices, turns)
    known: list[Eqn] = []
    linear: list[Eqn] = []

    def keep(eqn: Eqn) -> None:
        known.append(eqn)
        ledger.enter(eqn)

    def price(atom: Atom) -> int | None:
        if isinstance(atom, Var) and atom in hoped:
            return ledger.share(hoped[atom])
        return ledger.price(atom)

    for eqn in eqns:
        marks = [a in marked for a in eqn.inputs]
        if not any(marks):
            keep(eqn)
            continue
        flags = tainted_outputs(eqn, marks, depending)
        marked.update(v for v, on in zip(eqn.outputs, flags, strict=True) if on)
        if eqn.op.split is None:
            linear.append(eqn)
            continue
        parts: Split = eqn.op.split(eqn, marks, Price(price, ledger.kept))
        for part in parts.known:
            keep(part)
        linear += parts.linear
    return Parts(known, linear, frozenset(marked))


class _Ledger:
    """What it costs at each run of a region to have its values in the linear part, in bytes.

    What a loop only reads is stored once for all of its turns, and each bears its share.
    """

    def __init__(self, prices: Mapping[Var, int | None] | None, turns: int) -> None:
        self.is_kept = prices is None
        self.turns = turns
        self.costs: dict[Atom, int | None] = {v: self.share(p) for v, p in (prices or {}).items()}
        self.made: set[Atom] = set()

    def share(self, price: int | None) -> int | None:
        """What one of the turns bears of a price."""
        return None if price is None else -(-price // self.turns)

    def price(self, atom: Atom) -> int | None:
        """The bytes to store for a value at each run; None if it is there anyway."""
        if self.is_kept or isinstance(atom, Literal):
            return None
        return self.costs.get(atom, nbytes(atom.type))

    def kept(self, atom: Atom) -> int | None:
        """The bytes to store for a value as it was before an equation changed it in place."""
        return nbytes(atom.type) if self.is_kept and atom in self.made else self.price(atom)

    def enter(self, eqn: Eqn) -> None:
        """What comes cheaply from other values costs at most what they do."""
        if any(isinstance(a, Var) for a in eqn.inputs):
            self.made.update(eqn.outputs)
        effort = work(eqn)
        if self.is_kept or effort is None:
            return
        given = [p for a in dict.fromkeys(eqn.inputs) if (p := self.price(a)) is not None]
        for var in eqn.outputs:
            total = sum(given) + in_bytes(effort)
            self.costs[var] = min(total, nbytes(var.type)) if given else None


def free_atoms(
    eqns: Sequence[Eqn], outputs: Sequence[Atom], inputs: Sequence[Var]
) -> tuple[Var, ...]:
    """What equations and outputs read that is neither an input nor computed by them."""
    bound = {*inputs, *(v for e in eqns for v in e.outputs)}
    reads = [a for e in eqns for a in e.inputs] + list(outputs)
    return tuple(dict.fromkeys([a for a in reads if isinstance(a, Var) and a not in bound]))


@dataclass(frozen=True, slots=True)
class Body:
    """A region apart, with what its linear part takes from its known part."""

    parts: Parts
    plan: Plan
    finals: Finals


Redirect = Callable[[Parts], Finals]


@dataclass(frozen=True, slots=True)
class Late:
    """What a loop's linear part may read as the loop leaves it, or as it found it.

    `redirect` finds reads that may be of carried arrays as they are at the end, for
    `price(position)`, or at the beginning, for `first_price(position)`; `versions` are the values
    that such reads may be of, with those positions.
    """

    redirect: Redirect
    price: Callable[[int], int | None]
    first_price: Callable[[int], int | None]
    versions: Mapping[Var, int]


def separate_region(
    region: Program,
    marks: Sequence[bool],
    outputs: Sequence[Atom],
    prices: Mapping[Var, int | None],
    turns: int,
    late: Late | None = None,
) -> Body:
    """Splits a region whose marked inputs are tainted; `outputs` are what its linear part gives.

    `prices` says what it costs to keep each of the other inputs for the linear part, None for
    nothing; `turns` is how often the region runs.

    Regions inside choose between tapes of what they read of an array and the array itself before
    it is known whether they may have that as it is at the end or was at the beginning. So they are
    told first that all of them may. Where the linear part still reads a version of an array from
    the midst of the loop, the hope for it was in vain, and they choose again.
    """
    tainted = [v for v, on in zip(region.inputs, marks, strict=True) if on]

    def apart(hoped: Mapping[Var, int | None]) -> tuple[Body, list[Var]]:
        parts = separate(region.eqns, tainted, prices, turns, hoped)
        finals = Finals(parts.known, parts.linear, {}, {})
        costs = dict(prices)
        if late is not None:
            finals = late.redirect(parts)
            costs |= {v: late.price(k) for k, v in finals.ends.items()}
            costs |= {v: late.first_price(k) for k, v in finals.starts.items()}
        needed = free_atoms(finals.linear, outputs, tainted)
        parts = Parts(parts.known, finals.linear, parts.tainted)
        body = Body(parts, plan(finals.known, needed, costs, turns), finals)
        return body, [v for v in needed if v in hoped]

    hoped = {} if late is None else {v: late.price(k) for v, k in late.versions.items()}
    for _ in range(_HOPES):
        body, vain = apart(hoped)
        if not vain:
            return body
        hoped = {v: p for v, p in hoped.items() if v not in vain}
    return apart(_NOTHING)[0]


def silent(program: Program) -> Program:
    """`program` without what acts, for what is run again; nothing reads the results of that."""
    if not any(map(acts, program.eqns)):
        return program
    eqns = [e for e in map_regions(program, silent).eqns if not e.op.effect]
    return Program(program.inputs, tuple(eqns), program.outputs)


def repeat(builder: Builder, eqns: Sequence[Eqn], env: dict[Atom, Atom], checked: bool) -> None:
    """Appends copies of equations on what `env` calls their operands, and enters their outputs.

    Where all has been `checked` before, no check is repeated, and nothing that acts.
    """
    for eqn in eqns:
        if checked and eqn.op.effect:
            continue
        atoms = tuple([env.get(a, a) for a in eqn.inputs])
        if checked and eqn.op.check is not None and eqn.op.unchecked is not None:
            values = [Value(builder, a) for a in atoms]
            env[eqn.outputs[0]] = eqn.op.unchecked(values, **eqn.params).atom
            continue
        fresh = tuple([Var(v.type) for v in eqn.outputs])
        builder.eqns.append(Eqn(eqn.op, atoms, fresh, eqn.params, eqn.location))
        env.update(zip(eqn.outputs, fresh, strict=True))
