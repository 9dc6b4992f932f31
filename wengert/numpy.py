"""NumPy's functions for traced values and for arrays alike.

The names and meanings are NumPy's; on arrays and numbers it is NumPy that computes. Beside
what `np.f(x)` can do on traced values, functions here see traced values in every argument
(`wg.numpy.take(table, i)`), and those that make arrays know of them. This is the namespace of
traced values in the sense of the array API standard (`x.__array_namespace__()`), so while a trace
is open what is made here belongs to it too: the standard does not mix arrays of two namespaces.
`special` holds SciPy's special functions, where SciPy looks for them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from wengert import special
from wengert.errors import ArgumentError
from wengert.ir import promotion
from wengert.ir.floats import BFLOAT16, bfloat16_type, finfo
from wengert.tracer.array import Tracer, enter
from wengert.tracer.dispatch import known_result
from wengert.tracer.functions.creation import CREATION
from wengert.tracer.functions.making import asarray_here
from wengert.tracer.functions.namespace_info import NamespaceInfo
from wengert.tracer.functions.operands import holds_tracers
from wengert.tracer.functions.sized import SIZED
from wengert.tracer.functions.sized import top_k as _top_k_of
from wengert.tracer.mutation import adopt
from wengert.tracer.tables import FUNCTIONS

__array_api_version__ = "2025.12"

SAME = """
    False_ True_ byte cdouble complexfloating csingle double fromfunction generic half index_exp
    int_ intc intp long longlong mask_indices mgrid ndindex ogrid s_ short single ubyte uint uintc
    uintp ulong ulonglong ushort
    abs absolute acos acosh add arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh
    atan atan2 atanh bartlett bitwise_and bitwise_count bitwise_invert bitwise_left_shift
    bitwise_not bitwise_or bitwise_right_shift bitwise_xor blackman bool bool_ broadcast_shapes
    cbrt ceil complex128 complex64 conj conjugate copysign cos cosh deg2rad degrees diag_indices
    divide divmod dtype e einsum_path equal errstate euler_gamma exp exp2 expm1 fabs
    float16 float32 float64 float_power floating floor floor_divide fmax fmin fmod frexp
    from_dlpack gcd greater greater_equal hamming hanning heaviside hypot iinfo
    inexact inf int16 int32 int64 int8 integer invert isfinite isinf isnan isscalar
    kaiser lcm ldexp left_shift less less_equal log log10 log1p log2 logaddexp
    logaddexp2 logical_and logical_not logical_or logical_xor matmul matvec maximum minimum mod
    modf multiply nan ndarray negative newaxis nextafter not_equal number pi positive pow
    power rad2deg radians reciprocal remainder right_shift rint sign signbit
    signedinteger sin sinh spacing sqrt square subtract tan tanh tril_indices triu_indices
    true_divide trunc uint16 uint32 uint64 uint8 unsignedinteger vecdot vecmat
"""
"""NumPy's own objects: ufuncs, which hand traced values on by themselves, dtypes and constants."""

TRACED = """
    all allclose amax amin angle any append apply_along_axis apply_over_axes argmax argmin
    argpartition argsort around array_equal array_equiv array_split astype atleast_1d atleast_2d
    atleast_3d average bincount block broadcast_arrays broadcast_to can_cast choose clip
    column_stack compress concat concatenate convolve corrcoef correlate count_nonzero cov cross
    cumprod cumsum cumulative_prod cumulative_sum delete diag diag_indices_from diagflat diagonal
    diff digitize dot dsplit dstack ediff1d einsum expand_dims fix flip fliplr flipud gradient
    histogram histogram2d histogram_bin_edges histogramdd hsplit hstack i0 imag inner insert
    interp isclose iscomplex iscomplexobj isin isneginf isposinf isreal isrealobj ix_ kron lexsort
    matrix_transpose max mean median meshgrid min moveaxis nan_to_num nanargmax nanargmin nancumprod
    nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum nanvar
    ndim outer packbits pad partition percentile permute_dims piecewise poly polyadd polydiv polyder
    polyfit polyint polymul polysub polyval prod ptp quantile ravel ravel_multi_index real repeat
    reshape resize result_type roll rollaxis roots rot90 round searchsorted select shape sinc size
    sort sort_complex split squeeze stack std sum swapaxes take take_along_axis tensordot tile trace
    transpose trapezoid tril tril_indices_from trim_zeros triu triu_indices_from unpackbits
    unravel_index unstack unwrap vander var vdot vsplit vstack where
"""
"""Functions with a traced form."""

