"""SciPy's special functions with several results, and Faddeeva's and Voigt's, on traced values."""

from __future__ import annotations

import math

from wengert.errors import DTypeError
from wengert.ir.builder import Value
from wengert.tracer.functions.elementwise import lowering
from wengert.tracer.functions.special import enter_ufuncs


def _real(name: str, x: Value) -> Value:
    if x.type.is_complex:
        raise DTypeError(f"scipy.special.{name} of traced values takes real numbers, got {x.dtype}")
    return x


@lowering("sici")
def sici(x: Value) -> tuple[Value, Value]:
    """The sine and the cosine integral."""
    x = _real("sici", x)
    return x.sine_integral(), x.cosine_integral()


@lowering("shichi")
def shichi(x: Value) -> tuple[Value, Value]:
    """The hyperbolic sine and cosine integrals."""
    x = _real("shichi", x)
    return x.hyperbolic_sine_integral(), x.hyperbolic_cosine_integral()


@lowering("fresnel")
def fresnel(x: Value) -> tuple[Value, Value]:
    """Fresnel's integrals S and C."""
    x = _real("fresnel", x)
    return x.fresnel_sine(), x.fresnel_cosine()


@lowering("airy")
def airy(x: Value) -> tuple[Value, Value, Value, Value]:
    """Ai, Ai', Bi and Bi'."""
    x = _real("airy", x)
    return x.airy_ai(order=0), x.airy_ai(order=1), x.airy_bi(order=0), x.airy_bi(order=1)


@lowering("wofz")
def wofz(z: Value) -> Value:
    """Faddeeva's function exp(-z^2) erfc(-i z)."""
    x, y = z.real(), z.imag()
    return x.faddeeva_re(y).complex(x.faddeeva_im(y))


@lowering("voigt_profile")
def voigt_profile(x: Value, sigma: Value, gamma: Value) -> Value:
    """The convolution of a normal density and Cauchy's: Re w of (x + i gamma) / (sigma sqrt(2)).

    Without one of both widths it is the other density.
    """
    sharp = sigma.eq(0.0)
    scale = 1.0 / (sharp.select(1.0, sigma) * math.sqrt(2.0))
    blurred = (x * scale).faddeeva_re(gamma * scale) * scale * (1 / math.sqrt(math.pi))
    cauchy = gamma / (x * x + gamma * gamma) * (1 / math.pi)
    point = x.eq(0.0).select(math.inf, x.full_like(0.0))
    line = gamma.eq(0.0).select(point, cauchy)
    return sharp.select(line, blurred)


NAMES = ("sici", "shichi", "fresnel", "airy", "wofz", "voigt_profile")
enter_ufuncs(NAMES)
