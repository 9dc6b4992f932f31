"""Kernel text to machine code for NVIDIA GPUs, by NVRTC; needs no GPU.

NVRTC comes with the pip package nvidia-cuda-nvrtc. Its version is pinned to CUDA 13.0, which is
what drivers of that version load. Subnormal numbers are kept (no -ftz).
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import re
from pathlib import Path
from typing import Any

from wengert.backends.cuda.device import Report
from wengert.backends.cuda.source import TEXT
from wengert.errors import CompileError, DeviceUnavailableError

OPTIONS = ("--std=c++17", "--ptxas-options=-v")
CURE = "install it with: pip install 'nvidia-cuda-nvrtc==13.0.*'"


@functools.cache
def _library() -> ctypes.CDLL:
    """The library; what it needs must be found before it is."""
    folder = _folder()
    try:
        ctypes.CDLL(str(next(folder.glob("libnvrtc-builtins.so.13*"))), mode=ctypes.RTLD_GLOBAL)
        return ctypes.CDLL(str(folder / "libnvrtc.so.13"))
    except (OSError, StopIteration) as error:
        raise DeviceUnavailableError(f"NVRTC could not be loaded: {error}; {CURE}") from error


def _folder() -> Path:
    spec = importlib.util.find_spec("nvidia")
    for place in spec.submodule_search_locations or () if spec is not None else ():
        folder = Path(place) / "cu13" / "lib"
        if folder.is_dir():
            return folder
    raise DeviceUnavailableError(f"CUDA kernels are compiled by NVRTC, which is missing; {CURE}")


def version() -> tuple[int, int]:
    """The CUDA version of the compiler."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    _library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


def compile_cubin(source: str, arch: str = "sm_90") -> tuple[bytes, list[Report]]:
    """The machine code of a program's text, and what the compiler says of each kernel.

    Raises CompileError with the compiler's messages.
    """
    library = _library()
    program = ctypes.c_void_p()
    text = (TEXT / "cuda.h").read_text() + source
    library.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"wengert.cu", 0, None, None)
    try:
        options = [f"--gpu-architecture={arch}", *OPTIONS]
        given = (ctypes.c_char_p * len(options))(*(o.encode() for o in options))
        failed = library.nvrtcCompileProgram(program, len(options), given)
        log = _text(library, program, "ProgramLog").decode().rstrip("\0")
        if failed:
            raise CompileError(f"NVRTC could not compile a program's kernels:\n{log[:4000]}")
        kind = "CUBIN" if arch.startswith("sm_") else "PTX"
        return _text(library, program, kind), reports(log)
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def _text(library: Any, program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    getattr(library, f"nvrtcGet{what}")(program, buffer)
    return buffer.raw


_ENTRY = re.compile(
    r"Compiling entry function '(?P<name>\w+)'.*?"
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
    r"(?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers(?P<rest>[^\n]*)",
    re.DOTALL,
)


def reports(log: str) -> list[Report]:
    """What the log of ptxas says of each kernel."""
    found: list[Report] = []
    for match in _ENTRY.finditer(log):
        shared = re.search(r"(\d+) bytes smem", match["rest"])
        spilled = int(match["stores"]) + int(match["loads"])
        found.append(
            Report(
                match["name"],
                int(match["registers"]),
                spilled,
                int(match["stack"]),
                int(shared[1]) if shared else 0,
            )
        )
    return found
