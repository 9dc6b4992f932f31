"""`python -m wengert run FILE.wir -p STEPS`: passes and transforms on a program in text form."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import wengert.ir.ops  # noqa: F401  (fills the registry)
from wengert.errors import InputTypeError, WengertError
from wengert.ir.evaluate import evaluate
from wengert.ir.parser import parse
from wengert.ir.passes.pipeline import PASSES, PIPELINES
from wengert.ir.passes.pipeline import run as run_passes
from wengert.ir.program import Program
from wengert.ir.text import to_text
from wengert.ir.transforms.batch import batch
from wengert.ir.transforms.jvp import jvp
from wengert.ir.transforms.linearize import linearize
from wengert.ir.transforms.transpose import transpose, vjp
from wengert.ir.types import TensorType
from wengert.ir.verify import verify


def _active(program: Program) -> list[bool]:
    return [t.is_float for t in program.in_types]


TRANSFORMS: dict[str, tuple[str, Callable[[Program, int], Program]]] = {
    "jvp": (
        "the program and its tangents, in all float inputs",
        lambda p, n: jvp(p, _active(p)).program,
    ),
    "vjp": (
        "the program and the cotangents of all float inputs",
        lambda p, n: vjp(p, _active(p)).program,
    ),
    "primal": (
        "the primal part of the linearisation, residuals included",
        lambda p, n: linearize(p, _active(p)).primal,
    ),
    "linearize": (
        "the linear part of the linearisation",
        lambda p, n: linearize(p, _active(p)).linear,
    ),
    "transpose": (
        "the transpose of a program that is linear in all inputs after the first N",
        transpose,
    ),
    "batch": (
        "the program over a batch of N of all its inputs",
        lambda p, n: batch(p, [True] * len(p.inputs), n).program,
    ),
}


def apply(program: Program, steps: Sequence[str]) -> Program:
    """`program` after the steps: passes, pipelines, or transforms written `name` or `name:N`."""
    verify(program)
    for step in steps:
        name, _, number = step.partition(":")
        if name in PASSES:
            program = PASSES[name](program)
        elif name in PIPELINES:
            program = run_passes(program, PIPELINES[name])
        elif name in TRANSFORMS and (not number or number.isdecimal()):
            program = TRANSFORMS[name][1](program, int(number or 0))
        else:
            known = ", ".join([*PASSES, *PIPELINES, *TRANSFORMS])
            raise InputTypeError(f"there is no step '{step}'; known are {known}")
        verify(program)
    return program


def steps_of(text: str) -> list[str]:
    """The steps in a list between commas."""
    return [step.strip() for step in text.split(",") if step.strip()]


def run(argv: Sequence[str]) -> int:
    """The subcommand: prints the result, or the error; gives the exit status."""
    options = _parser().parse_args(argv)
    try:
        text = sys.stdin.read() if options.file == "-" else Path(options.file).read_text()
        source, _, _ = text.partition("\n# expect:")  # what a filetest expects is not input
        program = apply(parse(source), steps_of(options.passes))
    except (WengertError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.eval:
        _evaluate(program, options.seed)
    else:
        print(to_text(program, locations=options.locations, elide=options.elide), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    steps = [f"  {p.name:20}{p.doc}" for p in PASSES.values()]
    steps += [f"  {name:20}{doc}" for name, (doc, _) in TRANSFORMS.items()]
    steps += [
        f"  {name:20}{', '.join([p.name for p in passes])}" for name, passes in PIPELINES.items()
    ]
    parser = argparse.ArgumentParser(
        prog="python -m wengert run",
        description="Applies passes and transforms to a program in text form and prints it.",
        epilog="\n".join(["steps (name or name:N):", *steps]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", help="a file with a program, or - for standard input")
    parser.add_argument("-p", "--passes", default="", metavar="STEPS", help="steps between commas")
    parser.add_argument("--eval", action="store_true", help="evaluate on random inputs instead")
    parser.add_argument("--seed", type=int, default=0, help="of the random inputs")
    parser.add_argument("--locations", action="store_true", help="print files and lines")
    parser.add_argument("--elide", action="store_true", help="cut large constants short")
    return parser


def _evaluate(program: Program, seed: int) -> None:
    rng = np.random.default_rng(seed)
    args = [_random(rng, t) for t in program.in_types]
    for what, values, types in (
        ("input", args, program.in_types),
        ("output", evaluate(program, args), program.out_types),
    ):
        for number, (value, type_) in enumerate(zip(values, types, strict=True)):
            print(f"{what} {number}: {type_} = {np.array2string(value, threshold=50)}")


def _random(rng: np.random.Generator, type_: TensorType) -> Any:
    if type_.is_float:
        return np.asarray(rng.standard_normal(type_.shape)).astype(type_.dtype)
    return np.asarray(rng.integers(0, 2, type_.shape)).astype(type_.dtype)
