"""Ctrl-C between steps: an interrupt inside a step waits for its end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Interrupts:
    """Whether an interrupt came in a step that must not be torn."""

    inside: bool = False
    waiting: bool = False

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """A stretch that an interrupt does not end; it is raised after it."""
        self.inside = True
        try:
            yield
        finally:
            self.inside = False
        if self.waiting:
            self.waiting = False
            raise KeyboardInterrupt

    def handle(self, number: int, frame: Any) -> None:
        """The handler of SIGINT; the second interrupt within a step is raised at once."""
        if not self.inside or self.waiting:
            raise KeyboardInterrupt
        self.waiting = True

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Handles interrupts while it lasts, in the main thread, where Python's handler would."""
        usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if not usual or threading.current_thread() is not threading.main_thread():
            yield
            return
        signal.signal(signal.SIGINT, self.handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
