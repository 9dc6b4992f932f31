"""Functions of matrices, with derivatives of any order at any spectrum."""

from __future__ import annotations

from wengert.linalg.spectral import funm_symmetric

__all__ = ["funm_symmetric"]
