"""The disk cache of compiled programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cpu_programs as build
import numpy as np
import pytest
from cpu_programs import S, executable

import wengert as wg
from wengert import config, errors
from wengert.api import compilation
from wengert.backends import cache, cpu
from wengert.ir.types import TensorType
from wengert.kernels.loops import Check, Failure, Kernel, Space, Store


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("WENGERT_CACHE", "1")
    config.config.cache_clear()
    yield tmp_path / "cache"
    config.config.cache_clear()


def _negated(key: str | None = "negate") -> cpu.Executable:
    return executable(build.elementwise(lambda x: S.neg(x), ["f8"], "f8", 5), key=key)


def _entry_file(folder: Path) -> Path:
    return folder / (cache.full_key("negate") + ".wgo")


def _check(f: cpu.Executable, from_cache: bool) -> None:
    assert f.from_cache == from_cache
    np.testing.assert_array_equal(f(np.arange(5.0))[0], -np.arange(5.0))


def test_second_compilation_is_from_the_cache(folder: Path) -> None:
    _check(_negated(), False)
    _check(_negated(), True)
    assert _entry_file(folder).exists()
    assert "fneg" in _negated().source


def test_a_hit_does_not_lower(folder: Path) -> None:
    _negated()

    def never() -> Any:
        raise AssertionError("lowered in spite of the cache")

    kind = TensorType(np.dtype("f8"), (5,))
    f = cpu.compile(never, key="negate", in_types=[kind], out_types=[kind], constants=[])
    _check(f, True)


@pytest.mark.parametrize("limit", [1 << 20, 0], ids=["kept", "lowered again"])
def test_constants_of_cached_programs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(cpu, "KEPT_CONSTANTS", limit)
    lowered: list[Any] = []
    real = compilation.lower_program
    monkeypatch.setattr(
        compilation, "lower_program", lambda *args: lowered.append(args) or real(*args)
    )
    table, mask = np.linspace(0.0, 1.0, 30).reshape(5, 6), np.arange(6) % 2 == 0
    x = np.ones((5, 6))
    for calls in (1, 1 if limit else 2):
        found = wg.jit(lambda x: np.where(mask, x * table, x[::-1] + table[0]))(x)
        np.testing.assert_array_equal(found, np.where(mask, table, 1.0 + table[0]))
        assert len(lowered) == calls


def test_without_a_key_nothing_is_kept(folder: Path) -> None:
    _negated(key=None)
    assert not _entry_file(folder).exists()


def test_switched_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_CACHE", "0")
    config.config.cache_clear()
    _check(_negated(), False)
    _check(_negated(), False)
    assert not folder.exists()


DAMAGES = {
    "truncated": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "one bit": lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
    "header": lambda data: b"x" + data[1:],
    "longer": lambda data: data + b"more",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_entry_is_replaced(folder: Path, damage: str) -> None:
    _negated()
    path = _entry_file(folder)
    whole = path.read_bytes()
    path.write_bytes(DAMAGES[damage](whole))
    _check(_negated(), False)
    assert path.read_bytes() == whole
    _check(_negated(), True)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners on this platform")
@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666])
def test_entry_that_others_can_write_is_ignored(folder: Path, mode: int) -> None:
    _negated()
    _entry_file(folder).chmod(mode)
    _check(_negated(), False)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners on this platform")
def test_folder_that_others_can_write_is_ignored(folder: Path) -> None:
    _negated()
    folder.chmod(0o777)
    _check(_negated(), False)
    _entry_file(folder).unlink()
    _check(_negated(), False)
    assert not _entry_file(folder).exists()


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links on this platform")
def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    _negated()
    path = _entry_file(folder)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    _check(_negated(), False)


def test_folder_that_cannot_be_made(folder: Path) -> None:
    folder.write_text("a file in the way")
    _check(_negated(), False)


def test_failures_survive(folder: Path) -> None:
    x, out = build.buffer("i8", 1), build.buffer("i8", 1, Space.OUTPUT)
    value = S.load(x, S.int(0))
    body = (Check(S.lt(value, 3), 0, value), Store(out, S.int(0), value))
    location = errors.Location("user.py", 12, "f")
    failure = Failure("OutOfBoundsError", "index {value} is outside", location)
    made = build.program([Kernel("k", body)], [x], [out], failures=[failure])
    for from_cache in (False, True):
        f = executable(made, key="failing")
        assert f.from_cache == from_cache
        with pytest.raises(errors.OutOfBoundsError, match=r"index 7 is outside \(at user.py:12"):
            f(np.array([7]))


def test_old_entries_are_removed(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    for k in range(5):
        cache.write(folder, str(k), cache.Entry({}, bytes(1000)))
        os.utime(folder / (cache.full_key(str(k)) + ".wgo"), (k, k))
    cache._evict(folder, 2500)
    left = [k for k in range(5) if cache.read(folder, str(k)) is not None]
    assert left == [3, 4]


def test_key_depends_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache.full_key("k")
    monkeypatch.setattr(cache, "_environment", lambda: "another CPU")
    assert cache.full_key("k") != before
    assert cache.full_key("k") != cache.full_key("other")


@pytest.mark.slow
def test_new_process_needs_neither_llvm_nor_numba(folder: Path) -> None:
    code = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
import cpu_programs as build, numpy as np
from cpu_programs import S
made = build.softmax(8, 16)
f = build.executable(made, key="softmax")
np.testing.assert_allclose(f(np.ones((8 * 16)))[0], 1 / 16)
print(f.from_cache, "llvmlite" in sys.modules, "numba" in sys.modules)
""".format(tests=str(Path(__file__).parent), root=str(Path(__file__).parent.parent))
    found = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [r.stdout.split() for r in found] == [
        ["False", "True", "False"],
        ["True", "False", "False"],
    ]


@pytest.mark.slow
def test_processes_at_the_same_time(folder: Path) -> None:
    code = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
import cpu_programs as build, numpy as np
from cpu_programs import S
for k in range(6):
    made = build.elementwise(lambda x: S.add(x, float(k)), ["f8"], "f8", 7)
    np.testing.assert_array_equal(build.executable(made, key=str(k))(np.zeros(7))[0], float(k))
print("fine")
""".format(tests=str(Path(__file__).parent), root=str(Path(__file__).parent.parent))
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [p.communicate()[0].strip() for p in running] == ["fine"] * 4
    assert not list(folder.glob("*.tmp"))
