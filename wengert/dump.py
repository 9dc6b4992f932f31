"""What a compilation tells: stages in numbered files (WENGERT_DUMP), notes (WENGERT_DEBUG)."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from wengert.config import config

_numbers: dict[Path, Iterator[int]] = {}


def dumping() -> bool:
    """Whether stages are to be written."""
    return config().dump is not None


def note(level: int, text: str | Callable[[], str]) -> None:
    """Writes a line to stderr if WENGERT_DEBUG is `level` or more."""
    if config().debug >= level:
        sys.stderr.write(f"wengert: {text if isinstance(text, str) else text()}\n")


def dump(stage: str, suffix: str, text: str | Callable[[], str]) -> None:
    """Writes `text` to DIR/NNNN-stage.suffix (`ir`, `kernels`, `ll`, `asm`, ...), if asked for.

    A function is called for the text only then. Numbers count up over the process, and skip
    files that are there already, so several processes may share a folder.
    """
    folder = config().dump
    if folder is None:
        return
    content = text if isinstance(text, str) else text()
    folder.mkdir(parents=True, exist_ok=True)
    for number in _numbers.setdefault(folder, itertools.count(1)):
        try:
            with open(folder / f"{number:04d}-{stage}.{suffix}", "x", encoding="utf-8") as file:
                file.write(content if content.endswith("\n") else content + "\n")
            return
        except FileExistsError:
            continue
