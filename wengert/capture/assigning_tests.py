"""Tests that assign variables, `if a and (y := f(x)) > b:`, as tests one after the other.

An operand of `and` or `or` that assigns cannot be moved into a function, to be called where it is
asked for. As branches in one another the operands are asked for in the same order.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence

from wengert.capture.rewrite_expressions import movable
from wengert.capture.rewrite_syntax import placed


def with_simple_tests(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Statements whose tests assign at most in their first operand, at any depth."""
    found = _Branches().visit(ast.Module(list(body), []))
    return found.body


class _Branches(ast.NodeTransformer):
    def __init__(self) -> None:
        self.count = 0

    def visit_While(self, node: ast.While) -> ast.While | list[ast.stmt]:
        """`while test:` becomes `while True: if not test: break`; `else` follows under a flag."""
        self.generic_visit(node)
        if movable(node.test):
            return node
        leave: list[ast.stmt] = [ast.Break()]
        orelse, node.orelse = node.orelse, []
        ended = f"_ended_wg{self.count}"  # a variable, where names that begin with _wg_ are flags
        self.count += 1
        if orelse:
            leave.insert(0, _assignment(ended, True))
        test = ast.If(ast.UnaryOp(ast.Not(), node.test), leave, [])
        node.body.insert(0, self.visit_If(placed(test, node)))
        node.test = ast.copy_location(ast.Constant(True), node.test)
        if not orelse:
            return node
        after = ast.If(ast.Name(ended, ast.Load()), orelse, [])
        return [placed(_assignment(ended, False), node), node, placed(after, node)]

    def visit_If(self, node: ast.If) -> ast.If:
        """One branch."""
        self.generic_visit(node)
        if movable(node.test):
            return node
        return _split(node.test, node.body, node.orelse, node)


def _assignment(name: str, value: bool) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], ast.Constant(value))


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
