"""wengert's programs inside of other systems: each module is named after the one that it needs."""

from wengert.interop import spark

__all__ = ["spark"]
