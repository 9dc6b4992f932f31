"""jit: compiles a function once per signature of its arguments."""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from wengert.api.arguments import abstract, function_name, require_callable
from wengert.api.changes import aliases, check, finish
from wengert.api.compilation import LOCK, backend_for, check_backend, compile_program
from wengert.api.fast import Fast, fast_call
from wengert.api.signature import Call, Identity, convention, is_static, numbered
from wengert.api.stages import Lowered
from wengert.api.written import Watched, Written, rebuilt, repeated
from wengert.capture.convert import convert
from wengert.capture.draws import kept
from wengert.capture.outside import unchanged
from wengert.ir.ops.control_batch import has_own_threads, own_threads
from wengert.tracer.pytree import is_node
from wengert.tracer.trace import Traced, run, trace

MAX_FAST = 4
"""How many signatures, the latest ones, are tried before arguments are taken apart in general."""

MAX_INT_VALUES = 16
"""More values than this of one int argument are worth a warning."""


def jit(
    fun: Callable[..., Any] | None = None,
    *,
    backend: str | None = None,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Iterable[str] = (),
    donate_argnums: int | Sequence[int] = (),
) -> Any:
    """A compiled version of `fun`, with NumPy arrays in and NumPy arrays out.

    Arrays, NumPy scalars and Python floats are traced: there is one program for all of their
    values, per dtype and shape. Python ints, bools and strings are constants of the program, and
    each new value compiles again, as does each new value of the static arguments, which may be any
    hashable objects. What the function reads from closures, globals and attributes is a constant
    too, as it was when the function was traced.

    Arguments that the function changes are changed for the caller, when the call has succeeded:
    arrays, and the lists, dicts and objects that hold them. Under transforms (grad, jvp, vmap, ...)
    such changes stay inside.

    A compiled method takes its object as an argument if that is a pytree (a dataclass, say), and
    as a constant otherwise.

    `donate_argnums` names positional arguments that are not used again: results of the same type
    take the memory of their arrays where they can, so that such an array holds new values after the
    call (or after one that failed). `backend` is "cpu", "cuda" (kernels for a grid of
    threads; docs/cuda.md says what runs them), or "reference", the NumPy evaluator; without it
    CuPy arrays among the arguments mean "cuda", with CuPy arrays out, and else "cpu".

    Without `fun`, gives a decorator.
    """
    options = {
        "backend": backend,
        "static_argnums": static_argnums,
        "static_argnames": static_argnames,
        "donate_argnums": donate_argnums,
    }
    if fun is None:
        return functools.partial(jit, **options)
    return Jit(fun, options)


@dataclass(slots=True, eq=False)
class Specialisation:
    """The program for one signature, and its executable once a call outside of traces needs it.

    It is `aliased` if the program is for some arguments being the same array. `donated` are the
    traced leaves, by position, that the caller gives away. `wrote` is what the function leaves in
    containers of its caller, if anything.
    """

    call: Call
    traced: Traced
    wrote: Written | None = None
    executable: Any = None
    fast: Fast | None = None
    aliased: bool = False
    backend: str = ""
    donated: frozenset[int] = frozenset()

    def prepare(self) -> Any:
        """Compiles the program unless that is done."""
        with LOCK:
            if self.executable is None:
                made = compile_program(self.traced.program, self.backend, self.donated)
                plain = not self.aliased and not self.traced.written and self.wrote is None
                if self.call.on_device and self.traced.changed:
                    plain = False
                if made.fast is not None and plain:
                    self.fast = fast_call(self.call, made.fast, self.traced)
                self.executable = made
        return self.executable

    @property
    def changes(self) -> bool:
        """Whether the function changes any array or container of its caller."""
        return bool(self.traced.changed or self.traced.written or self.wrote)

    def finish(self, outputs: Any) -> Any:
        """The function's result from the outputs."""
        return self.traced.unflatten(outputs)


