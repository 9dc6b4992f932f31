"""Rounding: piecewise constant, so that all derivatives are zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.ir.ops.families import elementwise
from wengert.ir.ops.samples import operands
from wengert.ir.scalar import ScalarOp
from wengert.ir.types import FLOATS


def _rounding(op: ScalarOp, function: Any, doc: str) -> None:
    elementwise(
        str(op),
        1,
        FLOATS,
        function,
        lambda s, x: s.unary(op, x),
        samples=operands((2.1, 2.9)),
        doc=doc,
    )


_rounding(ScalarOp.FLOOR, np.floor, "the integer below")
_rounding(ScalarOp.CEIL, np.ceil, "the integer above")
_rounding(ScalarOp.TRUNC, np.trunc, "the integer towards zero")
_rounding(ScalarOp.RINT, np.rint, "the nearest integer, the even one at a half")
