"""Complex arithmetic as real arithmetic on pairs: every complex value becomes two real ones.

What comes after (other passes, kernels, back ends) then knows no complex numbers, fuses and
vectorises the parts like any other values, and simplifies them. The program keeps its signature:
complex inputs are read by the ops `real` and `imag` alone, and complex outputs made by `complex`.
`interleaved` then replaces those by arrays of floats with a last axis of two, which is how the
memory of a complex array looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from wengert.errors import DTypeError, located
from wengert.ir.builder import Builder, Value
from wengert.ir.ops.parts import Parts
from wengert.ir.program import Atom, Eqn, Literal, Program, Var, equations, regions
from wengert.ir.types import Shape, TensorType, real_dtype

INDICES = {"for_loop": 2}
"""How many operands of an op with regions come before its constants."""


def is_complex(atom: Atom) -> bool:
    """Whether an atom is a complex number or an array of them."""
    return atom.type.dtype.kind == "c"


def has_complex(program: Program) -> bool:
    """Whether a program works on complex numbers anywhere."""
    if any(map(is_complex, program.inputs)) or any(map(is_complex, program.outputs)):
        return True
    return any(is_complex(a) for e in equations(program) for a in (*e.outputs, *e.inputs))


def complex_as_parts(program: Program) -> Program:
    """`program` with all of its complex arithmetic in real numbers; itself if there is none.

    Raises DTypeError for ops that are for real numbers only.
    """
    if not has_complex(program):
        return program
    walk = _Walk(Builder(inputs=list(program.inputs)))
    for var in program.inputs:
        if is_complex(var):
            z = Value(walk.builder, var)
            walk.parts[var] = Parts(z.real(), z.imag())
    for eqn in program.eqns:
        walk.add(eqn)
    found = [walk.read(a) for a in program.outputs]
    return walk.builder.finish([x.re.complex(x.im) if isinstance(x, Parts) else x for x in found])


@dataclass(slots=True, eq=False)
class _Walk:
    """The state of one walk: what old values are now, real ones by name and others by parts."""

    builder: Builder
    env: dict[Atom, Atom] = field(default_factory=dict[Atom, Atom])
    parts: dict[Atom, Parts] = field(default_factory=dict[Atom, Parts])

    def read(self, atom: Atom) -> Parts | Value:
        if not is_complex(atom):
            return Value(self.builder, self.env.get(atom, atom))
        if isinstance(atom, Var):
            return self.parts[atom]
        dtype = real_dtype(atom.dtype)
        literal = self.builder.literal
        return Parts(literal(atom.value.real, dtype), literal(atom.value.imag, dtype))

    def flat(self, atoms: Sequence[Atom]) -> list[Value]:
        """The values of atoms, complex ones as two."""
        found = [self.read(a) for a in atoms]
        return [v for x in found for v in ((x.re, x.im) if isinstance(x, Parts) else (x,))]

    def bind(self, var: Var, value: Parts | Value) -> None:
        if isinstance(value, Parts):
            self.parts[var] = value.map(lambda part: spread(part, var.type.shape))
        else:
            self.env[var] = value.atom

    def add(self, eqn: Eqn) -> None:
        self.builder.location = eqn.location
        if regions(eqn):
            self.add_with_regions(eqn)
        elif not any(map(is_complex, (*eqn.inputs, *eqn.outputs))):
            inputs = tuple([self.env.get(a, a) for a in eqn.inputs])
            fresh = eqn
            if inputs != eqn.inputs:
                fresh = Eqn(eqn.op, inputs, eqn.outputs, eqn.params, eqn.location)
            self.builder.eqns.append(fresh)
        elif eqn.op.name == "constant":
            array = eqn.params["value"]
            parts = (self.builder.constant(part) for part in (array.real, array.imag))
            self.bind(eqn.outputs[0], Parts(*parts))
        else:
            results = self.rule(eqn)([self.read(a) for a in eqn.inputs], **eqn.params)
            for var, result in zip(eqn.outputs, results, strict=True):
                self.bind(var, result)

    def rule(self, eqn: Eqn) -> Any:
        if eqn.op.parts is None:
            types = ", ".join(str(a.type) for a in eqn.inputs)
            error = DTypeError(
                f"'{eqn.op.name}' is for real numbers, and got ({types}); write it in terms of "
                "np.real(z), np.imag(z) and np.abs(z)"
            )
            raise located(error, eqn.location)
        return eqn.op.parts

    def add_with_regions(self, eqn: Eqn) -> None:
        params = {name: _mapped(value) for name, value in eqn.params.items()}
        if "consts" in params:
            count = INDICES.get(eqn.op.name, 0) + params["consts"]
            params["consts"] += sum(map(is_complex, eqn.inputs[:count]))
        results = iter(self.builder.emit(eqn.op, self.flat(eqn.inputs), params))
        for var in eqn.outputs:
            first = next(results)
            self.bind(var, Parts(first, next(results)) if is_complex(var) else first)


def _mapped(param: Any) -> Any:
    """A param with its regions taking and giving parts."""
    if isinstance(param, Program):
        return _region(param)
    if isinstance(param, tuple):
        return tuple([_mapped(item) for item in cast(tuple[Any, ...], param)])
    return param


def _region(program: Program) -> Program:
    if not has_complex(program):
        return program
    builder = Builder()
    walk = _Walk(builder)
    for var in program.inputs:
        if is_complex(var):
            part = var.type.with_dtype(real_dtype(var.type.dtype))
            walk.parts[var] = Parts(builder.input(part), builder.input(part))
        else:
            builder.inputs.append(var)
    for eqn in program.eqns:
        walk.add(eqn)
    return builder.finish(walk.flat(program.outputs))


def spread(part: Value, shape: Shape) -> Value:
    """A number as an array, where a rule left it beside arrays."""
    return part if part.shape == shape else part.broadcast(shape=shape, dims=())


# the boundary


def as_floats(type_: TensorType) -> TensorType:
    """The type of the same memory as floats: complex numbers have a last axis of two."""
    if not type_.is_complex:
        return type_
    return TensorType(real_dtype(type_.dtype), (*type_.shape, 2))


def interleaved(program: Program) -> Program:
    """A program made by `complex_as_parts`, its complex inputs and outputs being arrays of floats.

    Itself if it has none. The last axis of these arrays holds real and imaginary part.
    """
    if not any(map(is_complex, (*program.inputs, *program.outputs))):
        return program
    builder = Builder()
    pairs: dict[Atom, Value] = {}
    env: dict[Atom, Atom] = {}
    for var in program.inputs:
        if is_complex(var):
            pairs[var] = builder.input(as_floats(var.type))
        else:
            builder.inputs.append(var)
    for eqn in program.eqns:
        builder.location = eqn.location
        name = eqn.op.name
        if name in ("real", "imag") and eqn.inputs[0] in pairs:
            env[eqn.outputs[0]] = _part(pairs[eqn.inputs[0]], int(name == "imag")).atom
        elif name == "complex":
            values = [Value(builder, env.get(a, a)) for a in eqn.inputs]
            pairs[eqn.outputs[0]] = _joined(values, eqn.outputs[0].type.shape)
        else:
            inputs = tuple([env.get(a, a) for a in eqn.inputs])
            builder.eqns.append(Eqn(eqn.op, inputs, eqn.outputs, eqn.params, eqn.location))
    return builder.finish([_output(builder, a, env, pairs) for a in program.outputs])


def _output(builder: Builder, atom: Atom, env: dict[Atom, Atom], pairs: dict[Atom, Value]) -> Value:
    if atom in pairs:
        return pairs[atom]
    if isinstance(atom, Literal) and is_complex(atom):
        dtype = real_dtype(atom.dtype)
        return _joined([builder.literal(x, dtype) for x in (atom.value.real, atom.value.imag)], ())
    return Value(builder, env.get(atom, atom))


def _part(pair: Value, number: int) -> Value:
    """The real (0) or the imaginary (1) parts of an interleaved array."""
    *shape, _ = pair.shape
    start, stop = (*(0 for _ in shape), number), (*shape, number + 1)
    return pair.slice(start=start, stop=stop, step=(1,) * pair.ndim).reshape(shape=tuple(shape))


def _joined(parts: Sequence[Value], shape: Shape) -> Value:
    columns = [spread(part, shape).reshape(shape=(*shape, 1)) for part in parts]
    return columns[0].concat(columns[1], axis=len(shape))
