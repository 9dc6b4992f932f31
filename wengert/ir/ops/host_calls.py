"""Calls of Python functions while a program runs: of pure ones, and of those that act.

Both give what the function gives for NumPy arrays. A pure call may be left out where nothing needs
its results, and be repeated where values are computed again. One that acts stays, once and in its
place among others; nothing reads its results. Neither ever runs where the program would not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from wengert.errors import Location, MissingRuleError, ShapeError, located
from wengert.ir.builder import Value
from wengert.ir.host import HostCall, HostFunction, held
from wengert.ir.op import REGISTRY, Op, Sample, register
from wengert.ir.ops.parts import Parts
from wengert.ir.ops.structural_family import Batched, in_front
from wengert.ir.program import Program, equations
from wengert.ir.types import FLOAT64, INT64, TensorType

Array = Any
FAMILY = "host calls"
COST = 1000
"""What an element of a result costs: it is never computed twice."""


def calls_python(program: Program) -> bool:
    """Whether a program calls functions of this process, of which no other one knows."""
    return any(e.op.family == FAMILY for e in equations(program))


def _infer(*operands: TensorType, function: HostFunction) -> tuple[TensorType, ...]:
    if operands != function.takes:
        given, wanted = (", ".join(map(str, types)) for types in (operands, function.takes))
        raise ShapeError(f"{function.name} is called with ({given}), and takes ({wanted})")
    return function.gives


def _evaluate(*arrays: Array, function: HostFunction) -> Any:
    results = function(arrays)
    return results[0] if len(results) == 1 else tuple(results)


def _form(types: Sequence[TensorType], *, function: HostFunction) -> HostCall:
    return held(function)


def _no_derivative(
    primals: Any, tangents: Any, outs: Sequence[Value], *, function: HostFunction
) -> list[None]:
    if any(v.type.is_float for v in outs):
        _refuse(function, outs[0].builder.location)
    return [None] * len(outs)


def _refuse(function: HostFunction, location: Location | None) -> NoReturn:
    error = MissingRuleError(
        f"'{function.name}' runs in Python (pure_callback), so nothing is known of its derivative; "
        "call it in a function with a rule of its own (wg.custom_jvp or wg.custom_vjp), or take "
        "wg.stop_gradient of its arguments"
    )
    raise located(error, location)


def _constructed(name: str, acts: bool, doc: str) -> Op:
    def batch(
        values: Sequence[Value], flags: Sequence[bool], size: int, /, *, function: HostFunction
    ) -> Batched:
        if function.whole:
            values = [in_front(v, on, size) for v, on in zip(values, flags, strict=True)]
            flags = [True] * len(values)
        params = {"function": function.batched(flags, size)}
        results = values[0].builder.emit(REGISTRY[name], values, params)
        return results, [True] * len(results)

    def parts(
        operands: Sequence[Parts | Value], *, function: HostFunction
    ) -> Sequence[Parts | Value]:
        flat = [v for x in operands for v in ((x.re, x.im) if isinstance(x, Parts) else (x,))]
        params = {"function": function.of_parts()}
        results = iter(flat[0].builder.emit(REGISTRY[name], flat, params))
        return [
            Parts(next(results), next(results)) if t.is_complex else next(results)
            for t in function.gives
        ]

    return register(
        Op(
            name=name,
            family=FAMILY,
            params=("function",),
            infer=_infer,
            evaluate=_evaluate,
            jvp=(lambda primals, tangents, outs, **params: [None]) if acts else _no_derivative,
            batch=batch,
            parts=parts,
            form=_form,
            samples=_samples,
            raises=True,
            effect=acts,
            cost=COST,
            doc=doc,
        )
    )


def _samples() -> Iterable[Sample]:
    kind = TensorType(INT64, (3,))
    function = HostFunction("sorted", lambda arrays, gives: [np.sort(arrays[0])], (kind,), (kind,))
    yield Sample((np.array([2, 1, 3]),), {"function": function}, differentiable=False)
    real = TensorType(FLOAT64, (3,))
    function = HostFunction("sorted", lambda arrays, gives: [np.sort(arrays[0])], (real,), (real,))
    yield Sample((np.array([2.5, 1.0, -3.0]),), {"function": function}, differentiable=False)


_constructed("pure_call", False, "What a Python function without side effects gives.")
_constructed("acting_call", True, "What a Python function gives that is called for what it does.")
