"""checkpoint: a function whose inner values reverse mode computes again instead of keeping them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from wengert.api.arguments import abstract, function_name, require_callable
from wengert.api.policies import Policy, choice
from wengert.capture.convert import convert
from wengert.ir.transforms.checkpoint import checkpointed, selectively_checkpointed
from wengert.tracer.array import Tracer
from wengert.tracer.lift import lift, wrap
from wengert.tracer.pytree import flatten
from wengert.tracer.stack import current
from wengert.tracer.trace import trace


def checkpoint(fun: Callable[..., Any], *, policy: Policy | None = None) -> Callable[..., Any]:
    """`fun`, of which reverse mode keeps nothing but the arguments, and what the policy says.

    What the derivative needs of the values inside is computed again when the reverse sweep comes
    to it: the memory of one evaluation of `fun` for about twice the time (Griewank and Walther,
    Evaluating Derivatives, 2008, chapter 12). Values and derivatives are the same. Changes that
    `fun` makes to its arguments in place are not seen outside.

    `policy` is one of `wengert.policies` or a function of an `Operation`: the values for which it
    says True are kept, and what leads to them alone is not computed again. Raises InputTypeError if
    it says anything but True or False.
    """
    require_callable("checkpoint", fun)
    if policy is not None:
        require_callable("the policy of checkpoint", policy)

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
        if policy is None:
            results = checkpointed(here.builder, found.program, inputs)
        else:
            chosen = choice(policy)
            results = selectively_checkpointed(here.builder, found.program, inputs, chosen)
        return found.unflatten([wrap(v) for v in results])

    return recomputed
