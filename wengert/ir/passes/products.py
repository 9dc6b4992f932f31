"""Matrix products out of loops: many small ones become one large one.

Two rules, both for loops of a known number of turns:

- *Before the loop.* A product that depends on the loop's index and on constants, but on nothing
  that is carried (`W @ x[i]`), is computed for all turns at once; a turn then reads its own part.
- *After the loop.* A carried array that only has products added to it (`dW += outer(dz, h)`, which
  is what reverse mode makes of `W @ h`) leaves the loop: a turn stores the two small factors,
  and one product after the loop sums them up.

Both read a matrix once instead of once a turn, which is what such loops spend their time on, for
room for the results or factors of all turns.

Rows of a `for_each` are on the threads already, so that a product outside gains no threads. There
products stay in their loops that use each number they read so often that they run at full speed,
or whose operands for all turns take much room: the blocks of a matrix (of scores, say) that a loop
goes through are then never all in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from wengert.ir.builder import Builder, Value
from wengert.ir.op import REGISTRY
from wengert.ir.passes.cleanup import dce
from wengert.ir.program import Atom, Eqn, Literal, Program, Var, regions
from wengert.ir.rewrite import map_eqn, rename
from wengert.ir.transforms.batch import spread
from wengert.ir.types import INT64, TensorType

Pairs = tuple[tuple[int, ...], tuple[int, ...]]

# Products of fewer multiplications stay in the loop.
SMALLEST = 1024
# A product in a row that stays in its loop: the fewest rows and columns, and multiplications.
DENSE = 8
DENSE_WORK = 1 << 17
# Room in a row for what a product before its loop needs and gives, in bytes.
ROW_ROOM = 1 << 22
# Room that the results or factors of all turns of one product may take, in bytes.
ROOM = 1 << 28


def products(program: Program, in_row: bool = False) -> Program:
    """`program` with products taken out of its loops, the innermost loops first.

    With `in_row` it belongs to a row of a `for_each`.
    """
    program = _inside(program, in_row)
    if not any(e.op.name == "for_loop" for e in program.eqns):
        return program
    builder = Builder(inputs=list(program.inputs))
    env: dict[Atom, Atom] = {}
    for eqn in program.eqns:
        eqn = rename(eqn, env)
        turns = _turns(eqn, in_row)
        if turns:
            builder.location = eqn.location
            results = _after(builder, _before(builder, eqn, turns, in_row), turns, in_row)
            env.update(zip(eqn.outputs, results, strict=True))
        else:
            builder.eqns.append(eqn)
    outputs = tuple([env.get(a, a) for a in program.outputs])
    return Program(program.inputs, tuple(builder.eqns), outputs)


def _inside(program: Program, in_row: bool) -> Program:
    """The same for all regions of a program."""
    eqns = [
        map_eqn(e, partial(products, in_row=in_row or e.op.name == "for_each")) if e.params else e
        for e in program.eqns
    ]
    if all(new is old for new, old in zip(eqns, program.eqns, strict=True)):
        return program
    return Program(program.inputs, tuple(eqns), program.outputs)


def _turns(eqn: Eqn, in_row: bool) -> int:
    """How many turns a loop takes, where that is known and worth looking at."""
    if eqn.op.name != "for_loop":
        return 0
    start, stop = eqn.inputs[:2]
    if not (isinstance(start, Literal) and isinstance(stop, Literal)):
        return 0
    turns = int(stop.value) - int(start.value)
    body: Program = eqn.params["body"]
    return turns if turns > 1 and any(_is_candidate(e, in_row) for e in body.eqns) else 0


def _is_candidate(eqn: Eqn, in_row: bool) -> bool:
    large = eqn.outputs[0].type.size >= SMALLEST if eqn.outputs else False
    return (_is_product(eqn) and not _stays(eqn, in_row)) or (eqn.op.name == "mul" and large)


def _stays(eqn: Eqn, in_row: bool) -> bool:
    """Whether a product gains nothing by leaving its loop."""
    if not in_row or eqn.op.name != "dot_general":
        return False
    sizes: list[int] = []
    for atom, contracted, batch in zip(
        eqn.inputs, eqn.params["contract"], eqn.params["batch"], strict=True
    ):
        shape = atom.type.shape
        own = [a for a in range(len(shape)) if a not in contracted and a not in batch]
        sizes.append(math.prod([int(shape[a]) for a in own]))
    axes: tuple[int, ...] = eqn.params["contract"][0]
    terms = math.prod([int(eqn.inputs[0].type.shape[a]) for a in axes])
    return min(sizes) >= DENSE and math.prod(sizes) * terms >= DENSE_WORK


def _is_product(eqn: Eqn) -> bool:
    if eqn.op.name != "dot_general" or not eqn.outputs[0].type.is_static:
        return False
    x, y = (a.type for a in eqn.inputs)
    axes: tuple[int, ...] = eqn.params["contract"][0]
    contracted = math.prod([x.shape[a] for a in axes])
    return y.is_static and eqn.outputs[0].type.size * contracted >= SMALLEST


@dataclass(frozen=True, slots=True)
class _Loop:
    """A for_loop taken apart."""

    eqn: Eqn
    body: Program
    consts: tuple[Atom, ...]
    carry: tuple[Atom, ...]

    @property
    def index(self) -> Var:
        return self.body.inputs[0]

    @property
    def const_vars(self) -> tuple[Var, ...]:
        return self.body.inputs[1 : 1 + len(self.consts)]

    @property
    def carry_vars(self) -> tuple[Var, ...]:
        return self.body.inputs[1 + len(self.consts) :]


def _apart(eqn: Eqn) -> _Loop:
    count = eqn.params["consts"]
    operands = eqn.inputs[2:]
    return _Loop(eqn, eqn.params["body"], operands[:count], operands[count:])


# before the loop


def _before(builder: Builder, eqn: Eqn, turns: int, in_row: bool) -> Eqn:
    """The loop with its carry-independent products computed for all turns before it."""
    loop = _apart(eqn)
    chosen = [e for e in _independent(loop, turns) if not _stays(e, in_row)]
    if in_row:
        chosen = [e for e in chosen if _has_room(_part_for(loop, [e]), turns)]
    if not chosen:
        return eqn
    part = _part_for(loop, chosen)
    start = int(eqn.inputs[0].value)  # pyright: ignore[reportAttributeAccessIssue]
    indices = builder.emit(REGISTRY["iota"], (), {"shape": (turns,), "dtype": INT64, "axis": 0})[0]
    indices = indices if start == 0 else indices + builder.literal(start, INT64)
    given = [indices, *(Value(builder, a) for a in loop.consts)]
    found, _ = spread(builder, part, given, [True] + [False] * len(loop.consts), turns)
    return _reading(loop, chosen, found, start)


def _part_for(loop: _Loop, chosen: Sequence[Eqn]) -> Program:
    """What a turn does for the results of `chosen`."""
    inputs = loop.body.inputs[: 1 + len(loop.consts)]
    return dce(Program(inputs, _closed(loop), tuple(e.outputs[0] for e in chosen)))


def _has_room(part: Program, turns: int) -> bool:
    types = [v.type for e in part.eqns for v in e.outputs]
    return all(turns * int(t.size) * t.dtype.itemsize <= ROW_ROOM for t in types)


def _closed(loop: _Loop) -> tuple[Eqn, ...]:
    """The equations that depend on the index and on constants alone, and cannot fail."""
    known: set[Atom] = set(loop.body.inputs[: 1 + len(loop.consts)])
    eqns: list[Eqn] = []
    for eqn in loop.body.eqns:
        plain = not eqn.op.fails and not regions(eqn)
        static = all(v.type.is_static for v in eqn.outputs)
        if plain and static and all(isinstance(a, Literal) or a in known for a in eqn.inputs):
            known.update(eqn.outputs)
            eqns.append(eqn)
    return tuple(eqns)


def _independent(loop: _Loop, turns: int) -> list[Eqn]:
    moving: set[Atom] = {loop.index}
    chosen: list[Eqn] = []
    for eqn in _closed(loop):
        if moving.isdisjoint(eqn.inputs):
            continue
        moving.update(eqn.outputs)
        out = eqn.outputs[0].type
        if _is_product(eqn) and turns * out.size * out.dtype.itemsize <= ROOM:
            chosen.append(eqn)
    return chosen


def _reading(loop: _Loop, chosen: Sequence[Eqn], found: Sequence[Value], start: int) -> Eqn:
    """The loop whose turns read the results of `chosen` from new constants."""
    inner = Builder()
    new = [Var(v.type) for v in found]
    index = Value(inner, loop.index)
    place = index if start == 0 else index - inner.literal(start, INT64)
    env: dict[Atom, Atom] = {}
    for eqn, var in zip(chosen, new, strict=True):
        inner.location = eqn.location
        env[eqn.outputs[0]] = _part(Value(inner, var), place).atom
    dropped = {id(e) for e in chosen}
    eqns = [rename(e, env) for e in loop.body.eqns if id(e) not in dropped]
    body = loop.body
    count = 1 + len(loop.consts)
    inputs = (*body.inputs[:count], *new, *body.inputs[count:])
    outputs = tuple([env.get(a, a) for a in body.outputs])
    made = dce(Program(inputs, (*inner.eqns, *eqns), outputs))
    params = {**loop.eqn.params, "body": made, "consts": len(loop.consts) + len(new)}
    operands = (
        *loop.eqn.inputs[:2],
        *loop.consts,
        *(v.atom for v in found),
        *loop.carry,
    )
    return Eqn(loop.eqn.op, operands, loop.eqn.outputs, params, loop.eqn.location)


def _part(stacked: Value, place: Value) -> Value:
    """Row number `place` of an array."""
    rest = stacked.shape[1:]
    zeros = [stacked.builder.literal(0, INT64)] * len(rest)
    steps = (1,) * stacked.ndim
    return stacked.window(place, *zeros, sizes=(1, *rest), steps=steps).reshape(shape=rest)


# after the loop


@dataclass(frozen=True, slots=True)
class _Term:
    """A product: dot_general of two factors, and the order of the axes that it is then put in."""

    factors: tuple[Var, Var]
    contract: Pairs
    batch: Pairs
    perm: tuple[int, ...]

    def sum(self, x: Value, y: Value) -> Value:
        """The sum over all turns of the products of the stacked factors."""
        (cx, cy), (bx, by) = self.contract, self.batch
        contract = ((0, *(a + 1 for a in cx)), (0, *(a + 1 for a in cy)))
        batch = (tuple(a + 1 for a in bx), tuple(a + 1 for a in by))
        product = x.dot_general(y, contract=contract, batch=batch)
        if self.perm == tuple(range(product.ndim)):
            return product
        return product.transpose(perm=self.perm)


def _term(eqn: Eqn, producer: dict[Var, Eqn]) -> _Term | None:
    """An equation as a product of two smaller values, if it is one."""
    x, y = eqn.inputs if len(eqn.inputs) == 2 else (None, None)
    if not (isinstance(x, Var) and isinstance(y, Var) and eqn.outputs[0].type.is_static):
        return None
    if eqn.op.name == "dot_general":
        rank = eqn.outputs[0].type.ndim
        params = eqn.params
        return _Term((x, y), params["contract"], params["batch"], tuple(range(rank)))
    if eqn.op.name == "mul":
        return _outer(producer.get(x), producer.get(y), eqn.outputs[0].type.ndim)
    return None


def _outer(x: Eqn | None, y: Eqn | None, rank: int) -> _Term | None:
    """A product of two broadcasts as an outer product: each axis belongs to one of them."""
    if x is None or y is None or x.op.name != "broadcast" or y.op.name != "broadcast":
        return None
    axes = (*x.params["dims"], *y.params["dims"])
    factors = x.inputs[0], y.inputs[0]
    if sorted(axes) != list(range(rank)) or not all(isinstance(a, Var) for a in factors):
        return None
    sizes = [n for a in factors for n in a.type.shape]
    if sizes != [x.params["shape"][a] for a in axes]:
        return None
    perm = tuple(axes.index(a) for a in range(rank))
    return _Term(factors, ((), ()), ((), ()), perm)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, slots=True)
class _Sum:
    """A carried array, by position, and the products that a turn adds to it."""

    position: int
    terms: tuple[_Term, ...]


def _after(builder: Builder, eqn: Eqn, turns: int, in_row: bool) -> list[Atom]:
    """Appends the loop without its sums of products, and these after it; gives all results."""
    loop = _apart(eqn)
    sums = _sums(loop, turns, in_row)
    if not sums:
        builder.eqns.append(eqn)
        return list(eqn.outputs)
    stacking = _Stacking(loop, turns, int(eqn.inputs[0].value))  # pyright: ignore
    for found in sums:
        for term in found.terms:
            for factor in term.factors:
                stacking.add(factor)
    results = stacking.emit(builder, {s.position for s in sums})
    for found in sums:
        total = Value(builder, loop.carry[found.position])
        for term in found.terms:
            x, y = (stacking.stacked(builder, a) for a in term.factors)
            total = total + term.sum(x, y)
        results[found.position] = total.atom
    return results


def _sums(loop: _Loop, turns: int, in_row: bool) -> list[_Sum]:
    producer = {v: e for e in loop.body.eqns if not _stays(e, in_row) for v in e.outputs}
    uses: dict[Atom, int] = {}
    for eqn in loop.body.eqns:
        for atom in eqn.inputs:
            uses[atom] = uses.get(atom, 0) + 1
    for atom in loop.body.outputs:
        uses[atom] = uses.get(atom, 0) + 1
    found: list[_Sum] = []
    for position, (var, out) in enumerate(zip(loop.carry_vars, loop.body.outputs, strict=True)):
        terms = _terms(var, out, producer, uses)
        if terms and all(_pays(t, out.type, turns) for t in terms):
            found.append(_Sum(position, tuple(terms)))
    return found


def _terms(
    var: Var, out: Atom, producer: dict[Var, Eqn], uses: dict[Atom, int]
) -> list[_Term] | None:
    """The products whose sum with `var` is `out`, if it is such a sum and `var` is not read."""
    terms: list[_Term] = []
    atom = out
    while atom is not var:
        eqn = producer.get(atom) if isinstance(atom, Var) else None
        if eqn is None or eqn.op.name != "add" or uses.get(atom, 0) != 1:
            return None
        sides = [
            (term, rest)
            for added, rest in (eqn.inputs, eqn.inputs[::-1])
            if isinstance(added, Var) and added in producer and uses.get(added, 0) == 1
            if (term := _term(producer[added], producer)) is not None
        ]
        if not sides:
            return None
        terms.append(sides[0][0])
        atom = sides[0][1]
    return terms if uses.get(var, 0) == 1 else None


def _pays(term: _Term, out: TensorType, turns: int) -> bool:
    """Whether storing the factors is much less than adding to the sum in memory."""
    factors = sum(a.type.size for a in term.factors)
    fits = turns * factors * out.dtype.itemsize <= ROOM
    return fits and out.size >= max(SMALLEST, 4 * factors)


@dataclass(slots=True)
class _Stacking:
    """Values of a loop's turns, kept in arrays with a row for each turn."""

    loop: _Loop
    turns: int
    start: int
    values: dict[Var, int] = field(default_factory=dict[Var, int])
    results: list[Var] = field(default_factory=list[Var])

    def add(self, atom: Atom) -> None:
        assert isinstance(atom, Var)
        if atom not in self.loop.const_vars:
            self.values.setdefault(atom, len(self.values))

    def stacked(self, builder: Builder, atom: Atom) -> Value:
        """The value in all turns; a constant is repeated."""
        assert isinstance(atom, Var)
        if atom in self.values:
            return Value(builder, self.results[self.values[atom]])
        const = Value(builder, self.loop.consts[self.loop.const_vars.index(atom)])
        dims = tuple(range(1, const.ndim + 1))
        return const.broadcast(shape=(self.turns, *const.shape), dims=dims)

    def types(self) -> list[TensorType]:
        return [v.type.with_shape((self.turns, *v.type.shape)) for v in self.values]

    def emit(self, builder: Builder, dropped: set[int]) -> list[Atom]:
        """The loop that stores the values instead of carrying what is `dropped`."""
        loop, types = self.loop, self.types()
        kept = [k for k in range(len(loop.carry)) if k not in dropped]
        inner = Builder(eqns=list(loop.body.eqns))
        rows = [Var(t) for t in types]
        index = Value(inner, loop.index)
        place = index if self.start == 0 else index - inner.literal(self.start, INT64)
        filled = [
            _with_row(Value(inner, row), Value(inner, var), place).atom
            for row, var in zip(rows, self.values, strict=True)
        ]
        count = 1 + len(loop.consts)
        inputs = (
            *loop.body.inputs[:count],
            *(loop.carry_vars[k] for k in kept),
            *rows,
        )
        outputs = (*(loop.body.outputs[k] for k in kept), *filled)
        body = dce(Program(inputs, tuple(inner.eqns), outputs))
        operands = [
            *(Value(builder, a) for a in (*loop.eqn.inputs[:2], *loop.consts)),
            *(Value(builder, loop.carry[k]) for k in kept),
            *(builder.zeros(t) for t in types),
        ]
        outs = builder.emit(loop.eqn.op, operands, {**loop.eqn.params, "body": body})
        self.results = [v.atom for v in outs[len(kept) :]]  # pyright: ignore
        found: list[Any] = [None] * len(loop.carry)
        for k, value in zip(kept, outs, strict=False):
            found[k] = value.atom
        return found


def _with_row(stacked: Value, row: Value, place: Value) -> Value:
    zeros = [stacked.builder.literal(0, INT64)] * row.ndim
    value = row.reshape(shape=(1, *row.shape))
    return stacked.window_set(value, place, *zeros, steps=(1,) * stacked.ndim)
