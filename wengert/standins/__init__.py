"""Functions of SciPy on traced values, where SciPy's own call compiled code or decide by elements.

`capture.array_api` puts them in the place of SciPy's where user code calls these with traced
arguments. They are plain NumPy on traced values, so derivatives, batches and backends follow. What
only checks or speeds up SciPy's own work among the options is not looked at.
"""

from __future__ import annotations

from wengert.standins import (
    coordinates,
    cosines,
    distances,
    distributions,
    filters,
    grids,
    images,
    initial_values,
    integrals,
    interpolants,
    kernels,
    lines,
    minima,
    multivariate,
    neighbours,
    quadrature,
    ranks,
    resampling,
    roots,
    searches,
    sparse,
    spectra,
    statistics,
)
from wengert.standins.tables import FUNCTIONS, METHODS, of_instance, package_of

__all__ = [
    "FUNCTIONS",
    "METHODS",
    "coordinates",
    "cosines",
    "distances",
    "distributions",
    "filters",
    "grids",
    "images",
    "initial_values",
    "integrals",
    "interpolants",
    "kernels",
    "lines",
    "minima",
    "multivariate",
    "neighbours",
    "of_instance",
    "package_of",
    "quadrature",
    "ranks",
    "resampling",
    "roots",
    "searches",
    "sparse",
    "spectra",
    "statistics",
]
