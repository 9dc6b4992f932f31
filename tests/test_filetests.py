"""Programs in text form, what is done to them, and the text that comes out.

A file `tests/filetests/*/NAME.wir` starts with `# run: STEPS` (those of `python -m wengert run`,
or none), then a program, then `# expect:` and the result: a program, or `# error:` lines.
`pytest tests/test_filetests.py --bless` writes the results into the files; read the difference
before it is committed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from wengert.cli.run import apply, steps_of
from wengert.errors import WengertError
from wengert.ir.parser import parse
from wengert.ir.text import to_text

FOLDER = Path(__file__).parent / "filetests"
FILES = sorted(f for kind in ("ir", "ad", "passes") for f in (FOLDER / kind).glob("*.wir"))
MARK = "# expect:\n"
MAX_LINES = 60


def result_of(source: str) -> str:
    """What the steps named in the first line make of the program."""
    first = source.splitlines()[0]
    assert first.startswith("# run:"), "a filetest starts with '# run: STEPS'"
    try:
        return to_text(apply(parse(source), steps_of(first.removeprefix("# run:"))), locations=True)
    except WengertError as error:
        lines = f"{type(error).__name__}: {error}".splitlines()
        return "".join(f"# error: {line}".rstrip() + "\n" for line in lines)


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_file(path: Path, request: pytest.FixtureRequest) -> None:
    source, _, expected = path.read_text().partition(MARK)
    found = result_of(source)
    if request.config.getoption("--bless") and found != expected:
        path.write_text(source + MARK + found)
        expected = found
    assert found == expected
    assert len((source + found).splitlines()) <= MAX_LINES, "keep filetests small"


def test_there_are_files_of_each_kind() -> None:
    assert {f.parent.name for f in FILES} == {"ir", "ad", "passes"}


def test_a_wrong_expectation_fails() -> None:
    """The runner can tell: the same file with other steps gives other text."""
    path = FOLDER / "passes" / "cse.wir"
    source, _, expected = path.read_text().partition(MARK)
    assert result_of(source.replace("# run: cse", "# run:", 1)) != expected
