"""Random functions in plain Python: loops, branches, in-place updates and views of three arrays."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

N = 6
PAD = "    "


def index(r: random.Random, loops: list[str]) -> str:
    """An index in range, by a loop's index if there is one."""
    if not loops or r.random() < 0.3:
        return str(r.randrange(-N, N))
    v = r.choice(loops)
    forms = [v, v, f"{v} - 1", f"-{v} - 1", f"({v} + 2) % {N}", f"{v} // 2", f"p[{v}]"]
    return r.choice([*forms, f"{N - 1} - {v}"])


def expression(r: random.Random, loops: list[str], depth: int = 0) -> str:
    """A scalar."""
    i = lambda: index(r, loops)  # noqa: E731
    options = [
        f"x[{i()}]", f"a[{i()}, {i()}]", f"{r.uniform(-2, 2):.2f}", f"np.sin(x[{i()}])", f"y[{i()}]",
        f"a[{i()}].max()", "s", f"(a[:, {i()}] @ x)",
    ]  # fmt: skip
    if depth < 2:
        parts = [expression(r, loops, depth + 1) for _ in range(4)]
        options += [f"({parts[0]} + {parts[1]})", f"({parts[2]} * 0.5 - {parts[3]})"]
    if loops:
        v = r.choice(loops)
        options += [f"x[:{v}].sum()", f"(a[{v}, {v}:] @ y[{v}:])", f"np.mean(x[{v}:])"]
        options += [f"(x[{v}] if x[{v}] > y[0] else y[{v}])"]
    return r.choice(options)


def simple(r: random.Random, loops: list[str]) -> list[str]:
    """A statement or a few, without loops and branches."""
    i, e = lambda: index(r, loops), lambda: expression(r, loops)
    options = [
        [f"x[{i()}] = {e()}"], [f"a[{i()}, {i()}] = {e()}"], [f"x[{i()}] += {e()}"], [f"a[{i()}] = x * 0.5"],
        [f"a[:, {i()}] *= 0.9"], [f"row = a[{i()}]", f"row[{i()}] = {e()}", "row *= 0.8"],
        [f"s = s * 0.5 + {e()}"], ["x[1:-1] = (x[:-2] + x[2:]) * 0.5"], ["x[x > 1.5] = 0.25"],
        ["t = a.T", f"t[{i()}] = y"], ["y[:] = x"], [f"z = np.zeros({N})", f"z[{i()}] = {e()}", "x += z"],
        [f"np.add(x, y, out=a[{i()}])"], [f"a[[{r.randrange(N)}, {r.randrange(N)}], {i()}] = {e()}"],
        ["flat = a.reshape(-1)", f"flat[{i()}] = {e()}"], [f"np.add.at(x, [0, {r.randrange(N)}, 0], {e()})"],
        ["x[::2] = y[1::2]", "a[::-1, 0] = x"],
    ]  # fmt: skip
    if loops:
        v = r.choice(loops)
        options += [[f"x[:{v}] += 0.1"], [f"a[{v}:, {v}] = y[{v}:]"]]
        options += [[f"w = x[{v}:]", f"w[0] = {e()}", "w[:] = w * 0.7", "s = s + w.sum() / len(w)"]]
    return r.choice(options)


def block(r: random.Random, loops: list[str], count: int) -> list[str]:
    """Statements of a body."""
    lines: list[str] = []
    for _ in range(count):
        kind = r.random()
        if kind < 0.12:
            condition = f"if x[{index(r, loops)}] > {expression(r, loops)}:"
            lines += [condition, *(PAD + line for line in simple(r, loops))]
            if r.random() < 0.5:
                lines += ["else:", *(PAD + line for line in simple(r, loops))]
        elif kind < 0.3 and len(loops) < 2:
            lines += loop(r, loops, r.randint(1, 3))
        else:
            lines += simple(r, loops)
    return lines


def loop(r: random.Random, loops: list[str], count: int) -> list[str]:
    """A loop whose bounds may be indices of outer ones."""
    v = "ijk"[len(loops)]
    start, stop = r.choice(["0", "1", *loops[-1:]]), r.choice([str(N), str(N - 1), *loops[-1:]])
    body = block(r, [*loops, v], count)
    return [f"for {v} in range({start}, {stop}):", *(PAD + line for line in body)]


def source(seed: int) -> str:
    """The text of a function of x[N], y[N], a[N, N] and a permutation p[N]."""
    r = random.Random(seed)
    lines = ["s = 0.0", *block(r, [], r.randint(0, 2)), *loop(r, [], r.randint(1, 4))]
    if r.random() < 0.5:
        lines += ["x, y = y, x", *loop(r, [], r.randint(1, 3))]
    lines.append("return s, x.sum()")
    body = "\n".join(PAD + line for line in lines)
    return f"import numpy as np\n\n\ndef f(x, y, a, p):\n{body}\n"


def load(seed: int, folder: Path) -> Callable[..., Any]:
    """The function, from a file, so that its source can be read."""
    path = folder / f"program{seed}.py"
    path.write_text(source(seed))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.f
