"""The quick way from a call's arguments to the native entry, written out for one signature.

Taking pytrees apart in general costs several times what a small compiled program does. So for each
signature a Python function is generated that unpacks exactly its structure, compares static
values, and hands the leaves to the entry, which checks arrays by itself:

    def fast(args, kwargs):
        if kwargs or len(args) != 2: return NotImplemented
        (v0, v1,) = args
        if not (type(v0) is dict and len(v0) == 1): return NotImplemented
        (v3_0,) = v0
        if not (v3_0 == 'w'): return NotImplemented
        v3_0 = v0['w']
        if not (type(v1) is float): return NotImplemented
        o = entry(v3_0, v1)
        if o is NotImplemented: return NotImplemented
        return o[0]

For a function that changes arguments it also sees to it that they are writeable and share no
memory, and copies their new contents into them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.api.signature import DEVICE, NO_AXES, Call, Identity, is_static
from wengert.tracer.device_arrays import device_array_type
from wengert.tracer.pytree import TreeDef, inserted
from wengert.tracer.stack import current
from wengert.tracer.trace import Traced

Fast = Callable[[tuple[Any, ...], dict[str, Any]], Any]


class _NoFastCallError(Exception):
    """The arguments hold containers for which no code is written."""


def fast_call(call: Call, entry: Callable[..., Any], traced: Traced) -> Fast | None:
    """A function of (args, kwargs) that gives NotImplemented for other signatures than `call`."""
    writer = _Writer(call)
    try:
        writer.arguments()
    except _NoFastCallError:
        return None
    writer.call(entry, traced)
    return writer.function()


class _Writer:
    """The source of one function, and the objects that it names."""

    def __init__(self, call: Call) -> None:
        self.call_of = call
        self.specs = iter(call.specs)
        self.lines: list[str] = []
        self.leaves: list[str] = []
        self.names: dict[str, Any] = {"missing": object()}

    def function(self) -> Fast:
        source = "\n    ".join(["def fast(args, kwargs):", *self.lines])
        exec(compile(source, "<wengert: arguments of a compiled function>", "exec"), self.names)
        return self.names["fast"]

    def fresh(self) -> str:
        return f"v{len(self.lines)}_{len(self.names)}"

    def named(self, value: Any) -> str:
        name = f"k{len(self.names)}"
        self.names[name] = value
        return name

    def require(self, condition: str) -> None:
        self.lines.append(f"if not ({condition}): return NotImplemented")

    # arguments

    def arguments(self) -> None:
        positional, keywords = self.call_of.tree.children
        static = dict(self.call_of.static)
        numbers = [p for p in static if isinstance(p, int)]
        words = [p for p in static if isinstance(p, str)]
        count = len(positional.children) + len(numbers)
        self.require(f"len(args) == {count} and len(kwargs) == {len(keywords.aux) + len(words)}")
        if self.call_of.ordered and len(keywords.aux) > 1:
            raise _NoFastCallError  # whose order would have to be compared
        found = [f"a{i}" for i in range(count)]
        if found:
            self.lines.append(f"({', '.join(found)},) = args")
        for number in numbers:
            self.constant(found[number], static[number])
        dynamic = [v for i, v in enumerate(found) if i not in static]
        for tree, value in zip(positional.children, dynamic, strict=True):
            self.take(tree, value)
        for word in words:
            self.constant(self.lookup("kwargs", word), static[word])
        for word, tree in zip(keywords.aux, keywords.children, strict=True):
            self.take(tree, self.lookup("kwargs", word))

    def constant(self, value: str, expected: Any) -> None:
        if isinstance(expected, Identity):
            self.require(f"{value} is {self.named(expected.value)}")
        else:
            kind, wanted = self.named(expected.kind), self.named(expected.value)
            self.require(f"type({value}) is {kind} and {value} == {wanted}")

    def lookup(self, container: str, key: Any) -> str:
        name = self.fresh()
        self.lines.append(f"{name} = {container}.get({self.named(key)}, missing)")
        return name

    def take(self, tree: TreeDef, value: str) -> None:
        kind: Any = tree.kind
        if kind is None:
            self.leaf(value)
        elif kind is type(None):
            self.require(f"{value} is None")
        elif kind in (tuple, list) or (issubclass(kind, tuple) and hasattr(kind, "_fields")):
            self.sequence(tree, value)
        elif kind is dict:
            self.items(tree, value)
        elif dataclasses.is_dataclass(kind) and tree.aux == ():
            self.attributes(tree, value)
        else:
            raise _NoFastCallError

    def sequence(self, tree: TreeDef, value: str) -> None:
        count = len(tree.children)
        self.require(f"type({value}) is {self.named(tree.kind)} and len({value}) == {count}")
        base = self.fresh()
        parts = [f"{base}_{i}" for i in range(count)]
        if parts:
            self.lines.append(f"({', '.join(parts)},) = {value}")
        for child, part in zip(tree.children, parts, strict=True):
            self.take(child, part)

    def items(self, tree: TreeDef, value: str) -> None:
        """Takes a dict apart, whose keys must stand in the order of the structure."""
        keys = list(inserted(tree) or tree.aux)
        self.require(f"type({value}) is dict and len({value}) == {len(keys)}")
        if not keys:
            return
        base = self.fresh()
        parts = [f"{base}_{i}" for i in range(len(keys))]
        names = [repr(key) if type(key) is str else self.named(key) for key in keys]
        pairs = list(zip(parts, names, strict=True))
        self.lines.append(f"({', '.join(parts)},) = {value}")
        self.require(" and ".join([f"{part} == {name}" for part, name in pairs]))
        self.lines += [f"{part} = {value}[{name}]" for part, name in pairs]
        of = dict(zip(keys, parts, strict=True))
        for key, child in zip(tree.aux, tree.children, strict=True):
            self.take(child, of[key])

    def attributes(self, tree: TreeDef, value: str) -> None:
        fields = [f.name for f in dataclasses.fields(tree.kind)]  # pyright: ignore
        self.require(f"type({value}) is {self.named(tree.kind)}")
        for field, child in zip(fields, tree.children, strict=True):
            name = self.fresh()
            self.lines.append(f"{name} = {value}.{field}")
            self.take(child, name)

    def leaf(self, value: str) -> None:
        spec = next(self.specs)
        if is_static(spec):
            kind, wanted = self.named(spec[0]), self.named(spec[1])
            self.require(f"type({value}) is {kind} and {value} == {wanted}")
            return
        # the entry takes any number for a 0-d argument, but their types mean different programs
        if spec is float or spec is complex:
            self.require(f"type({value}) is {spec.__name__}")
        elif spec[2:] == (NO_AXES,):
            self.require(f"type({value}) is {self.named(np.ndarray)}")
        elif spec[2:] == (DEVICE,):
            self.require(f"type({value}) is {self.named(device_array_type())}")
        elif spec[1] == ():
            self.require(f"type({value}) is {self.named(spec[0].type)}")
        self.leaves.append(value)

    # result

    def call(self, entry: Callable[..., Any], traced: Traced) -> None:
        self.changeable(traced)
        self.lines.append(f"o = {self.named(entry)}({', '.join(self.leaves)})")
        self.lines.append("if o is NotImplemented: return NotImplemented")
        for position, k in enumerate(traced.changed, traced.results):
            self.lines.append(f"{self.named(np.copyto)}({self.leaves[k]}, o[{position}])")
        tree = traced.out_tree
        flat = tree.kind is tuple and all(c.kind is None for c in tree.children)
        if flat and not traced.static and not traced.changed:
            self.lines.append("return o")
            return
        numbers = iter(range(tree.num_leaves))
        outputs = iter(range(tree.num_leaves))
        try:
            self.lines.append(f"return {self.result(tree, traced, numbers, outputs)}")
        except _NoFastCallError:
            leaves = f"({''.join(f'{x}, ' for x in self.leaves)})"
            self.lines.append(f"return {self.named(traced.unflatten)}(o, {leaves})")

    def changeable(self, traced: Traced) -> None:
        """Arrays that the function changes must be writeable, and share no memory with others."""
        array = self.named(np.ndarray) if traced.changed else ""
        shares = self.named(np.may_share_memory) if traced.changed else ""
        if traced.changed:  # while a function is traced, arrays that are not are its constants
            self.require(f"{self.named(current)}() is None")
        for k in traced.changed:
            x = self.leaves[k]
            self.require(f"type({x}) is {array} and {x}.flags.writeable")
            for other, y in enumerate(self.leaves):
                if other != k and (other > k or other not in traced.changed):
                    self.require(f"type({y}) is not {array} or not {shares}({x}, {y})")

    def result(self, tree: TreeDef, traced: Traced, numbers: Any, outputs: Any) -> str:
        kind: Any = tree.kind
        if kind is None:
            number = next(numbers)
            if number in traced.same:
                return self.leaves[traced.same[number]]
            static = traced.static
            return self.named(static[number]) if number in static else f"o[{next(outputs)}]"
        inner = [self.result(c, traced, numbers, outputs) for c in tree.children]
        listed = "".join(f"{x}, " for x in inner)
        if kind is type(None):
            return "None"
        if kind is tuple:
            return f"({listed})"
        if kind is list:
            return f"[{listed}]"
        if kind is dict:
            parts = dict(zip(tree.aux, inner, strict=True))
            keys = inserted(tree) or tree.aux
            return "{" + ", ".join(f"{self.named(k)}: {parts[k]}" for k in keys) + "}"
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            return f"{self.named(kind)}({listed})"
        raise _NoFastCallError
