"""python -m wengert SUBCOMMAND"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from wengert.cli.doctor import doctor
from wengert.cli.ops import ops
from wengert.cli.run import run
from wengert.demo.digits import demo


class Command(NamedTuple):
    """A subcommand; `main` takes the arguments after its name, and returns the exit status."""

    name: str
    main: Callable[[Sequence[str]], int]
    help: str


COMMANDS: tuple[Command, ...] = (
    Command("demo", demo, "train a classifier on real handwritten digits"),
    Command("doctor", doctor, "show what this machine offers: versions, CPU, BLAS, threads, GPU"),
    Command("run", run, "apply passes and transforms to a program in text form"),
    Command("ops", ops, "print which operation has which rule"),
)


def parser() -> argparse.ArgumentParser:
    """The command line up to the subcommand's name; what follows belongs to the subcommand."""
    width = max(len(command.name) for command in COMMANDS)
    listed = "\n".join(f"  {c.name:{width}}  {c.help}" for c in COMMANDS)
    top = argparse.ArgumentParser(
        prog="python -m wengert",
        description="A tensor compiler with automatic differentiation for plain NumPy functions.",
        epilog=f"subcommands:\n{listed}\n\npython -m wengert SUBCOMMAND --help tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [command.name for command in COMMANDS]
    top.add_argument("subcommand", choices=names, metavar="SUBCOMMAND", help=", ".join(names))
    top.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one subcommand; returns its exit status."""
    options = parser().parse_args(arguments)
    chosen = next(command for command in COMMANDS if command.name == options.subcommand)
    return chosen.main(options.arguments)


if __name__ == "__main__":
    sys.exit(main())
