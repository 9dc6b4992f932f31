"""A limit on the seconds that one tool may take over one thing, so that a run always ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class TookTooLongError(Exception):
    """A tool used up the time it was given."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises TookTooLongError in what runs under it, at the next instruction of Python's.

    Without effect where there are no timer signals, and outside the main thread.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: Any) -> None:
        raise TookTooLongError(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    # and again: what runs just then may be a callback from which nothing comes through
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
