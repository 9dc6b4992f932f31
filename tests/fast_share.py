"""Which cases of a long table `make check` runs: every so-manieth; `make test` runs all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest


def fast_share(cases: Sequence[Any], every: int, ids: Sequence[str] | None = None) -> list[Any]:
    """The cases as parameters of a test, all marked slow but each `every`-th."""
    names: Sequence[str | None] = [None] * len(cases) if ids is None else ids
    several = ids is None and isinstance(cases[0], tuple)  # parameters of one test
    return [
        pytest.param(
            *(case if several else (case,)),
            id=name,
            marks=pytest.mark.slow if k % every else (),
        )
        for k, (case, name) in enumerate(zip(cases, names, strict=True))
    ]
