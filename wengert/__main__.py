"""python -m wengert SUBCOMMAND"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from wengert import cli_doctor
from wengert.cli_command import Command
from wengert.demo import digits

# One line a subcommand; each is declared in the module that does its work.
COMMANDS: tuple[Command, ...] = (
    digits.COMMAND,
    cli_doctor.COMMAND,
)


def parser() -> argparse.ArgumentParser:
    """The command line of all subcommands."""
    top = argparse.ArgumentParser(
        prog="python -m wengert",
        description="A tensor compiler with automatic differentiation for plain NumPy functions.",
    )
    choices = top.add_subparsers(dest="command", metavar="SUBCOMMAND", required=True)
    for command in COMMANDS:
        sub = choices.add_parser(command.name, help=command.help, description=command.help)
        command.configure(sub)
        sub.set_defaults(run=command.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one subcommand; returns its exit status."""
    options = parser().parse_args(arguments)
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
