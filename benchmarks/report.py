"""The table, the JSON file and the bar chart of a set of results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Outcome
from benchmarks.startup import FIRST_CALL_TARGET, IMPORT_TARGET, Startup

RESULTS = Path(__file__).parent / "results"
GRADIENT_TARGET = 5.0  # times the value
PEER_ORDER = (
    *("numpy", "jax", "torch", "torch.compile", "autograd", "asdex", "optax"),
    *("numba", "numpy by hand"),
)


def seconds(value: float | None) -> str:
    """A time with three digits and its unit; a dash if there is none."""
    if value is None:
        return "-"
    unit, factor = ("s", 1.0) if value >= 1.0 else ("ms", 1e3) if value >= 1e-3 else ("us", 1e6)
    scaled = value * factor
    return f"{scaled:.{0 if scaled >= 100 else 1 if scaled >= 10 else 2}f} {unit}"


def times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def reached_text(reached: float | None, wanted: float, who: str = "") -> str:
    """A ratio with its target, `!` where it was missed: `2.1/2 numba`."""
    mark = "!" if reached is None or reached < wanted else ""
    return f"{times(reached)}/{wanted:g}{who and ' '}{who}{mark}"


def target_text(outcome: Outcome) -> str:
    """Every target with what was reached."""
    return ", ".join(
        reached_text(outcome.ratio(peer), wanted, "" if peer == "best" else peer)
        for peer, wanted in outcome.targets.items()
    )


def table(rows: Sequence[Sequence[str]]) -> str:
    """Text columns, the first aligned left, the rest right; the first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(row: Sequence[str]) -> str:
        first, *rest = zip(row, widths, strict=True)
        return "  ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in rest)])

    return "\n".join(
        [line(rows[0]), "  ".join("-" * width for width in widths)]
        + [line(row) for row in rows[1:]]
    )


def run_rows(outcomes: Iterable[Outcome], peers: Sequence[str]) -> list[list[str]]:
    rows = [["workload", "wengert", "spread", "best peer", "ratio/target", *peers]]
    for outcome in outcomes:
        own = outcome.timings.get("wengert")
        rows.append(
            [
                outcome.name,
                seconds(own.median) if own else "-",
                f"{own.spread:.0%}" if own else "-",
                outcome.best or "-",
                target_text(outcome),
                *(
                    seconds(outcome.timings[peer].median) if peer in outcome.timings else "-"
                    for peer in peers
                ),
            ]
        )
    return rows


def compile_rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    peers = [p for p in ("jax", "numba") if any(p in o.compile_seconds for o in outcomes)]
    rows = [["compile time, caches off", "wengert", *peers, "ratio/target"]]
    for outcome in outcomes:
        rows.append(
            [
                outcome.name,
                *(seconds(outcome.compile_seconds.get(name)) for name in ("wengert", *peers)),
                ", ".join(
                    reached_text(outcome.compile_ratio(peer), wanted, "" if peer == "jax" else peer)
                    for peer, wanted in outcome.compile_targets.items()
                ),
            ]
        )
    return rows


def gradient_rows(outcomes: Iterable[Outcome]) -> list[list[str]]:
    """What a gradient costs beside its value, where both were timed."""
    rows = [["wengert's gradient over value", "value", "gradient", "ratio/at most"]]
    for outcome in outcomes:
        ratio, alone = outcome.gradient_over_value, outcome.value_alone
        if ratio is not None and alone is not None:
            late = "!" if ratio > GRADIENT_TARGET else ""
            whole = seconds(outcome.timings["wengert"].median)
            text = f"{times(ratio)}/{GRADIENT_TARGET:g}{late}"
            rows.append([outcome.name, seconds(alone.median), whole, text])
    return rows


def extra_rows(outcomes: Iterable[Outcome]) -> list[list[str]]:
    """Numbers that single workloads report."""
    rows = [["further numbers", "what", "number"]]
    for outcome in outcomes:
        rows += [[outcome.name, what, f"{value:.4g}"] for what, value in outcome.extras.items()]
    return rows


def startup_rows(startup: Startup) -> list[list[str]]:
    rows = [["new process", "time", "target", "with an empty cache"]]
    late = "!" if startup.import_seconds > IMPORT_TARGET else ""
    rows.append(["import wengert", seconds(startup.import_seconds), f"0.3 s{late}", "-"])
    for name, value in startup.warm.items():
        late = "!" if value > FIRST_CALL_TARGET else ""
        rows.append(
            [f"first call, {name}", seconds(value), f"60 ms{late}", seconds(startup.cold[name])]
        )
    return rows


def fault_lines(outcomes: Iterable[Outcome]) -> list[str]:
    return [
        f"{outcome.name}: {tool}: {text}"
        for outcome in outcomes
        for tool, text in outcome.faults.items()
    ]


