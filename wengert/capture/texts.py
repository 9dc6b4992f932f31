"""Texts made of traced values: `f"{x}"`, `str(x)`, `"%d" % x`.

A text needs numbers. In a loop that is being compiled there are none: it is an error, so that
Python runs the loop. Elsewhere, and where a text is only to be read (print, assert, raise, logs),
traced values are shown by their types.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from wengert.capture.journal import active
from wengert.capture.objects import special
from wengert.errors import TracerConversionError, located
from wengert.tracer.array import Tracer
from wengert.tracer.pytree import flatten, is_node
from wengert.tracer.stack import user_location


def shown(x: Any) -> Any:
    """The value itself; TracerConversionError if its text needs elements that are not known."""
    if active() is None:
        return x
    if not isinstance(x, Tracer):
        _show_parts(x)
    elif x.concrete() is None:
        raise located(
            TracerConversionError(
                f"a text is made of {x.type}, whose elements are known only when the compiled "
                "program runs; use wg.debug.print to show it, or an array in place of names with "
                "numbers in them"
            ),
            user_location(),
        )
    return x


def _show_parts(x: Any) -> None:
    """The same for all that the text of a container or of an object of the user's is made of."""
    items: Any = x
    if isinstance(x, (tuple, list, set, frozenset, deque)):
        parts = list(items)
    elif isinstance(x, dict):
        parts = [*items.keys(), *items.values()]
    else:
        method = special(x, "__str__") or special(x, "__repr__")
        if method is not None:
            method()  # it makes texts of its own
            return
        parts = [] if x is None or not is_node(type(x)) else flatten(x)[0]
    for part in parts:
        shown(part)


def from_shown(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of Python that makes a text of its arguments."""

    def text(*args: Any, **options: Any) -> Any:
        shown_options = {name: shown(x) for name, x in options.items()}
        return function(*map(shown, args), **shown_options)

    return text
