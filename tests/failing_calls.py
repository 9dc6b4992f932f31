"""What the tests of errors share: a failing call names the line, and changes nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import errors

TABLE = np.array([1.0, 2.0, 3.0])
X = np.array([1.0, 2.0, 3.0, 4.0, 5.0])


def line_of(fun: Callable[..., Any], text: str) -> int:
    """The number of the line of this file in which `fun` has `text`."""
    lines, first = inspect.getsourcelines(fun)
    (found,) = [first + i for i, line in enumerate(lines) if text in line]
    return found


def fails(
    error: type[Exception], fun: Callable[..., Any], *args: Any, says: str, line: str = ""
) -> str:
    """Checks an error's type, text and line, and that no argument has changed."""
    compiled = wg.jit(fun)
    before = wg.tree_map(lambda x: x.copy() if isinstance(x, np.ndarray) else x, args)
    table = TABLE.copy()
    with pytest.raises(error, match=says) as found:
        compiled(*args)
    assert isinstance(found.value, errors.WengertError)
    message = str(found.value)
    place = f"{Path(inspect.getsourcefile(fun) or '').name}:" + (
        str(line_of(fun, line)) if line else ""
    )
    assert place in message, message
    for x, old in zip(wg.tree_leaves(args), wg.tree_leaves(before), strict=True):
        np.testing.assert_array_equal(x, old)
    np.testing.assert_array_equal(TABLE, table)
    return message
