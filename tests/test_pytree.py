"""Pytrees: taking apart, putting together, structures as keys."""

from __future__ import annotations

import pickle
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wengert as wg
from wengert.errors import TreeError
from wengert.tracer.pytree import broadcast_prefix, paths

Point = namedtuple("Point", ["x", "y"])


@dataclass
class Layer:
    weights: Any
    bias: Any
    name: str = field(default="layer", metadata={"static": True})

    def __post_init__(self) -> None:
        assert self.weights is not None  # not called when a tree is rebuilt


@wg.register_pytree_node_class
class Interval:
    def __init__(self, low: Any, high: Any) -> None:
        self.low = low
        self.high = high

    def __repr__(self) -> str:  # names the test, which must be called the same in every process
        return f"Interval({self.low!r}, {self.high!r})"

    def tree_flatten(self) -> tuple[tuple[Any, ...], None]:
        return (self.low, self.high), None

    @classmethod
    def tree_unflatten(cls, aux: None, children: tuple[Any, ...]) -> Interval:
        return cls(*children)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Interval) and (self.low, self.high) == (other.low, other.high)


TREES = [
    1,
    None,
    (),
    [],
    {},
    (1, [2, {"a": 3, "b": (4, None)}]),
    Point(1, [2, 3]),
    OrderedDict([("b", 1), ("a", 2)]),
    defaultdict(list, {"k": 1}),
    Layer(1, (2, 3), "first"),
    Interval(1, {"a": 2}),
    {1: "int", "a": "str"},  # keys without an order
    ((), [], {}, None),
]