class Jit:
    """A function that compiles itself for each signature; see `jit`."""

    def __init__(self, fun: Callable[..., Any], options: dict[str, Any]) -> None:
        require_callable("jit", fun)
        self._fast: tuple[Fast, ...] = ()
        self._fast_methods: tuple[Fast, ...] = ()  # of calls with an object as a constant
        self._fun = fun
        self._options = options
        self._backend = check_backend(options["backend"])
        self._donated = numbered("donate_argnums", fun, options["donate_argnums"])
        self._convention = convention(fun, options["static_argnums"], options["static_argnames"])
        self._cache: dict[Any, Specialisation] = {}
        self._int_values: dict[Any, int] = {}
        self._warned: set[int] = set()
        functools.update_wrapper(self, fun, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result of the function, by the compiled program for these arguments."""
        for fast in self._fast:
            result = fast(args, kwargs)
            if result is not NotImplemented:
                return result
        return self._call(self._convention.parse(args, kwargs))

    def _call(self, call: Call) -> Any:
        found = self._cache.get(call.key)
        if found is None:
            found = self._specialise(call)
        leaves = [call.leaves[i] for i in call.traced]
        if found.changes:
            return self._call_changing(found, call, leaves)
        if found.traced.captured or call.is_traced:
            return found.finish(run(found.traced.program, [*leaves, *found.traced.captured]))
        executable = found.executable or found.prepare()
        if found.fast is not None:
            self._remember(found.fast, call)
        return found.finish(executable(*leaves))

    def _call_changing(self, found: Specialisation, call: Call, leaves: list[Any]) -> Any:
        """A call of a function that changes arguments: the caller's arrays change at its end."""
        same = aliases(leaves, found.traced.changed)
        again = repeated(call.given) if found.wrote is not None else ()
        if again:  # what is changed by one name may be what is read by another
            found = self._aliased(call, tuple(range(len(leaves))), again)
            same = aliases(leaves, found.traced.changed)
        distinct = sorted(set(same))
        if len(distinct) < len(leaves):
            found = self._aliased(call, same, again)
        args = [leaves[i] for i in distinct]
        names = call.names(self._convention.parameters)
        check(found.traced, args, [names[call.traced[i]] for i in distinct])
        if found.traced.captured or call.is_traced:
            outputs: Any = run(found.traced.program, [*args, *found.traced.captured])
        else:
            executable = found.executable or found.prepare()
            outputs = executable(*args)
            if found.fast is not None:
                self._remember(found.fast, call)
        result = finish(found.traced, args, outputs)
        return result if found.wrote is None else found.wrote.finish(result, call)

    def _aliased(self, call: Call, same: tuple[int, ...], again: Any) -> Specialisation:
        """The program for arrays that are the `same`, and containers that stand `again`."""
        known = self._cache.get((call.key, same, again))
        return known or self._specialise(call, (same, again))

    def _remember(self, fast: Fast, call: Call) -> None:
        """Tries `fast` first from now on, if it is not among those that are tried."""
        name = "_fast_methods" if call.has_object else "_fast"
        known = getattr(self, name)
        if fast not in known:
            setattr(self, name, (fast, *known)[:MAX_FAST])

    def _specialise(
        self, call: Call, same: tuple[tuple[int, ...], Any] | None = None
    ) -> Specialisation:
        """Traces the function for a signature; `same` says which arguments are one array, and
        where a container stands again.
        """
        backend = backend_for(self._backend, call.on_device)
        with own_threads() if backend == "cuda" else nullcontext():
            traced, wrote = self._trace(call, same)
        found = Specialisation(call.without_leaves(), traced, wrote, aliased=same is not None)
        found.backend = backend
        # changes are copied into the caller's arrays, which must not hold other results by then
        if same is None and self._donated and not found.changes:
            found.donated = call.inputs_of(self._donated)
        if found.traced.captured or (has_own_threads() and backend != "cuda"):
            return found  # belongs to the trace around this call alone
        with LOCK:
            key = call.key if same is None else (call.key, *same)
            known = self._cache.setdefault(key, found)
        if known is found:
            self._count_ints(call)
        return known

    def _trace(
        self, call: Call, same: tuple[tuple[int, ...], Any] | None = None
    ) -> tuple[Traced, Written | None]:
        names = call.names(self._convention.parameters)
        places = call.traced
        first, again = same or (tuple(range(len(places))), ())
        distinct = sorted(set(first))
        types = [abstract(call.leaves[places[i]], names[places[i]]) for i in distinct]
        wrote: list[Written | None] = []

        def closed(*traced: Any) -> Any:
            leaves = list(call.leaves)
            for place, one in zip(places, first, strict=True):
                leaves[place] = traced[distinct.index(one)]
            given = rebuilt(call.tree, leaves, dict(again))
            watched = Watched(given, leaves)
            args, kwargs = call.placed(given)
            with unchanged(self._fun, [call.given, *(value.value for _, value in call.static)]):
                watched.note_made()
                result = convert(self._fun)(*args, **kwargs)
            outputs, found = watched.finish(result)
            wrote.append(found)
            return outputs

        name = function_name(self._fun)
        with kept():
            traced = trace(closed, types, name=name, keep_static=True, changes=True)
        return traced, wrote[0]

    def _count_ints(self, call: Call) -> None:
        """Warns when one int argument alone has caused many compilations."""
        for i, spec in enumerate(call.specs):
            if not is_static(spec) or spec[0] is not int:
                continue
            others = (i, call.tree, call.static, call.specs[:i], call.specs[i + 1 :])
            count = self._int_values[others] = self._int_values.get(others, 0) + 1
            if count > MAX_INT_VALUES and i not in self._warned:
                self._warned.add(i)
                name = call.names(self._convention.parameters)[i]
                warnings.warn(
                    f"'{function_name(self._fun)}' has been compiled for {count} values of "
                    f"{name}, a Python int, which is a constant of the compiled program. If it "
                    "does not decide about shapes, pass it as an array or NumPy scalar "
                    "(np.int64(n)), which is traced",
                    stacklevel=_user_level(),
                )

    # methods

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else Method(self, instance)

    # looking inside

    @property
    def compile_seconds(self) -> float:
        """The time spent in compiling, over all signatures."""
        ready = [s.executable for s in list(self._cache.values()) if s.executable is not None]
        return sum(e.compile_seconds for e in ready)

    @property
    def recompilations(self) -> int:
        """How many signatures were compiled after the first."""
        compiled = sum(s.executable is not None for s in list(self._cache.values()))
        return max(compiled - 1, 0)

    def clear_cache(self) -> None:
        """Forgets all compiled programs."""
        with LOCK:
            self._fast = self._fast_methods = ()
            self._cache.clear()
            self._int_values.clear()

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """The stages of the program for these arguments: arrays or `ShapeDtypeStruct`s."""
        return self._lower(self._convention.parse(args, kwargs))

    def _lower(self, call: Call) -> Lowered:
        found = self._cache.get(call.key) or self._specialise(call)
        return Lowered(found.call, found.traced, found.backend, found.donated, found.wrote)

    def __repr__(self) -> str:
        return f"<jit of {function_name(self._fun)}>"

    def __reduce__(self) -> Any:
        name = getattr(self, "__qualname__", "")
        module: Any = sys.modules.get(getattr(self, "__module__", None) or "")
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is self:
            return name  # decorated: the function's name leads to this object
        return (Jit, (self._fun, self._options))


class Method:
    """A compiled method of an object.

    The object is an argument if it is a pytree, and a constant, known by identity, otherwise.
    """

    def __init__(self, compiled: Jit, instance: Any) -> None:
        self.__func__ = compiled
        self.__self__ = instance
        self.__name__ = getattr(compiled, "__name__", "")
        self.__doc__ = compiled.__doc__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The result of the method."""
        compiled = self.__func__
        known = compiled._fast if is_node(type(self.__self__)) else compiled._fast_methods
        for fast in known:
            result = fast((self.__self__, *args), kwargs)
            if result is not NotImplemented:
                return result
        return compiled._call(self._parse(args, kwargs))

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """The stages; see `Jit.lower`."""
        return self.__func__._lower(self._parse(args, kwargs))

    def _parse(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        plain = self.__func__._convention
        if is_node(type(self.__self__)):
            return plain.parse((self.__self__, *args), kwargs)
        return plain.with_object().parse((Identity(self.__self__), *args), kwargs)

    def __repr__(self) -> str:
        return f"<jit of method {self.__name__}>"

    def __reduce__(self) -> Any:
        return (getattr, (self.__self__, self.__name__))


def _user_level() -> int:
    """The `stacklevel` of the innermost frame outside this package, for warnings."""
    frame: Any = sys._getframe(1)
    level = 1
    root = __file__.rsplit("api", 1)[0]
    while frame is not None and frame.f_code.co_filename.startswith(root):
        frame = frame.f_back
        level += 1
    return level
