"""Compiled programs on disk.

An entry is one file named by the hash of everything that its contents depend on: the caller's
key (the program), this compiler's sources, the CPU, and the versions of Python, NumPy and
llvmlite. Times play no part. Entries are written whole, under a temporary name first, and carry a
checksum; one that is damaged, or that somebody else could have written, is as good as none. No
failure of the cache is an error: the work is just done again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import itertools
import json
import os
import pathlib
import platform
import stat
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

_MAGIC = b"wengert1"
_SUFFIX = ".wgo"
LIMIT = 1 << 30  # bytes in the folder; the oldest entries beyond are removed
_CHECKSUM_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class Entry:
    """A compiled program: facts about it, as JSON can hold them, and its object file."""

    facts: dict[str, Any]
    code: bytes


def read(folder: pathlib.Path, key: str) -> Entry | None:
    """The entry of `key`, or None if there is no good one."""
    try:
        data = _read_owned(_path(folder, key))
    except OSError:
        return None
    start = len(_MAGIC) + _CHECKSUM_BYTES
    if data is None or data[: len(_MAGIC)] != _MAGIC:
        return None
    payload = data[start:]
    if hashlib.sha256(payload).digest() != data[len(_MAGIC) : start]:
        return None
    length = int.from_bytes(payload[:8], "little")
    facts: dict[str, Any] = json.loads(payload[8 : 8 + length])
    return Entry(facts, payload[8 + length :])


def write(folder: pathlib.Path, key: str, entry: Entry) -> None:
    """Keep `entry` under `key`, replacing what is there."""
    facts = json.dumps(entry.facts).encode()
    payload = len(facts).to_bytes(8, "little") + facts + entry.code
    data = _MAGIC + hashlib.sha256(payload).digest() + payload
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _trusted(os.stat(folder)):
            return
        name = folder / f"{os.getpid()}-{threading.get_ident()}-{time.monotonic_ns()}.tmp"
        number = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
            os.replace(name, _path(folder, key))
        except OSError:
            os.unlink(name)
            raise
        _evict(folder, LIMIT)


def parts(entry: Entry) -> list[bytes]:
    """The object files of an entry, whose lengths are the fact `sizes`."""
    sizes: list[int] = entry.facts["sizes"]
    ends = list(itertools.accumulate(sizes))
    return [entry.code[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def full_key(key: str) -> str:
    """The name of an entry: a hash of `key` and of everything else that machine code hangs on."""
    return hashlib.sha256(f"{_environment()}\n{key}".encode()).hexdigest()


def _path(folder: pathlib.Path, key: str) -> pathlib.Path:
    return folder / (full_key(key) + _SUFFIX)


def _trusted(status: os.stat_result) -> bool:
    """Whether nobody but the user can have written this file or folder."""
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read_owned(path: pathlib.Path) -> bytes | None:
    if not _trusted(os.stat(path.parent)):
        return None
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(number, "rb") as file:
        return file.read() if _trusted(os.fstat(number)) else None


def _evict(folder: pathlib.Path, limit: int) -> None:
    """Remove the oldest entries until the folder holds at most `limit` bytes."""
    found: list[tuple[float, int, str]] = []
    with os.scandir(folder) as files:
        for file in files:
            if file.name.endswith((_SUFFIX, ".tmp")):
                status = file.stat()
                found.append((status.st_mtime, status.st_size, file.path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= limit:
            return
        with contextlib.suppress(OSError):  # another process may have removed it
            os.unlink(path)
        total -= size


@functools.cache
def _environment() -> str:
    """What machine code depends on besides the program, in one text."""
    parts = [
        _sources(),
        _cpu(),
        sys.implementation.cache_tag or "",
        np.__version__,
        _llvmlite_version(),
    ]
    return "\n".join(parts)


def _sources() -> str:
    """A hash of the package's sources: an edited compiler must not find its old output."""
    found = hashlib.sha256()
    root = pathlib.Path(__file__).parents[1]
    for part in ("ir", "kernels", "backends"):
        for folder, inside, names in os.walk(root / part):  # pathlib takes twice as long
            inside.sort()
            for name in sorted(names):
                if name.endswith(".py"):
                    with open(os.path.join(folder, name), "rb", buffering=0) as file:
                        found.update(file.read())
    return found.hexdigest()


def _cpu() -> str:
    """The CPU's model and features."""
    parts = [platform.machine(), sys.platform]
    with contextlib.suppress(OSError):
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
        names = ("vendor_id", "model name", "cpu family", "model", "flags", "Features", "CPU part")
        parts += [v for v in text.splitlines() if v.partition(":")[0].strip() in names]
    if len(parts) == 2:
        parts.append(platform.processor())
    return "\n".join(parts)


def _llvmlite_version() -> str:
    """llvmlite's version, without importing it."""
    spec = importlib.util.find_spec("llvmlite")
    if spec is None or spec.origin is None:
        return ""
    with contextlib.suppress(OSError):
        return (pathlib.Path(spec.origin).parent / "_version.py").read_text(encoding="utf-8")
    return ""