def text_report(
    outcomes: Sequence[Outcome], startup: Startup | None, machine: dict[str, Any]
) -> str:
    """Everything, for a terminal."""
    peers = [name for name in PEER_ORDER if any(name in o.timings for o in outcomes)]
    parts = [
        f"{machine['processor']}, {machine['threads']} threads; median times of one call",
        table(run_rows(outcomes, peers)),
        "ratio: the peer's time over wengert's; the best peer is the fastest tool given the same"
        "\nfunction, so not numba and numpy by hand, which were written for the task. ! missed.",
    ]
    if any(outcome.compile_seconds for outcome in outcomes):
        parts.append(table(compile_rows(outcomes)))
    parts += [
        table(rows) for rows in (gradient_rows(outcomes), extra_rows(outcomes)) if len(rows) > 1
    ]
    if startup is not None:
        parts.append(table(startup_rows(startup)))
    if faults := fault_lines(outcomes):
        parts.append("left out or wrong:\n" + "\n".join(f"  {line}" for line in faults))
    return "\n\n".join(parts)


def as_json(
    outcomes: Iterable[Outcome], startup: Startup | None, machine: dict[str, Any]
) -> dict[str, Any]:
    """The same for programs; times in seconds."""
    return {
        "machine": machine,
        "startup": startup.as_dict() if startup else None,
        "workloads": {
            outcome.name: {
                "best_peer": outcome.best,
                "ratio": outcome.ratio("best"),
                "targets": {
                    peer: {"wanted": wanted, "reached": outcome.ratio(peer)}
                    for peer, wanted in outcome.targets.items()
                },
                "timings": {name: t.as_dict() for name, t in outcome.timings.items()},
                "compile_seconds": outcome.compile_seconds,
                "compile_targets": {
                    peer: {"wanted": wanted, "reached": outcome.compile_ratio(peer)}
                    for peer, wanted in outcome.compile_targets.items()
                },
                "gradient_over_value": outcome.gradient_over_value,
                "extras": outcome.extras,
                "faults": outcome.faults,
            }
            for outcome in outcomes
        },
    }


def markdown(results: dict[str, Any]) -> str:
    """The table of the README, from the JSON form."""
    lines = [
        "| workload | wengert | best peer | ratio | compile: wengert / JAX |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, result in results["workloads"].items():
        own, best = result["timings"].get("wengert"), result["best_peer"]
        if own is None or best is None:
            continue
        compiled = result["compile_seconds"]
        lines.append(
            f"| {name} | {seconds(own['median'])} "
            f"| {seconds(result['timings'][best]['median'])} ({best}) "
            f"| {times(result['ratio'])} "
            f"| {seconds(compiled.get('wengert'))} / {seconds(compiled.get('jax'))} |"
        )
    return "\n".join(lines)


def bar_chart(outcomes: Sequence[Outcome], path: Path) -> None:
    """One bar a workload, the ratio on a logarithmic axis, a tick where its target is."""
    from matplotlib.figure import Figure

    shown = [outcome for outcome in outcomes if outcome.ratio("best") is not None][::-1]
    if not shown:
        return
    figure = Figure(figsize=(9, 1.2 + 0.27 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for place, outcome in enumerate(shown):
        ratio, target = outcome.ratio("best") or 0.0, outcome.targets.get("best")
        reached = all((outcome.ratio(p) or 0.0) >= goal for p, goal in outcome.targets.items())
        axes.barh(place, ratio - 1.0, left=1.0, color="#2a6f97" if reached else "#d08c60")
        if target is not None:
            axes.plot([target] * 2, [place - 0.4, place + 0.4], color="black", linewidth=1.5)
        axes.annotate(
            f" {times(ratio)} ({outcome.best}) ",
            (max(ratio, target or 0.0) if ratio >= 1 else ratio, place),
            va="center",
            ha="left" if ratio >= 1 else "right",
            fontsize=8,
        )
    ratios = [outcome.ratio("best") or 1.0 for outcome in shown]
    axes.set_xscale("log")
    axes.set_xlim(min(0.3, *ratios) / 2, max(4.0, *ratios) * 3)
    axes.axvline(1.0, color="grey", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [outcome.name for outcome in shown], fontsize=8)
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.set_xlabel("best peer's time over wengert's (log scale); black: target")
    figure.savefig(path, dpi=130)


def save(
    outcomes: Sequence[Outcome],
    startup: Startup | None,
    machine: dict[str, Any],
    folder: Path = RESULTS,
) -> list[Path]:
    """Writes latest.txt, latest.json and latest.png; returns what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    text, data, chart = (folder / f"latest.{suffix}" for suffix in ("txt", "json", "png"))
    text.write_text(text_report(outcomes, startup, machine) + "\n")
    data.write_text(json.dumps(as_json(outcomes, startup, machine), indent=1) + "\n")
    bar_chart(outcomes, chart)
    return [path for path in (text, data, chart) if path.exists()]


if __name__ == "__main__":
    print(markdown(json.loads((RESULTS / "latest.json").read_text())))
