"""What the rewriter tells the runtime of each loop and branch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Info:
    """A loop or branch of the source.

    `names` are the variables that its parts assign, the order of the state. Of these, `after` are
    read later on, `at_start` are read in a turn before it assigns them, `updated` are only changed
    by augmented assignment, and `lenient` are flags of the rewriter, which may lack a value.
    `appended` are lists that a loop's body appends to. `depth` says how many `for` loops stand in
    one another in the body. `lines` has for each part (the branches, or
    the body) the lines where variables are assigned. `stops` are the flags at which a loop ends,
    `unless` has the flags in `if not flag`. `raises` says that the part of an `if` for a true
    condition ends with `raise`. After part number `returning[0]` of an `if` the function has
    returned, and only variables in `returning[1]` are looked at. `memo` is what earlier runs have
    found out.
    """

    line: int
    names: tuple[str, ...]
    after: frozenset[str] = frozenset()
    at_start: frozenset[str] = frozenset()
    updated: frozenset[str] = frozenset()
    lenient: frozenset[str] = frozenset()
    appended: tuple[str, ...] = ()
    depth: int = 0
    lines: tuple[dict[str, int], ...] = ()
    stops: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    raises: bool = False
    returning: tuple[int, frozenset[str]] | None = None
    memo: dict[Any, Any] = field(default_factory=dict[Any, Any])
