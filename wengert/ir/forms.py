"""Kernel forms: how ops that are not pointwise describe themselves to the lowering.

`index` below is the index of an output element; operands are read through the fusion's own
`read`, so a pointwise producer may be computed in place.
"""

from __future__ import annotations

from dataclasses import dataclass

from wengert.ir.host import HostCall
from wengert.world import Request


@dataclass(frozen=True, slots=True)
class Reduction:
    """Operand 0 reduced over `axes`, which vanish from the output.

    `combine` is add, mul, max, min, and, or (the operand's dtype is the output's), or argmax,
    argmin (over the one axis; int64 output; the first of equal elements, or the first NaN).
    """

    combine: str
    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """A running combination of operand 0 along `axis`, from the end if `reverse`.

    `combine` is add, mul, max, min, or linear: then operand 0 is a and operand 1 is b, and
    y[i] = a[i] * y[i-1] + b[i], starting from y[-1] = 0.
    """

    combine: str
    axis: int
    reverse: bool


@dataclass(frozen=True, slots=True)
class Contraction:
    """Sum of products of operands 0 and 1 over the paired axes `contract`.

    The output's dimensions are the `batch` axes, then the other axes of operand 0, then those
    of operand 1, each in order.
    """

    contract: tuple[tuple[int, ...], tuple[int, ...]]
    batch: tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Scatter:
    """Operand 0 with operand 1 (the updates) written or added at integer positions.

    Operands 2, 3, ... are int64 index arrays of one common shape S for the leading axes of
    operand 0; the updates have shape S + operand0.shape[k:]. `combine` is add or set; updates
    run in row-major order, so the last of equal positions wins for set.
    """

    combine: str


@dataclass(frozen=True, slots=True)
class Update:
    """Operand 0 with operand 1 written to or added to a window of it (`combine` is set or add).

    Operands 2, 3, ... are the window's start along each axis; element k of the window stands at
    start + k*step.
    """

    combine: str
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Library:
    """All operands, matrix by matrix over the leading axes, given to `routine` of a library.

    The output has the leading axes, then one of all numbers that the routine gives;
    `ir.ops.lapack` says which. `library` is the name of the op that is made of such routines; the
    operands of pocketfft (`ir.ops.fourier`) and of sorts (`ir.ops.sorting`) are taken row by row.
    """

    routine: str
    library: str = "lapack"


def half(n: int) -> int:
    """How many numbers of the transform of n real ones are no conjugates of others."""
    return n // 2 + 1


@dataclass(frozen=True, slots=True)
class Transform:
    """A routine of pocketfft, of n numbers that are `inner` numbers apart.

    Its name is `kind_nxinner`, its kind c2c, r2c (real to half) or c2r. A row has n times `inner`
    numbers, of which those at each place of `inner` are transformed by themselves. `before` and
    `after` are the lengths of the transformed axis; `pair_before` and `pair_after` say of how many
    floats a number is made.
    """

    kind: str
    n: int
    inner: int

    @staticmethod
    def named(name: str) -> Transform:
        """The routine of this name."""
        kind, _, sizes = name.partition("_")
        n, _, inner = sizes.partition("x")
        return Transform(kind, int(n), int(inner))

    @property
    def before(self) -> int:
        return half(self.n) if self.kind == "c2r" else self.n

    @property
    def after(self) -> int:
        return half(self.n) if self.kind == "r2c" else self.n

    @property
    def pair_before(self) -> int:
        return 1 if self.kind == "r2c" else 2

    @property
    def pair_after(self) -> int:
        return 1 if self.kind == "c2r" else 2

    @property
    def row_before(self) -> int:
        """How many floats a row has before."""
        return self.before * self.inner * self.pair_before

    @property
    def row_after(self) -> int:
        """How many floats a row has after."""
        return self.after * self.inner * self.pair_after


@dataclass(frozen=True, slots=True)
class Collective:
    """What `request` makes of operand 0 in all processes (of none for their numbers)."""

    request: Request


@dataclass(frozen=True, slots=True)
class Region:
    """Structured control flow: the op's params hold programs, which `kind` says how to run.

    `kind` is for_loop, while_loop, branch or for_each; `ir.ops.control` has their meaning.
    """

    kind: str


Form = Reduction | Scan | Contraction | Scatter | Update | Library | Collective | HostCall | Region
