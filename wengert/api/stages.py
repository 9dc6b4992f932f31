"""What lies between a function and its machine code, to look at: `f.lower(*args)`, `make_ir`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

from wengert.api.arguments import (
    ShapeDtypeStruct,
    abstract,
    fail,
    function_name,
    require_callable,
)
from wengert.api.changes import aliases, check, finish
from wengert.api.compilation import compile_program, loops_text, lower_program
from wengert.api.signature import DEVICE, NO_AXES, Call, Convention, convention
from wengert.api.written import Written, repeated
from wengert.capture.convert import convert
from wengert.errors import InputTypeError, MutationError
from wengert.ir.program import Program
from wengert.ir.text import to_text
from wengert.tracer.pytree import TreeDef
from wengert.tracer.trace import Traced, run, trace


class Stage(str):
    """A program as text that shows itself in full, also at the prompt."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class TracedFunction:
    """A function as a program; printing it shows the program."""

    def __init__(self, traced: Traced, in_tree: TreeDef) -> None:
        self.program: Program = traced.program
        self.out_tree = traced.out_tree
        self.in_tree = in_tree

    def __str__(self) -> str:
        return to_text(self.program, elide=True)

    def __repr__(self) -> str:
        return str(self)


class Lowered:
    """The stages of a function for one signature."""

    def __init__(
        self,
        call: Call,
        traced: Traced,
        backend: str,
        donated: AbstractSet[int] = frozenset(),
        wrote: Written | None = None,
    ) -> None:
        self._call = call
        self._traced = traced
        self._wrote = wrote
        self._donated = donated
        self.backend = backend

    @property
    def program(self) -> Program:
        """The tensor program, as traced and transformed."""
        return self._traced.program

    @property
    def in_tree(self) -> TreeDef:
        """The structure of the arguments: a pair of positional and keyword ones."""
        return self._call.tree

    @property
    def out_tree(self) -> TreeDef:
        """The structure of the result."""
        return self._traced.out_tree

    @property
    def ir(self) -> Stage:
        """The tensor program as text; large constants are cut short."""
        return Stage(to_text(self.program, elide=True))

    @functools.cached_property
    def _kernels(self) -> Any:
        return lower_program(self.program, self.backend == "cuda", self._donated).loops

    @property
    def kernels(self) -> Stage:
        """The loop program as text: kernels and library calls over buffers."""
        return Stage(loops_text(self._kernels))

    @functools.cached_property
    def executable(self) -> Any:
        """The compiled program, of the leaves of the arguments."""
        return compile_program(self.program, self.backend, self._donated)

    @property
    def temporary_bytes(self) -> int:
        """How much memory a call takes besides its arguments and its result."""
        return self._kernels.arena

    @property
    def source(self) -> Stage:
        """The source that the back end hands to its compiler: LLVM text or CUDA C++."""
        return Stage(self._of_native("source").source)

    @property
    def asm(self) -> Stage:
        """The machine code as assembly text."""
        found = self._of_native("assembly").asm
        return Stage(found() if callable(found) else found)

    def _of_native(self, what: str) -> Any:
        if self.backend == "reference":
            fail(InputTypeError(f"the reference backend evaluates the program and has no {what}"))
        return self.executable

    def compile(self) -> Compiled:
        """The compiled function for this signature alone."""
        if self._traced.captured:
            fail(
                InputTypeError(
                    "a function that reads values of an open trace cannot be compiled by itself"
                )
            )
        return Compiled(self._call, self._traced, self.executable, self._wrote)

    def __repr__(self) -> str:
        return f"<Lowered: {len(self.program.eqns)} equations for the {self.backend} backend>"


