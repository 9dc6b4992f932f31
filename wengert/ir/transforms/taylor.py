"""Taylor mode: pushes truncated power series through a program.

Coefficients are computed as they are asked for, which makes recurrences of the derivative rules
that ops have anyway (J. Karczmarczyk, "Functional differentiation of computer programs", 2001). If
y = f(x) has the tangent J(x, x', y), then the coefficients of y are those of J over their order,
and that of order k of J needs no more of y than order k. So

- an op that is linear in what moves is applied to each coefficient (beside a constant it may be
  affine, and then the constant has a first coefficient only);
- one that is linear in each of two operands is the convolution of their coefficients;
- a quotient is solved for its last coefficient;
- all others are pushed through their jvp, whose equations are one of these four again.

With each equation made once, exp, sin, tanh, sqrt and their like become the classical recurrences,
quadratic in the order (A. Griewank and A. Walther, "Evaluating Derivatives", chapter 13). Ops with
regions are differentiated again and again instead (`nested`), which is exponential in the order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from wengert.ir.builder import Builder, Value, add_tangents
from wengert.ir.compare import literal_key
from wengert.ir.op import REGISTRY
from wengert.ir.program import Atom, Eqn, Literal, Program
from wengert.ir.transforms.cse import param_key
from wengert.ir.transforms.nested import nested

Coefficients = Sequence[Value | None]
Rule = Callable[[int], Coefficients]
"""From an order of at least 1 to the coefficients of all outputs of an equation."""


@dataclass(frozen=True, slots=True)
class Taylor:
    """A program of primals and derivatives along a path.

    Inputs: the primals, then for each order from 1 the derivatives of the active ones. Outputs: the
    primal outputs, then for each order the derivatives of those for which `out_active` is set.
    """

    program: Program
    out_active: tuple[bool, ...]


@dataclass(slots=True, eq=False)
class Series:
    """The coefficients of a value; None is zero. Without a rule it is constant."""

    first: Value
    rule: Callable[[int], Value | None] | None = None
    known: list[Value | None] = field(default_factory=list[Value | None])
    slope: Series | None = None

    def at(self, order: int) -> Value | None:
        """The coefficient of an order."""
        if order == 0:
            return self.first
        if self.rule is None:
            return None
        while len(self.known) < order:
            self.known.append(self.rule(len(self.known) + 1))
        return self.known[order - 1]

    def derivative(self) -> Series:
        """The series of the derivative; its first coefficient must be known."""
        if self.slope is None:
            first = self.at(1)
            zero = self.first.builder.zeros(self.first.type)
            self.slope = Series(zero if first is None else first, self._raised)
        return self.slope

    def _raised(self, order: int) -> Value | None:
        found = self.at(order + 1)
        return None if found is None else found * float(order + 1)


@dataclass(slots=True, eq=False)
class _Walk:
    """The program being written, and the series of each equation that it has."""

    builder: Builder
    order: int
    made: dict[Any, tuple[Sequence[Series], Sequence[Series]]]
    literals: dict[Any, Series]

    def run(self, eqns: Sequence[Eqn], env: dict[Atom, Series], top: bool) -> None:
        """Adds the outputs of the equations to `env`."""
        for eqn in eqns:
            operands = [self.series(a, env) for a in eqn.inputs]
            outs = self.equation(eqn, operands, self.order if top else None)
            env.update(zip(eqn.outputs, outs, strict=True))

    def series(self, atom: Atom, env: dict[Atom, Series]) -> Series:
        """The series of a name or of a number."""
        if not isinstance(atom, Literal):
            return env[atom]
        return self.literals.setdefault(literal_key(atom), Series(Value(self.builder, atom)))

    def equation(self, eqn: Eqn, operands: list[Series], order: int | None) -> Sequence[Series]:
        """The outputs of an equation for operands; made once for the same ones."""
        key = _key(eqn, operands)
        found = self.made.get(key)
        if found is not None:
            return found[1]
        self.builder.location = eqn.location
        firsts = self.builder.emit(eqn.op, [x.first for x in operands], eqn.params)
        outs = [Series(first) for first in firsts]
        self.made[key] = (operands, outs)
        if any(x.rule is not None for x in operands):
            rule = functools.cache(self._rule(eqn, operands, outs, order))
            for i, out in enumerate(outs):
                if out.first.type.is_float:
                    out.rule = functools.partial(_one, rule, i)
        return outs

    def _rule(
        self, eqn: Eqn, operands: list[Series], outs: list[Series], order: int | None
    ) -> Rule:
        moving = [i for i, x in enumerate(operands) if x.rule is not None]
        op = eqn.op
        if op.joint:
            return nested(self.builder, eqn, [x.at if x.rule else x.first for x in operands], order)
        places = _linear_places(eqn, operands, moving)
        if places:
            return functools.partial(self._each, eqn, operands, places)
        if op.name in _PRODUCTS:
            return functools.partial(self._quotient, eqn, operands, outs[0])
        if len(moving) == 2 and all(op.linear(frozenset([i])) for i in moving):
            return functools.partial(self._convolution, eqn, operands, (moving[0], moving[1]))
        tangents = functools.cache(lambda: self._tangents(eqn, operands, outs))
        return lambda k: [_divided(t.at(k - 1) if t else None, k) for t in tangents()]

    def _emit(self, eqn: Eqn, values: Sequence[Value]) -> list[Value]:
        self.builder.location = eqn.location
        return self.builder.emit(eqn.op, values, eqn.params)

    def _each(
        self, eqn: Eqn, operands: list[Series], places: frozenset[int], order: int
    ) -> Coefficients:
        """The op, for which constants in its linear places have no coefficients but the first."""
        values = [x.at(order) if i in places else x.first for i, x in enumerate(operands)]
        if all(values[i] is None for i in places):
            return [None] * len(eqn.outputs)
        pairs = zip(values, operands, strict=True)
        zeros = self.builder.zeros
        return self._emit(eqn, [zeros(x.first.type) if v is None else v for v, x in pairs])

    def _convolution(
        self, eqn: Eqn, operands: list[Series], pair: tuple[int, int], order: int
    ) -> Coefficients:
        total: Value | None = None
        values = [x.first for x in operands]
        for j in range(order + 1):
            first, second = operands[pair[0]].at(j), operands[pair[1]].at(order - j)
            if first is None or second is None:
                continue
            values[pair[0]], values[pair[1]] = first, second
            total = add_tangents(total, self._emit(eqn, values)[0])
        return [total]

    def _quotient(self, eqn: Eqn, operands: list[Series], out: Series, order: int) -> Coefficients:
        """From out * below = above."""
        above, below = operands
        times = REGISTRY[_PRODUCTS[eqn.op.name]]
        taken: Value | None = None
        for j in range(order):
            first, second = out.at(j), below.at(order - j)
            if first is not None and second is not None:
                product = self.builder.emit(times, [first, second], {})[0]
                taken = add_tangents(taken, product)
        rest = add_tangents(above.at(order), None if taken is None else -taken)
        return [None if rest is None else self._emit(eqn, [rest, below.first])[0]]

    def _tangents(
        self, eqn: Eqn, operands: list[Series], outs: list[Series]
    ) -> list[Series | None]:
        """The series of the outputs' derivatives, by the equations of the op's jvp."""
        rule = Builder(location=eqn.location)
        primals = [rule.input(x.first.type) for x in operands]
        env: dict[Atom, Series] = {p.atom: x for p, x in zip(primals, operands, strict=True)}
        tangents: list[Value | None] = []
        for x in operands:
            tangent = None if x.rule is None else rule.input(x.first.type)
            tangents.append(tangent)
            if tangent is not None:
                env[tangent.atom] = x.derivative()
        results = [rule.input(x.first.type) for x in outs]
        env.update({r.atom: x for r, x in zip(results, outs, strict=True)})
        pushed = eqn.op.rule("jvp")(primals, tangents, results, **eqn.params)
        self.run(rule.eqns, env, top=False)
        return [None if t is None else self.series(t.atom, env) for t in pushed]


_PRODUCTS = {"div": "mul", "unscale": "scale"}
"""Quotients, and what multiplies where they divide."""


def _linear_places(eqn: Eqn, operands: Sequence[Series], moving: Sequence[int]) -> frozenset[int]:
    """The operands, those that move among them, in which the op is linear together; or none."""
    floats = [i for i, x in enumerate(operands) if x.first.type.is_float]
    if eqn.op.linear(frozenset(floats)):
        return frozenset(floats)
    found = frozenset(moving)
    if not eqn.op.linear(found):
        return frozenset()
    for i in floats:
        if eqn.op.linear(found | {i}):
            found |= {i}
    return found


def _one(rule: Rule, place: int, order: int) -> Value | None:
    return rule(order)[place]


def _divided(value: Value | None, order: int) -> Value | None:
    return value if value is None or order == 1 else value / float(order)


def _key(eqn: Eqn, operands: Sequence[Series]) -> tuple[Any, ...]:
    params = tuple([(k, param_key(v)) for k, v in sorted(eqn.params.items())])
    return (eqn.op, params, *map(id, operands))


def taylor(program: Program, active: Sequence[bool], order: int) -> Taylor:
    """The program together with its derivatives up to an order along a path of active inputs."""
    builder = Builder(inputs=list(program.inputs))
    env: dict[Atom, Series] = {v: Series(Value(builder, v)) for v in program.inputs}
    moving = [v for v, on in zip(program.inputs, active, strict=True) if on]
    terms = {v: list[Value]() for v in moving}
    for k in range(1, order + 1):
        for v in moving:
            given = builder.input(v.type)
            terms[v].append(given if k == 1 else given / float(math.factorial(k)))
    for v in moving:
        env[v].rule = _term(terms[v])
    walk = _Walk(builder, order, {}, {})
    walk.run(program.eqns, env, top=True)
    outs = [walk.series(a, env) for a in program.outputs]
    results = [x.first for x in outs]
    for k in range(1, order + 1):
        results += [_derivative(x, k) for x in outs if x.rule is not None]
    return Taylor(builder.finish(results), tuple(x.rule is not None for x in outs))


def _term(given: Sequence[Value]) -> Callable[[int], Value | None]:
    return lambda order: given[order - 1] if order <= len(given) else None


def _derivative(x: Series, order: int) -> Value:
    found = x.at(order)
    if found is None:
        return x.first.builder.zeros(x.first.type)
    return found if order == 1 else found * float(math.factorial(order))
