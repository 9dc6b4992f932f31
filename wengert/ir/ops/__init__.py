"""The op families. Importing this package fills the registry."""

from wengert.ir.ops import (
    arithmetic,
    bits,
    comparison,
    constants,
    contraction,
    conversion,
    exponential,
    indexing,
    joining,
    powers,
    reduction,
    rounding,
    scan,
    special,
    structural,
    trigonometric,
)

__all__ = [
    "arithmetic",
    "bits",
    "comparison",
    "constants",
    "contraction",
    "conversion",
    "exponential",
    "indexing",
    "joining",
    "powers",
    "reduction",
    "rounding",
    "scan",
    "special",
    "structural",
    "trigonometric",
]
