"""What a namespace says about itself by the array API standard: `__array_namespace_info__`."""

from __future__ import annotations

from typing import Any

import numpy as np


class NamespaceInfo:
    """NumPy's account of dtypes and devices, with the capabilities of traced values."""

    def capabilities(self) -> dict[str, bool | int]:
        """No result's shape depends on elements, and so no mask selects any."""
        return {"boolean indexing": False, "data-dependent shapes": False, "max dimensions": 64}

    def default_device(self) -> str:
        """The device of arrays, as NumPy names it."""
        return "cpu"

    def devices(self) -> Any:
        """All devices, as NumPy names them: a list, and from NumPy 2.5 on a tuple."""
        return np.__array_namespace_info__().devices()

    def default_dtypes(self, *, device: Any = None) -> Any:
        """The dtypes of arrays made without one."""
        return np.__array_namespace_info__().default_dtypes(device=device)

    def dtypes(self, *, device: Any = None, kind: Any = None) -> Any:
        """The dtypes of the standard, of all kinds or of some."""
        return np.__array_namespace_info__().dtypes(device=device, kind=kind)
