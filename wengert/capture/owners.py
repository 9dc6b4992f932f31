"""Whose a function is: those of a user are rewritten, by the file in which they are written."""

from __future__ import annotations

import functools
import os
import sysconfig
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parent.parent) + os.sep
_PLAIN = tuple(_ROOT + folder + os.sep for folder in ("demo", "plain"))
_PATHS = sysconfig.get_paths()
_STANDARD = tuple(_PATHS[k] + os.sep for k in ("stdlib", "platstdlib"))
_SITES = tuple(_PATHS[k] + os.sep for k in ("purelib", "platlib"))

_WRITTEN_PLAINLY = (os.path.join("numpy", "polynomial") + os.sep,)
"""What is written like a user's code, with loops over coefficients, in packages that are not."""


@functools.cache
def is_users(file: str) -> bool:
    """Whether functions of this file are rewritten."""
    if file.startswith("<") and not file.startswith(("<ipython", "<stdin", "<string", "<console")):
        return False
    if file.startswith(_ROOT):
        return file.startswith(_PLAIN)
    for site in _SITES:
        if file.startswith(site):
            if file[len(site) :].startswith(_WRITTEN_PLAINLY):
                return True
            return not _is_compiled(site, file[len(site) :].split(os.sep)[0])
    return not file.startswith(_STANDARD)


@functools.cache
def _is_compiled(site: str, package: str) -> bool:
    """Whether a package has compiled modules."""
    return any(Path(site, package).rglob("*.so")) or any(Path(site, package).rglob("*.pyd"))
