"""`for` over `np.ndindex`, `itertools.product` and `itertools.combinations`: a loop in a loop.

So an index of each is one of a loop, of which it is known where it runs, and the innermost loop
runs along an array's last axis. A `break` leaves all of them: they end at the same flag.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wengert.capture import runtime_loops
from wengert.capture.info import Info
from wengert.capture.loop_turn import Get
from wengert.capture.sequences import Combinations, Product
from wengert.tracer.stack import current

Set = Callable[[Any], None]


def run_for(
    info: Info, iterable: Any, body: Callable[[Any], None], get: Get, set_: Set, stop: Any
) -> None:
    """Runs a `for` loop, which may be several."""
    if not isinstance(iterable, (Product, Combinations)) or current() is None:
        runtime_loops.run_for(info, iterable, body, get, set_, stop)
        return
    depth = iterable.depth
    inner = replace(info, after=info.after | info.at_start)

    def run(before: tuple[Any, ...]) -> None:
        level = len(before)
        if level == depth:
            body(iterable.item(before))
            return
        own = replace(inner if level else info, depth=info.depth + depth - 1 - level)
        items = iterable.level(before)
        runtime_loops.run_for(own, items, lambda item: run((*before, item)), get, set_, stop)

    run(())
