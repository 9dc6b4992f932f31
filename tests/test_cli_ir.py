"""The subcommands `run` and `ops`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from wengert.cli.ops import COLUMNS, LEGEND, MISSING, matrix, ops
from wengert.cli.run import run
from wengert.ir.op import REGISTRY

TEXT = """program(%0: float64[3]) {
    %1: float64[3] = mul(%0, 2.0)
    %2: float64[3] = mul(%0, 2.0)
    %3: float64[3] = add(%1, %2)
    %4: float64[3] = sin(%0)
    return %3
}
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "p.wir"
    path.write_text(TEXT)
    return str(path)


def test_run_prints_the_program(file: str, capsys: Any) -> None:
    assert run([file]) == 0
    assert capsys.readouterr().out == TEXT


def test_run_applies_passes_in_order(file: str, capsys: Any) -> None:
    assert run([file, "-p", "cse, dce"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:3] == ["    %1: float64[3] = mul(%0, 2.0)", "    %2: float64[3] = add(%1, %1)"]
    assert len(lines) == 5


def test_run_evaluates(file: str, capsys: Any) -> None:
    assert run([file, "-p", "vjp,default", "--eval", "--seed", "1"]) == 0
    out = capsys.readouterr().out
    assert out.count("input") == 2 and out.count("output") == 2
    assert run([file, "--eval", "--seed", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == out.splitlines()[0]


@pytest.mark.parametrize(
    ("text", "steps", "message"),
    [
        (TEXT, "cse,unknown", "there is no step 'unknown'; known are dce, cse"),
        (TEXT, "batch:x", "there is no step 'batch:x'"),
        ("program", "", r"line 1: expected '\('"),
        (TEXT.replace("= sin(%0)", "= sin(%3)").replace("%4: float64[3]", "%4: bool[3]"), "",
         "'sin' of float64"),
    ],
)  # fmt: skip
def test_run_says_what_is_wrong(
    tmp_path: Path, capsys: Any, text: str, steps: str, message: str
) -> None:
    path = tmp_path / "p.wir"
    path.write_text(text)
    assert run([str(path), "-p", steps]) == 1
    captured = capsys.readouterr()
    assert not captured.out
    assert captured.err.startswith("error: ")
    assert re.search(message, captured.err)


def test_run_of_a_missing_file(tmp_path: Path, capsys: Any) -> None:
    assert run([str(tmp_path / "none.wir")]) == 1
    assert "No such file" in capsys.readouterr().err


def test_no_rule_is_missing() -> None:
    """Each op has each rule, or the matrix says why the rule does not apply."""
    gaps = {
        f"{name}: {column}"
        for name, row in matrix().items()
        for column, cell in zip(COLUMNS, row, strict=True)
        if cell == MISSING or not cell
    }
    assert not gaps


def test_ops_prints_all(capsys: Any) -> None:
    assert ops([]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in REGISTRY)
    assert f"{len(REGISTRY)} ops" in out
    assert all(f"\n{column}:" in out for column in COLUMNS)


def test_every_cell_is_explained() -> None:
    """Words of cells stand in the legend, and the legend has no others."""
    for k, column in enumerate(COLUMNS):
        words = LEGEND[column]
        found = {word for row in matrix().values() for word in _words(column, row[k])}
        if isinstance(words, str):
            assert all(word == "yes" or word.isdigit() for word in found), column
        else:
            assert found == words.keys(), column


def _words(column: str, cell: str) -> list[str]:
    if column == "lowering":
        return cell.split("+")
    sign = next((s for s in "|&" if s in cell), "+")
    return [f"in 0{sign}1"] if column == "linear" and cell != "no" else [cell]


def test_python_code_is_refused_a_derivative_and_integers_have_none() -> None:
    jvp = {name: row[COLUMNS.index("jvp")] for name, row in matrix().items()}
    assert jvp["pure_call"] == "refused"
    assert jvp["acting_call"] == jvp["floor"] == jvp["eq"] == "zero"
    assert jvp["bitand"] == "no floats"
    assert jvp["iota"] == "no operands"
