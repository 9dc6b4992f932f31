"""Tests that assign variables, `if a and (y := f(x)) > b:`, as tests one after the other.

An operand of `and` or `or` that assigns cannot be moved into a function, to be called where it is
asked for. As branches in one another the operands are asked for in the same order.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence

from wengert.capture.names import walk_scope
from wengert.capture.rewrite_expressions import movable
from wengert.capture.rewrite_syntax import placed


def with_simple_tests(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Statements whose tests assign at most in their first operand, at any depth."""
    for s in walk_scope(body):
        if isinstance(s, ast.While) and not movable(s.test):
            _test_in_body(s)
    found = _Branches().visit(ast.Module(list(body), []))
    return found.body


def _test_in_body(s: ast.While) -> None:
    """`while test:` becomes `while True: if not test: break`."""
    leave = ast.If(ast.UnaryOp(ast.Not(), s.test), [ast.Break()], [])
    s.body.insert(0, placed(leave, s))
    s.test = ast.copy_location(ast.Constant(True), s.test)


class _Branches(ast.NodeTransformer):
    def visit_If(self, node: ast.If) -> ast.If:
        """One branch."""
        self.generic_visit(node)
        if movable(node.test):
            return node
        return _split(node.test, node.body, node.orelse, node)


def _split(test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt], at: ast.stmt) -> ast.If:
    """`if test: body; else: orelse`, its operands in branches of their own."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _split(test.operand, orelse or [placed(ast.Pass(), at)], body, at)
    if movable(test) or not isinstance(test, ast.BoolOp):
        return placed(ast.If(test, body, orelse), at)
    first, *others = test.values
    rest = others[0] if len(others) == 1 else ast.copy_location(ast.BoolOp(test.op, others), test)
    inner: list[ast.stmt] = [_split(rest, body, orelse, at)]
    if isinstance(test.op, ast.And):
        return _split(first, inner, copy.deepcopy(orelse), at)
    return _split(first, copy.deepcopy(body), inner, at)
