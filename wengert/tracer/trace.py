"""Tracing: runs a Python function once on abstract values and gives a Program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.errors import (
    MutationError,
    SharedArrayError,
    TracerConversionError,
    WengertError,
    located,
)
from wengert.ir.builder import Value
from wengert.ir.evaluate import call
from wengert.ir.passes.cleanup import dce
from wengert.ir.program import Program, Var
from wengert.ir.types import TensorType
from wengert.tracer.array import Tracer
from wengert.tracer.device_arrays import refuse_device_array
from wengert.tracer.lift import lift, wrap
from wengert.tracer.pytree import TreeDef, flatten, paths
from wengert.tracer.stack import Trace, current, open_trace, opened, raised_at, user_location

__all__ = ["Abstract", "Trace", "Traced", "current", "run", "trace", "user_location"]


@dataclass(frozen=True, slots=True)
class Abstract:
    """What is known of an argument while tracing.

    That is its type, whether it is a Python float (`weak`), and whether it is an array though it
    has no axes (`made`, as of a Tracer): such an array can be changed, and as an index it makes a
    copy, unlike a scalar of the same type.
    """

    type: TensorType
    weak: bool = False
    made: bool = False


@dataclass(frozen=True, slots=True)
class Traced:
    """A traced function.

    `program` takes the arguments, then the values that the function `captured` from enclosing
    traces. `out_tree` is the structure of the result; `static` holds those leaves of it that are
    Python values and no outputs of the program, by position, and `same` those that are arguments
    which the function has changed, with the argument's number.

    If `changes` were asked for, the outputs end with the new contents of the arguments that the
    function `changed`, by number, and of the arrays of enclosing traces that it has `written`.
    """

    program: Program
    captured: tuple[Tracer, ...]
    out_tree: TreeDef
    static: dict[int, Any]
    same: dict[int, int] = field(default_factory=dict[int, int])
    changed: tuple[int, ...] = ()
    written: tuple[Tracer, ...] = ()

    def unflatten(self, outputs: Sequence[Any], args: Sequence[Any] = ()) -> Any:
        """The function's result from the program's outputs, and the arguments it may give back."""
        if not self.static and not self.same:
            return self.out_tree.unflatten(outputs[: self.out_tree.num_leaves])
        rest = iter(outputs)
        leaves: list[Any] = []
        for i in range(self.out_tree.num_leaves):
            if i in self.static:
                leaves.append(self.static[i])
            else:
                leaves.append(args[self.same[i]] if i in self.same else next(rest))
        return self.out_tree.unflatten(leaves)

    @property
    def results(self) -> int:
        """How many outputs of the program belong to the result; changes come after them."""
        return len(self.program.outputs) - len(self.changed) - len(self.written)


def trace(
    fun: Callable[..., Any],
    args: Sequence[Abstract],
    *,
    name: str = "",
    keep_static: bool = False,
    changes: bool = False,
) -> Traced:
    """Runs `fun` on one traced value per argument; its result may be any pytree.

    Python numbers and strings in the result become outputs of the program, unless
    `keep_static` asks for them to be kept as they are. Without `changes`, what the function does to
    its arguments stays inside, and it must not change arrays of enclosing traces.
    """
    with opened(name or getattr(fun, "__name__", "function")) as here:
        builder = here.builder
        tracers = [wrap(builder.input(a.type), a.weak) for a in args]
        for tracer, a in zip(tracers, args, strict=True):
            tracer.made = a.made
        here.arguments.update((id(t), t) for t in tracers)
        result = _call(fun, tracers)
        leaves, tree = flatten(result)
        static = {i: x for i, x in enumerate(leaves) if keep_static and _is_static(x)}
        builder.location = None
        changed = _changed(tracers, builder.inputs) if changes else ()
        numbers = {id(tracers[k]): k for k in changed}
        same = {i: numbers[id(x)] for i, x in enumerate(leaves) if id(x) in numbers}
        outputs = [
            _output(x, i, result, here.name)
            for i, x in enumerate(leaves)
            if i not in static and i not in same
        ]
        outputs += [tracers[k].value for k in changed]
        if here.written and not changes:
            refuse_writes(here)
        written = list(here.written.values())
        outputs += [value for _, value in written]
        captured = here.captured
        builder.inputs.extend(_var(value) for _, value in captured.values())
        program = builder.finish(outputs)
    outside = tuple(t for t, _ in captured.values())
    return Traced(program, outside, tree, static, same, changed, tuple(t for t, _ in written))


def _changed(tracers: Sequence[Tracer], inputs: Sequence[Var]) -> tuple[int, ...]:
    """The arguments, by number, whose contents are not what they were."""
    pairs = enumerate(zip(tracers, inputs, strict=True))
    return tuple(k for k, (t, var) in pairs if t.value.atom is not var)


def refuse_writes(here: Trace) -> None:
    """Raises MutationError: a function under a transform has changed an array outside of it."""
    kinds = ", ".join(str(t.type) for t, _ in here.written.values())
    raise located(
        MutationError(
            f"'{here.name}' changes an array ({kinds}) of a function around it, and a transform "
            "such as grad or vmap traces it by itself; pass the array as an argument and return it"
        ),
        user_location(),
    )


def _call(fun: Callable[..., Any], tracers: Sequence[Tracer]) -> Any:
    try:
        return fun(*tracers)
    except ValueError as error:
        # `array[i] = traced`: NumPy hides the conversion error behind one about sequences
        if isinstance(error.__cause__, TracerConversionError):
            raise error.__cause__ from None
        raise
    except TypeError as error:
        # `np.zeros(traced)`: NumPy replaces the conversion error by its own
        if isinstance(error, WengertError) or "'Tracer(" not in str(error):
            raise
        text = (
            f"a function that needs concrete values was given a traced one: {error}. Traced values "
            "are known only when the compiled program runs; make the argument that it depends on "
            "static (static_argnums), or compute shapes from x.shape"
        )
        raise located(TracerConversionError(text), raised_at(error)) from error


def _is_static(x: Any) -> bool:
    return isinstance(x, (bool, int, float, complex, str, bytes)) and not isinstance(x, np.generic)


def _var(value: Value) -> Var:
    assert isinstance(value.atom, Var)
    return value.atom


def _output(x: Any, position: int, result: Any, name: str) -> Value:
    try:
        return lift(x)
    except SharedArrayError:
        raise
    except WengertError as error:
        path = paths(result)[position]
        error.args = (f"the result{path} of '{name}' is no array: {error}", *error.args[1:])
        raise located(error, user_location()) from None


def run(program: Program, args: Sequence[Any]) -> list[Any]:
    """Applies a program: appended to the current trace if any argument is traced, else evaluated.

    Evaluated results own their memory: none is a view of an argument.
    """
    if any(isinstance(x, Tracer) for x in args):
        builder = open_trace(next(x for x in args if isinstance(x, Tracer))).builder
        values = [lift(x, t.dtype) for x, t in zip(args, program.in_types, strict=True)]
        return [wrap(v) for v in builder.inline(program, values)]
    for x in args:
        refuse_device_array(x)
    return call(dce(program), args)
