"""Small pieces of syntax, and questions about pieces of it, for the rewriter."""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from wengert.capture.names import stored, walk_scope
from wengert.capture.rewrite_expressions import (
    RUNTIME,
    number,
    runtime,
    thunk,
    tuple_of,
)


def name_of(name: str) -> ast.expr:
    """A read of a variable."""
    return ast.Name(name, ast.Load())


def reads(names: Sequence[str], of_module: Collection[str] = ()) -> ast.expr:
    """A function that reads variables, with the names of global ones as its default argument."""
    shared = [ast.Constant(n) for n in names if n in of_module]
    inner = [name_of(n) for n in names if n not in of_module]
    args = ast.arguments([], [ast.arg("_wg_names")], None, [], [], None, [tuple_of(shared)])
    return ast.Lambda(args, tuple_of(inner))


def local_function(name: str, given: Sequence[str], body: list[ast.stmt]) -> ast.stmt:
    """A local function without defaults."""
    args = ast.arguments([], [ast.arg(g) for g in given], None, [], [], None, [])
    return ast.FunctionDef(name, args, body, [])


def declared(names: Sequence[str], of_module: Collection[str]) -> list[ast.stmt]:
    """Declarations of the variables that a local function shares."""
    outer = [n for n in names if n not in of_module]
    shared = [n for n in names if n in of_module]
    out: list[ast.stmt] = []
    if outer:
        out.append(ast.Nonlocal(outer))
    if shared:
        out.append(ast.Global(shared))
    return out


def getter(name: str, names: Sequence[str], declared: list[ast.stmt]) -> ast.stmt:
    """A local function that gives the values of variables."""
    return local_function(name, [], [*declared, ast.Return(tuple_of([*map(name_of, names)]))])


def setter(name: str, names: Sequence[str], declared: list[ast.stmt]) -> ast.stmt:
    """A local function that gives variables values."""
    targets: list[ast.expr] = [ast.Name(n, ast.Store()) for n in names]
    assign = ast.Assign([tuple_of(targets, ast.Store())], name_of("_wg_state"))
    body: list[ast.stmt] = [*declared, assign] if targets else [ast.Pass()]
    return local_function(name, ["_wg_state"], body)


def any_set(flags: Sequence[str]) -> ast.expr:
    """A function that says whether one of the flags of a loop is set; None if there are none."""
    if not flags:
        return ast.Constant(None)
    test: ast.expr = name_of(flags[-1])
    for name in flags[-2::-1]:
        test = runtime("or_", name_of(name), thunk(test), number(True))
    return thunk(test)


def placed(node: Any, at: ast.AST) -> Any:
    """`node` with the place of another one, where it has none of its own."""
    if not hasattr(node, "lineno"):
        ast.copy_location(node, at)
    return ast.fix_missing_locations(node)


def called_name(x: ast.expr) -> ast.expr:
    """A copy of the name of what an expression calls, or None as an expression."""
    called = x.func if isinstance(x, ast.Call) else None
    is_name = isinstance(called, (ast.Name, ast.Attribute))
    return copy.deepcopy(called) if is_name else ast.copy_location(ast.Constant(None), x)


def is_head(s: ast.stmt) -> bool:
    """Declarations and the docstring, which stay at the top."""
    if isinstance(s, (ast.Global, ast.Nonlocal)):
        return True
    return isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)


def is_simple(target: ast.expr) -> bool:
    """Whether a target of an assignment has only variables in it."""
    return not any(isinstance(n, (ast.Subscript, ast.Attribute)) for n in ast.walk(target))


def compounds(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The loops and branches of a function, at any depth."""
    return [s for s in walk_scope(body) if isinstance(s, (ast.If, ast.For, ast.While))]


def lines_of(body: Sequence[ast.AST]) -> dict[str, int]:
    """The last line where each variable is assigned."""
    return {
        n.id: n.lineno
        for n in walk_scope(body)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }


def only_updated(s: Any, names: frozenset[str]) -> frozenset[str]:
    """Variables that are changed by augmented assignment alone."""
    parts = [*([s.target] if isinstance(s, ast.For) else []), *s.body, *s.orelse]
    counted: dict[str, int] = {}
    for n in walk_scope(parts):
        if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name):
            counted[n.target.id] = counted.get(n.target.id, 0) + 1
    stores: dict[str, int] = {}
    for n in walk_scope(parts):
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store):
            stores[n.id] = stores.get(n.id, 0) + 1
    return names & frozenset(n for n, count in counted.items() if stores[n] == count)


def assigned_by(s: ast.stmt) -> list[str]:
    """The variables that a statement assigns, without the statements in it."""
    if isinstance(s, ast.For):
        return stored([s.target])
    if isinstance(s, (ast.If, ast.While)):
        return stored([s.test])
    return [] if isinstance(s, (ast.With, ast.Try, ast.TryStar, ast.Match)) else stored([s])


def assigned_inside(body: Sequence[ast.stmt], given: Iterable[str]) -> list[str]:
    """Variables, parameters `given` among them, that nested functions declare nonlocal."""
    found: dict[str, None] = {}
    for scope in walk_scope(body):
        if isinstance(scope, ast.FunctionDef):
            for n in ast.walk(scope):
                if isinstance(n, ast.Nonlocal):
                    found.update(dict.fromkeys(n.names))
    bound = {*stored(body), *given}
    return [n for n in found if n in bound]


def is_append(call: ast.expr) -> bool:
    """Whether an expression is `x.append(value)`."""
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "append"
        and len(call.args) == 1
        and not call.keywords
        and not isinstance(call.args[0], ast.Starred)
    )


def appended_to(body: Sequence[ast.stmt]) -> tuple[str, ...]:
    """Variables whose `append` or `extend` is called."""
    found: dict[str, None] = {}
    for n in walk_scope(body):
        if (
            isinstance(n, ast.Call)
            and isinstance(n.func, ast.Attribute)
            and n.func.attr in ("append", "extend")
            and isinstance(n.func.value, ast.Name)
        ):
            found[n.func.value.id] = None
    return tuple(found)


def guarded(s: Any) -> Any:
    """A `try` with handlers, which what is none of the user's errors passes by."""
    if not s.handlers:
        return s
    kinds = [h.type or ast.Name("BaseException", ast.Load()) for h in s.handlers]
    inner = runtime("guarded", thunk(tuple_of(copy.deepcopy(kinds))))
    s.body = [placed(ast.With([ast.withitem(inner)], s.body), s)]
    if isinstance(s, ast.Try):  # `except*` takes no BaseException that it does not name
        passing = ast.Attribute(ast.Name(RUNTIME, ast.Load()), "passing", ast.Load())
        first = ast.ExceptHandler(passing, None, [ast.Raise(None, None)])
        s.handlers.insert(0, placed(first, s))
    return placed(ast.With([ast.withitem(runtime("unguarded"))], [s]), s)


def managed(item: ast.withitem, manager: ast.expr) -> ast.withitem:
    """`with manager as ...`, of which the runtime knows."""
    made = placed(runtime("managed", manager), item.context_expr)
    return ast.withitem(made, item.optional_vars)
