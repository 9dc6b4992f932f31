"""The `Op` record and the registry.

One object per op carries all of its rules; transforms, evaluators and lowerings reach them only
as `eqn.op.<rule>`. The registry is filled by `wengert.ir.ops`, which sits above the transforms.

Rules, with `params` always passed as keyword arguments:

- `infer(*types, **params) -> tuple[TensorType, ...]`: the output types, or an error that says
  which shapes or dtypes do not fit.
- `evaluate(*arrays, **params) -> array | tuple`: NumPy semantics; the oracle of all tests.
- `jvp(primals, tangents, outs, **params) -> sequence of tangents`: tangents are `Value | None`,
  None being a structural zero; at least one is not None. Emits through methods of `Value`.
- `linear(positions) -> bool`: whether the op is linear in these operands taken together.
- `transpose(cotangents, inputs, **params) -> sequence of cotangents | None`: `inputs` holds
  `Value`s for known operands and `Linear(type)` for those the op is linear in; the result has
  one entry per input, None for known inputs and zeros. At least one cotangent is not None.
  Where `accumulates` is set the rule also takes `seeds`, one `Value | None` per input: what has
  been summed up for that operand so far. Its results include the seeds, so that a read of a part
  of an array adds to that part and not zeros to all the rest.
- `batch(values, batched, size, **params) -> (values, batched)`: a batched value carries its batch
  axis in front.
- `unchecked(values, **params) -> Value`: for ops with a check, the same without it.
- `expand(values, **params) -> values | None`: for ops that are made of others, what they stand
  for; it takes their place before lowering. None, where the op has a `form` too, leaves it alone.
- `portable(values, step, **params) -> values | None`: for ops that a library does, the same by
  other ops, for devices that cannot call it. With `step` they could call their own between kernels,
  and None says that they shall.
- `spread(values, **params) -> values | None`: for ops that go along an axis in order, the same in
  independent parts, for devices with many threads; None where there is nothing to gain.
- `parts(operands, **params) -> results`: for ops that take or give complex numbers, the same in
  real arithmetic: operands and results are `Parts` where they are complex (`ops.parts`) and
  `Value`s where not. Where it is None, the op is for real numbers only.
- `element(ctx, index) -> Expr`: for pointwise ops (one output): the output element at `index`.
- `form(types, **params) -> Form`: for all others, the kernel form to lower to.
- `check(ctx, index) -> Requirement`: for pointwise ops that can fail at run time (an index out of
  bounds), what must hold for each element.

Ops with regions (programs among their params) have three more, and `joint` is set: their jvp is
called with `outs` None and gives (outputs, tangents), as one loop computes both.

- `taint(marks, spread, **params) -> marks`: which outputs depend on the marked operands, where
  `spread(region, marks)` tells this of a region.
- `split(eqn, tainted, price) -> Split`: the equation apart, into what depends on the tainted
  operands and what does not, `price(atom)` being the bytes that it costs to keep a value;
  `ir.transforms.separate` has the details.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from wengert.errors import MissingRuleError
from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.ir.types import TensorType

if TYPE_CHECKING:
    from wengert.ir.forms import Form


class ElementContext(Protocol):
    """What an `element` rule works with."""

    s: ScalarBuilder
    in_types: tuple[TensorType, ...]
    out_type: TensorType
    params: dict[str, Any]

    def read(self, operand: int, index: Sequence[Expr]) -> Expr:
        """The element of an operand at an index; a 0-d operand takes the empty index."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """Stands for an operand that the program is linear in, while transposing."""

    type: TensorType


@dataclass(frozen=True, slots=True)
class Sample:
    """Inputs on which the laws of an op are tested.

    `args` are NumPy arrays. `differentiable` is False where the point is a kink. `tolerance`
    scales the default tolerances.
    """

    args: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    differentiable: bool = True
    tolerance: float = 1.0


@dataclass(frozen=True, slots=True)
class Requirement:
    """A condition on an element; where it is false the call fails with `error: message`.

    `error` names a class of `wengert.errors`; `{value}` in the message stands for `value` (int64).
    """

    condition: Expr
    value: Expr
    error: str
    message: str


@dataclass(frozen=True, eq=False)
class Op:
    """A primitive operation with all of its rules; see the module's text for each."""

    name: str
    family: str
    infer: Callable[..., tuple[TensorType, ...]]
    evaluate: Callable[..., Any]
    params: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()
    """Those of the params that an equation may lack; each rule has a default for them."""
    jvp: Callable[..., Sequence[Any]] | None = None
    linear: Callable[[frozenset[int]], bool] = lambda positions: False
    transpose: Callable[..., Sequence[Any]] | None = None
    accumulates: bool = False
    batch: Callable[..., tuple[Sequence[Any], Sequence[bool]]] | None = None
    joint: bool = False
    taint: Callable[..., Sequence[bool]] | None = None
    split: Callable[..., Any] | None = None
    element: Callable[[ElementContext, tuple[Expr, ...]], Expr] | None = None
    form: Callable[..., Form] | None = None
    check: Callable[[ElementContext, tuple[Expr, ...]], Requirement] | None = None
    unchecked: Callable[..., Any] | None = None
    raises: bool = False
    """It may raise anything, so it never runs where the program would not run it."""
    effect: bool = False
    """It is there for what it does: it stays, once and in its place, though nothing reads it."""
    expand: Callable[..., Sequence[Any] | None] | None = None
    portable: Callable[..., Sequence[Any] | None] | None = None
    spread: Callable[..., Sequence[Any] | None] | None = None
    parts: Callable[..., Sequence[Any]] | None = None
    samples: Callable[[], Iterable[Sample]] = lambda: ()
    cost: int = 1
    doc: str = ""

    def __repr__(self) -> str:
        return f"Op({self.name})"

    @property
    def fails(self) -> bool:
        """Whether it may end the program."""
        return self.check is not None or self.raises

    @property
    def stays(self) -> bool:
        """Whether it is run for its own sake, and not for its results alone."""
        return self.check is not None or self.effect

    def rule(self, name: str) -> Any:
        """The rule called `name`; raises MissingRuleError that tells where to write it."""
        found = getattr(self, name)
        if found is None:
            raise MissingRuleError(
                f"op '{self.name}' has no {name} rule; add one to its definition in "
                f"wengert/ir/ops (family '{self.family}')"
            )
        return found


REGISTRY: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Adds `op` to the registry under its name."""
    if op.name in REGISTRY:
        raise ValueError(f"op '{op.name}' is registered twice")
    REGISTRY[op.name] = op
    return op


def linear_in_all(positions: frozenset[int]) -> bool:
    """Linear in all operands together, like add."""
    return True


def linear_in_one(positions: frozenset[int]) -> bool:
    """Linear in each operand alone, like mul."""
    return len(positions) == 1


def linear_in(*allowed: int) -> Callable[[frozenset[int]], bool]:
    """Linear in any subset of these operands together."""
    return lambda positions: positions <= frozenset(allowed)
