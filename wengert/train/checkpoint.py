"""Checkpoints: pytrees of arrays in files that are whole or absent.

A file is written beside its place, forced to disk and renamed, so that a process or machine that
dies leaves the ones before. A checksum over all of it tells damage. Layout: a line of text, the
length of the header (8 bytes), the header (JSON: leaves, facts), the arrays' bytes, SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from wengert.api.arguments import fail
from wengert.errors import CheckpointError
from wengert.ir.floats import dtype_of, written
from wengert.tracer.pytree import flatten, paths

MAGIC = b"wengert checkpoint 1\n"
PREFIX, SUFFIX, PARTIAL = "step-", ".checkpoint", ".partial"
DIGEST = hashlib.sha256().digest_size
KEPT = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was saved: the step, a pytree, and facts (whatever JSON holds)."""

    step: int
    tree: Any
    facts: dict[str, Any]


def save(folder: str | Path, step: int, tree: Any, facts: dict[str, Any], keep: int = KEPT) -> Path:
    """Writes the checkpoint of a step, atomically, and removes all but the last `keep`.

    `tree` is a pytree of arrays, which are read back bit by bit. Raises OSError if the file cannot
    be written (a full disk); then all earlier checkpoints are still there. Those of later steps are
    removed, too: they are of a run that was given up.
    """
    written_to = draft(folder, step, tree, facts).place()
    prune(folder, step, keep)
    return written_to


def prepare(folder: Path) -> None:
    """Makes the folder; raises CheckpointError where there can be none, before anything is done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        fail(
            CheckpointError(
                f"there can be no folder {folder} for checkpoints ({fault}); name another one"
            )
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """A checkpoint that is whole and on disk, beside its place; what is there is as it was."""

    temporary: Path
    final: Path

    def place(self) -> Path:
        """Puts it into its place, instead of what is there; raises OSError if it cannot."""
        try:
            self.temporary.replace(self.final)
        except OSError:
            self.drop()
            raise
        _force(self.final.parent)
        return self.final

    def drop(self) -> None:
        """Gives it up."""
        with contextlib.suppress(OSError):
            self.temporary.unlink(missing_ok=True)


def draft(folder: str | Path, step: int, tree: Any, facts: dict[str, Any]) -> Draft:
    """The checkpoint of a step, to be put into its place; raises OSError as `save` does."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    final = _place(place, step)
    made = Draft(final.with_suffix(f".{os.getpid()}{PARTIAL}"), final)
    try:
        with made.temporary.open("wb") as file:
            _write(file, tree, {"step": step, "facts": facts})
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        made.drop()
        raise
    return made


def prune(folder: str | Path, step: int, keep: int | None = KEPT) -> None:
    """Removes all but the last `keep` up to a step, which was written, and what was cut short.

    With None those before it are all kept.
    """
    place = Path(folder)
    newest = _place(place, step)
    files = _files(place)
    later = [path for path in files if path > newest]
    torn = place.glob(f"{PREFIX}*{PARTIAL}")  # by processes that were killed
    before = [] if keep is None else files[len(later) + max(keep, 1) :]
    for path in (*later, *before, *torn):
        with contextlib.suppress(OSError):
            path.unlink()


def discard(folder: str | Path, step: int) -> None:
    """Removes the checkpoint of a step, if there is one and another is there to go back to."""
    if len(_files(Path(folder))) > 1:
        with contextlib.suppress(OSError):
            _place(Path(folder), step).unlink()


def holds(folder: str | Path, step: int) -> bool:
    """Whether there is a checkpoint of a step."""
    return _place(Path(folder), step).exists()


def latest(folder: str | Path) -> float:
    """When the last checkpoint of a folder was written, in seconds since 1970; 0 without any."""
    with contextlib.suppress(OSError):
        return max((path.stat().st_mtime for path in _files(Path(folder))), default=0.0)
    return 0.0


def _place(folder: Path, step: int) -> Path:
    return folder / f"{PREFIX}{step:012d}{SUFFIX}"


