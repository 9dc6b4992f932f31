"""Looking into programs while they run: `debug.print`, `debug.callback`, `debug.breakpoint`.

They happen when the program runs and in its order, also in loops and branches, under `jit` and in
derivatives, where they happen once for each value. They are never left out, and have no derivative.
In a batch (`vmap`) they happen for each row of what they are given.
"""

from __future__ import annotations

import builtins
import itertools
import linecache
import re
from collections.abc import Callable, Iterator, Sequence
from string import Formatter
from typing import Any

from wengert.api.arguments import fail, function_name, require_callable
from wengert.api.callback import act
from wengert.errors import ArgumentError, at
from wengert.tracer.pytree import flatten
from wengert.tracer.stack import user_location


def print(fmt: str, /, *args: Any, **kwargs: Any) -> None:  # noqa: A001 - as in JAX
    """Prints `fmt.format(*args, **kwargs)` when the program runs.

    Arguments are pytrees of anything. Write the values into the call, and not into the text (no
    f-string): in a traced function they are known only when it runs.
    """
    _check(fmt, len(args), list(kwargs))
    leaves, tree = flatten((args, kwargs))

    def show(found: list[Any]) -> None:
        given, named = tree.unflatten(found)
        builtins.print(fmt.format(*given, **named))  # noqa: T201

    act("debug.print", show, leaves)


def callback(fun: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
    """Calls a Python function when the program runs; what it returns is dropped."""
    require_callable("debug.callback", fun)
    leaves, tree = flatten((args, kwargs))

    def call(found: list[Any]) -> None:
        given, named = tree.unflatten(found)
        fun(*given, **named)

    act(function_name(fun), call, leaves)


def breakpoint(**values: Any) -> None:  # noqa: A001 - as Python's
    """Pauses when the program runs, in Python's debugger, which has the `values` by their names.

    It calls Python's own `breakpoint()`: `sys.breakpointhook` and PYTHONBREAKPOINT say what that
    does. The values are pytrees of anything; changes of them do not reach the program.
    """
    leaves, tree = flatten(values)
    where = f"<wengert.debug.breakpoint{at(user_location())}>"
    lines = ["breakpoint()\n", f"pass  # at hand: {', '.join(values) or 'no values'}\n"]
    code = compile("".join(lines), where, "exec")

    def pause(found: list[Any]) -> None:
        linecache.cache[where] = (sum(map(len, lines)), None, lines, where)
        exec(code, {"breakpoint": builtins.breakpoint, **tree.unflatten(found)})

    act("debug.breakpoint", pause, leaves)


def _check(fmt: str, count: int, names: Sequence[str]) -> None:
    """Raises ArgumentError unless the text has a place for each argument, and no others."""
    used: set[str] = set()
    numbers = itertools.count()
    for name in _fields(fmt):
        used.add(name or str(next(numbers)))
    given = {*map(str, range(count)), *names}
    if used != given:
        missing, left = sorted(used - given), sorted(given - used)
        what = f"has places for {missing}" if missing else f"has no place for {left}"
        fail(
            ArgumentError(
                f"the text {fmt!r} of debug.print {what}, and is given {count} arguments by "
                f"position and {list(names)} by name"
            )
        )


def _fields(fmt: str) -> Iterator[str]:
    """The names of the arguments in a text, those of widths and the like too."""
    for _, name, spec, _ in Formatter().parse(fmt):
        if name is not None:
            yield re.split(r"[.\[]", name)[0]
            yield from _fields(spec or "")


__all__ = ["breakpoint", "callback", "print"]
