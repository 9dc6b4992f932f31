"""What a subcommand of `python -m wengert` is; `wengert/__main__.py` has the table of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


def no_arguments(parser: argparse.ArgumentParser) -> None:
    """For subcommands without options."""


@dataclass(frozen=True)
class Command:
    """A subcommand: `configure` declares its arguments, `run` returns the exit status."""

    name: str
    help: str
    run: Callable[[argparse.Namespace], int]
    configure: Callable[[argparse.ArgumentParser], None] = no_arguments
