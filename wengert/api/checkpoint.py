"""checkpoint: a function whose inner values reverse mode computes again instead of keeping them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from wengert.api.arguments import abstract, function_name, require_callable
from wengert.capture.convert import convert
from wengert.ir.transforms.checkpoint import checkpointed
from wengert.tracer.array import Tracer
from wengert.tracer.lift import lift, wrap
from wengert.tracer.pytree import flatten
from wengert.tracer.stack import current
from wengert.tracer.trace import trace


def checkpoint(fun: Callable[..., Any]) -> Callable[..., Any]:
    """`fun`, of which reverse mode keeps nothing but the arguments.

    What the derivative needs of the values inside is computed again when the reverse sweep comes
    to it: the memory of one evaluation of `fun` for about twice the time (Griewank and Walther,
    Evaluating Derivatives, 2008, chapter 12). Values and derivatives are the same. Changes that
    `fun` makes to its arguments in place are not seen outside.
    """
    require_callable("checkpoint", fun)

    @functools.wraps(fun)
    def recomputed(*args: Any, **kwargs: Any) -> Any:
        here = current()
        leaves, tree = flatten((args, kwargs))
        places = [i for i, x in enumerate(leaves) if isinstance(x, Tracer)]
        if here is None or not places:
            return fun(*args, **kwargs)

        def closed(*traced: Any) -> Any:
            inner = list(leaves)
            for place, value in zip(places, traced, strict=True):
                inner[place] = value
            positional, named = tree.unflatten(inner)
            return convert(fun)(*positional, **named)

        types = [abstract(leaves[i], "an argument of checkpoint") for i in places]
        found = trace(closed, types, name=function_name(fun), keep_static=True)
        inputs = [lift(leaves[i]) for i in places] + [lift(t) for t in found.captured]
        return found.unflatten([wrap(v) for v in checkpointed(here.builder, found.program, inputs)])

    return recomputed
