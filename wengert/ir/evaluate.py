"""The reference evaluator: walks a program with NumPy. Slow, obvious, the oracle of every test."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import numpy as np

from wengert.config import config
from wengert.errors import NotANumberError, WengertError, located
from wengert.ir.floats import kind_of
from wengert.ir.program import Atom, Eqn, Literal, Program, Var
from wengert.ir.types import Dim, Symbol

_indices: ContextVar[dict[Symbol, int]] = ContextVar("loop indices", default={})  # noqa: B039


@contextmanager
def binding(symbol: Symbol | None, value: int) -> Generator[None]:
    """Evaluates with a loop's index at `value`."""
    if symbol is None:
        yield
        return
    token = _indices.set({**_indices.get(), symbol: value})
    try:
        yield
    finally:
        _indices.reset(token)


def resolved(param: Any) -> Any:
    """A param or shape with the lengths that dimensions have at the current loop indices."""
    if isinstance(param, tuple):
        return tuple([resolved(p) for p in cast(tuple[Any, ...], param)])
    return param.at(_indices.get()) if isinstance(param, Dim) else param


def _params(eqn: Eqn) -> dict[str, Any]:
    if not _indices.get():
        return eqn.params
    return {k: resolved(v) for k, v in eqn.params.items()}


def evaluate(program: Program, args: Sequence[Any]) -> list[Any]:
    """The outputs of `program` on arrays `args`, whose types must be the program's."""
    env: dict[Var, Any] = dict(zip(program.inputs, args, strict=True))

    def read(atom: Atom) -> Any:
        if isinstance(atom, Literal):
            return atom.dtype.type(atom.value)
        return env[atom]

    with np.errstate(all="ignore"):
        for eqn in program.eqns:
            try:
                operands = [read(a) for a in eqn.inputs]
                results = eqn.op.evaluate(*operands, **_params(eqn))
                if config().debug_nans:
                    _refuse_nan(eqn, operands, results)
            except WengertError as error:  # an index out of bounds, say
                if eqn.op.raises:
                    raise
                raise located(error, eqn.location) from None
            if len(eqn.outputs) == 1:
                results = (results,)
            for var, result in zip(eqn.outputs, results, strict=True):
                env[var] = _typed(result, var)
    return [read(atom) for atom in program.outputs]


def _refuse_nan(eqn: Eqn, operands: Sequence[Any], results: Any) -> None:
    """Raises NotANumberError if an equation made a NaN, and got none."""
    if any(map(_has_nan, operands)):
        return
    for result in results if len(eqn.outputs) > 1 else (results,):
        if _has_nan(result):
            place = tuple(int(i) for i in np.argwhere(np.isnan(result))[0])
            given = ", ".join(_described(x, place, np.shape(result)) for x in operands)
            where = f" at {place}" if place else ""
            raise NotANumberError(f"{eqn.op.name}({given}) is NaN{where}, the first one there is")


def _has_nan(x: Any) -> bool:
    array = np.asarray(x)
    return kind_of(array.dtype) in "fc" and bool(np.isnan(array).any())


def _described(x: Any, place: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """An operand's number at a place of the result, or its type if that says nothing."""
    if np.shape(x) in ((), shape):
        return repr(np.asarray(x)[place if np.shape(x) else ()].item())
    return f"{np.asarray(x).dtype}[{','.join(map(str, np.shape(x)))}]"


def _typed(result: Any, var: Var) -> Any:
    array = np.asarray(result, dtype=var.type.dtype)
    if array.shape != var.type.shape and array.shape != resolved(var.type.shape):
        raise ValueError(f"evaluated to shape {array.shape}, expected {var.type}")
    return array


def call(program: Program, args: Sequence[Any]) -> list[Any]:
    """The outputs of `program` on arrays and numbers, for a user: 0-d ones are NumPy scalars.

    Each array owns its memory: it is no view of an argument, a constant or another output.
    """
    types = program.in_types
    arrays = [np.asarray(x, dtype=t.dtype) for x, t in zip(args, types, strict=True)]
    taken = {id(x) for x in arrays}
    owned: list[Any] = []
    for output in evaluate(program, arrays):
        array = np.asarray(output)
        if array.ndim == 0:
            owned.append(array[()])
            continue
        if id(array) in taken or array.base is not None or not array.flags.writeable:
            array = np.array(array, order="C")
        taken.add(id(array))
        owned.append(array)
    return owned
