"""Why a traced body of a loop cannot be used."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from wengert.errors import WengertError
from wengert.tracer.trace import Abstract

P = ParamSpec("P")
R = TypeVar("R")


class Unstable(Exception):
    """The state after a turn is not of the form it had before; `error` says so to the user.

    One turn in plain Python may help, after which the state has the form that it keeps.
    """

    def __init__(self, error: WengertError) -> None:
        super().__init__(str(error))
        self.error = error


class Rebound(Exception):
    """A variable that was thought to be updated in place gets another array: trace it again."""


class NeedsTable(BaseException):
    """The list `target` is to be an array of this kind, or of a wider one (see `list_tables`).

    `error` is raised if that cannot be, unless the store `may_choose` its place among the items.
    """

    def __init__(
        self, target: list[Any], kind: Abstract, error: WengertError, may_choose: bool = False
    ) -> None:
        super().__init__(str(error))
        self.target, self.kind, self.error = target, kind, error
        self.may_choose = may_choose

    @property
    def line(self) -> Any:
        """Where it is stored to."""
        return self.error.location


class HalfDone(Exception):
    """An error after the enclosing trace was changed: Python cannot run the loop in its place."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


@contextmanager
def final() -> Iterator[None]:
    """Errors within the block are not taken for reasons to run the loop in Python."""
    try:
        yield
    except HalfDone:
        raise
    except Exception as error:
        raise HalfDone(error) from error


def explained(attempt: Callable[P, R]) -> Callable[P, R]:
    """Of a function that attempts: errors that ended it for good are raised as they were."""

    @functools.wraps(attempt)
    def explained_attempt(*args: P.args, **options: P.kwargs) -> R:
        try:
            return attempt(*args, **options)
        except HalfDone as failed:
            raise failed.error from None

    return explained_attempt
