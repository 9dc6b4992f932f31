"""Programs with derivatives of the user's own.

`custom` applies a program for which a rule is given. With a forward rule, its jvp is that rule.
With a reverse rule (forward: inputs -> outputs, residuals; backward: residuals, cotangents of
outputs -> cotangents of inputs) its jvp is the forward program and `custom_linear`, a linear map
that is known by its transpose:

    outs, residuals = forward(inputs)              tangents ↦ custom_linear(residuals, tangents)

Transposing that gives backward(residuals, cotangents), as reverse mode wants. Where the map itself
is needed (forward mode, a Hessian's outer derivative) it is the forward rule if there is one, and
else the transpose of the backward program, which must be linear in the cotangents then. Before
lowering both are replaced by what they stand for.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.errors import (
    DifferentiationError,
    Location,
    WengertError,
    located,
)
from wengert.ir.builder import Builder, Value
from wengert.ir.evaluate import evaluate
from wengert.ir.op import REGISTRY, Linear, Op, Sample, register
from wengert.ir.ops.control_batch import batched_region
from wengert.ir.ops.control_family import Tangents, Types, check_region, chosen, or_zeros
from wengert.ir.ops.custom_samples import X, backward, forward, linear_samples, primal, tangent
from wengert.ir.ops.structural_family import in_front
from wengert.ir.program import Program
from wengert.ir.transforms.batch import batch
from wengert.ir.transforms.jvp import push
from wengert.ir.transforms.linearize import split_linear
from wengert.ir.transforms.transpose import pull_onto, transpose
from wengert.ir.types import DType, Shape, TensorType

Spread = Callable[[Program, Sequence[bool]], list[bool]]


@dataclass(frozen=True, eq=False)
class Rules:
    """The rules of one call of the function `name`, traced when they are first used.

    `make_tangent()`: inputs, then tangents of the floats among them -> outputs, then the tangents
    of the floats among those. `make_halves()`: the forward and the backward program. A rule may
    call the function itself, which is why they are not traced beforehand. The last `hidden` inputs
    are what the function and its rules read beside its arguments; there is no rule for those.
    """

    name: str
    make_tangent: Callable[[], Program] | None
    make_halves: Callable[[], tuple[Program, Program]] | None
    hidden: int = 0
    location: Location | None = None
    number: int = field(default_factory=functools.partial(next, itertools.count()))

    @property
    def opaque_name(self) -> str:
        """What stands for the rules in a program's text."""
        return f"rules {self.number} of {self.name}"

    @functools.cached_property
    def tangent(self) -> Program | None:
        """The forward rule."""
        return None if self.make_tangent is None else self.make_tangent()

    @functools.cached_property
    def halves(self) -> tuple[Program, Program] | None:
        """The reverse rule."""
        return None if self.make_halves is None else self.make_halves()

    def batched(self, kinds: Sequence[TensorType], flags: Sequence[bool], size: int) -> Rules:
        """The rules on a batch: all that they pass on has the batch in front."""
        floats = [on for on, t in zip(flags, kinds, strict=True) if t.is_float]

        def tangent() -> Program:
            assert self.tangent is not None
            every = [True] * len(self.tangent.outputs)
            return batched_region(self.tangent, [*flags, *floats], every, size)

        def halves() -> tuple[Program, Program]:
            assert self.halves is not None
            forward, backward = self.halves
            first = batched_region(forward, flags, [True] * len(forward.outputs), size)
            return first, _summed(backward, floats, size)

        return Rules(
            self.name,
            None if self.make_tangent is None else tangent,
            None if self.make_halves is None else halves,
            self.hidden,
            self.location,
        )

    def refuse_hidden(self, primal: Program, tangents: Tangents) -> None:
        """Raises DifferentiationError if what is read beside the arguments moves."""
        for k in range(len(tangents) - self.hidden, len(tangents)):
            if tangents[k] is not None and self._reads(primal, k):
                raise located(
                    DifferentiationError(
                        f"'{self.name}' or a rule of it reads a traced value of the function "
                        "around it, of which its derivative rules would not know; pass the value "
                        "as an argument"
                    ),
                    self.location,
                )

    def _reads(self, primal: Program, k: int) -> bool:
        if _uses(primal, k) or (self.tangent is not None and _uses(self.tangent, k)):
            return True
        if self.halves is None:
            return False
        forward, backward = self.halves
        kept = len(forward.outputs) - len(primal.outputs)  # what is hidden is kept last
        return _uses(forward, k, -self.hidden) or _uses(backward, kept + k - len(primal.inputs))


def _uses(program: Program, k: int, outputs: int | None = None) -> bool:
    """Whether input `k` has a part in the program's first outputs, as far as equations show."""
    var = program.inputs[k]
    if any(var is out for out in program.outputs[:outputs]):
        return True
    return any(
        x is var and (eqn.op.name != "custom" or _uses(eqn.params["primal"], place))
        for eqn in program.eqns
        for place, x in enumerate(eqn.inputs)
    )


# custom


