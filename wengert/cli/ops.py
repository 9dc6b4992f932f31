"""`python -m wengert ops`: which op has which rule."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence

import numpy as np

import wengert.ir.ops  # noqa: F401  (fills the registry)
from wengert.errors import MissingRuleError
from wengert.ir.builder import Builder
from wengert.ir.floats import kind_of
from wengert.ir.op import REGISTRY, Op, Sample
from wengert.ir.types import TensorType

COLUMNS = ("infer", "eval", "jvp", "linear", "transpose", "batch", "lowering", "samples")
MISSING = "MISSING"
LEGEND = {
    "infer": "types of results from those of operands: all ops",
    "eval": "the meaning, in NumPy: all ops",
    "jvp": {
        "yes": "tangents of results from those of operands",
        "zero": "piecewise constant, so tangents are zeros, or its results are no floats",
        "no floats": "operands are integers or booleans, which have no tangents",
        "no operands": "nothing that could have a tangent",
        "refused": "Python code, of which nothing is known: an error asks for a rule around it",
    },
    "linear": {
        "no": "in no operand",
        "in 0|1": "in either operand, the other one fixed",
        "in 0+1": "in any of these operands, alone and together",
        "in 0&1": "in these operands together alone",
    },
    "transpose": {
        "yes": "cotangents of the operands that it is linear in",
        "nonlinear": "linear in none; reverse mode transposes its jvp, which is of other ops",
    },
    "batch": {
        "yes": "the op on a batch of operands",
        "no operands": "the same for each row",
    },
    "lowering": {
        "element": "an element of the result as scalar code",
        "check": "a condition with an error, where the program runs",
        "made of others": "replaced by other ops before lowering",
        "constant": "data of the program",
        "region": "holds programs: a loop or a branch of the kernel",
        "reduction": "sums and the like over axes",
        "scan": "one pass along an axis",
        "contraction": "products of matrices",
        "scatter": "adds or puts elements at computed places",
        "update": "adds or puts a block",
        "library": "a call of a library, or a loop of our own in its place",
        "collective": "an exchange between processes",
        "hostcall": "a call of a Python function",
    },
    "samples": "how many inputs the laws are checked on; none is an error",
}
"""What each word of the matrix says, by column."""


def matrix() -> dict[str, tuple[str, ...]]:
    """For each op one word per column: `yes`, a kind, or why the rule does not apply.

    A cell that says MISSING is a gap that a user could run into.
    """
    return {name: _row(op) for name, op in sorted(REGISTRY.items())}


def _row(op: Op) -> tuple[str, ...]:
    samples = list(op.samples())
    linear = _linear(op, samples)
    return (
        "yes",
        "yes",
        _jvp(op, samples),
        linear,
        _transpose(op, linear),
        "yes" if op.batch is not None else _without_inputs(samples),
        _lowering(op, samples),
        str(len(samples)) if samples else MISSING,
    )


def _arity(samples: list[Sample]) -> int:
    return max((len(s.args) for s in samples), default=0)


def _without_inputs(samples: list[Sample]) -> str:
    return "no operands" if samples and not _arity(samples) else MISSING


def _floating(samples: list[Sample]) -> list[Sample]:
    return [s for s in samples if any(kind_of(np.asarray(a).dtype) in "fc" for a in s.args)]


def _jvp(op: Op, samples: list[Sample]) -> str:
    if not _floating(samples):
        return "no floats" if _arity(samples) else _without_inputs(samples)
    if op.jvp is None:
        return MISSING
    try:
        return "zero" if all(_is_zero(op, s) for s in _floating(samples)) else "yes"
    except MissingRuleError:
        return "refused"


def _is_zero(op: Op, sample: Sample) -> bool:
    """Whether the derivative in all float operands is a structural zero."""
    builder = Builder()
    types = [TensorType(np.asarray(a).dtype, np.shape(a)) for a in sample.args]
    inputs = [builder.input(t) for t in types]
    tangents = [builder.input(t) if t.is_float else None for t in types]
    outs = builder.emit(op, inputs, sample.params)
    return all(t is None for t in op.rule("jvp")(inputs, tangents, outs, **sample.params))


def _linear(op: Op, samples: list[Sample]) -> str:
    """The operands that the op is linear in: 0|1 one at a time, 0+1 any of them, 0&1 only all."""
    positions = range(_arity(samples))
    subsets = [frozenset(c) for n in positions for c in itertools.combinations(positions, n + 1)]
    linear = [s for s in subsets if op.linear(s)]
    largest = [s for s in linear if not any(s < other for other in linear)]
    if not largest:
        return "no"
    return "in " + "|".join(
        ("+" if all(frozenset({i}) in linear for i in s) else "&").join(map(str, sorted(s)))
        for s in largest
    )


def _transpose(op: Op, linear: str) -> str:
    if linear == "no":
        return "nonlinear"
    return "yes" if op.transpose is not None else MISSING


def _lowering(op: Op, samples: list[Sample]) -> str:
    words: list[str] = []
    if op.element is not None:
        words.append("element")
    if op.form is not None and samples:
        sample = samples[0]
        types = tuple(TensorType(np.asarray(a).dtype, np.shape(a)) for a in sample.args)
        words.append(type(op.form(types, **sample.params)).__name__.lower())
    if op.expand is not None or (op.parts is not None and not words):
        words.append("made of others")
    if op.check is not None:
        words.append("check")
    if not words:
        return "constant" if op.name == "constant" else MISSING
    return "+".join(words)


def table() -> str:
    """The matrix as text, family by family."""
    rows = matrix()
    width = max(map(len, rows))
    lines: list[str] = []
    for family in dict.fromkeys(op.family for op in REGISTRY.values()):
        names = [name for name in rows if REGISTRY[name].family == family]
        lines += ["", _line(f"{family} ({len(names)})", COLUMNS, width)]
        lines += [_line(f"  {name}", rows[name], width) for name in names]
    return "\n".join(lines).lstrip("\n") + f"\n\n{len(rows)} ops\n\n{legend()}"


def legend() -> str:
    """What the cells say, as text."""
    lines: list[str] = []
    for column, words in LEGEND.items():
        if isinstance(words, str):
            lines.append(f"{column}: {words}")
            continue
        lines.append(f"{column}:")
        lines += [f"  {word:15} {text}" for word, text in words.items()]
    return "\n".join([*lines, f"{MISSING} in any column is a gap that a user could run into"])


def _line(name: str, cells: Sequence[str], width: int) -> str:
    return f"{name:{width + 4}}" + " ".join(f"{cell:11}" for cell in cells).rstrip()


def ops(argv: Sequence[str]) -> int:
    """The subcommand: prints the matrix; the status is 1 if a rule is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m wengert ops", description="Prints which op has which rule."
    )
    parser.parse_args(argv)
    print(table())
    return int(any(MISSING in row for row in matrix().values()))
