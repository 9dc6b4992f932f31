"""Rewrites functions: loops, branches and assignments become calls of the runtime.

The body of a loop and the parts of a branch become local functions that share the variables of the
function through `nonlocal`; two more local functions read and set those that the parts assign.

    for i in range(n):            def _wg_body1(_wg_item):
        s += x[i]        ->           nonlocal i, s
                                      i = _wg_item
                                      s = _wg.augment("+", s, _wg.getitem(x, i))
                                  def _wg_get1(): return (i, s)
                                  def _wg_set1(_wg_state):
                                      nonlocal i, s
                                      (i, s) = _wg_state
                                  _wg.for_(1, range(n), _wg_body1, _wg_get1, _wg_set1, None)
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from wengert.capture.assigning_tests import with_simple_tests
from wengert.capture.exits import RESULT, Exits
from wengert.capture.info import Info
from wengert.capture.matches import as_branches
from wengert.capture.names import Liveness, depth_of_loops, stored, walk_scope
from wengert.capture.rewrite_expressions import (
    OPERATORS,
    Expressions,
    index_of,
    is_plain,
    movable,
    number,
    own_names,
    parameters,
    runtime,
    thunk,
    tuple_of,
)
from wengert.capture.rewrite_syntax import (
    any_set,
    appended_to,
    assigned_by,
    assigned_inside,
    called_name,
    compounds,
    declared,
    getter,
    guarded,
    is_append,
    is_head,
    is_simple,
    lines_of,
    local_function,
    managed,
    name_of,
    only_updated,
    placed,
    reads,
    setter,
)


class Rewriter(Expressions):
    """Rewrites one function; `infos` collects what the runtime has to know."""

    def __init__(
        self, infos: list[Any], class_name: str = "", bound: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(class_name, None)
        self.infos = infos
        self.outer: set[str] = set()  # nonlocal and global names by declaration
        self.globals: set[str] = set()
        self.liveness: Liveness | None = None
        self.exits = Exits()
        self.inits: dict[str, None] = {}
        self.own: set[str] = set()
        self.bound = bound  # all names that are not global
        self.temporaries = 0

    # functions

    def function(self, node: Any) -> Any:
        """Rewrites a def or a lambda in place."""
        self.own = set(parameters(node.args))
        first = [*node.args.posonlyargs, *node.args.args]
        self.first_parameter = first[0].arg if first else None
        if isinstance(node, ast.Lambda):
            self.assigned |= self.own
            node.body = self.visit(node.body)
            return node
        node.returns = None
        node.body = self._body(node.body, sorted(self.own))
        return node

    def _body(self, body: list[ast.stmt], given: Sequence[str]) -> list[ast.stmt]:
        for n in walk_scope(body):
            if isinstance(n, (ast.Global, ast.Nonlocal)):
                self.outer.update(n.names)
                if isinstance(n, ast.Global):
                    self.globals.update(n.names)
        self.bound |= (self.own | set(stored(body))) - self.globals
        head = [s for s in body if is_head(s)]
        rest = [s for s in body if not is_head(s)]
        if not rest:
            return body
        if any(isinstance(n, (ast.Yield, ast.YieldFrom, ast.Await)) for n in walk_scope(rest)):
            return [*head, *self.plain(rest)]
        rest = self.exits.function(with_simple_tests(as_branches(rest)))
        self.shared = assigned_inside(rest, self.own)
        self.liveness = Liveness(rest, self.exits.stops)
        # all that loops and branches assign is made a variable of this function
        self.inits = dict.fromkeys(
            n
            for n in [*own_names(compounds(rest)), *self.shared]
            if n not in self.own and n not in self.outer
        )
        self.unsure = frozenset(self.inits)
        self.assigned = set(given)
        rewritten = self.block(rest)
        if self.shared:
            made = ast.Expr(runtime("owns", reads(self.shared)))
            rewritten.insert(0, placed(made, rest[0]))
        if not self.inits:
            return [*head, *rewritten]
        names = [ast.Name(n, ast.Store()) for n in self.inits]
        value = runtime("unset", number(len(self.infos)))
        self.infos.append(tuple(self.inits))
        made = ast.Assign([tuple_of(names, ast.Store())], value)
        return [*head, placed(made, rest[0]), *rewritten]

    def plain(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """A generator or coroutine: its control flow stays Python's."""
        whole: Any = self.generic_visit(ast.Module(body, []))
        return whole.body

    def visit_If(self, node: Any) -> Any:
        """A branch or loop of a generator."""
        self.generic_visit(node)
        node.test = runtime("known", node.test)
        return placed(node, node)

    visit_While = visit_If

    def visit_Assign(self, node: Any) -> Any:
        """What a generator stores in objects is noted too."""
        made = self.statement(node)
        return [placed(s, node) for s in made] if isinstance(made, list) else placed(made, node)

    visit_AugAssign = visit_AnnAssign = visit_Assign

    def visit_Try(self, node: Any) -> Any:
        """Handlers in a generator."""
        return guarded(self.generic_visit(node))

    visit_TryStar = visit_Try

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        """A nested function."""
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        node.args = self.arguments(node.args, bool(node.decorator_list))
        inner = Rewriter(self.infos, self.class_name, self.bound)
        inner.assigned = set()
        # variables of this function that it reads are checked there
        node.body = inner.nested(node, self.unsure - self.assigned)
        node.returns = None
        self.assigned.add(node.name)
        return node

    def nested(self, node: ast.FunctionDef, unsure: frozenset[str]) -> list[ast.stmt]:
        """The body of a nested function."""
        self.own = set(parameters(node.args))
        first = [*node.args.posonlyargs, *node.args.args]
        self.first_parameter = first[0].arg if first else None
        return self._body(node.body, sorted(self.own))

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        """Left alone."""
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        """A class of the function: its methods are, the rest of its body is Python's."""
        for s in node.body:
            if isinstance(s, ast.FunctionDef):
                inner = Rewriter(self.infos, node.name, self.bound)
                s.body = inner.nested(s, frozenset())
            elif isinstance(s, ast.ClassDef):
                self.visit_ClassDef(s)
        self.assigned.add(node.name)
        return node

    # statements

    def block(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Statements in order."""
        out: list[ast.stmt] = []
        for s in body:
            shared = [n for n in assigned_by(s) if n in self.outer]
            found = self.statement(s)
            made = found if isinstance(found, list) else [found]
            if shared:
                made = [ast.Expr(runtime("assigns", reads(shared, self.globals))), *made]
            out += [placed(m, s) for m in made]
        return out

    def statement(self, s: ast.stmt) -> Any:
        """One statement, as one or several."""
        handler = getattr(self, f"_{type(s).__name__.lower()}", None)
        if handler is not None:
            return handler(s)
        made = self.visit(s)
        self.assigned.update(stored([s]))
        return made

    def _assign(self, s: ast.Assign) -> Any:
        value = self.visit(s.value)
        if all(is_simple(t) for t in s.targets):
            s.value = value
            self.assigned.update(stored(s.targets))
            for t in s.targets:
                self._mangle(t)
            return s
        single = len(s.targets) == 1 and not isinstance(s.targets[0], (ast.Tuple, ast.List))
        if single:
            return self._store(s.targets[0], value)
        out: list[ast.stmt] = []
        name = self.temporary()
        out.append(ast.Assign([ast.Name(name, ast.Store())], value))
        for target in s.targets:
            out += self._unpack(target, ast.Name(name, ast.Load()))
        return out

    def _mangle(self, target: ast.expr) -> None:
        for n in (n for n in ast.walk(target) if isinstance(n, ast.Name)):
            n.id = self.mangled(n.id)

    def temporary(self) -> str:
        """A new name for a value that is used at once."""
        self.temporaries += 1
        return f"_wg_t{self.temporaries}"

    def _store(self, target: ast.expr, value: ast.expr) -> list[ast.stmt]:
        """Assigns to a name, an item or an attribute."""
        if isinstance(target, ast.Subscript):
            index = index_of(self.visit(target.slice))
            made = runtime("setitem", self._owner(target.value), index, value)
        elif isinstance(target, ast.Attribute):
            name = number(self.mangled(target.attr))
            made = runtime("setattr", self._owner(target.value), name, value)
        else:
            self._mangle(target)
            self.assigned.update(stored([target]))
            return [ast.Assign([target], value)]
        return [ast.Expr(made)]

    def _owner(self, node: ast.expr) -> ast.expr:
        """An object that is changed: a global one may only be changed by what is known."""
        root = node
        while isinstance(root, (ast.Subscript, ast.Attribute)):
            root = root.value
        made = self.visit(node)
        if isinstance(root, ast.Name) and root.id not in self.bound:
            return runtime("global_", made, number(root.id))
        return made

    def _unpack(self, target: ast.expr, value: ast.expr) -> list[ast.stmt]:
        """Assigns to a pattern that holds items or attributes."""
        if not isinstance(target, (ast.Tuple, ast.List)):
            return self._store(target, value)
        pattern: list[ast.expr] = []
        later: list[tuple[ast.expr, str]] = []
        for item in target.elts:
            if is_simple(item):
                pattern.append(item)
                continue
            name = self.temporary()
            starred = isinstance(item, ast.Starred)
            inner = item.value if isinstance(item, ast.Starred) else item
            stored_name = ast.Name(name, ast.Store())
            pattern.append(ast.Starred(stored_name, ast.Store()) if starred else stored_name)
            later.append((inner, name))
        whole = tuple_of(pattern, ast.Store())
        self._mangle(whole)
        self.assigned.update(stored([whole]))
        out: list[ast.stmt] = [ast.Assign([whole], value)]
        for inner, name in later:
            out += self._unpack(inner, ast.Name(name, ast.Load()))
        return out

    def _annassign(self, s: ast.AnnAssign) -> Any:
        if s.value is None:
            return ast.Pass()
        return self._assign(placed(ast.Assign([s.target], s.value), s))

    def _augassign(self, s: ast.AugAssign) -> Any:
        symbol = number(OPERATORS[type(s.op)])
        target = s.target
        if isinstance(target, ast.Name):
            read = self.visit(ast.copy_location(ast.Name(target.id, ast.Load()), target))
            made = runtime("augment", symbol, read, self.visit(s.value))
            return self._store(target, made)
        owner = self._owner(target.value)
        if isinstance(target, ast.Subscript):
            index = index_of(self.visit(target.slice))
            made = runtime("augment_item", symbol, owner, index, self.visit(s.value))
        else:
            name = number(self.mangled(target.attr))
            made = runtime("augment_attribute", symbol, owner, name, self.visit(s.value))
        return ast.Expr(made)

    def _expr(self, s: ast.Expr) -> Any:
        call: Any = s.value
        if is_append(call):
            made = runtime("append", self._owner(call.func.value), self.visit(call.args[0]))
            return ast.Expr(made)
        s.value = self.visit(s.value)
        return s

    def _delete(self, s: ast.Delete) -> Any:
        out: list[ast.stmt] = []
        for target in s.targets:
            if isinstance(target, ast.Subscript):
                index = index_of(self.visit(target.slice))
                out.append(ast.Expr(runtime("delitem", self.visit(target.value), index)))
            elif isinstance(target, ast.Name) and target.id in self.inits:
                self.assigned.discard(target.id)
                value = runtime("deleted", number(target.id))
                out.append(ast.Assign([ast.Name(target.id, ast.Store())], value))
            elif isinstance(target, ast.Attribute):
                name = number(self.mangled(target.attr))
                out.append(ast.Expr(runtime("delattr", self._owner(target.value), name)))
            else:
                out.append(ast.Delete([target]))
        return out

    def _raise(self, s: ast.Raise) -> Any:
        if s.exc is not None:
            wrap = thunk if movable(s) else lambda error: error
            kind = self.visit(called_name(s.exc))
            with self.telling():
                made = wrap(self.visit(s.exc))
            s.exc = placed(runtime("raising", made, kind), s)
        s.cause = self.expr(s.cause)
        return s

    def _assert(self, s: ast.Assert) -> Any:
        if not movable(s):
            return s
        with self.telling():
            message = thunk(self.expr(s.msg) or ast.Constant(None))
        return ast.Expr(runtime("assert_", self.visit(s.test), message))

    # parts of Python's own compound statements

    def _with(self, s: Any) -> Any:
        s.items = [managed(item, self.visit(item.context_expr)) for item in s.items]
        self.assigned.update(stored(s.items))
        s.body = self.block(s.body)
        return s

    def _try(self, s: Any) -> Any:
        before = set(self.assigned)
        s.body = self.block(s.body)
        for handler in s.handlers:
            self.assigned = set(before)
            handler.type = self.expr(handler.type)
            handler.body = self.block(handler.body)
        self.assigned = set(before)
        s.orelse = self.block(s.orelse)
        s.finalbody = self.block(s.finalbody)
        self.assigned = before
        return guarded(s)

    _trystar = _try

    def _match(self, s: ast.Match) -> Any:
        s.subject = self.visit(s.subject)
        before = set(self.assigned)
        for case in s.cases:
            self.assigned = before | set(stored([case.pattern]))
            case.guard = self.expr(case.guard)
            case.body = self.block(case.body)
        self.assigned = before
        return s

    # branches

    def _if(self, s: ast.If) -> Any:
        plain = is_plain(s.test)
        test = self.visit(s.test)
        self.assigned.update(stored([s.test]))
        before = set(self.assigned)
        names = stored([*s.body, *s.orelse])
        lines = (lines_of(s.orelse), lines_of(s.body))
        raises = bool(s.body) and isinstance(s.body[-1], ast.Raise)
        unless = tuple(self.exits.guards.get(s, ()))
        more = {"raises": raises, "returning": self.exits.returning.get(s)}
        info = self._info(s, names, lines=lines, unless=unless, **more)
        body = self.block(s.body)
        after_body, self.assigned = self.assigned, set(before)
        orelse = self.block(s.orelse)
        self.assigned &= after_body
        if plain:
            return [placed(ast.If(test, body, orelse), s)]
        key = number(self._number(info))
        then, other = (self._local(n, info, b) for n, b in (("then", body), ("else", orelse)))
        call = runtime(
            "if_", key, test, name_of(then), name_of(other), *map(name_of, self._accessors(info))
        )
        return self._flush([ast.Expr(call)])

    # loops

    def _for(self, s: ast.For) -> Any:
        iterable = self.visit(s.iter)
        before = set(self.assigned)
        names = stored([s.target, *s.body])
        stops = self.exits.stops.get(s, [])
        lines = (lines_of([s.target, *s.body]),)
        depth = depth_of_loops(s.body)
        info = self._info(s, names, lines=lines, stops=tuple(stops), depth=depth)
        start = self._unpack(s.target, ast.Name("_wg_item", ast.Load()))
        body = [*start, *self.block(s.body)]
        self.assigned = before
        key = number(self._number(info))
        turn = self._local("body", info, body, ["_wg_item"])
        get, set_ = self._accessors(info)
        call = runtime(
            "for_", key, iterable, name_of(turn), name_of(get), name_of(set_), any_set(stops)
        )
        out = self._flush([ast.Expr(call)])
        if s.orelse:  # it was never left: there is no break
            out += self.block(s.orelse)
        return out

    def _while(self, s: ast.While) -> Any:
        before = set(self.assigned)
        names = stored(s.body)
        stops = self.exits.stops.get(s, [])
        info = self._info(s, names, lines=(lines_of(s.body),), stops=tuple(stops))
        test = self.visit(s.test)
        body = self.block(s.body)
        self.assigned = before
        key = number(self._number(info))
        turn = self._local("body", info, body)
        get, set_ = self._accessors(info)
        call = runtime("while_", key, thunk(test), name_of(turn), name_of(get), name_of(set_))
        out = self._flush([ast.Expr(call)])
        if s.orelse:
            out += self.block(s.orelse)
        return out

    # local functions

    def _info(self, s: Any, names: list[str], **more: Any) -> Info:
        live = self.liveness
        after = live.after.get(s) if live else None
        start = live.at_start.get(s) if live else None
        body = [*s.body, *s.orelse]
        chosen = list(dict.fromkeys(map(self.mangled, [*names, *self.shared])))
        every = frozenset(chosen)
        return Info(
            line=s.lineno,
            names=tuple(chosen),
            after=every if after is None else every & after,
            at_start=every if start is None else every & start,
            updated=only_updated(s, every),
            lenient=every & {RESULT},
            appended=appended_to(body) if not isinstance(s, ast.If) else (),
            **more,
        )

    def _number(self, info: Info) -> int:
        self.infos.append(info)
        self._pending: list[ast.stmt] = []
        return len(self.infos) - 1

    def _local(self, kind: str, info: Info, body: list[ast.stmt], given: Sequence[str] = ()) -> str:
        name = f"_wg_{kind}{len(self.infos)}"
        self._pending.append(
            local_function(
                name, given, [*declared(info.names, self.globals), *(body or [ast.Pass()])]
            )
        )
        return name

    def _accessors(self, info: Info) -> tuple[str, str]:
        """Functions that read and set the variables, lists that are appended to at the end."""
        get, set_ = f"_wg_get{len(self.infos)}", f"_wg_set{len(self.infos)}"
        shared = declared(info.names, self.globals)
        self._pending.append(getter(get, [*info.names, *info.appended], shared))
        self._pending.append(setter(set_, info.names, shared))
        return get, set_

    def _flush(self, more: list[ast.stmt]) -> list[ast.stmt]:
        return [*self._pending, *more]
