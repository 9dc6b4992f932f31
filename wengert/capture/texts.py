"""Texts made of traced values: `f"{x}"`, `str(x)`, `"%d" % x`.

A text needs numbers. In a loop that is being compiled there are none: it is an error, so that
Python runs the loop. Elsewhere, and where a text is only to be read (print, assert, raise, logs),
traced values are shown by their types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert.capture.journal import active
from wengert.errors import TracerConversionError, located
from wengert.tracer.array import Tracer
from wengert.tracer.stack import user_location


def shown(x: Any) -> Any:
    """A value of which a text is made."""
    if type(x) is tuple:
        return tuple([shown(part) for part in x])
    if isinstance(x, Tracer) and active() is not None and x.concrete() is None:
        raise located(
            TracerConversionError(
                f"a text is made of {x.type}, whose elements are known only when the compiled "
                "program runs; use wg.debug.print to show it, or an array in place of names with "
                "numbers in them"
            ),
            user_location(),
        )
    return x


def from_shown(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of Python that makes a text of its arguments."""

    def text(*args: Any, **options: Any) -> Any:
        shown_options = {name: shown(x) for name, x in options.items()}
        return function(*map(shown, args), **shown_options)

    return text
