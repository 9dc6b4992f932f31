"""`match` of values as a chain of `if`, which may be compiled where the subject is traced.

Patterns of constants, names with dots, `|` between them, `_` and names to bind; a `match` with any
other pattern takes containers apart, which Python does.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence


def as_branches(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Statements with such a `match` written as branches, at any depth."""
    found = _Matches().visit(ast.Module(list(body), []))
    return found.body


class _Matches(ast.NodeTransformer):
    def __init__(self) -> None:
        self.count = 0

    def visit_Match(self, node: ast.Match) -> ast.Match | list[ast.stmt]:
        """One `match`."""
        self.generic_visit(node)
        if not all(_is_simple(case.pattern) for case in node.cases):
            return node
        self.count += 1
        name = f"_wgm_subject{self.count}"
        subject = ast.Assign([ast.Name(name, ast.Store())], node.subject)
        ast.fix_missing_locations(ast.copy_location(subject, node))
        return [subject, *_chain(name, node.cases)]


def _is_simple(pattern: ast.pattern) -> bool:
    if isinstance(pattern, ast.MatchOr):
        return not any(isinstance(p, ast.MatchAs) for p in pattern.patterns) and all(
            map(_is_simple, pattern.patterns)
        )
    if isinstance(pattern, ast.MatchAs):
        return pattern.pattern is None
    return isinstance(pattern, (ast.MatchValue, ast.MatchSingleton))


def _chain(name: str, cases: Sequence[ast.match_case]) -> list[ast.stmt]:
    """The cases in turn, each in the other part of the one before."""
    if not cases:
        return []
    case, rest = cases[0], _chain(name, cases[1:])
    out: list[ast.stmt] = []
    if isinstance(case.pattern, ast.MatchAs):
        test = case.guard
        if case.pattern.name is not None:
            out.append(ast.Assign([ast.Name(case.pattern.name, ast.Store())], _read(name)))
    else:
        test = _test(name, case.pattern)
        if case.guard is not None:
            test = ast.BoolOp(ast.And(), [test, case.guard])
    if test is None:
        return [*(ast.copy_location(s, case.pattern) for s in out), *case.body]
    out.append(ast.If(test, case.body, rest))
    return [ast.fix_missing_locations(ast.copy_location(s, case.pattern)) for s in out]


def _test(name: str, pattern: ast.pattern) -> ast.expr:
    if isinstance(pattern, ast.MatchOr):
        return ast.BoolOp(ast.Or(), [_test(name, p) for p in pattern.patterns])
    if isinstance(pattern, ast.MatchSingleton):
        return ast.Compare(_read(name), [ast.Is()], [ast.Constant(pattern.value)])
    assert isinstance(pattern, ast.MatchValue)
    return ast.Compare(_read(name), [ast.Eq()], [pattern.value])


def _read(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())
