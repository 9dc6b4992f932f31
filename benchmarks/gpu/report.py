"""The report: a table with every target and whether it was reached, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.gpu.goals import goals
from benchmarks.gpu.lines import Line
from benchmarks.gpu.outcome import OWN, Outcome


def table(outcomes: Sequence[Outcome], lines: Mapping[str, Line]) -> str:
    """The outcomes as text: times, goals, and how many times as long each peer takes."""
    rows = [f"{'':36}{OWN:>12}{'of copy':>9}{'host':>9}{'compile':>9}{'jax':>9}  goals; peers"]
    rows += [_row(o, lines[o.name]) for o in outcomes]
    every = [g for o in outcomes for g in goals(lines[o.name], o)]
    reached = sum(g.reached for g in every)
    return "\n".join([*rows, f"{reached} of {len(every)} goals reached"])


def _row(outcome: Outcome, line: Line) -> str:
    own = outcome.seconds.get(OWN)
    if own is None:
        return f"{outcome.name:36}{'-':>12}  MISSED all; {'; '.join(outcome.faults.values())}"
    share = "" if outcome.share_of_copy is None else f"{outcome.share_of_copy:.0%}"
    host = f"{outcome.host[OWN] * 1e6:.0f} us" if OWN in outcome.host else ""
    compiled = "".join(
        f"{'' if t is None else f'{t:.2f} s':>9}" for t in map(outcome.compilation, (OWN, "jax"))
    )
    head = f"{outcome.name:36}{own * 1e6:>9.1f} us{share:>9}{host:>9}{compiled}"
    peers = [f"{n} {t / own:.2f}" for n, t in outcome.seconds.items() if n != OWN]
    peers += [f"{n} on the host {t * 1e6:.1f} us" for n, t in outcome.host.items() if n != OWN]
    return f"{head}  {', '.join([str(g) for g in goals(line, outcome)])}; {', '.join(peers)}"


def as_data(outcome: Outcome, line: Line) -> dict[str, Any]:
    """The outcome for JSON, with its goals."""
    wanted = [{**asdict(g), "reached": g.reached} for g in goals(line, outcome)]
    return {**asdict(outcome), "compile": dict(outcome.compilations()), "goals": wanted}


def saver(
    folder: Path, head: dict[str, Any], lines: Mapping[str, Line]
) -> Callable[[list[Outcome]], None]:
    """Writes what there is so far, so that a run that is cut short leaves its numbers."""

    def save(outcomes: list[Outcome]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        data = {**head, "lines": [as_data(o, lines[o.name]) for o in outcomes]}
        (folder / "latest.json").write_text(json.dumps(data, indent=1) + "\n")
        (folder / "latest.txt").write_text(table(outcomes, lines) + "\n")

    return save
