"""The import order, the file limits and where third-party engines may be imported.

Everything is read with `ast`, so nothing is imported and nothing depends on what is installed.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "wengert"

# Lowest first. A module may import from lower rows, and from its own group. A group ends at `.`:
# "ir.ops" holds ir.ops and everything under it. Groups in one row do not see one another, but
# for the row of the IR's tools, which are small and may build on each other.
ROWS: tuple[tuple[str, ...], ...] = (
    ("errors", "config", "plain"),
    ("dump", "world"),
    ("ir.floats",),
    ("ir.promotion",),
    ("ir.types",),
    ("ir.folding",),
    ("ir.scalar", "ir.host"),
    ("ir.index_algebra",),
    ("ir.forms",),
    ("ir.op",),
    ("ir.program",),
    (
        "ir.builder",
        "ir.compare",
        "ir.evaluate",
        "ir.parser",
        "ir.rewrite",
        "ir.text",
        "ir.verify",
    ),
    ("ir.transforms",),
    ("ir.ops",),
    ("ir.passes",),
    ("ir.sparsity",),
    ("tracer", "kernels"),
    ("backends",),
    ("capture",),
    ("special",),
    ("numpy",),
    ("api",),
    ("linalg", "random", "testing", "optim", "debug", "standins"),
    ("nn", "distributed", "interop"),
    ("train",),
    ("cli", "demo"),
    ("__main__",),
)
TOOLS = next(groups for groups in ROWS if "ir.builder" in groups)
# Imports that the order would allow, but the design does not.
FORBIDDEN: tuple[tuple[str, str], ...] = (
    ("kernels", "ir.transforms"),
    ("kernels", "ir.ops"),
    ("backends", "ir.ops"),
    ("backends", "tracer"),
)
ENGINES = ("numba", "llvmlite")  # only in backends
PEERS = (
    "cupy",
    "jax",
    "torch",
    "autograd",
    "ml_dtypes",
    "mpi4py",
    "pyspark",
)  # never in the package
MAX_LINES = 500


@dataclass(frozen=True)
class Import:
    """One imported module: where, and whether it happens inside a function."""

    module: str
    line: int
    inside_function: bool


def name_of(path: Path) -> str:
    """`wengert/ir/ops/__init__.py` is called `ir.ops`, the package itself the empty string."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(node: ast.AST, inside_function: bool = False) -> Iterator[Import]:
    """All imports below `node`, but for those that only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt) and is_type_checking(child):
            continue
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, inside_function)
        elif isinstance(child, ast.ImportFrom):
            yield from imported_from(child, inside_function)
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from imports(child, inside_function or is_function)


def imported_from(node: ast.ImportFrom, inside_function: bool) -> Iterator[Import]:
    """`from wengert.ir import types` imports the module wengert.ir.types, not wengert.ir."""
    module = "." * node.level + (node.module or "")
    for alias in node.names:
        submodule = f"{module}.{alias.name}"
        path = ROOT / submodule.replace(".", "/")
        is_module = path.with_suffix(".py").exists() or (path / "__init__.py").exists()
        yield Import(submodule if is_module else module, node.lineno, inside_function)


def group_of(name: str) -> tuple[int, str]:
    """The row and the group that a module belongs to; the longest group name wins."""
    found = [
        (len(group), row, group)
        for row, groups in enumerate(ROWS)
        for group in groups
        if name == group or name.startswith((f"{group}.", f"{group}_"))
    ]
    assert found, f"module wengert.{name} is in no row of tests/test_layers.py: give it its place"
    _, row, group = max(found)
    return row, group


def fault(importer: str, imported: str) -> str | None:
    """Why `importer` may not import `imported`; None if it may."""
    row, group = group_of(importer)
    target_row, target_group = group_of(imported)
    if (group, target_group) in FORBIDDEN:
        return f"{group} never imports {target_group}"
    if target_row > row:
        return "it is above"
    if target_row == row and target_group != group and group not in TOOLS:
        return "it is an independent neighbour"
    return None


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@functools.cache
def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(), str(MODULES[name]))


PACKAGE_MARKERS = {"", "ir"}  # hold no code below the top, so they have no place in the order


@pytest.mark.parametrize("name", [name for name in MODULES if name not in PACKAGE_MARKERS])
def test_import_order(name: str) -> None:
    faults = []
    for found in imports(tree(name)):
        if found.module == "wengert" or found.module.startswith("wengert."):
            target = found.module.removeprefix("wengert").removeprefix(".")
            allowed_face = target == "" and group_of(name)[1] in ("cli", "demo", "__main__")
            reason = None if allowed_face else fault(name, target) if target else "it is the top"
            if reason:
                faults.append(f"line {found.line} imports {found.module}: {reason}")
    assert not faults, f"wengert.{name}: " + "; ".join(faults)


@pytest.mark.parametrize("name", MODULES)
def test_imports_are_absolute_and_at_the_top(name: str) -> None:
    faults = [
        f"line {found.line} imports {found.module}"
        for found in imports(tree(name))
        if found.module.startswith(".")
        or (found.inside_function and found.module.split(".")[0] == "wengert")
    ]
    assert not faults, f"wengert.{name}: relative or inside a function: " + "; ".join(faults)


@pytest.mark.parametrize("name", MODULES)
def test_engines_stay_in_backends(name: str) -> None:
    banned = PEERS if name.split(".")[0] == "backends" else PEERS + ENGINES
    faults = [
        f"line {found.line} imports {found.module}"
        for found in imports(tree(name))
        if found.module.split(".")[0] in banned
    ]
    assert not faults, f"wengert.{name}: " + "; ".join(faults)


@pytest.mark.parametrize("folder", ["wengert", "tests", "benchmarks", "examples"])
def test_files_are_short(folder: str) -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (count := len(path.read_text().splitlines())) > MAX_LINES
    }
    assert not long, f"more than {MAX_LINES} lines: {long}"


def test_the_order_itself_is_checked() -> None:
    """The checks above can fail: an upward, a sideways and a forbidden import are caught."""
    assert fault("ir.types", "ir.op") == "it is above"
    assert fault("tracer.trace", "kernels.loops") == "it is an independent neighbour"
    assert fault("kernels.fuse", "ir.ops.elementwise") == "kernels never imports ir.ops"
    assert fault("ir.verify", "ir.text") is None
    assert fault("api", "ir.transforms.jvp") is None
    nested = ast.parse("def f():\n    from wengert.ir import types\n")
    assert list(imports(nested)) == [Import("wengert.ir.types", 2, True)]


IMPORT_PROBE = """
import sys, wengert
slow = {"numba", "llvmlite", "scipy.linalg", "jax", "torch", "cupy"} & set(sys.modules)
sys.exit(f"import wengert loads {sorted(slow)}" if slow else 0)
"""


@pytest.mark.slow
def test_import_is_lean() -> None:
    probe = subprocess.run(
        [sys.executable, "-c", IMPORT_PROBE], cwd=ROOT, capture_output=True, text=True
    )
    assert probe.returncode == 0, probe.stderr