def _infer(*operands: TensorType, primal: Program, rules: Rules) -> Types:
    check_region("custom", "program", primal, operands, primal.out_types)
    return primal.out_types


def _evaluate(*operands: Any, primal: Program, rules: Rules) -> Any:
    outs = evaluate(primal, operands)
    return outs[0] if len(outs) == 1 else outs


def _taint(marks: Sequence[bool], spread: Spread, *, primal: Program, rules: Rules) -> list[bool]:
    return spread(primal, marks)


def _jvp(
    primals: Sequence[Value], tangents: Tangents, outs: None, *, primal: Program, rules: Rules
) -> tuple[list[Value], list[Value | None]]:
    builder = primals[0].builder
    rules.refuse_hidden(primal, tangents)
    moving = _all_moving(primals, tangents)
    count, tangent = len(primal.outputs), rules.tangent
    if rules.halves is None:
        assert tangent is not None
        results = builder.inline(tangent, [*primals, *moving])
        pushed = results[count:]
    else:
        forward, backward = rules.halves
        results = builder.inline(forward, primals)
        # a forward rule starts again from the inputs
        given = [*results[count:], *(primals if tangent is not None else ())]
        params = {"backward": backward, "residuals": len(given), "tangent": tangent}
        pushed = builder.emit(REGISTRY["custom_linear"], [*given, *moving], params)
    left = iter(pushed)
    return results[:count], [next(left) if v.type.is_float else None for v in results[:count]]


def _all_moving(primals: Sequence[Value], tangents: Tangents) -> list[Value]:
    """Tangents of all floats: zeros come from one that moves, as the rule is linear in all."""
    source = next(t for t in tangents if t is not None)
    found: list[Value] = []
    for x, t in zip(primals, tangents, strict=True):
        if x.type.is_float:
            params = {"shape": x.shape, "dtype": x.dtype}
            made = source.builder.emit(REGISTRY["vanish"], [source], params) if t is None else [t]
            found += made
    return found


def _transpose(
    cotangents: Tangents, inputs: Sequence[Value | Linear], *, primal: Program, rules: Rules
) -> list[Value | None]:
    """That of the program itself: what is linear needs no rule."""
    builder = next(x for x in cotangents if x is not None).builder
    known = [x for x in inputs if isinstance(x, Value)]
    flags = [isinstance(x, Linear) for x in inputs]
    order = (*chosen(primal.inputs, flags, False), *chosen(primal.inputs, flags))
    bars = iter(
        pull_onto(builder, Program(order, primal.eqns, primal.outputs), known, cotangents, ())
    )
    return [next(bars) if on else None for on in flags]


def _batch(
    values: Sequence[Value], batched: Sequence[bool], size: int, *, primal: Program, rules: Rules
) -> tuple[list[Value], list[bool]]:
    params = {
        "primal": batched_region(primal, batched, [True] * len(primal.outputs), size),
        "rules": rules.batched(primal.in_types, batched, size),
    }
    results = values[0].builder.emit(REGISTRY["custom"], values, params)
    return results, [True] * len(results)


def _summed(backward: Program, floats: Sequence[bool], size: int) -> Program:
    """The backward program on a batch; cotangents of inputs without a batch are summed over it."""
    every = [True] * len(backward.inputs)
    mapped = batch(backward, every, size)
    builder = Builder()
    values = builder.inline(mapped.program, [builder.input(t) for t in mapped.program.in_types])
    rows = [in_front(v, on, size) for v, on in zip(values, mapped.out_batched, strict=True)]
    return builder.finish(
        [v if on else v.reduce_sum(axes=(0,)) for v, on in zip(rows, floats, strict=True)]
    )


def _expand(values: Sequence[Value], *, primal: Program, rules: Rules) -> list[Value]:
    return values[0].builder.inline(primal, values)


def _samples() -> list[Sample]:
    """With a forward rule, and with a reverse rule."""
    both = (
        Rules("sample", tangent, None),
        Rules("sample", None, lambda: (forward(), backward())),
    )
    args = (X, np.array(2, np.int64))
    return [Sample(args, {"primal": primal(), "rules": rules}) for rules in both]


# custom_linear


def _linear_infer(
    *operands: TensorType, backward: Program, residuals: int, tangent: Program | None
) -> Types:
    """Operands: `residuals` known values, then tangents of what the backward program gives."""
    return _outs(backward, operands[:residuals], tangent)


def _kept(backward: Program, known: Sequence[Any], tangent: Program | None) -> int:
    """How many of the known operands the backward program takes; a forward rule has the others."""
    return len(known) - (0 if tangent is None else len(tangent.inputs) - len(backward.outputs))


def _outs(backward: Program, known: Sequence[Any], tangent: Program | None) -> Types:
    return tuple(backward.in_types[_kept(backward, known, tangent) :])


