"""Machine code of programs for GPUs, kept on disk."""

from __future__ import annotations

from wengert.backends import cache
from wengert.backends.cuda import nvrtc
from wengert.backends.cuda.source import TEXT
from wengert.config import config


def cubin(source: str, arch: str) -> bytes:
    """The machine code of a program's text for an architecture ("sm_90"), from disk if it is there.

    Raises CompileError with the compiler's messages, DeviceUnavailableError if NVRTC is missing.
    """
    layer = (TEXT / "cuda.h").read_text()
    key = "\n".join(["cubin", arch, str(nvrtc.version()), *nvrtc.OPTIONS, layer, source])
    use = config().cache
    entry = cache.read(config().cache_dir, key) if use else None
    if entry is None:
        entry = cache.Entry({}, nvrtc.compile_cubin(source, arch)[0])
        if use:
            cache.write(config().cache_dir, key, entry)
    return entry.code
