"""Why a traced body of a loop cannot be used."""

from __future__ import annotations

from wengert.errors import WengertError


class Unstable(Exception):
    """The state after a turn is not of the form it had before; `error` says so to the user.

    One turn in plain Python may help, after which the state has the form that it keeps.
    """

    def __init__(self, error: WengertError) -> None:
        super().__init__(str(error))
        self.error = error


class Rebound(Exception):
    """A variable that was thought to be updated in place gets another array: trace it again."""