leaves = st.integers()
trees = st.recursive(
    leaves | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.tuples(inner, inner).map(lambda p: Point(*p))
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_round_trip(tree: Any) -> None:
    found, structure = wg.tree_flatten(tree)
    again = wg.tree_unflatten(structure, found)
    assert again == tree
    assert type(again) is type(tree)
    assert structure.num_leaves == len(found)
    assert wg.tree_structure(again) == structure
    assert hash(wg.tree_structure(again)) == hash(structure)
    assert len(paths(tree)) == len(found)


@given(trees)
def test_round_trip_of_random_trees(tree: Any) -> None:
    found, structure = wg.tree_flatten(tree)
    assert structure.unflatten(found) == tree
    assert pickle.loads(pickle.dumps(structure)) == structure
    assert wg.tree_map(lambda x, y: x - y, tree, tree) == wg.tree_map(lambda x: 0, tree)


@given(trees, trees)
def test_structures_are_equal_only_if_the_containers_are(x: Any, y: Any) -> None:
    blank = lambda tree: wg.tree_map(lambda leaf: 0, tree)  # noqa: E731
    assert (wg.tree_structure(x) == wg.tree_structure(y)) == (
        repr(_sorted(blank(x))) == repr(_sorted(blank(y)))
    )


def _sorted(tree: Any) -> Any:
    """Dicts in the order of their keys, so that equal trees print alike."""
    if isinstance(tree, dict):
        return {k: _sorted(tree[k]) for k in sorted(tree)}
    if isinstance(tree, Point):
        return Point(*map(_sorted, tree))
    if isinstance(tree, (tuple, list)):
        return type(tree)(map(_sorted, tree))
    return tree


def test_dicts_are_ordered_by_their_keys() -> None:
    assert wg.tree_leaves({"b": 1, "a": 2}) == [2, 1]
    assert wg.tree_structure({"b": 1, "a": 2}) == wg.tree_structure({"a": 0, "b": 0})
    assert wg.tree_structure(OrderedDict(b=1, a=2)) != wg.tree_structure(OrderedDict(a=1, b=2))


def test_dicts_are_rebuilt_as_they_were_inserted() -> None:
    tree = ({"b": 1, "a": [2, defaultdict(int, {"z": 3, "y": 4})]}, 5)
    found = wg.tree_map(lambda x: x, tree)
    assert found == tree
    assert (list(found[0]), list(found[0]["a"][1])) == (["b", "a"], ["z", "y"])
    copied = pickle.loads(pickle.dumps(wg.tree_structure(tree))).unflatten([4, 3, 2, 1, 0])
    assert (list(copied[0]), copied[0]["b"]) == (["b", "a"], 1)


def test_compiled_functions_see_the_order_of_dicts() -> None:
    def f(state: Any, **more: Any) -> Any:
        out = {k: v * 2 for k, v in state.items()}
        return list(state), out, np.concatenate([*state.values(), *more.values()])

    compiled = wg.jit(f)
    x, y = np.ones(2), np.arange(3.0)
    for state in ({"w": x, "b": y}, {"b": y, "w": x}, {"w": x, "b": y}, {}):
        for more in ({}, {"q": x, "p": y}, {"p": y, "q": x}, {"q": y, "p": x}):
            if state or more:
                for _ in range(2):
                    found, wanted = compiled(state, **more), f(state, **more)
                    assert (found[0], list(found[1])) == (wanted[0], list(wanted[1]))
                    np.testing.assert_array_equal(found[2], wanted[2])
    slopes = wg.jit(wg.grad(lambda s: np.sum(np.cumsum(f(s)[2]))))({"w": x, "b": y})
    assert list(slopes) == ["w", "b"]
    np.testing.assert_array_equal(slopes["w"], [5.0, 4.0])


def test_the_order_of_keyword_arguments_compiles_nothing_again() -> None:
    compiled = wg.jit(lambda x, y: x - y)
    assert compiled(x=1.0, y=2.0) == compiled(y=2.0, x=1.0) == -1.0
    assert compiled.recompilations == 0


def test_static_fields_belong_to_the_structure() -> None:
    one, other = Layer(1, 2, "one"), Layer(1, 2, "other")
    assert wg.tree_leaves(one) == [1, 2]
    assert wg.tree_structure(one) != wg.tree_structure(other)
    assert wg.tree_structure(one) == wg.tree_structure(Layer(3, 4, "one"))


def test_dataclasses_are_rebuilt_without_their_constructor() -> None:
    doubled = wg.tree_map(lambda x: None, Layer(1, 2))
    assert doubled.weights is None


def test_paths_name_the_leaves() -> None:
    tree = {"w": [1, 2], "p": Point(3, Layer(4, 5))}
    assert paths(tree) == ["['p'].x", "['p'].y.weights", "['p'].y.bias", "['w'][0]", "['w'][1]"]


def test_reductions() -> None:
    tree = {"a": 1, "b": (2, None, [3])}
    assert wg.tree_reduce(lambda x, y: x + y, tree) == 6
    assert wg.tree_reduce(lambda x, y: x + y, tree, 10) == 16
    assert wg.tree_all({"a": True, "b": [1]})
    assert not wg.tree_all({"a": True, "b": [0]})
    assert wg.tree_all(())


def test_is_leaf_stops_early() -> None:
    tree = ([1, 2], None)
    assert wg.tree_leaves(tree, is_leaf=lambda x: isinstance(x, list)) == [[1, 2]]
    assert wg.tree_leaves(tree, is_leaf=lambda x: x is None) == [1, 2, None]
    assert wg.tree_map(len, tree, is_leaf=lambda x: isinstance(x, list)) == (2, None)


def test_mismatches_name_the_place() -> None:
    with pytest.raises(TreeError, match=r"tree 2\['a'\] should be \(\*, \*\), and is list"):
        wg.tree_map(lambda x, y: x, {"a": (1, 2)}, {"a": [1, 2]})
    with pytest.raises(TreeError, match="has 2 leaves, and 1 were given"):
        wg.tree_unflatten(wg.tree_structure((1, 2)), [1])


def test_the_first_tree_may_be_a_prefix_of_the_others() -> None:
    assert wg.tree_map(lambda x, y: (x, y), (1, 2), ([3], {"a": 4})) == ((1, [3]), (2, {"a": 4}))


def test_prefixes() -> None:
    structure = wg.tree_structure((1, {"a": 2, "b": [3, 4]}))
    assert broadcast_prefix(7, structure, "axes") == [7, 7, 7, 7]
    assert broadcast_prefix((0, {"a": 1, "b": None}), structure, "axes") == [0, 1, None, None]
    with pytest.raises(TreeError, match="axes must be a prefix of"):
        broadcast_prefix((0, 1, 2), structure, "axes")


def test_a_type_is_registered_once() -> None:
    with pytest.raises(ValueError, match="is a pytree node already"):
        wg.register_pytree_node(Interval, lambda t: ((), None), lambda aux, cs: None)


def test_ravel_restores_structure_shapes_and_dtypes() -> None:
    tree = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": (np.float64(7), np.zeros((0, 2))),
    }
    vector, unravel = wg.ravel_pytree(tree)
    assert vector.dtype == np.float64
    np.testing.assert_array_equal(vector, [0, 1, 2, 3, 4, 5, 7])
    again = unravel(vector)
    assert again["a"].dtype == np.float32
    assert again["b"][1].shape == (0, 2)
    np.testing.assert_array_equal(again["a"], tree["a"])
    with pytest.raises(wg.errors.ShapeError, match="vector of 7 numbers"):
        unravel(np.zeros(6))
    assert wg.ravel_pytree({})[0].shape == (0,)


def test_ravel_inside_a_trace() -> None:
    tree = {"a": np.ones((2, 2)), "b": np.float64(3)}

    def norm(t: Any) -> Any:
        vector, unravel = wg.ravel_pytree(t)
        return np.sum(vector**2) + unravel(vector)["b"]

    assert wg.jit(norm, backend="reference")(tree) == 4 + 9 + 3
    slopes = wg.grad(norm)(tree)
    np.testing.assert_allclose(slopes["a"], 2 * tree["a"])
    np.testing.assert_allclose(slopes["b"], 7)
