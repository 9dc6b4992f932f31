"""The loop IR: fusion groups lowered to loop nests over scalars, scheduled, with buffers planned."""

from wengert.kernels.lower import Lowered, lower

__all__ = ["Lowered", "lower"]
