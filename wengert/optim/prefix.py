"""The first entries of a list that goes on growing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, overload

T = TypeVar("T")


class Prefix(Sequence[T]):
    """The entries that a list had when this was made, without a copy of them.

    For records that are handed out again and again while they grow, as to callbacks: copies would
    cost the square of their length. Compares equal to a list, and prints as one.
    """

    __slots__ = ("_items", "_length")

    def __init__(self, items: Sequence[T]) -> None:
        self._items, self._length = items, len(items)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: Any) -> Any:
        places = range(self._length)[index]
        if isinstance(places, range):
            return [self._items[k] for k in places]
        return self._items[places]

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, (list, Prefix)) else NotImplemented  # pyright: ignore

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        return repr(list(self))
