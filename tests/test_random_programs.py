"""Random programs: the text form, the verifier and every pass, on all ops at once."""

from __future__ import annotations

import numpy as np
import pytest
from program_laws import assert_same_meaning
from strategies import random_program

from wengert.ir.compare import same
from wengert.ir.parser import parse
from wengert.ir.passes.pipeline import PASSES, default_pipeline
from wengert.ir.program import Program
from wengert.ir.text import fingerprint, to_text
from wengert.ir.transforms.transpose import vjp
from wengert.ir.verify import verify

CASES = [(seed, size) for size, count in ((4, 30), (15, 40), (50, 20)) for seed in range(count)]
EXACT = ("dce", "cse", "drop_stop_gradient")
cases = pytest.mark.parametrize(("seed", "size"), CASES)
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@cases
def test_text_round_trip(seed: int, size: int) -> None:
    program, _ = random_program(seed, size)
    text = to_text(program)
    again = parse(text)
    assert same(program, again), text
    assert to_text(again) == text
    assert fingerprint(again) == fingerprint(program)


@cases
def test_drawn_programs_are_valid(seed: int, size: int) -> None:
    verify(random_program(seed, size)[0])


@cases
def test_passes_keep_the_meaning(seed: int, size: int) -> None:
    program, args = random_program(seed, size)
    for name, each in PASSES.items():
        assert_same_meaning(each(program), program, args, exact=name in EXACT)
    assert_same_meaning(default_pipeline(program), program, args)


@cases
def test_passes_keep_the_meaning_of_gradients(seed: int, size: int) -> None:
    program, args = random_program(seed, size, smooth=True)
    pulled = vjp(program, [t.is_float for t in program.in_types]).program
    rng = np.random.default_rng(seed)
    bars = [rng.standard_normal(t.shape) for t in pulled.in_types[len(args) :]]
    assert_same_meaning(default_pipeline(pulled), pulled, [*args, *bars])


@cases
def test_the_pipeline_settles(seed: int, size: int) -> None:
    """A second run finds next to nothing: rules do not undo one another."""
    once = default_pipeline(random_program(seed, size)[0])
    twice = default_pipeline(once)
    assert len(twice.eqns) <= len(once.eqns)
    assert same(default_pipeline(twice), twice)


@pytest.mark.parametrize("seed", range(10))
def test_cse_finds_a_doubled_program(seed: int) -> None:
    """A program followed by a copy of itself shrinks to one."""
    program, _ = random_program(seed, 30)
    copy = parse(to_text(program))
    names = dict(zip(copy.inputs, program.inputs, strict=True))
    eqns = [
        type(e)(e.op, tuple(names.get(a, a) for a in e.inputs), e.outputs, e.params)
        for e in copy.eqns
    ]
    outputs = tuple(names.get(a, a) for a in copy.outputs)
    doubled = Program(program.inputs, (*program.eqns, *eqns), (*program.outputs, *outputs))
    verify(doubled)
    assert len(PASSES["cse"](doubled).eqns) == len(PASSES["cse"](program).eqns)
