"""Policies of `wengert.checkpoint`: which values of a function the reverse sweep finds kept.

A policy is a function of an `Operation` that says whether its results are kept. It sees the
operations of the function itself; a loop or branch in it is one operation, whatever is inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wengert.api.arguments import fail
from wengert.errors import InputTypeError
from wengert.ir.program import Eqn
from wengert.tracer.array import Tracer
from wengert.tracer.lift import lift, wrap
from wengert.tracer.pytree import tree_map


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its name in `python -m wengert ops`, what it takes and gives, and its cost.

    `cost` is about that of an element, in additions: 1 for most, 20 and more for exp and its like,
    1000 for factorisations. `label` is the name given by `checkpoint_name`.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    out_shapes: tuple[tuple[int, ...], ...]
    nbytes: int
    cost: int
    label: str | None
    params: dict[str, Any]


Policy = Callable[[Operation], bool]


def nothing(operation: Operation) -> bool:
    """Keeps the arguments alone, as without a policy."""
    return False


def everything(operation: Operation) -> bool:
    """Keeps all values, as without a checkpoint."""
    return True


def dots(operation: Operation) -> bool:
    """Keeps matrix products: of a network, all but what is cheap to compute again."""
    return operation.name == "dot_general"


def dots_without_batch(operation: Operation) -> bool:
    """Keeps matrix products without a batch axis: of attention the projections, not the scores."""
    return dots(operation) and not any(operation.params["batch"])


def names(*wanted: str) -> Policy:
    """Keeps the values that `checkpoint_name` gave one of these names."""
    return lambda operation: operation.label in wanted and operation.label is not None


def dear(least: int = 20) -> Policy:
    """Keeps what costs at least so much for an element: by default exp and its like, products."""
    return lambda operation: operation.cost >= least or dots(operation)


def any_of(*policies: Policy) -> Policy:
    """Keeps what one of the policies keeps."""
    return lambda operation: any(policy(operation) for policy in policies)


def choice(policy: Policy) -> Callable[[Eqn], bool]:
    """A policy as a choice of equations; raises InputTypeError for answers that are no bool."""

    def chosen(eqn: Eqn) -> bool:
        types = [v.type for v in eqn.outputs]
        found: Any = policy(
            Operation(
                eqn.op.name,
                tuple([a.type.shape for a in eqn.inputs]),
                tuple([t.shape for t in types]),
                sum(t.size * t.dtype.itemsize for t in types),
                eqn.op.cost,
                eqn.params.get("label"),
                dict(eqn.params),
            )
        )
        if not isinstance(found, bool):
            fail(
                InputTypeError(
                    "a policy of wengert.checkpoint says True or False for an operation, not "
                    f"{found!r}; policies with arguments are called first: policy=names('a')"
                )
            )
        return found

    return chosen


def checkpoint_name(x: Any, name: str) -> Any:
    """`x` under a name, by which `policies.names` finds it; for each leaf of a pytree."""

    def labelled(leaf: Any) -> Any:
        if not isinstance(leaf, Tracer):
            return leaf
        return wrap(lift(leaf).named(label=name), leaf.weak)

    return tree_map(labelled, x)
