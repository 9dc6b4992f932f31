"""Pytrees: nested containers of arrays, and functions over them.

Nodes are tuples, lists, dicts (whose leaves have the order of their sorted keys, and which are
rebuilt in the order in which those were inserted), OrderedDicts, defaultdicts, namedtuples, slices,
dataclasses, None (a node without children) and what `register_pytree_node` adds. Everything else is
a leaf. A dataclass is rebuilt without calling `__init__`; fields declared with
`field(metadata={"static": True})` belong to the structure instead of the children.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from wengert.errors import TreeError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Node:
    """How a container type is taken apart.

    `flatten` gives the children and hashable auxiliary data, `unflatten` the container from
    auxiliary data and children, `entries` the words that lead to each child.
    """

    flatten: Callable[[Any], tuple[Iterable[Any], Any]]
    unflatten: Callable[[Any, Sequence[Any]], Any]
    entries: Callable[[Any, int], list[str]]


class TreeDef:
    """The structure of a pytree: hashable, comparable, without the leaves.

    `kind` is the container's type, or None for a leaf. `order` is None, or else the keys of a dict
    as they were inserted if they were not in order, and the orders of the children; structures that
    differ in it alone are equal.
    """

    __slots__ = ("_hash", "aux", "children", "kind", "num_leaves", "order")

    def __init__(
        self, kind: type | None, aux: Any, children: tuple[TreeDef, ...], order: Any = None
    ) -> None:
        self.order = order
        self.kind = kind
        self.aux = aux
        self.children = children
        self.num_leaves = 1 if kind is None else sum(c.num_leaves for c in children)
        self._hash: int | None = None

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self.kind, self.aux, self.children))
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, TreeDef) or self.kind is not other.kind:
            return False
        return self.aux == other.aux and self.children == other.children

    def __reduce__(self) -> Any:
        return (_remake, (self.kind, self.aux, self.children, self.order))

    def __repr__(self) -> str:
        return f"TreeDef({self})"

    def __str__(self) -> str:
        if self.kind is None:
            return "*"
        if self.kind is type(None):
            return "None"
        inner = list(map(str, self.children))
        if self.kind in (tuple, list):
            opening, closing = "()" if self.kind is tuple else "[]"
            comma = "," if self.kind is tuple and len(inner) == 1 else ""
            return f"{opening}{', '.join(inner)}{comma}{closing}"
        if self.kind is dict:
            items = (f"{k!r}: {c}" for k, c in zip(self.aux, inner, strict=True))
            return "{" + ", ".join(items) + "}"
        return f"{self.kind.__name__}({', '.join(inner)})"

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The pytree of this structure with these leaves."""
        leaves = leaves if isinstance(leaves, (list, tuple)) else list(leaves)
        if len(leaves) != self.num_leaves:
            raise TreeError(f"{self} has {self.num_leaves} leaves, and {len(leaves)} were given")
        if self.kind is None:
            return leaves[0]
        if self.num_leaves == len(self.children) and all(c.kind is None for c in self.children):
            return remade(self, leaves)
        return self._build(iter(leaves))

    def in_order(self) -> TreeDef:
        """The same structure, whose dicts are made in the order of their sorted keys."""
        if self.order is None:
            return self
        return TreeDef(self.kind, self.aux, tuple([c.in_order() for c in self.children]))

    def _build(self, leaves: Any) -> Any:
        if self.kind is None:
            return next(leaves)
        children = [c._build(leaves) for c in self.children]
        return remade(self, children)

    def flatten_up_to(self, tree: Any, what: str = "the tree") -> list[Any]:
        """The subtrees of `tree` at the leaves of this structure; TreeError if it does not fit."""
        found: list[Any] = []
        self._match(tree, what, found)
        return found

    def _match(self, tree: Any, what: str, found: list[Any]) -> None:
        if self.kind is None:
            found.append(tree)
            return
        node = _find(type(tree))
        if type(tree) is not self.kind or node is None:
            raise TreeError(f"{what} should be {self}, and is {type(tree).__name__}")
        children, aux = node.flatten(tree)
        children = list(children)
        if aux != self.aux or len(children) != len(self.children):
            raise TreeError(f"{what} should be {self}, and is {structure(tree)}")
        names = node.entries(aux, len(children))
        for child, inner, name in zip(self.children, children, names, strict=True):
            child._match(inner, what + name, found)


def _remake(kind: type | None, aux: Any, children: tuple[TreeDef, ...], order: Any) -> TreeDef:
    return LEAF if kind is None else TreeDef(kind, aux, children, order)


LEAF = TreeDef(None, None, ())
_NONE = TreeDef(type(None), None, ())
_REGISTRY: dict[type, _Node | None] = {}


# node types


def _find(kind: type) -> _Node | None:
    """How to take `kind` apart; None for leaves. The answer is remembered per type."""
    try:
        return _REGISTRY[kind]
    except KeyError:
        node: _Node | None = None
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            node = _namedtuple_node(kind)
        elif dataclasses.is_dataclass(kind):
            node = _dataclass_node(kind)
        _REGISTRY[kind] = node
        return node