def _map(backward: Program, residuals: int, tangent: Program | None) -> Program:
    """The linear map as a program of the known operands and the tangents."""
    known = [None] * residuals
    kept = _kept(backward, known, tangent)
    if tangent is None:
        split = split_linear(backward, backward.inputs[kept:])
        try:
            turned = transpose(split.linear, split.residuals)
        except WengertError as error:
            raise DifferentiationError(
                "a function with a reverse rule of its own is differentiated in forward mode, and "
                "the rule's second half is not linear in the cotangents, so that it cannot be "
                f"turned round ({error}); give a forward rule too (defjvp), or use reverse mode"
            ) from error
        builder = Builder()
        inputs = [builder.input(t) for t in backward.in_types[:kept]]
        moving = [builder.input(t) for t in backward.out_types]
        found = builder.inline(split.known, inputs)
        return builder.finish(builder.inline(turned, [*found, *moving]))
    builder = Builder()
    for type_ in backward.in_types[:kept]:
        builder.input(type_)
    inputs = [builder.input(t) for t in tangent.in_types]
    results = builder.inline(tangent, inputs)
    count = len(_outs(backward, known, tangent))
    return builder.finish(results[len(results) - count :])


def _linear_evaluate(
    *operands: Any, backward: Program, residuals: int, tangent: Program | None
) -> Any:
    outs = evaluate(_map(backward, residuals, tangent), operands)
    return outs[0] if len(outs) == 1 else outs


def _linear_jvp(
    primals: Sequence[Value], tangents: Tangents, outs: None, **params: Any
) -> tuple[list[Value], list[Value | None]]:
    return push(primals[0].builder, _map(**params), primals, tangents)


def _linear_transpose(
    cotangents: Tangents,
    inputs: Sequence[Value | Linear],
    *,
    backward: Program,
    residuals: int,
    tangent: Program | None,
) -> list[Value | None]:
    builder = next(x for x in cotangents if x is not None).builder
    known = [x for x in inputs[:residuals] if isinstance(x, Value)]
    kept = _kept(backward, known, tangent)
    bars = [
        or_zeros(builder, bar, t)
        for bar, t in zip(cotangents, backward.in_types[kept:], strict=True)
    ]
    results = builder.inline(backward, [*known[:kept], *bars])
    wanted = [isinstance(x, Linear) for x in inputs[residuals:]]
    return [
        *(None for _ in range(residuals)),
        *(r if on else None for r, on in zip(results, wanted, strict=True)),
    ]


def _linear_batch(
    values: Sequence[Value],
    batched: Sequence[bool],
    size: int,
    *,
    backward: Program,
    residuals: int,
    tangent: Program | None,
) -> tuple[list[Value], list[bool]]:
    rows = [in_front(v, on, size) for v, on in zip(values, batched, strict=True)]
    params: dict[str, Any] = {"residuals": residuals, "tangent": None}
    params["backward"] = _summed(backward, [True] * len(backward.outputs), size)
    if tangent is not None:
        every = [True] * len(tangent.outputs)
        params["tangent"] = batched_region(tangent, [True] * len(tangent.inputs), every, size)
    results = rows[0].builder.emit(REGISTRY["custom_linear"], rows, params)
    return results, [True] * len(results)


def _linear_expand(values: Sequence[Value], **params: Any) -> list[Value]:
    return values[0].builder.inline(_map(**params), values)


# vanish


def _vanish_batch(
    values: Sequence[Value], batched: Sequence[bool], size: int, *, shape: Shape, dtype: DType
) -> tuple[list[Value], list[bool]]:
    return values[0].builder.emit(
        REGISTRY["vanish"], values, {"shape": (size, *shape), "dtype": dtype}
    ), [True]


register(
    Op(
        name="vanish",
        family="custom",
        params=("shape", "dtype"),
        infer=lambda x, *, shape, dtype: (TensorType(dtype, shape),),
        evaluate=lambda x, *, shape, dtype: np.zeros(shape, dtype),
        jvp=lambda primals, tangents, outs, **params: [
            primals[0].builder.emit(REGISTRY["vanish"], [tangents[0]], params)[0]
        ],
        linear=lambda positions: True,
        transpose=lambda cotangents, inputs, **params: [None],
        batch=_vanish_batch,
        expand=lambda values, *, shape, dtype: [values[0].builder.zeros(TensorType(dtype, shape))],
        samples=lambda: [Sample((np.arange(3.0),), {"shape": (2,), "dtype": np.dtype(float)})],
        doc="zeros, as a linear function of the operand",
    )
)
register(
    Op(
        name="custom",
        family="custom",
        params=("primal", "rules"),
        infer=_infer,
        evaluate=_evaluate,
        jvp=_jvp,
        joint=True,
        taint=_taint,
        linear=lambda positions: True,
        transpose=_transpose,
        batch=_batch,
        expand=_expand,
        samples=_samples,
        doc="primal(*operands), with derivatives by the user's rules",
    )
)
register(
    Op(
        name="custom_linear",
        family="custom",
        params=("backward", "residuals", "tangent"),
        infer=_linear_infer,
        evaluate=_linear_evaluate,
        jvp=_linear_jvp,
        joint=True,
        linear=lambda positions: True,
        transpose=_linear_transpose,
        batch=_linear_batch,
        expand=_linear_expand,
        samples=linear_samples,
        doc="the linear map whose transpose is backward(residuals, cotangents)",
    )
)
