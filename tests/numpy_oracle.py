"""Compares a function under tracing with NumPy itself, through the reference evaluator."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wengert.ir.ops
import wengert.tracer.functions  # noqa: F401  (fills the tables)
from wengert.ir.evaluate import evaluate
from wengert.ir.types import type_of
from wengert.ir.verify import verify
from wengert.tracer.trace import Abstract, Traced, trace

EPSILON = {"f2": 4e-3, "f4": 5e-6, "f8": 1e-13}


def traced(f: Callable[..., Any], args: Sequence[Any]) -> Traced:
    """`f` traced on arguments like these; Python floats are weakly typed."""
    return trace(f, [Abstract(type_of(a), weak=type(a) is float) for a in args])


def run(f: Callable[..., Any], *args: Any) -> Any:
    """`f` traced, verified and evaluated; the results have the structure of `f`'s."""
    found = traced(f, args)
    verify(found.program)
    outputs = evaluate(found.program, [np.asarray(a) for a in args])
    return found.unflatten(outputs)


def expected(f: Callable[..., Any], *args: Any) -> Any:
    """What NumPy gives, or the exception it raises."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return f(*args)
        except Exception as error:
            return error


def same(
    found: Any, wanted: Any, tolerance: float = 1.0, label: str = "", scaled: bool = True
) -> None:
    """Asserts equal structure, dtypes, shapes and values."""
    if isinstance(wanted, tuple | list):
        assert isinstance(found, tuple | list), f"{label}: {type(found)}"
        assert len(found) == len(wanted), label
        for f, w in zip(found, wanted, strict=True):
            same(f, w, tolerance, label, scaled)
        return
    f, w = np.asarray(found), np.asarray(wanted)
    assert f.dtype == w.dtype, f"{label}: dtype {f.dtype}, NumPy has {w.dtype}"
    assert f.shape == w.shape, f"{label}: shape {f.shape}, NumPy has {w.shape}"
    if w.dtype.kind == "f":
        epsilon = EPSILON[w.dtype.str[1:]] * tolerance
        size = np.max(np.abs(w[np.isfinite(w)]), initial=0.0) if scaled else 0.0
        scale = max(epsilon * size, float(np.finfo(w.dtype).smallest_subnormal))
        np.testing.assert_allclose(f, w, rtol=epsilon, atol=scale, err_msg=label)
    else:
        np.testing.assert_array_equal(f, w, err_msg=label)


def agree(
    f: Callable[..., Any], *args: Any, tolerance: float = 1.0, label: str = "", scaled: bool = True
) -> None:
    """Asserts that `f` traced gives what NumPy gives, or fails as NumPy fails.

    Errors are measured against the largest result if `scaled`, else against each result.
    """
    wanted = expected(f, *args)
    label = f"{label} on {[_show(a) for a in args]}"
    if isinstance(wanted, Exception):
        try:
            found = run(f, *args)
        except Exception as error:
            kinds = [
                k
                for k in (TypeError, IndexError, ValueError, OverflowError)
                if isinstance(wanted, k)
            ]
            assert not kinds or any(isinstance(error, k) for k in kinds), (
                f"{label}: raised {error!r}, NumPy {wanted!r}"
            )
            return
        raise AssertionError(f"{label}: gave {found!r}, NumPy raises {wanted!r}")
    same(run(f, *args), wanted, tolerance, label, scaled)


def _show(x: Any) -> str:
    return f"{x.dtype}{x.shape}" if isinstance(x, np.ndarray) else repr(x)
