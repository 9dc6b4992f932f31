"""The source of a function as a syntax tree, at its own lines."""

from __future__ import annotations

import ast
import copy
import inspect
import linecache
import threading
import types
from typing import Any

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Lambdas = dict[int, list[ast.Lambda]]
"""The lambdas of a file by their lines."""
_files: dict[str, tuple[int, Lambdas]] = {}
_parsing = threading.Lock()
"""CPython counts the depth of all threads' trees in one place and then raises SystemError
(python/cpython#106905), so one is made at a time."""


def function_node(code: types.CodeType) -> Function | None:
    """The syntax tree of the function that `code` was compiled from; None without source."""
    lines = linecache.getlines(code.co_filename)
    first = code.co_firstlineno
    if not lines or not 0 < first <= len(lines):
        return None
    try:
        return _lambda(code, lines) if code.co_name == "<lambda>" else _def(code, lines, first)
    except (SyntaxError, ValueError, IndexError, RecursionError):
        return None


def _def(code: types.CodeType, lines: list[str], first: int) -> Function | None:
    text = "".join(inspect.getblock(lines[first - 1 :]))
    indented = text[:1].isspace()
    # an indented function is parsed as the body of an `if`: strings stay as they are
    module = _tree("if 1:\n" + text if indented else text)
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == code.co_name:
            if _parameters(node) != _code_parameters(code):
                return None
            ast.increment_lineno(node, first - (2 if indented else 1))
            return node
    return None


def _parameters(node: Any) -> list[str]:
    a = node.args
    found = [x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs)]
    return found + [x.arg for x in (a.vararg, a.kwarg) if x is not None]


def _code_parameters(code: types.CodeType) -> list[str]:
    count = code.co_argcount + code.co_kwonlyargcount
    for flag in (inspect.CO_VARARGS, inspect.CO_VARKEYWORDS):
        count += bool(code.co_flags & flag)
    return list(code.co_varnames[:count])


def _lambda(code: types.CodeType, lines: list[str]) -> Function | None:
    """The smallest lambda of the file in whose body all instructions lie."""
    places = [
        (line, column)
        for line, _, column, _ in code.co_positions()
        if line is not None and column is not None and (line, column) != (code.co_firstlineno, 0)
    ]
    best: ast.Lambda | None = None
    for node in _lambdas(code.co_filename, lines).get(code.co_firstlineno, ()):
        if _parameters(node) != _code_parameters(code):
            continue
        start, end = _span(node.body)
        inside = all(start <= place <= end for place in places)
        if inside and (best is None or _span(best.body)[0] <= start):
            best = node
    return copy.deepcopy(best)  # the tree of the file stays as it is


def _span(node: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def _tree(text: str) -> ast.Module:
    with _parsing:
        return ast.parse(text)


def _lambdas(file: str, lines: list[str]) -> Lambdas:
    """Those of a file; it is parsed and searched once, until it is another one."""
    found = _files.get(file)
    if found is None or found[0] != len(lines):
        made: Lambdas = {}
        try:
            for node in ast.walk(_tree("".join(lines))):
                if isinstance(node, ast.Lambda):
                    made.setdefault(node.lineno, []).append(node)
        except SyntaxError:
            made = {}
        found = _files[file] = (len(lines), made)
    return found[1]
