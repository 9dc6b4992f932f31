"""Sparse Jacobians and Hessians: the pattern from the program, a colouring, one compiled function.

The compiled function computes the directional derivatives of all colours in one batch and picks
the matrix's entries from them; the matrix is never stored in full.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api.arguments import (
    abstract,
    fail,
    function_name,
    own,
    positions_of,
    require_callable,
)
from wengert.api.colouring import best, count
from wengert.api.derivatives import grad
from wengert.api.jacobian_modes import SWEEP_COST
from wengert.api.jit import jit
from wengert.capture.convert import convert
from wengert.errors import DifferentiationError, InputTypeError
from wengert.ir.floats import is_half, kind_of
from wengert.ir.program import Program
from wengert.tracer.array import Tracer
from wengert.tracer.pytree import TreeDef, flatten
from wengert.tracer.trace import Abstract, run, trace

Argnums = int | Sequence[int]
Ints = np.ndarray[Any, np.dtype[np.int64]]
MODES = ("auto", "forward", "reverse")

_CHOICES = {"auto": ("forward", "reverse"), "hessian": ("symmetric", "reverse")}
"""What is compared where the mode is open."""

KEPT = 16
"""So many prepared objects are kept for other shapes and integers; then the oldest goes."""


def sparse_jacobian(
    fun: Callable[..., Any], argnums: Argnums = 0, mode: str = "auto"
) -> SparseDerivative:
    """The Jacobian of `fun` as a SciPy CSR array of shape (outputs, inputs).

    Rows are the elements of the value of `fun`, all leaves one after the other in row-major order;
    columns are the elements of the argument (or arguments) `argnums`. Which entries may differ from
    zero is found from the program, so the pattern is the same for all inputs of these shapes, and
    an entry may be stored and zero. `mode` is "forward" (columns share directions), "reverse" (rows
    share cotangents) or "auto" (whichever needs less work).

    The result is called as `fun` is; `prepare(*args)` gives the object with pattern and colouring
    that it would use. Raises DifferentiationError if the pattern is not sparse.
    """
    require_callable("sparse_jacobian", fun)
    if mode not in MODES:
        fail(InputTypeError(f"mode of sparse_jacobian is one of {MODES}, not {mode!r}"))
    return SparseDerivative("sparse_jacobian", fun, fun, argnums, mode)


def sparse_hessian(fun: Callable[..., Any], argnums: Argnums = 0) -> SparseDerivative:
    """The Hessian of a scalar function as a SciPy CSR array, otherwise like `sparse_jacobian`.

    It is the Jacobian of the gradient, with a star colouring: as the matrix is symmetric, each
    entry is read where it stands alone.
    """
    require_callable("sparse_hessian", fun)
    single = isinstance(argnums, (int, np.integer))
    slope = grad(fun, argnums if single else tuple(argnums))  # type: ignore[arg-type]
    return SparseDerivative("sparse_hessian", fun, slope, argnums, "hessian")


class SparseDerivative:
    """A function whose value is a sparse matrix; see `sparse_jacobian` and `sparse_hessian`."""

    def __init__(
        self,
        transform: str,
        fun: Callable[..., Any],
        function: Callable[..., Any],
        argnums: Argnums,
        mode: str,
    ) -> None:
        self._transform = transform
        self._function = function
        self._argnums = argnums
        self._mode = mode
        self._prepared: list[Prepared] = []
        self.__name__ = function_name(fun)
        self.__doc__ = fun.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The matrix at these arguments."""
        call = _Call.of(self._transform, self._argnums, args, kwargs)
        for each in self._prepared:
            if each.call.differs_from(call) is None:
                return each.at(call)
        made = self._prepare(call)
        self._prepared = [*self._prepared, made][-KEPT:]
        return made.at(call)

    def prepare(self, *args: Any, **kwargs: Any) -> Prepared:
        """The pattern and the colouring for arguments of these shapes, with a compiled function."""
        return self._prepare(_Call.of(self._transform, self._argnums, args, kwargs))

    def _prepare(self, call: _Call) -> Prepared:
        return Prepared(call, call.program(self._function), self._mode)