def is_node(kind: type) -> bool:
    """Whether objects of this type are containers."""
    return _find(kind) is not None


def children_of(tree: Any) -> list[Any] | None:
    """What a container holds, in the order of its structure; None for a leaf."""
    node = _find(type(tree))
    return None if node is None else list(node.flatten(tree)[0])


def remade(treedef: TreeDef, children: Sequence[Any]) -> Any:
    """A container like the outermost one of `treedef`, which holds `children`."""
    assert treedef.kind is not None
    found = _node(treedef.kind).unflatten(treedef.aux, children)
    keys = inserted(treedef)
    if keys is not None:
        items = dict(found)
        found.clear()
        found.update((k, items[k]) for k in keys)
    return found


def inserted(treedef: TreeDef) -> tuple[Any, ...] | None:
    """The keys of a dict as they were inserted; None if that is their order."""
    return None if treedef.order is None else treedef.order[0]


def _order(kind: Any, tree: Any, aux: Any, inner: tuple[TreeDef, ...]) -> Any:
    keys: Any = None
    if kind is dict or kind is defaultdict:
        own = tuple(tree)
        keys = None if own == (aux if kind is dict else aux[1]) else own
    inside = tuple([c.order for c in inner])
    return (keys, inside) if keys is not None or any(inside) else None


def _node(kind: type) -> _Node:
    node = _find(kind)
    assert node is not None
    return node


def _by_position(aux: Any, count: int) -> list[str]:
    return [f"[{i}]" for i in range(count)]


def _by_key(aux: Any, count: int) -> list[str]:
    return [f"[{k!r}]" for k in aux]


def _sorted_keys(tree: dict[Any, Any]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(tree))
    except TypeError:  # keys that have no order stay in the order of insertion
        return tuple(tree)


def _flatten_dict(tree: dict[Any, Any]) -> tuple[list[Any], Any]:
    keys = _sorted_keys(tree)
    return [tree[k] for k in keys], keys


def _unflatten_dict(keys: Any, children: Sequence[Any]) -> dict[Any, Any]:
    return dict(zip(keys, children, strict=True))


def _flatten_defaultdict(tree: defaultdict[Any, Any]) -> tuple[list[Any], Any]:
    children, keys = _flatten_dict(tree)
    return children, (tree.default_factory, keys)


def _unflatten_defaultdict(aux: Any, children: Sequence[Any]) -> defaultdict[Any, Any]:
    return defaultdict(aux[0], zip(aux[1], children, strict=True))


def _namedtuple_node(kind: Any) -> _Node:
    names = [f".{f}" for f in kind._fields]
    return _Node(lambda t: (t, None), lambda aux, cs: kind(*cs), lambda aux, count: names)


def _dataclass_node(kind: Any) -> _Node:
    fields = dataclasses.fields(kind)
    static = tuple(f.name for f in fields if f.metadata.get("static", False))
    dynamic = tuple(f.name for f in fields if f.name not in static)

    def flatten(tree: Any) -> tuple[list[Any], Any]:
        return [getattr(tree, n) for n in dynamic], tuple(getattr(tree, n) for n in static)

    def unflatten(aux: Any, children: Sequence[Any]) -> Any:
        tree = object.__new__(kind)
        for name, value in (*zip(static, aux, strict=True), *zip(dynamic, children, strict=True)):
            object.__setattr__(tree, name, value)
        return tree

    return _Node(flatten, unflatten, lambda aux, count: [f".{n}" for n in dynamic])


_REGISTRY[tuple] = _Node(lambda t: (t, None), lambda aux, cs: tuple(cs), _by_position)
_REGISTRY[list] = _Node(lambda t: (t, None), lambda aux, cs: list(cs), _by_position)
_REGISTRY[dict] = _Node(_flatten_dict, _unflatten_dict, _by_key)
_REGISTRY[OrderedDict] = _Node(
    lambda t: (list(t.values()), tuple(t)),
    lambda keys, cs: OrderedDict(zip(keys, cs, strict=True)),
    _by_key,
)
_REGISTRY[defaultdict] = _Node(
    _flatten_defaultdict, _unflatten_defaultdict, lambda aux, count: _by_key(aux[1], count)
)
_REGISTRY[slice] = _Node(
    lambda s: ((s.start, s.stop, s.step), None), lambda aux, cs: slice(*cs), _by_position
)
_REGISTRY[type(None)] = _Node(lambda t: ((), None), lambda aux, cs: None, _by_position)


