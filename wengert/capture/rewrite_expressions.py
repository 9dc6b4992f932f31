"""Rewrites expressions: calls, operators, conditions, reads of items and attributes, texts."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from wengert.capture.names import stored, walk_scope

RUNTIME = "_wg"
_LEFT_ALONE = frozenset(
    [
        "locals",
        "globals",
        "vars",
        "eval",
        "exec",
        "dir",
        "breakpoint",
        "__import__",
        "super",
        "print",
    ]
)
_TELLING = frozenset(
    ["print", "debug", "info", "warning", "error", "critical", "exception", "log", "warn", "write"]
)
"""Calls of these have texts for people to read as arguments."""
OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
    ast.LShift: "<<", ast.RShift: ">>",
}  # fmt: skip
_PLAIN_TESTS = (ast.Is, ast.IsNot)
_UNSAFE = (ast.Call, ast.Subscript, ast.Div, ast.FloorDiv, ast.Mod, ast.Attribute, ast.Pow)


def runtime(name: str, *args: ast.expr) -> ast.expr:
    """A call of a method of the runtime."""
    function = ast.Attribute(ast.Name(RUNTIME, ast.Load()), name, ast.Load())
    return ast.Call(function, list(args), [])


def thunk(value: ast.expr) -> ast.Lambda:
    """`lambda: value`"""
    none = ast.arguments([], [], None, [], [], None, [])
    return ast.Lambda(none, value)


def number(n: int | str | bool) -> ast.Constant:
    """A constant."""
    return ast.Constant(n)


def tuple_of(items: Sequence[ast.expr], ctx: ast.expr_context | None = None) -> ast.Tuple:
    """`(a, b, ...)`"""
    return ast.Tuple(list(items), ctx or ast.Load())


def movable(node: ast.AST) -> bool:
    """Whether an expression means the same inside a lambda."""
    return not any(
        isinstance(n, (ast.NamedExpr, ast.Yield, ast.YieldFrom, ast.Await)) for n in ast.walk(node)
    )


class Expressions(ast.NodeTransformer):
    """Rewrites expressions in place; `assigned` are the variables that surely have a value."""

    def __init__(self, class_name: str, first_parameter: str | None) -> None:
        self.class_name = class_name
        self.first_parameter = first_parameter
        self.unsure: frozenset[str] = frozenset()
        self.assigned: set[str] = set()
        self.shared: list[str] = []  # variables that nested functions assign
        self.tells = False  # whether what is rewritten is only for people to read

    def expr(self, node: Any) -> Any:
        """The rewritten form; None for None."""
        return None if node is None else self.visit(node)

    # names

    def mangled(self, name: str) -> str:
        """A private name as the class it stands in spells it."""
        if self.class_name and name.startswith("__") and not name.endswith("__"):
            return f"_{self.class_name.lstrip('_')}{name}"
        return name

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Reads of a variable that may have no value are checked."""
        node.id = self.mangled(node.id)
        unsure = node.id in self.unsure and node.id not in self.assigned
        if isinstance(node.ctx, ast.Load) and unsure:
            return ast.copy_location(runtime("defined", node), node)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """`x.name`, which may call a function of the user's."""
        node = self._named(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        return ast.copy_location(runtime("attribute", node.value, number(node.attr)), node)

    def _named(self, node: ast.Attribute) -> ast.Attribute:
        node.attr = self.mangled(node.attr)
        self.generic_visit(node)
        return node

    def visit_MatchValue(self, node: Any) -> Any:
        """Names in patterns are no expressions."""
        return node

    visit_MatchMapping = visit_MatchClass = visit_MatchValue

    # calls

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """`f(x)` becomes `call(f)(x)`."""
        if isinstance(node.func, (ast.Name, ast.Attribute)) and not self.tells:
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in _TELLING:
                with self.telling():
                    return self.visit_Call(node)
        if isinstance(node.func, ast.Name) and self._is_left_alone(node.func.id):
            if node.func.id == "super" and not node.args and self.first_parameter:
                names = ("__class__", self.first_parameter)
                node.args = [ast.Name(n, ast.Load()) for n in names]
            else:
                node.args = [self.visit(a) for a in node.args]
                for keyword in node.keywords:
                    keyword.value = self.visit(keyword.value)
            return node
        if _is_sum(node):
            return self._total(node)
        place = node.func
        if isinstance(place, ast.Attribute) and place.attr == "format" and self.tells:
            return self.generic_visit(node)  # pyright: ignore[reportReturnType]
        if isinstance(place, ast.Attribute):  # methods are not looked up by functions of the user
            place = self._named(place)
            node.args = [self.visit(a) for a in node.args]
            node.keywords = [self.visit(k) for k in node.keywords]
        else:
            self.generic_visit(node)
        place = node.func
        node.func = ast.copy_location(runtime("call", node.func), place)
        return node

    def _total(self, node: ast.Call) -> ast.expr:
        """`sum(x for v in items)`"""
        given: Any = node.args[0]
        walk = _function(["_wg_sum"], self._terms(given.generators, given.elt))
        default = [self.visit(k.value) for k in node.keywords]
        made = runtime("total", node.func, walk, number(node.lineno), *default)
        return ast.copy_location(made, node)

    def _terms(self, loops: list[ast.comprehension], term: ast.expr) -> ast.expr:
        """Adds a term for each turn of loops in one another."""
        if not loops:
            return _of_sum("add", self.visit(term))
        loop, *inner = loops
        items = self.visit(loop.iter)
        names = [self.mangled(n) for n in _target_names(loop.target)]
        before, self.assigned = self.assigned, self.assigned | set(names)
        made = self._terms(inner, term)
        for test in reversed(loop.ifs):
            made = _of_sum("when", self.visit(test), thunk(made))
        self.assigned = before
        spread = number(isinstance(loop.target, ast.Tuple))
        return _of_sum("each", items, _function(names, made), spread, number(len(inner)))

    def _is_left_alone(self, name: str) -> bool:
        return name in _LEFT_ALONE or (self.tells and name in ("str", "repr", "format"))

    # texts

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Within the block, texts are for people: traced values are shown by their types."""
        before, self.tells = self.tells, True
        try:
            yield
        finally:
            self.tells = before

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        """A value in an f-string, of which something may depend."""
        self.generic_visit(node)
        if not self.tells:
            node.value = ast.copy_location(runtime("shown", node.value), node.value)
        return node

    # truth

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """`a and b` becomes `and_(a, lambda: b, safe)`, from right to left."""
        if not all(map(movable, node.values)):
            return self.generic_visit(node)  # pyright: ignore[reportReturnType]
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        safe = [not any(isinstance(n, _UNSAFE) for n in ast.walk(v)) for v in node.values]
        values = [self.visit(v) for v in node.values]
        result = values[-1]
        all_safe = safe[-1]
        for value, is_safe in zip(values[-2::-1], safe[-2::-1], strict=True):
            result = runtime(name, value, thunk(result), number(all_safe))
            all_safe = all_safe and is_safe
        return ast.copy_location(result, node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """`not a`"""
        self.generic_visit(node)
        if isinstance(node.op, ast.Not):
            return ast.copy_location(runtime("not_", node.operand), node)
        if isinstance(node.operand, ast.Constant):
            return node
        made = runtime("unary", number(type(node.op).__name__), node.operand)
        return ast.copy_location(made, node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """`a + b`"""
        self.generic_visit(node)
        if isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant):
            return node
        if isinstance(node.op, ast.Mod) and self.tells:
            return node  # of texts, most likely
        symbol = number(OPERATORS[type(node.op)])
        return ast.copy_location(runtime("binary", symbol, node.left, node.right), node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """`a if c else b`"""
        self.generic_visit(node)
        if is_plain(node.test) or not (movable(node.body) and movable(node.orelse)):
            return node
        made = runtime("choose", node.test, thunk(node.body), thunk(node.orelse))
        return ast.copy_location(made, node)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Comparisons, chains of them, and `in`."""
        self.generic_visit(node)
        if len(node.ops) == 1:
            if isinstance(node.ops[0], (ast.In, ast.NotIn)):
                name = "in_" if isinstance(node.ops[0], ast.In) else "not_in"
                made = runtime(name, node.left, node.comparators[0])
                return ast.copy_location(made, node)
            if isinstance(node.ops[0], _PLAIN_TESTS):
                return _is_truth(node) if _is_of_truth(node) else node
            name = number(type(node.ops[0]).__name__)
            made = runtime("compared", name, node.left, node.comparators[0])
            return ast.copy_location(made, node)
        if not all(map(movable, node.comparators)):
            return node
        parts: list[ast.expr] = []
        for op, right in zip(node.ops, node.comparators, strict=True):
            parts += [number(type(op).__name__), thunk(right)]
        return ast.copy_location(runtime("chain", node.left, *parts), node)

    # items

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """`x[i]`, unless i is written out."""
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        if _is_written_out(node.slice):
            return ast.copy_location(runtime("item", node.value, index_of(node.slice)), node)
        return ast.copy_location(runtime("getitem", node.value, index_of(node.slice)), node)

    def _made(self, node: ast.AST) -> ast.expr:
        self.generic_visit(node)
        return ast.copy_location(runtime("made", node), node)  # pyright: ignore

    def visit_List(self, node: ast.List) -> ast.expr:
        """New containers are noted: they may be changed where the trace made them."""
        if isinstance(node.ctx, ast.Load):
            return self._made(node)
        return self.generic_visit(node)  # pyright: ignore[reportReturnType]

    visit_Dict = visit_Set = visit_DictComp = visit_SetComp = _made

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        """`[y for x in items]`, which may become a loop that fills an array."""
        if self.shared or not _is_simple(node):
            return self._made(node)
        (loop,) = node.generators
        names = loop.target.elts if isinstance(loop.target, ast.Tuple) else [loop.target]
        given = [ast.arg(n.id) for n in names if isinstance(n, ast.Name)]
        none = ast.arguments([], given, None, [], [], None, [])
        element = ast.copy_location(ast.Lambda(none, node.elt), node)
        spread = number(isinstance(loop.target, ast.Tuple))
        items, function = self.visit(loop.iter), self.visit(element)
        made = runtime("collected", items, function, spread, number(node.lineno))
        return ast.copy_location(made, node)

    # other scopes

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        """A nested lambda: its parameters and variables are its own."""
        node.args = self.arguments(node.args)
        own = {a.arg for a in _all_arguments(node.args)}
        before, self.assigned = self.assigned, self.assigned | own
        node.body = self.visit(node.body)
        self.assigned = before
        return node

    def arguments(self, args: ast.arguments, annotated: bool = False) -> ast.arguments:
        """Parameters, with their defaults rewritten; annotations stay for decorators to look at."""
        args.defaults = [self.visit(d) for d in args.defaults]
        args.kw_defaults = [self.expr(d) for d in args.kw_defaults]
        for a in _all_arguments(args):
            a.annotation = a.annotation if annotated else None
            a.arg = self.mangled(a.arg)
        return args


def _of_sum(name: str, *args: ast.expr) -> ast.expr:
    """A call of a method of the sum that is being made."""
    return ast.Call(ast.Attribute(ast.Name("_wg_sum", ast.Load()), name, ast.Load()), [*args], [])


def _function(names: Sequence[str], body: ast.expr) -> ast.Lambda:
    """`lambda a, b: body`"""
    return ast.Lambda(ast.arguments([], [ast.arg(n) for n in names], None, [], [], None, []), body)


def _is_simple(node: ast.ListComp) -> bool:
    """Whether a comprehension means the same as calls of a function of its items."""
    loop = node.generators[0]
    names = loop.target.elts if isinstance(loop.target, ast.Tuple) else [loop.target]
    late = any(isinstance(n, (ast.Lambda, ast.GeneratorExp)) for n in ast.walk(node.elt))
    plain = len(node.generators) == 1 and not loop.ifs and not loop.is_async and not late
    distinct = {n.id for n in names if isinstance(n, ast.Name)}
    return plain and len(distinct) == len(names) and movable(node)


def _is_sum(node: ast.Call) -> bool:
    """Whether a call is `sum` of a generator or comprehension, or `len` of a filtered one.

    Or `min`, `max`, `any` or `all` of a generator with one condition.
    """
    if not isinstance(node.func, ast.Name) or len(node.args) != 1:
        return False
    if node.keywords and not (
        node.func.id in ("min", "max") and [k.arg for k in node.keywords] == ["default"]
    ):
        return False
    given = node.args[0]
    if not isinstance(given, (ast.GeneratorExp, ast.ListComp)) or not movable(given):
        return False
    if any(loop.is_async or not _target_names(loop.target) for loop in given.generators):
        return False
    filtered = any(loop.ifs for loop in given.generators)
    is_length = node.func.id == "len" and isinstance(given, ast.ListComp) and filtered
    if node.func.id in ("min", "max", "any", "all"):
        return len(given.generators) == 1 and len(given.generators[0].ifs) == 1
    return node.func.id == "sum" or is_length


def _target_names(target: ast.expr) -> list[str]:
    """The names of a target that can be parameters of a function; none if it cannot."""
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    names = [n.id for n in parts if isinstance(n, ast.Name)]
    return names if len(set(names)) == len(parts) else []


def _all_arguments(args: ast.arguments) -> list[ast.arg]:
    extra = [a for a in (args.vararg, args.kwarg) if a is not None]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *extra]


