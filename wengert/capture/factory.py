"""The rewritten function as syntax that can be compiled."""

from __future__ import annotations

import ast
from typing import Any

from wengert.capture.rewrite import Rewriter
from wengert.capture.source import Function


def rewritten(
    node: Function, infos: list[Any], class_name: str, free: frozenset[str] = frozenset()
) -> ast.stmt:
    """A factory of the rewritten function: a function of its free variables and the runtime."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        node.decorator_list = []
        node.name = "_wg_function"  # its own name stays a global one
    node.args.defaults = [ast.Constant(None) for _ in node.args.defaults]
    node.args.kw_defaults = [
        None if d is None else ast.Constant(None) for d in node.args.kw_defaults
    ]
    rewriter = Rewriter(infos, class_name, free)
    rewriter.arguments(node.args)
    made = rewriter.function(node)
    if isinstance(made, ast.Lambda):
        made = ast.copy_location(ast.Expr(made), made)
    return made
