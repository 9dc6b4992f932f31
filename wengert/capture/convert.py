"""Which functions are rewritten, and the rewritten form of them.

The functions of the user and of pure Python packages are; those of NumPy, SciPy, the standard
library, wengert itself (but for its demo and `plain`) and of packages with compiled code are not.
The rewritten function shares globals, defaults and closure cells with its original.
"""

from __future__ import annotations

import ast
import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

from wengert.capture import classes, objects, runtime_calls
from wengert.capture.array_api import in_one_namespace, of_library
from wengert.capture.factory import rewritten
from wengert.capture.owners import is_users
from wengert.capture.runtime import Runtime
from wengert.capture.source import function_node
from wengert.errors import EndlessRecursionError, Location, TracerConversionError, located

Function = Callable[..., Any]
RUNTIME = "_wg"


class _Form:
    """The rewritten code of a function, and the runtime that it calls."""

    __slots__ = ("cell", "code")

    def __init__(self, code: types.CodeType, runtime: Runtime) -> None:
        self.code = code
        self.cell = types.CellType(runtime)


_forms: dict[int, tuple[types.CodeType, _Form | None]] = {}
_made: dict[int, types.CodeType] = {}
"""Code that has been rewritten already, by its id."""


def convert(fun: Function) -> Function:
    """`fun` with its control flow visible to the tracer, and errors that explain what is not."""
    inner = converted(fun)

    @functools.wraps(fun, updated=())
    def guarded(*args: Any, **kwargs: Any) -> Any:
        form = in_one_namespace(fun) if of_library(fun) else inner
        try:
            return form(*args, **kwargs)
        except RecursionError as error:
            if isinstance(error, EndlessRecursionError):
                raise
            raise _endless(error) from None

    return guarded


def converted(f: Any) -> Any:
    """The rewritten form of a function, method, partial or callable object; `f` if it has none."""
    if isinstance(f, types.FunctionType):
        return _function(f)
    if isinstance(f, types.MethodType):
        inner = f.__func__
        if isinstance(inner, types.FunctionType):
            found = _function(inner)
            return f if found is inner else types.MethodType(found, f.__self__)
        return f
    if type(f) in runtime_calls.INSTANCES:
        return runtime_calls.INSTANCES[type(f)](f)
    if isinstance(f, functools.partial):
        return functools.partial(runtime_calls.call(f.func), *f.args, **f.keywords)
    method = inspect.getattr_static(type(f), "__call__", None)
    if isinstance(method, types.FunctionType) and not isinstance(f, type):
        found = _function(method)
        return f if found is method else types.MethodType(found, f)
    return f


def _function(f: types.FunctionType) -> Function:
    code = f.__code__
    key = id(code)
    if key in _made:
        return f
    found = _forms.get(key)
    if found is None:
        form = _rewrite(code) if is_users(code.co_filename) else None
        found = _forms[key] = (code, form)
    form = found[1]
    if form is None:
        return f if not _lacks_source(code) else _explained(f)
    cells = dict(zip(code.co_freevars, f.__closure__ or (), strict=True))
    cells[RUNTIME] = form.cell
    closure = tuple([cells[name] for name in form.code.co_freevars])
    made = types.FunctionType(form.code, f.__globals__, f.__name__, f.__defaults__, closure)
    made.__kwdefaults__ = f.__kwdefaults__
    made.__qualname__ = f.__qualname__
    made.__module__ = f.__module__
    return made


def _rewrite(code: types.CodeType) -> _Form | None:
    node = function_node(code)
    if node is None or isinstance(node, ast.AsyncFunctionDef):
        return None
    infos: list[Any] = []
    body = rewritten(node, infos, _class_name(code.co_qualname), frozenset(code.co_freevars))
    free = [ast.arg(name) for name in (RUNTIME, *code.co_freevars)]
    args = ast.arguments([], free, None, [], [], None, [])
    factory = ast.copy_location(ast.FunctionDef("_wg_factory", args, [body], []), body)
    module = ast.fix_missing_locations(ast.Module([factory], []))
    whole = compile(module, code.co_filename, "exec", dont_inherit=True, flags=_future(code))
    inner = next(c for c in whole.co_consts if isinstance(c, types.CodeType))
    made = next(c for c in inner.co_consts if isinstance(c, types.CodeType))
    return _Form(_renamed(made, code.co_name, code.co_qualname), Runtime(infos))


def _future(code: types.CodeType) -> int:
    """The `from __future__` imports that the code was compiled with."""
    return code.co_flags & 0x1FE0000


def _class_name(qualname: str) -> str:
    parts = qualname.split(".")
    return parts[-2] if len(parts) > 1 and parts[-2] != "<locals>" else ""


def _renamed(code: types.CodeType, name: str, qualname: str) -> types.CodeType:
    """The code, with the local functions it was cut into called as the function itself."""
    consts = []
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            own = c.co_name.startswith(("_wg_", "<lambda>"))
            c = _renamed(c, name if own else c.co_name, qualname if own else c.co_qualname)
        consts.append(c)
    made = code.replace(co_consts=tuple(consts), co_name=name, co_qualname=qualname)
    _made[id(made)] = made
    return made


# functions without source


def _lacks_source(code: types.CodeType) -> bool:
    return is_users(code.co_filename)


def _explained(f: types.FunctionType) -> Function:
    """`f` as it is, with errors that say why its loops and branches were not compiled."""

    @functools.wraps(f, updated=())
    def plain(*args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except TracerConversionError as error:
            note = (
                f"{error}. The source of '{f.__name__}' could not be read, so its loops and "
                "branches are Python's: define it in a file, or use wg.scan, wg.while_loop, "
                "wg.fori_loop and wg.cond"
            )
            if "could not be read" not in str(error):
                error.args = (note, *error.args[1:])
            raise

    return plain


def _endless(error: RecursionError) -> Exception:
    """The error of a recursion without end, at the line that recurs most often."""
    places: dict[Location, int] = {}
    trail = error.__traceback__
    while trail is not None:
        code = trail.tb_frame.f_code
        if is_users(code.co_filename) and not code.co_filename.startswith("<"):
            place = Location(code.co_filename, trail.tb_lineno, code.co_name)
            places[place] = places.get(place, 0) + 1
        trail = trail.tb_next
    most = max(places, key=lambda p: places[p]) if places else None
    name = most.function if most else "a function"
    found = EndlessRecursionError(
        f"'{name}' calls itself more than {max(places.values(), default=0)} levels deep while it "
        "is traced. The condition that ends a recursion must be known while tracing "
        "(static_argnums); otherwise write it as a loop"
    )
    return located(found, most)


runtime_calls.converted = converted
objects.converted = converted
classes.converted = converted