def register_pytree_node(
    nodetype: type,
    flatten_func: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_func: Callable[[Any, Any], Any],
) -> None:
    """Makes `nodetype` a container.

    `flatten_func(tree) -> (children, aux)` with hashable `aux`; `unflatten_func(aux, children)`.
    """
    known = _REGISTRY.get(nodetype)
    if known is not None and not dataclasses.is_dataclass(nodetype):
        raise ValueError(f"{nodetype.__name__} is a pytree node already")
    _REGISTRY[nodetype] = _Node(
        flatten_func, lambda aux, cs: unflatten_func(aux, tuple(cs)), _by_position
    )


def register_pytree_node_class(cls: type[T]) -> type[T]:
    """Class decorator: a container by its `tree_flatten(self)` and `tree_unflatten(cls, ...)`."""
    kind: Any = cls
    register_pytree_node(cls, lambda tree: tree.tree_flatten(), kind.tree_unflatten)
    return cls


# taking trees apart

_LEAVES_OF: dict[tuple[type, int], TreeDef] = {}


def flatten(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], TreeDef]:
    """The leaves of `tree` and its structure."""
    leaves: list[Any] = []
    return leaves, _flatten_into(tree, is_leaf, leaves)


def _flatten_into(tree: Any, is_leaf: Callable[[Any], bool] | None, leaves: list[Any]) -> TreeDef:
    kind: Any = type(tree)
    node = _REGISTRY[kind] if kind in _REGISTRY else _find(kind)
    if node is None or (is_leaf is not None and is_leaf(tree)):
        leaves.append(tree)
        return LEAF
    if tree is None:
        return _NONE
    children, aux = node.flatten(tree)
    inner = tuple([_flatten_into(c, is_leaf, leaves) for c in children])
    if (kind is tuple or kind is list) and inner.count(LEAF) == len(inner):
        key = (kind, len(inner))
        shared = _LEAVES_OF.get(key)
        if shared is None:
            shared = _LEAVES_OF[key] = TreeDef(kind, None, inner)
        return shared
    return TreeDef(kind, aux, inner, _order(kind, tree, aux, inner))


def structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeDef:
    """The structure of `tree`."""
    return flatten(tree, is_leaf)[1]


def paths(tree: Any) -> list[str]:
    """For each leaf, how to reach it from the root: `['w'][0].bias`."""
    found: list[str] = []
    _paths_into(tree, "", found)
    return found


def _paths_into(tree: Any, prefix: str, found: list[str]) -> None:
    node = _find(type(tree))
    if node is None:
        found.append(prefix)
        return
    children, aux = node.flatten(tree)
    children = list(children)
    for child, name in zip(children, node.entries(aux, len(children)), strict=True):
        _paths_into(child, prefix + name, found)


# public functions, by JAX's names


def tree_flatten(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[Any], TreeDef]:
    """The leaves of `tree` and its structure; `tree_unflatten` is the inverse."""
    return flatten(tree, is_leaf)


def tree_unflatten(treedef: TreeDef, leaves: Iterable[Any]) -> Any:
    """The pytree with this structure and these leaves."""
    return treedef.unflatten(leaves)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves of `tree`."""
    return flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeDef:
    """The structure of `tree`."""
    return structure(tree, is_leaf)


def tree_map(
    f: Callable[..., Any], tree: Any, *rest: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """`f` applied to corresponding leaves of trees; the first one gives the structure."""
    leaves, treedef = flatten(tree, is_leaf)
    others = [treedef.flatten_up_to(r, f"tree {i}") for i, r in enumerate(rest, 2)]
    return treedef.unflatten([f(*xs) for xs in zip(leaves, *others, strict=True)])


def tree_all(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether all leaves are true."""
    return all(tree_leaves(tree, is_leaf))


_MISSING = object()


def tree_reduce(
    function: Callable[[Any, Any], Any],
    tree: Any,
    initializer: Any = _MISSING,
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:
    """The leaves combined from left to right by `function`."""
    leaves = tree_leaves(tree, is_leaf)
    if initializer is _MISSING:
        return functools.reduce(function, leaves)
    return functools.reduce(function, leaves, initializer)


def broadcast_prefix(prefix: Any, treedef: TreeDef, what: str) -> list[Any]:
    """One value per leaf of `treedef`, from a tree that may stop early (an `in_axes`).

    A None in the prefix stands for all leaves below it.
    """
    found: list[Any] = []
    _spread_prefix(prefix, treedef, what, found)
    return found


def _spread_prefix(prefix: Any, treedef: TreeDef, what: str, found: list[Any]) -> None:
    node = None if prefix is None else _find(type(prefix))
    if node is None:
        found.extend([prefix] * treedef.num_leaves)
        return
    children, aux = node.flatten(prefix)
    children = list(children)
    same_kind = type(prefix) is treedef.kind or {type(prefix), treedef.kind} == {list, tuple}
    if not same_kind or aux != treedef.aux or len(children) != len(treedef.children):
        raise TreeError(f"{what} must be a prefix of {treedef}, and is {prefix!r}")
    for child, inner in zip(children, treedef.children, strict=True):
        _spread_prefix(child, inner, what, found)
