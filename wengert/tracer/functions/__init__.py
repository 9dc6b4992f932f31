"""NumPy's functions on traced values. Importing this package fills the tracer's tables."""

from wengert.tracer import operators
from wengert.tracer.functions import (
    calculus,
    choosing,
    creation,
    diagonals,
    einsum,
    elementwise,
    indexing,
    joining,
    norms,
    padding,
    products,
    reductions,
    sequences,
    shapes,
    special,
    statistics,
    ufuncs,
)

__all__ = [
    "calculus",
    "choosing",
    "creation",
    "diagonals",
    "einsum",
    "elementwise",
    "indexing",
    "joining",
    "norms",
    "operators",
    "padding",
    "products",
    "reductions",
    "sequences",
    "shapes",
    "special",
    "statistics",
    "ufuncs",
]
