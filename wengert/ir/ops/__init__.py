"""The op families. Importing this package fills the registry."""

from wengert.ir.ops import (
    arithmetic,
    comparison,
    constants,
    contraction,
    conversion,
    exponential,
    indexing,
    powers,
    reduction,
    rounding,
    scan,
    structural,
    trigonometric,
)

__all__ = [
    "arithmetic",
    "comparison",
    "constants",
    "contraction",
    "conversion",
    "exponential",
    "indexing",
    "powers",
    "reduction",
    "rounding",
    "scan",
    "structural",
    "trigonometric",
]
