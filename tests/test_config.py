"""Settings from the environment, and the dumps they ask for."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import wengert.dump
from wengert.config import Config, config, from_environment
from wengert.ir.compare import same
from wengert.ir.parser import parse
from wengert.ir.passes.pipeline import DEFAULT, default_pipeline

DOCS = Path(__file__).parent.parent / "docs" / "environment.md"
VARIABLES = {
    "WENGERT_VERIFY", "WENGERT_DUMP", "WENGERT_CACHE", "WENGERT_CACHE_DIR", "WENGERT_NUM_THREADS",
    "WENGERT_CHECK_BOUNDS", "WENGERT_DEBUG_NANS", "WENGERT_DEBUG",
    "WENGERT_DEBUG_CALLBACKS",
    "WENGERT_KEEP_MEMORY", "WENGERT_COMPILE_THREADS",
}  # fmt: skip
TEXT = "program(%0: float64[3]) { %1: float64[3] = mul(%0, 1.0) return %1 }"


def test_defaults() -> None:
    home = Path("~/.cache").expanduser() / "wengert"
    assert from_environment({}) == Config(
        False, None, True, home, "gpu", None, None, True, False, False, True, 0
    )


def test_each_variable_is_read() -> None:
    env = {
        "WENGERT_VERIFY": "yes", "WENGERT_DUMP": "/d", "WENGERT_CACHE": "0",
        "WENGERT_CACHE_DIR": "/c", "WENGERT_NUM_THREADS": "3",
        "WENGERT_CHECK_BOUNDS": "0", "WENGERT_DEBUG_NANS": "1", "WENGERT_DEBUG": "2",
        "WENGERT_DEBUG_CALLBACKS": "1",
        "WENGERT_KEEP_MEMORY": "off", "WENGERT_COMPILE_THREADS": "5",
    }  # fmt: skip
    assert env.keys() == VARIABLES
    found = Config(True, Path("/d"), False, Path("/c"), "gpu", 3, 5, False, True, True, False, 2)
    assert from_environment(env) == found
    assert from_environment({"XDG_CACHE_HOME": "/x"}).cache_dir == Path("/x/wengert")


def test_each_variable_is_documented() -> None:
    text = DOCS.read_text()
    assert all(f"`{name}`" in text for name in VARIABLES)


@pytest.mark.parametrize(
    ("name", "value"),
    [("WENGERT_VERIFY", "maybe"), ("WENGERT_NUM_THREADS", "0"), ("WENGERT_DEBUG", "loud")],
)
def test_nonsense_is_an_error(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{name}='{value}' is "):
        from_environment({name: value})


def test_tests_run_with_verification() -> None:
    assert config().verify


def test_dumps_are_numbered_and_can_be_read_back(tmp_path: Path, monkeypatch: Any) -> None:
    asked = dataclasses.replace(config(), dump=tmp_path / "new")
    monkeypatch.setattr(wengert.dump, "config", lambda: asked)
    program = parse(TEXT)
    result = default_pipeline(program)
    files = sorted((tmp_path / "new").iterdir())
    assert [f.name for f in files[:2]] == ["0001-input.ir", "0002-dce.ir"]
    assert len(files) == 1 + len(DEFAULT)
    assert same(parse(files[0].read_text()), program)
    assert same(parse(files[-1].read_text()), result)


def test_processes_may_share_a_folder(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "0001-a.ir").write_text("another process's")
    asked = dataclasses.replace(config(), dump=tmp_path)
    monkeypatch.setattr(wengert.dump, "config", lambda: asked)
    wengert.dump.dump("a", "ir", "ours")
    assert (tmp_path / "0001-a.ir").read_text() == "another process's"
    assert (tmp_path / "0002-a.ir").read_text() == "ours\n"


def test_notes_say_what_is_asked_for(monkeypatch: Any, capsys: Any) -> None:
    for level, count in ((0, 0), (1, 0), (2, len(DEFAULT))):
        asked = dataclasses.replace(config(), debug=level)
        monkeypatch.setattr(wengert.dump, "config", lambda asked=asked: asked)
        default_pipeline(parse(TEXT))
        assert capsys.readouterr().err.count("wengert: pass ") == count


def test_nothing_is_written_unasked(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(wengert.dump, "config", lambda: dataclasses.replace(config(), dump=None))
    wengert.dump.dump("a", "ir", lambda: pytest.fail("the text is not needed"))
