"""erf, erfc.

    erf(x) = x + x P(x**2)             |x| < 1 (0.9 in float32)
    erf(x) = sign(x) (1 - exp(Q(|x|)))  above; Q fits log(erfc(x)), with weight erfc(x) / erf(x)

The second form is the one of N. Juffa's CUDA answers (2013); coefficients by benchmarks/minimax.py.
"""

from __future__ import annotations

from wengert.ir.scalar import Expr, ScalarBuilder
from wengert.kernels.maths.exponential import expm1_reduced, reduce_by_ln2
from wengert.kernels.maths.formats import (
    Format,
    at_most,
    horner,
    power_of_two,
    scale_by_two_powers,
)

# erf(x)/x - 1 in x**2; error of erf 2**-25.2 on |x| <= 0.9 and 2**-55.6 on |x| <= 1
_SMALL_SINGLE = (
    *(0.12837915122509003, -0.3761252462863922, 0.11282141506671906),
    *(-0.026778917759656906, 0.005011966917663813, -0.0006090356619097292),
)
_SMALL_DOUBLE = (
    *(0.12837916709551256, -0.3761263890318352, 0.112837916709442, -0.026866170643113398),
    *(0.00522397760613082, -0.0008548325929766101, 0.00012055293586936515),
    *(-1.4924712439533827e-05, 1.6447132699784794e-06, -1.6206318752966395e-07),
    *(1.3710988704187103e-08, -7.779462971759096e-10),
)
# log(erfc(x)); error of erf 2**-27.4 on [0.9, 3.95] and 2**-57.0 on [1, 5.95]
_LARGE_SINGLE = (
    *(-0.00016645372670609504, -1.127797245979309, -0.6369761228561401, -0.1041136234998703),
    *(0.02231518365442753, -0.0030654813162982464, 0.0001982185640372336),
)
_LARGE_DOUBLE = (
    *(-5.028417347708695e-07, -1.1283740895593914, -0.6366436276921263, -0.1027034406661149),
    *(0.01899018111909138, 0.00041062470028504014, -0.0019159400099820405),
    *(0.0007706406252083099, -0.00013504885098641206, -2.0267343718328015e-05),
    *(2.2822739903279395e-05, -8.667227329017793e-06, 2.1356898812257777e-06),
    *(-3.733045599741869e-07, 4.642302235206583e-08, -3.934264140928613e-09),
    *(2.0449612104319007e-10, -4.928609785699819e-12),
)


def erf(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    square = s.mul(x, x)
    small = s.fma(x, horner(s, square, f.pick(_SMALL_SINGLE, _SMALL_DOUBLE)), x)
    a = at_most(s, s.abs(x), f.pick(3.95, 5.95))
    t, _, r = reduce_by_ln2(s, horner(s, a, f.pick(_LARGE_SINGLE, _LARGE_DOUBLE)), f.bias)
    power = power_of_two(s, t)
    # 1 - 2**n (1 + p)
    large = s.sub(s.sub(1.0, power), s.mul(power, expm1_reduced(s, r)))
    return s.select(s.lt(s.abs(x), f.pick(0.9, 1.0)), small, s.copysign(large, x))


# exp(x**2) erfc(x) = t G(t), t = 1 / (1 + b x): relative error 2**-24.6 with b = 0.3 on [0, 10.1],
# 2**-54.8 with b = 0.25 on [0, 27.3]
_SCALE = (0.3, 0.25)
_G_SINGLE = (
    *(0.16918782889842987, 0.17071783542633057, 0.14832311868667603, 0.2149810492992401),
    *(-0.09476535022258759, 0.5478691458702087, -0.512396514415741, 0.4856157600879669),
    -0.12953290343284607,
)
_G_DOUBLE = (
    *(0.14104739587945178, 0.14104739636049893, 0.1366396508729401, 0.12782445384294996),
    *(0.11501109006678241, 0.09906511035067321, 0.08086272822230964, 0.06360243104045263),
    *(0.03998221218407786, 0.04558559006242299, -0.02850320284057688, 0.10486142388885233),
    *(-0.1606253719346288, 0.19549549546264747, -0.14284161969515807, -0.020667617084342397),
    *(0.21012407111631867, -0.3126435820266582, 0.2739060924308374, -0.1547619076118841),
    *(0.05545410890042971, -0.01153267010069075, 0.0010667206122941272),
)


def erfc(s: ScalarBuilder, f: Format, x: Expr) -> Expr:
    """erfc(|x|) = exp(-x**2) t G(t), the square with its rounding error; erfc(-x) = 2 - erfc(x).

    Beyond the clamp erfc underflows to 0, and so it does there.
    """
    a = at_most(s, s.abs(x), f.pick(10.06, 27.3))
    square = s.mul(a, a)
    lost = s.fma(a, a, s.neg(square))
    t, _, r = reduce_by_ln2(s, s.neg(square), 2 * f.bias)
    p = expm1_reduced(s, s.sub(r, lost))
    u = s.div(1.0, s.fma(a, f.pick(*_SCALE), 1.0))
    g = s.mul(u, horner(s, u, f.pick(_G_SINGLE, _G_DOUBLE)))
    y = scale_by_two_powers(s, s.fma(p, g, g), t)
    return s.select(s.lt(x, 0.0), s.sub(2.0, y), y)