class Prepared:
    """All that a sparse Jacobian or Hessian needs besides its arguments.

    `pattern` is a boolean CSR array, `mode` is "forward", "reverse" or "symmetric", `colours` has
    a number for each column (for each row in reverse mode), and `count` says how many directional
    derivatives are computed. Calling it gives the matrix at other arguments of the same shapes,
    dtypes and integers; other ones raise InputTypeError, as their pattern may be another.

    The matrices share the arrays of the pattern, which are read-only: copy a matrix before changing
    its structure in place (`eliminate_zeros`).
    """

    def __init__(self, call: _Call, program: Program, mode: str) -> None:
        sparsity: Any = importlib.import_module("wengert.ir.sparsity.analysis")  # SciPy takes long
        self.call = call
        active = [k < len(call.moving) for k in range(len(program.inputs))]
        found = sparsity.analysed(program, active)
        self.mode, self.colours = best(found, _CHOICES.get(mode, (mode,)), SWEEP_COST)
        self.count = count(self.colours)
        recovery = found.recovery(self.mode, self.colours)
        self.pattern = recovery.pattern
        for array in (self.pattern.data, self.pattern.indices, self.pattern.indptr):
            array.flags.writeable = False
        self._program = found.program(self.mode, self.count, recovery)
        self._fixed = found.fixed(self.mode, self.colours, recovery)
        self._data = jit(self._entries)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The matrix at these arguments."""
        call = _Call.of(self.call.transform, self.call.argnums, args, kwargs)
        difference = self.call.differs_from(call)
        if difference is not None:
            fail(
                InputTypeError(
                    f"this {self.call.transform} was prepared for other arguments: {difference}; "
                    "prepare another one, since their pattern may be another"
                )
            )
        return self.at(call)

    def _entries(self, leaves: Sequence[Any], fixed: Sequence[Any]) -> Any:
        """The entries; those of 16 bits in float32, as SciPy's matrices take no others."""
        found = run(self._program, [*leaves, *fixed])[0]
        return found.astype(np.float32) if is_half(found.dtype) else found

    @property
    def temporary_bytes(self) -> int:
        """How much memory the compiled function uses besides its arguments and its result."""
        return self._data.lower(self.call.inputs, self._fixed).temporary_bytes

    def at(self, call: _Call) -> Any:
        """The matrix for arguments that are known to fit."""
        matrix = copy.copy(self.pattern)  # a new one would check the indices each time
        matrix.data = self._data(call.inputs, self._fixed)
        return matrix

    def __repr__(self) -> str:
        rows, columns = self.pattern.shape
        return (
            f"<{self.call.transform}, {rows} x {columns}, {self.pattern.nnz} entries, "
            f"{self.count} colours, {self.mode} mode>"
        )


@dataclass(frozen=True, eq=False)
class _Call:
    """The arguments of one call; `moving` says which leaves are differentiated, and in which order.

    Floats among the other leaves are inputs as well. Integers, booleans and everything else take
    part in the pattern by their values.
    """

    transform: str
    argnums: Argnums
    leaves: list[Any]
    tree: TreeDef
    moving: tuple[int, ...]
    types: tuple[Abstract | None, ...]

    @staticmethod
    def of(
        transform: str, argnums: Argnums, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> _Call:
        positions = positions_of(transform, argnums, len(args))
        leaves, tree = flatten((args, kwargs))
        if any(isinstance(x, Tracer) for x in leaves):
            fail(
                DifferentiationError(
                    f"{transform} gives a SciPy matrix, so it cannot be used inside jit or another "
                    "transform; call it outside, or use jacobian there"
                )
            )
        counts = [len(flatten(a)[0]) for a in args]
        firsts = [sum(counts[:p]) for p in range(len(args))]
        moving = tuple(firsts[p] + k for p in positions for k in range(counts[p]))
        types = tuple(_float_type(transform, x, i in moving) for i, x in enumerate(leaves))
        return _Call(transform, argnums, leaves, tree, moving, types)

    def differs_from(self, other: _Call) -> str | None:
        """How another call differs in what the pattern depends on; None if it does not."""
        if self.tree != other.tree:
            return f"their structure is {other.tree}, not {self.tree}"
        for mine, theirs, x, y in zip(
            self.types, other.types, self.leaves, other.leaves, strict=True
        ):
            if mine != theirs:
                return f"one is {_described(theirs, y)}, not {_described(mine, x)}"
            if mine is None and x is not y and not np.array_equal(x, y):
                return "integers or other values among them, which indices may be made of, differ"
        return None

    @property
    def order(self) -> list[int]:
        """Which leaves are inputs of the program: what is differentiated, then other floats."""
        others = (i for i, t in enumerate(self.types) if t is not None and i not in self.moving)
        return [*self.moving, *others]

    @property
    def inputs(self) -> list[Any]:
        """The inputs of the program."""
        return [self.leaves[i] for i in self.order]

    def program(self, function: Callable[..., Any]) -> Program:
        """`function` as a program, by tracing it."""

        def closed(*values: Any) -> Any:
            leaves = [own(x) for x in self.leaves]
            for i, value in zip(self.order, values, strict=True):
                leaves[i] = value
            args, kwargs = self.tree.unflatten(leaves)
            return _float_leaves(self.transform, convert(function)(*args, **kwargs))

        closed.__name__ = function_name(function)
        types = [t for t in (self.types[i] for i in self.order) if t is not None]
        return trace(closed, types, name=function_name(function)).program


def _float_type(transform: str, leaf: Any, moving: bool) -> Abstract | None:
    """The type of a float leaf; None for any other, which must not be differentiated."""
    found = abstract(leaf, f"an argument of {transform}") if _is_numeric(leaf) else None
    if found is not None and found.type.is_float and not found.type.is_complex:
        return found
    if moving:
        fail(
            DifferentiationError(
                f"{transform} differentiates real floats, and got {_described(found, leaf)}; "
                "convert it with .astype(float), or choose other argnums"
            )
        )
    return None


def _is_numeric(leaf: Any) -> bool:
    return isinstance(leaf, (np.ndarray, np.generic, float, int))


def _described(kind: Abstract | None, leaf: Any) -> str:
    return type(leaf).__name__ if kind is None else str(kind.type)


def _float_leaves(transform: str, result: Any) -> list[Any]:
    leaves = flatten(result)[0]
    for leaf in leaves:
        if kind_of(np.result_type(getattr(leaf, "dtype", type(leaf)))) != "f":
            fail(
                DifferentiationError(
                    f"{transform} needs a function with float results, and one of them is "
                    f"{getattr(leaf, 'dtype', type(leaf).__name__)}; convert it with .astype(float)"
                )
            )
    return leaves