def _force(folder: Path) -> None:
    """The renaming itself is forced to disk too, where folders can be."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _write(file: BinaryIO, tree: Any, facts: dict[str, Any]) -> None:
    arrays = [np.asarray(x) for x in flatten(tree)[0]]
    leaves = [
        {"path": path, "dtype": written(x.dtype), "shape": list(x.shape)}
        for path, x in zip(paths(tree), arrays, strict=True)
    ]
    header = json.dumps({**facts, "leaves": leaves}).encode()
    digest = hashlib.sha256()
    for part in (MAGIC, len(header).to_bytes(8, "little"), header, *map(_bytes, arrays)):
        digest.update(part)
        file.write(part)
    file.write(digest.digest())


def _bytes(array: np.ndarray[Any, Any]) -> Any:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def load(folder: str | Path, like: Any, newest: int | None = None) -> Checkpoint | None:
    """The newest checkpoint that is whole, with the structure of `like`; None if there is none.

    Those after step number `newest` are passed over.

    Warns of each damaged one that is passed over. Raises CheckpointError if all are damaged, or if
    the checkpoint's arrays are not those of `like` by path, dtype or shape.
    """
    files = _files(Path(folder))
    if newest is not None:
        files = [path for path in files if path <= _place(Path(folder), newest)]
    for path in files:
        try:
            found = _read(path)
        except (OSError, ValueError, KeyError) as fault:
            warnings.warn(
                f"the checkpoint {path} is damaged ({fault}); the one before is taken instead",
                stacklevel=2,
            )
            continue
        return _fitted(path, found, like)
    if files:
        raise CheckpointError(
            f"all {len(files)} checkpoints in {folder} are damaged; remove them to start anew"
        )
    return None


def _files(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the newest first."""
    return sorted(folder.glob(f"{PREFIX}*{SUFFIX}"), reverse=True)


@dataclass(frozen=True, slots=True)
class _Content:
    header: dict[str, Any]
    arrays: list[np.ndarray[Any, Any]]


def _read(path: Path) -> _Content:
    """A file's content; raises ValueError if it is not whole."""
    data = path.read_bytes()
    start = len(MAGIC) + 8
    if not data.startswith(MAGIC) or len(data) < start + DIGEST:
        raise ValueError("it is no checkpoint, or is cut short")
    if hashlib.sha256(memoryview(data)[:-DIGEST]).digest() != data[-DIGEST:]:
        raise ValueError("its checksum is wrong")
    end = start + int.from_bytes(data[len(MAGIC) : start], "little")
    header = json.loads(data[start:end])
    return _Content(header, list(_arrays(memoryview(data)[end:-DIGEST], header["leaves"])))


def _arrays(data: memoryview, leaves: list[dict[str, Any]]) -> Iterator[np.ndarray[Any, Any]]:
    at = 0
    for leaf in leaves:
        dtype, shape = dtype_of(leaf["dtype"]), tuple(leaf["shape"])
        count = int(np.prod(shape, dtype=np.int64))
        part = np.frombuffer(data[at : at + count * dtype.itemsize], dtype)
        yield part.reshape(shape).copy()
        at += count * dtype.itemsize


def _fitted(path: Path, found: _Content, like: Any) -> Checkpoint:
    leaves, structure = flatten(like)
    expected = [
        (where, written(np.asarray(x).dtype), list(np.shape(x)))
        for where, x in zip(paths(like), leaves, strict=True)
    ]
    saved = [(x["path"], x["dtype"], x["shape"]) for x in found.header["leaves"]]
    if saved != expected:
        pairs = zip(saved, expected, strict=False)
        first = next(((a, b) for a, b in pairs if a != b), None)
        what = (
            f"{len(saved)} arrays instead of {len(expected)}"
            if first is None
            else f"{_words(*first[0])} instead of {_words(*first[1])}"
        )
        raise CheckpointError(
            f"the checkpoint {path} is of another model or optimiser: it has {what}; use another "
            "folder, or remove it to start anew"
        )
    header = found.header
    return Checkpoint(header["step"], structure.unflatten(found.arrays), header["facts"])


def _words(path: str, dtype: str, shape: list[int]) -> str:
    return f"{np.dtype(dtype).name}{shape} at {path or 'the root'}"
