"""Kernel text to a shared library, by g++ and text/shim.h."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from wengert.backends.cuda.source import TEXT, shared_text
from wengert.config import config
from wengert.errors import CompileError, DeviceUnavailableError

FLAGS = ("-std=c++20", "-O1", "-w", "-fPIC", "-shared", "-ffp-contract=off")
SANITIZE = ("-fsanitize=address", "-fno-omit-frame-pointer", "-g")
KERNELS = ("-nostdinc++", "-nodefaultlibs")
"""For kernels, which need no C++ library: to read its headers and to search it takes most of g++'s
time. What the scheduler needs of it is there when they are loaded."""
LIBRARY = "libstdc++.so.6"


@functools.cache
def compiler() -> str:
    """The path of g++. Raises DeviceUnavailableError on machines that cannot run fibers."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise DeviceUnavailableError(
            "the host device switches between a kernel's threads by x86-64 instructions, and this "
            f"machine is {platform.machine()}; use backend='cpu'"
        )
    found = shutil.which("g++")
    if found is None:
        raise DeviceUnavailableError(
            "the host device compiles kernels with g++, which was not found; install it "
            "(apt install g++), or use backend='cpu'"
        )
    return found


@functools.cache
def _version() -> str:
    made = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True)
    return made.stdout.splitlines()[0]


def build(source: str, sanitize: bool = False) -> ctypes.CDLL:
    """The library of a text of kernels; kept on disk. Raises CompileError with g++'s message."""
    flags = (*FLAGS, *(SANITIZE if sanitize else ()))
    key = _digest(source, (TEXT / "shim.h").read_text(), _version(), *flags, *KERNELS)
    folder = config().cache_dir / "host"
    path = folder / f"{key}.so"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _compile(source, path, flags)
    _standard_library()
    return ctypes.CDLL(str(path))


@functools.cache
def _standard_library() -> ctypes.CDLL:
    """The C++ library, for all that is loaded after it."""
    return ctypes.CDLL(LIBRARY, ctypes.RTLD_GLOBAL)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _compile(source: str, path: Path, flags: tuple[str, ...]) -> None:
    header = _header(flags)
    kernels = source.removeprefix(shared_text())
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        text, made = Path(folder) / "kernels.cpp", Path(folder) / "kernels.so"
        text.write_text(f'#include "{header.name}"\n{kernels}')
        parts = [str(text), str(header.with_suffix(".o"))]
        command = [compiler(), *flags, *KERNELS, "-I", str(header.parent), *parts]
        _run([*command, "-lm", "-o", str(made)])
        os.replace(made, path)


def _header(flags: tuple[str, ...]) -> Path:
    """What all kernels include, compiled beforehand: it takes longer than most kernels.

    Beside it lies what they are linked to, the scheduler of fibers.
    """
    text = "#pragma once\n" + (TEXT / "shim.h").read_text() + shared_text()
    folder = config().cache_dir / "host" / f"header-{_digest(text, _version(), *flags, *KERNELS)}"
    header = folder / "device.h"
    if not header.with_suffix(".h.gch").exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            first = Path(scratch) / "device.h"
            first.write_text(text)
            made = first.with_suffix(".h.gch")
            plain = [f for f in flags if f != "-shared"]
            scheduler = first.with_suffix(".o")
            once = [compiler(), *plain, "-c", "-DWG_SCHEDULER", "-x", "c++", str(first)]
            _run([*once, "-o", str(scheduler)])
            _run([compiler(), *plain, *KERNELS, "-x", "c++-header", str(first), "-o", str(made)])
            os.replace(scheduler, header.with_suffix(".o"))
            os.replace(first, header)
            os.replace(made, header.with_suffix(".h.gch"))
    return header


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CompileError(f"g++ could not compile a program's kernels:\n{done.stderr[:4000]}")