CREATED = """
    arange array copy empty empty_like eye full full_like geomspace identity indices linspace
    logspace ones ones_like tri zeros zeros_like
"""
"""Functions that make arrays: traced ones, with known elements, while a trace is open."""

LINALG = """
    cholesky cond cross det diagonal eig eigh eigvals eigvalsh inv lstsq matmul matrix_norm
    matrix_power matrix_rank matrix_transpose multi_dot norm outer pinv qr slogdet solve svd
    svdvals tensordot tensorinv tensorsolve trace vecdot vector_norm
"""
"""Functions of `numpy.linalg` with a traced form."""

FFT = """
    fft fft2 fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2 irfftn rfft rfft2
    rfftn
"""
"""Functions of `numpy.fft` with a traced form."""


def _either(function: Callable[..., Any]) -> Callable[..., Any]:
    """The NumPy function, which hands over to its traced form if any argument is traced."""
    implementation = FUNCTIONS[function]

    def call(*args: Any, **kwargs: Any) -> Any:
        if holds_tracers(args) or holds_tracers(tuple(kwargs.values())):
            return enter(_of_traced, function, implementation, *args, **kwargs)
        return function(*args, **kwargs)

    return _documented(call, function)


def _of_traced(function: Any, implementation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The function's result, which NumPy gives at once if all elements are known."""
    found = known_result(function, args, kwargs)
    if found is NotImplemented:
        return implementation(*args, **kwargs)
    return adopt(np.asarray(found)) if isinstance(found, np.generic) else found


def _documented(call: Any, function: Callable[..., Any]) -> Any:
    """`call` under the name and documentation of a NumPy function, found in this module."""

    def named(*args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)

    named.__name__ = named.__qualname__ = function.__name__
    named.__doc__ = function.__doc__
    return named


def _sized(name: str) -> Callable[..., Any]:
    """The NumPy function, which also takes a `size` and then has results of that length."""
    function, with_size = getattr(np, name), SIZED[name]
    plain = _either(function)

    def call(*args: Any, size: Any = None, fill_value: Any = None, **kwargs: Any) -> Any:
        if size is None:
            if fill_value is not None:
                raise ArgumentError(f"wengert.numpy.{name} takes fill_value= only with size=")
            return plain(*args, **kwargs)
        options = {} if fill_value is None else {"fill_value": fill_value}
        arrays = [
            x if isinstance(x, Tracer) or k > 1 else np.asarray(x) for k, x in enumerate(args)
        ]
        return enter(with_size, *arrays, size=size, **options, **kwargs)

    named = _documented(call, function)
    named.__doc__ = f"""With `size`, of this length: {with_size.__doc__}

    What there is beyond `size` is left out. Without it as NumPy's, for arrays alone:
    {function.__doc__}"""
    return named


def _top_k(x: Any, k: Any, /, *, axis: int = -1) -> Any:
    return enter(_top_k_of, x if isinstance(x, Tracer) else np.asarray(x), k, axis=axis)


def _namespace() -> dict[str, Any]:
    found: dict[str, Any] = {name: getattr(np, name) for name in SAME.split()}
    found.update({name: _either(getattr(np, name)) for name in TRACED.split()})
    found.update({name: _sized(name) for name in SIZED})
    found["top_k"] = _documented(_top_k, _top_k_of)
    found["linalg"] = SimpleNamespace(
        **{name: _either(getattr(np.linalg, name)) for name in LINALG.split()},
    )
    found["fft"] = SimpleNamespace(
        **{name: _either(getattr(np.fft, name)) for name in FFT.split()},
        fftfreq=np.fft.fftfreq,
        rfftfreq=np.fft.rfftfreq,
    )
    found.update(
        {
            name: _documented(CREATION[getattr(np, name)], getattr(np, name))
            for name in CREATED.split()
        }
    )
    found["asarray"] = _documented(asarray_here, np.asarray)
    found["asanyarray"] = found["ascontiguousarray"] = found["asarray"]
    for name in ("isdtype", "issubdtype", "promote_types"):
        found[name] = _documented(getattr(promotion, name), getattr(np, name))
    found["finfo"] = _documented(finfo, np.finfo)
    found["special"] = special
    found["__array_namespace_info__"] = NamespaceInfo
    return found


_NAMES = _namespace()
globals().update(_NAMES)
__all__ = sorted(_NAMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """Names that NumPy has and this module lacks are told apart from those nobody has."""
    if name == BFLOAT16:
        return bfloat16_type()
    known = "; NumPy has it, but it has no traced form yet" if hasattr(np, name) else ""
    raise AttributeError(f"wengert.numpy has no attribute '{name}'{known}")