class Compiled:
    """A function compiled ahead of time: other shapes, dtypes or static values are errors."""

    def __init__(
        self, call: Call, traced: Traced, executable: Any, wrote: Written | None = None
    ) -> None:
        self._call = call
        self._traced = traced
        self._wrote = wrote
        self._executable = executable
        numbers = frozenset(p for p, _ in call.static if isinstance(p, int))
        names = frozenset(p for p, _ in call.static if isinstance(p, str))
        self._convention = Convention((), numbers, names, call.ordered)

    @property
    def compile_seconds(self) -> float:
        """The time that compiling took."""
        return self._executable.compile_seconds

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result of the function."""
        call = self._convention.parse(args, kwargs)
        if call.key != self._call.key:
            self._refuse(call)
        leaves = [call.leaves[i] for i in call.traced]
        if self._traced.changed or self._wrote is not None:
            self._refuse_aliases(call, leaves)
        outputs = run(self._traced.program, leaves) if call.is_traced else self._executable(*leaves)
        result = finish(self._traced, leaves, outputs)
        return result if self._wrote is None else self._wrote.finish(result, call)

    def _refuse_aliases(self, call: Call, leaves: list[Any]) -> None:
        """Raises if what is changed is passed twice: that is another program."""
        again = self._wrote is not None and repeated(call.given)
        if again or len(set(aliases(leaves, self._traced.changed))) < len(leaves):
            fail(
                MutationError(
                    "this function was compiled for distinct arrays and containers, and one that "
                    "it changes was passed twice; call the function returned by jit, or pass a copy"
                )
            )
        check(self._traced, leaves, [f"argument {i}" for i in range(len(leaves))])

    def _refuse(self, call: Call) -> None:
        if call.tree != self._call.tree:
            what = f"arguments of structure {self._call.tree}, not {call.tree}"
        elif call.tree.order != self._call.tree.order:
            what = "dicts whose keys were inserted in another order"
        elif call.static != self._call.static:
            what = "other values of its static arguments"
        else:
            named = zip(call.names(()), self._call.specs, call.specs, strict=True)
            name, expected, found = next(n for n in named if n[1] != n[2])
            what = f"{name} as {_describe(expected)}, not {_describe(found)}"
        fail(
            InputTypeError(
                f"this function was compiled for {what}; call the function returned by jit, which "
                "compiles for each signature"
            )
        )


def _describe(spec: Any) -> str:
    if spec is float or spec is complex:
        return f"a Python {spec.__name__}"
    kind, detail = spec[:2]
    if isinstance(kind, type):
        return f"the constant {detail!r}"
    where = {(DEVICE,): " on a GPU", (NO_AXES,): " in an array"}.get(spec[2:], "")
    return f"{kind.name}[{','.join(map(str, detail))}]{where}"


def _trace_call(fun: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Call, Traced]:
    call = convention(fun, (), ()).parse(args, kwargs)
    names = call.names(())
    places = call.traced
    types = [abstract(call.leaves[i], names[i]) for i in places]

    def closed(*traced: Any) -> Any:
        leaves = list(call.leaves)
        for place, value in zip(places, traced, strict=True):
            leaves[place] = value
        inner_args, inner_kwargs = call.arguments(leaves)
        return convert(fun)(*inner_args, **inner_kwargs)

    return call, trace(closed, types, name=function_name(fun))


def make_ir(fun: Callable[..., Any]) -> Callable[..., TracedFunction]:
    """A function of the arguments of `fun` that gives its program, which prints itself.

    Arguments may be `ShapeDtypeStruct`s; Python ints, bools and strings are constants.
    """
    require_callable("make_ir", fun)

    @functools.wraps(fun)
    def made(*args: Any, **kwargs: Any) -> TracedFunction:
        call, traced = _trace_call(fun, args, kwargs)
        return TracedFunction(traced, call.tree)

    return made


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The shapes and dtypes of `fun(*args, **kwargs)`, without computing it.

    Arguments may be `ShapeDtypeStruct`s. The result has one in the place of each array.
    """
    require_callable("eval_shape", fun)
    _, traced = _trace_call(fun, args, kwargs)
    return traced.unflatten([ShapeDtypeStruct(t.shape, t.dtype) for t in traced.program.out_types])
