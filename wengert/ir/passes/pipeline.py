"""The passes by name, and the pipelines as lists of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wengert.config import config
from wengert.dump import dump, dumping, note
from wengert.errors import VerificationError
from wengert.ir.passes.cleanup import dce
from wengert.ir.passes.communication import agree, early
from wengert.ir.passes.control import control
from wengert.ir.passes.corners import corners
from wengert.ir.passes.expand import expand
from wengert.ir.passes.parts import complex_as_parts, interleaved
from wengert.ir.passes.products import products
from wengert.ir.passes.rows import fuse_rows
from wengert.ir.passes.simplify import drop_stop_gradient, simplify
from wengert.ir.passes.sink import sink
from wengert.ir.program import Program
from wengert.ir.text import to_text
from wengert.ir.transforms.cse import cse
from wengert.ir.verify import NOTHING, Known, identities, verify


@dataclass(frozen=True, slots=True)
class Pass:
    """A named function from programs to programs that compute the same."""

    name: str
    doc: str
    function: Callable[[Program], Program]

    def __call__(self, program: Program) -> Program:
        """The result, checked and dumped if the settings ask for it."""
        start = time.perf_counter()
        result = self.function(program)
        spent = time.perf_counter() - start
        sizes = f"{len(program.eqns)} -> {len(result.eqns)} equations"
        note(2, f"pass {self.name}: {sizes} in {spent * 1e3:.2f} ms")
        if config().verify and result is not program:
            _verify_after(self.name, result, identities(program))
        if dumping():
            dump(self.name, "ir", lambda: to_text(result, locations=True))
        return result


def _verify_after(name: str, program: Program, known: Known = NOTHING) -> None:
    try:
        verify(program, known=known)
    except VerificationError as error:
        raise VerificationError(f"after pass '{name}': {error}") from error


DCE = Pass("dce", "drops equations that nothing needs", dce)
CSE = Pass("cse", "computes equal equations once", cse)
SIMPLIFY = Pass("simplify", "algebraic rules and constant folding", simplify)
CONTROL = Pass("control", "takes constants out of loops, and loops of one turn apart", control)
PRODUCTS = Pass("products", "takes matrix products out of loops, as one large one", products)
FUSE_ROWS = Pass("fuse_rows", "joins passes over independent rows", fuse_rows)
CORNERS = Pass("corners", "what loops change starts as one value, with others set in it", corners)
SINK = Pass("sink", "moves additions into the branch that adds something", sink)
EARLY = Pass("early", "collectives begin where their operands are ready, in buckets", early)
AGREE = Pass("agree", "processes compare first how they are about to communicate", agree)
PARTS = Pass("parts", "writes complex numbers as pairs of real ones", complex_as_parts)
EXPAND = Pass("expand", "replaces what stands for other equations by those", expand)
DROP_STOP_GRADIENT = Pass(
    "drop_stop_gradient", "removes stop_gradient once all derivatives are taken", drop_stop_gradient
)

PASSES: dict[str, Pass] = {
    p.name: p
    for p in (
        *(DCE, CSE, SIMPLIFY, CONTROL, PRODUCTS, FUSE_ROWS, SINK, CORNERS),
        *(EXPAND, PARTS, DROP_STOP_GRADIENT, EARLY, AGREE),
    )
}

# Before lowering. Dead code goes first, so that the others do not work on it. CSE comes before
# simplification, whose rules look at "the same value" by identity and at values with one user;
# simplification makes equal equations and leaves dead ones, which the last two remove. Products
# leave loops once sums are in the form that their rule looks for. Constants reach regions before
# anything looks into those. Complex numbers come apart early: only what there is for real numbers
# is simplified, fused and lowered. What is padded is set in place once it is known what reads it.
# What compares collectives comes last, when it is known which there are.
DEFAULT = (
    *(DCE, EXPAND, PARTS, DROP_STOP_GRADIENT, EARLY, CONTROL, CSE, SIMPLIFY, CONTROL),
    *(SINK, PRODUCTS, FUSE_ROWS, CORNERS, CSE, DCE, AGREE),
)

PIPELINES: dict[str, Sequence[Pass]] = {"default": DEFAULT}


def run(program: Program, passes: Sequence[Pass]) -> Program:
    """`program` after all `passes` in order."""
    for each in passes:
        program = each(program)
    return program


def real_pipeline(program: Program) -> Program:
    """As the default one, but complex inputs and outputs are arrays of floats; for lowering."""
    ready = default_pipeline(program)
    floats = interleaved(ready)
    return ready if floats is ready else run(floats, (SIMPLIFY, CSE, DCE))


def default_pipeline(program: Program) -> Program:
    """What every program goes through between the last transform and lowering."""
    if config().verify:
        _verify_after("none (as given)", program)
    if dumping():
        dump("input", "ir", lambda: to_text(program, locations=True))
    return run(program, DEFAULT)
