"""SciPy's special functions for traced values and for arrays alike.

The names and meanings are those of `scipy.special`, which computes on arrays and numbers.
"""

from __future__ import annotations

from typing import Any

from wengert.tracer.array import enter
from wengert.tracer.functions import elliptic as _elliptic
from wengert.tracer.functions import orders as _orders
from wengert.tracer.functions import orthogonal as _orthogonal
from wengert.tracer.functions import special as _special
from wengert.tracer.functions import special_elementary as _elementary
from wengert.tracer.functions import special_pairs as _pairs
from wengert.tracer.functions.operands import holds_tracers as _holds_tracers
from wengert.tracer.functions.special_functions import FUNCTIONS as _FUNCTIONS
from wengert.tracer.functions.zeta import zeta as _zeta


def _traced(name: str) -> Any:
    """A function that is no ufunc: it goes to SciPy itself where nothing is traced."""
    implementation = FUNCTIONS[name]

    def call(*args: Any, **kwargs: Any) -> Any:
        if _holds_tracers(args) or _holds_tracers(tuple(kwargs.values())):
            return enter(implementation, *args, **kwargs)
        return _special.scipy_function(name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = implementation.__doc__
    return call


UFUNCS = (
    *_special.UFUNC_NAMES,
    *_special.SHARED_NAMES,
    *_orders.PARAMETERS,
    *_orders.SAME,
    *_orders.HANKEL,
    *_orthogonal.NAMES,
    *_elementary.NAMES,
    *_elliptic.NAMES,
    *_pairs.NAMES,
    "jn",
    "digamma",
)
FUNCTIONS = {**_FUNCTIONS, "sinc": _special.sinc, "zeta": _zeta}

_NAMES: dict[str, Any] = {
    **{name: _special.public(name) for name in UFUNCS},
    **{name: _traced(name) for name in FUNCTIONS},
}
globals().update(_NAMES)
__all__ = sorted(_NAMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"wengert.special has no '{name}'; it has {', '.join(__all__)}, and scipy.special more"
    )
