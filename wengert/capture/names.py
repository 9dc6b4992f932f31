"""Which variables a piece of syntax assigns and reads, and which are read later on."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping

SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Names = set[str]


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes directly below, but for signs (`+`, `not`) and whether a name is read or stored.

    As `ast.iter_child_nodes`, in half the time and with half of the nodes.
    """
    found: list[ast.AST] = []
    for field in node._fields:
        part = getattr(node, field, None)
        if isinstance(part, list):
            found += [n for n in part if isinstance(n, ast.AST)]
        elif isinstance(part, ast.AST) and part._fields:
            found.append(part)
    return found


def walk_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes below, without those inside of nested functions and classes."""
    pending = list(nodes)[::-1]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, SCOPES):
            pending += children(node)[::-1]


def stored(nodes: Iterable[ast.AST]) -> list[str]:
    """The variables that are assigned, in the order of their first assignment.

    Names of exception handlers are left out: Python deletes them when the handler ends.
    """
    found: dict[str, None] = {}
    inner: set[int] = set()
    for node in walk_scope(nodes):
        if isinstance(node, COMPREHENSIONS):  # their variables are their own
            for generator in node.generators:
                inner.update(id(n) for n in ast.walk(generator.target))
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            if id(node) not in inner:
                found[node.id] = None
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[node.name] = None
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update({(a.asname or a.name).split(".")[0]: None for a in node.names})
        elif isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name:
            found[node.name] = None
        elif isinstance(node, ast.MatchMapping) and node.rest:
            found[node.rest] = None
    return list(found)


def loaded(*nodes: ast.AST | None) -> Names:
    """The variables that are read, nested functions included."""
    found: Names = set()
    for node in nodes:
        if node is None:
            continue
        pending = [node]
        while pending:
            n = pending.pop()
            if isinstance(n, ast.Name):
                if isinstance(n.ctx, ast.Load):
                    found.add(n.id)
                continue
            if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name):
                found.add(n.target.id)
            pending += children(n)
    return found


def escaping(body: Iterable[ast.AST]) -> Names:
    """Variables read in nested functions, which may be called at any time."""
    found: Names = set()
    for node in walk_scope(body):
        if isinstance(node, SCOPES):
            found |= loaded(node)
    return found


class Liveness:
    """For each loop and branch: the variables that are read after it, and at a turn's start.

    Works on code without break, continue and early return (see `exits`).
    """

    def __init__(self, body: list[ast.stmt], stops: Mapping[ast.stmt, list[str]]) -> None:
        self.stops = stops  # the flags that a loop looks at after each turn
        self.after: dict[ast.stmt, Names] = {}
        self.at_start: dict[ast.stmt, Names] = {}
        self.always = escaping(body)
        self.block(body, set())

    def block(self, body: list[ast.stmt], live: Names) -> Names:
        """The variables needed before some statements, given those needed after them."""
        for statement in reversed(body):
            live = self.statement(statement, live)
        return live

    def statement(self, s: ast.stmt, live: Names) -> Names:
        """The variables needed before a statement."""
        if isinstance(s, ast.If):
            self.after[s] = live | self.always
            return loaded(s.test) | self.block(s.body, live) | self.block(s.orelse, live)
        if isinstance(s, (ast.While, ast.For)):
            return self._loop(s, live)
        if isinstance(s, (ast.Try, ast.TryStar, ast.Match)):
            return self._unordered(s, live)
        if isinstance(s, (ast.With, ast.AsyncWith)):
            inner = self.block(s.body, live)
            return loaded(*s.items) | (inner - set(stored(s.items)))
        if isinstance(s, ast.Return):
            return loaded(s.value)
        kills = {
            n.id
            for n in walk_scope([s])
            if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)
        }
        kills -= {n.target.id for n in walk_scope([s]) if isinstance(n, ast.NamedExpr)}
        if isinstance(s, (ast.FunctionDef, ast.ClassDef)):
            kills.add(s.name)
        return (live - kills) | loaded(s)

    def _loop(self, s: ast.While | ast.For, live: Names) -> Names:
        out = self.block(s.orelse, live)
        stops = set(self.stops.get(s, ()))
        head, start = set(out), set[str]()
        while True:
            start = self.block(s.body, head | stops)
            if isinstance(s, ast.For):
                start = (start - set(stored([s.target]))) | loaded(s.target)
            else:
                start |= loaded(s.test)
            if start <= head:
                break
            head |= start
        self.after[s] = out | self.always
        self.at_start[s] = start | self.always
        return head | (loaded(s.iter) if isinstance(s, ast.For) else set())

    def _unordered(self, s: ast.Try | ast.TryStar | ast.Match, live: Names) -> Names:
        """Statements whose parts may be left at any place: nothing is surely assigned."""
        live = live | loaded(s)
        for block in blocks(s):
            self.block(block, live)
        return live


def depth_of_loops(body: Iterable[ast.stmt]) -> int:
    """How many `for` loops stand in one another in statements."""
    inner = (isinstance(s, ast.For) + depth_of_loops(b) for s in body for b in blocks(s))
    return max(inner, default=0)


def blocks(s: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The lists of statements directly inside a compound statement."""
    for name in ("body", "orelse", "finalbody"):
        if block := getattr(s, name, None):
            yield block
    for part in (*getattr(s, "handlers", ()), *getattr(s, "cases", ())):
        yield part.body
