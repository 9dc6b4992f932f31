"""NVIDIA's libraries through ctypes, for what CuPy does not bind."""

from __future__ import annotations

import ctypes
import importlib
from typing import Any

from wengert.errors import DeviceUnavailableError


def library(name: str, purpose: str) -> Any:
    """A library of CUDA 13 by its short name, from where CuPy's packages find it.

    Raises DeviceUnavailableError, which says what `purpose` is not served without it.
    """
    try:
        pathfinder: Any = importlib.import_module("cuda.pathfinder")
        return ctypes.CDLL(pathfinder.load_nvidia_dynamic_lib(name).abs_path)
    except (ImportError, OSError, RuntimeError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(":")
        raise DeviceUnavailableError(
            f"{purpose} on a GPU are made by {name} of CUDA 13, which cannot be loaded "
            f"({reason}); install it with: pip install 'wengert[cuda13]'"
        ) from error
