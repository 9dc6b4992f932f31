"""python -m examples [NAMES ...] [--out FOLDER]: runs examples, prints their figures and times."""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path

NAMES = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_"))


def run(name: str, out: Path) -> None:
    """Runs one example."""
    example = importlib.import_module(f"examples.{name}")
    start = time.perf_counter()
    figures = example.main(out)
    print(f"{name} ({time.perf_counter() - start:.1f} s): {out / name}.png")
    for what, figure in figures.items():
        print(f"    {what}: {figure if isinstance(figure, str) else format(figure, '.4g')}")


def main() -> None:
    """Runs the examples that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m examples", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the pictures")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(NAMES)):
        parser.error(f"no example is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    options.out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    for name in options.names or NAMES:
        run(name, options.out)
    print(f"all together: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
