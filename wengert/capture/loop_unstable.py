"""Why a traced body of a loop cannot be used."""

from __future__ import annotations

from wengert.errors import WengertError


class Unstable(Exception):  # noqa: N818  (it never reaches the user)
    """The state after a turn is not of the form it had before; `error` says so to the user.

    One turn in plain Python may help, after which the state has the form that it keeps.
    """

    def __init__(self, error: WengertError) -> None:
        super().__init__(str(error))
        self.error = error


class Rebound(Exception):  # noqa: N818
    """A variable that was thought to be updated in place gets another array: trace it again."""