def parameters(args: ast.arguments) -> list[str]:
    """The names of all parameters."""
    return [a.arg for a in _all_arguments(args)]


def index_of(node: ast.expr) -> ast.expr:
    """The index of a subscript as a value."""
    if isinstance(node, ast.Slice):
        parts = [p or ast.Constant(None) for p in (node.lower, node.upper, node.step)]
        return ast.copy_location(runtime("slice", *parts), node)
    if isinstance(node, ast.Tuple):
        node.elts = [index_of(e) for e in node.elts]
    return node


def _is_written_out(node: ast.expr) -> bool:
    return all(
        isinstance(n, (ast.Constant, ast.Slice, ast.Tuple, ast.UnaryOp, ast.USub, ast.Load))
        for n in ast.walk(node)
    )


def is_plain(test: ast.expr) -> bool:
    """Whether a condition can only be a Python bool: `x is None`, constants."""
    if isinstance(test, ast.Constant):
        return True
    if isinstance(test, ast.Compare):
        return all(isinstance(op, _PLAIN_TESTS) for op in test.ops) and not _is_of_truth(test)
    return False


def _is_of_truth(test: ast.Compare) -> bool:
    """Whether it is `x is True` or its like."""
    right = test.comparators[0]
    return len(test.ops) == 1 and isinstance(right, ast.Constant) and type(right.value) is bool


def _is_truth(node: ast.Compare) -> ast.expr:
    made = runtime("is_truth", node.left, node.comparators[0])
    if isinstance(node.ops[0], ast.IsNot):
        made = ast.UnaryOp(ast.Not(), made)
    return ast.copy_location(made, node)


def own_names(body: Sequence[ast.AST]) -> list[str]:
    """The variables that belong to a function with this body."""
    declared: set[str] = set()
    for node in walk_scope(body):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            declared.update(node.names)
    return [n for n in stored(body) if n not in declared]
