"""Code without break, continue and early return: they become flags and nested branches.

What follows an `if` that may leave goes into its other branch, or under `if not flag`. A loop that
may be left is given the flags at which it stops.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

from wengert.capture.names import SCOPES, blocks, walk_scope

RESULT = "_wg_result"
RETURNED = "_wg_returned"


@dataclass(slots=True)
class Block:
    """Lowered statements; the flags that they may have set; whether they never reach the end."""

    body: list[ast.stmt] = field(default_factory=list[ast.stmt])
    flags: set[str] = field(default_factory=set[str])
    always: bool = False


@dataclass(frozen=True, slots=True)
class Loop:
    """The flags of the loop around a statement."""

    broke: str
    skipped: str


class Exits:
    """Lowers one function; `stops` has for each loop the flags at which it stops.

    `returning` has for an `if` the part (1 for a true condition) after which the function has
    returned, so that nobody looks at variables but those that are read in a `finally` around it.
    """

    def __init__(self) -> None:
        self.stops: dict[ast.stmt, list[str]] = {}
        self.guards: dict[ast.stmt, list[str]] = {}
        self.returning: dict[ast.stmt, tuple[int, frozenset[str]]] = {}
        self._finals: list[ast.stmt] = []  # statements that run after a return, too
        self.used: set[str] = set()
        self._count = 0

    def function(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The body of a function with one return at its end; itself if there is nothing to do."""
        if not _has_exits(body):
            return body
        early = _has_early_return(body)
        if early and not isinstance(body[-1], ast.Return):
            last = ast.copy_location(ast.Return(ast.Constant(None)), body[-1])
            body = [*body, ast.fix_missing_locations(last)]
        lowered = self.block(body, None).body if early else self._plain(body)
        if early:
            if RETURNED in self.used:
                lowered.insert(0, flag(RETURNED, False, body[0]))
            name = ast.Name(RESULT, ast.Load())
            last = ast.copy_location(ast.Return(name), body[-1])
            lowered.append(ast.fix_missing_locations(last))
        return _without_unused(lowered, self.used)

    def _plain(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """A function whose only return is its last statement."""
        last = body[-1:] if isinstance(body[-1], ast.Return) else []
        rest = body[: len(body) - len(last)]
        return [*self.block(rest, None).body, *last]

    def block(self, body: Sequence[ast.stmt], loop: Loop | None) -> Block:
        """Lowers statements in order; what follows one that may leave is guarded."""
        out = Block()
        for position, s in enumerate(body):
            found = self.statement(s, loop)
            if isinstance(found, ast.If):
                rest = body[position + 1 :]
                self._branch(found, rest, loop, out)
                return out
            out.body += found.body
            out.flags |= found.flags
            if found.always:
                out.always = True
                return out
            if found.flags:
                rest_block = self.block(body[position + 1 :], loop)
                out.body += self.guard(rest_block.body, found.flags)
                out.flags |= rest_block.flags
                return out
        return out

    def _branch(self, s: ast.If, rest: Sequence[ast.stmt], loop: Loop | None, out: Block) -> None:
        """An `if` with exits inside, and what follows it."""
        body_leaves, else_leaves = leaves(s.body), leaves(s.orelse)
        # what follows belongs to the part that does not leave, so that it needs no flag
        if body_leaves and not else_leaves:
            then, other, rest = self.block(s.body, loop), self.block([*s.orelse, *rest], loop), []
        elif else_leaves and not body_leaves:
            then, other, rest = self.block([*s.body, *rest], loop), self.block(s.orelse, loop), []
        else:
            then, other = self.block(s.body, loop), self.block(s.orelse, loop)
        flags = then.flags | other.flags
        lowered = _if(s, then.body, other.body)
        self._returns(lowered, [_has_returned(other), _has_returned(then)])
        out.body.append(lowered)
        out.flags |= flags
        out.always = then.always and other.always
        if rest and not out.always:
            following = self.block(rest, loop)
            out.body += self.guard(following.body, flags)
            out.flags |= following.flags
            out.always = following.always and not flags

    def guard(self, body: list[ast.stmt], flags: set[str]) -> list[ast.stmt]:
        """Statements that run unless one of the flags is set."""
        if not body or not flags:
            return body
        self.used |= flags
        made = _if_not(sorted(flags), body)
        self.guards[made] = sorted(flags)
        self._returns(made, [flags == {RETURNED}, False])
        return [made]

    def _returns(self, s: ast.If, parts: Sequence[bool]) -> None:
        if sum(parts) == 1:
            last = (n for final in self._finals for n in ast.walk(final))
            seen = frozenset(n.id for n in last if isinstance(n, ast.Name))
            self.returning[s] = (parts.index(True), seen)

    def statement(self, s: ast.stmt, loop: Loop | None) -> Block | ast.If:
        """One statement; an `if` with exits is handed back, for it needs what follows it."""
        if isinstance(s, ast.Return):
            value = s.value or ast.copy_location(ast.Constant(None), s)
            result = ast.Assign([ast.Name(RESULT, ast.Store())], value)
            result = ast.fix_missing_locations(ast.copy_location(result, s))
            body: list[ast.stmt] = [result, flag(RETURNED, True, s)]
            return Block(body, {RETURNED}, True)
        if isinstance(s, (ast.Break, ast.Continue)):
            assert loop is not None
            name = loop.broke if isinstance(s, ast.Break) else loop.skipped
            return Block([flag(name, True, s)], {name}, True)
        if isinstance(s, ast.Raise):
            return Block([s], set(), True)
        if not isinstance(s, SCOPES) and _has_exits([s]):
            if isinstance(s, ast.If):
                return s
            if isinstance(s, (ast.While, ast.For)):
                return self._loop(s, loop)
            return self._other(s, loop)
        return Block([s])

    def _loop(self, s: ast.While | ast.For, around: Loop | None) -> Block:
        endless = _is_endless(s)
        self._count += 1
        loop = Loop(f"_wg_broke{self._count}", f"_wg_skipped{self._count}")
        inner = self.block(s.body, loop)
        stops = sorted(inner.flags - {loop.skipped})
        s.body = inner.body
        if loop.skipped in self.used:
            s.body.insert(0, flag(loop.skipped, False, s))
        out: list[ast.stmt] = []
        if loop.broke in inner.flags:
            out.append(flag(loop.broke, False, s))
        orelse, s.orelse = s.orelse, []
        self.used |= set(stops)
        self.stops[s] = stops
        if isinstance(s, ast.While) and stops:
            going = ast.UnaryOp(ast.Not(), _any(stops))
            s.test = ast.copy_location(ast.BoolOp(ast.And(), [going, s.test]), s.test)
            ast.fix_missing_locations(s.test)
        out.append(s)
        flags = inner.flags & {RETURNED}
        if orelse:
            following = self.block(orelse, around)
            out += self.guard(following.body, set(stops)) if stops else following.body
            flags |= following.flags
        return Block(out, flags, endless)

    def _other(self, s: ast.stmt, loop: Loop | None) -> Block:
        """try, with and match: their parts are lowered by themselves."""
        flags: set[str] = set()
        lowered: list[Block] = []
        around = self._finals
        if isinstance(s, (ast.Try, ast.TryStar)):
            self._finals = [*around, *s.finalbody]
        for block in blocks(s):
            found = self.block(block, loop)
            if isinstance(s, ast.Try) and block is s.orelse:
                found.body = self.guard(found.body, set(flags))
            block[:] = found.body
            lowered.append(found)
            flags |= found.flags
        self._finals = around
        always = isinstance(s, (ast.With, ast.AsyncWith)) and lowered[0].always
        return Block([s], flags, always)


def _has_returned(block: Block) -> bool:
    return block.always and block.flags == {RETURNED}


def leaves(body: Sequence[ast.stmt]) -> bool:
    """Whether control never reaches the end of these statements."""
    for s in body:
        if isinstance(s, (ast.Return, ast.Break, ast.Continue, ast.Raise)):
            return True
        if isinstance(s, ast.If) and leaves(s.body) and leaves(s.orelse):
            return True
        if isinstance(s, (ast.With, ast.AsyncWith)) and leaves(s.body):
            return True
        if _is_endless(s):
            return True
    return False


def _is_endless(s: ast.stmt) -> bool:
    """`while True` without a break of its own."""
    if not (isinstance(s, ast.While) and isinstance(s.test, ast.Constant) and s.test.value):
        return False
    pending: list[ast.AST] = list(s.body)
    while pending:
        n = pending.pop()
        if isinstance(n, ast.Break):
            return False
        if not isinstance(n, (*SCOPES, ast.While, ast.For)):
            pending.extend(ast.iter_child_nodes(n))
        elif isinstance(n, (ast.While, ast.For)):
            pending.extend(n.orelse)
    return True


def _has_exits(body: Sequence[ast.stmt]) -> bool:
    return any(isinstance(n, (ast.Break, ast.Continue)) for n in walk_scope(body)) or (
        _has_early_return(body)
    )


def _has_early_return(body: Sequence[ast.stmt]) -> bool:
    last = body[-1] if body else None
    return any(isinstance(n, ast.Return) and n is not last for n in walk_scope(body))


def flag(name: str, value: bool, place: ast.stmt) -> ast.stmt:
    """`name = value`"""
    made = ast.Assign([ast.Name(name, ast.Store())], ast.Constant(value))
    return ast.fix_missing_locations(ast.copy_location(made, place))


def _any(flags: Sequence[str]) -> ast.expr:
    names: list[ast.expr] = [ast.Name(f, ast.Load()) for f in flags]
    return names[0] if len(names) == 1 else ast.BoolOp(ast.Or(), names)


def _if(s: ast.If, body: list[ast.stmt], orelse: list[ast.stmt]) -> ast.If:
    return ast.copy_location(ast.If(s.test, body, orelse), s)


def _if_not(flags: Sequence[str], body: list[ast.stmt]) -> ast.If:
    made = ast.If(ast.UnaryOp(ast.Not(), _any(flags)), body, [])
    return ast.fix_missing_locations(ast.copy_location(made, body[0]))


def _without_unused(body: list[ast.stmt], used: set[str]) -> list[ast.stmt]:
    """Without assignments to flags that nobody looks at."""
    kept: list[ast.stmt] = []
    for s in body:
        target = s.targets[0] if isinstance(s, ast.Assign) else None
        name = target.id if isinstance(target, ast.Name) else ""
        if name.startswith("_wg_") and name != RESULT and name not in used:
            continue
        if not isinstance(s, SCOPES):
            for block in blocks(s):
                block[:] = _without_unused(block, used) or [ast.copy_location(ast.Pass(), s)]
        kept.append(s)
    return kept
