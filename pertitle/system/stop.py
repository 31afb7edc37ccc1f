"""Ending a run early, from any thread."""

from __future__ import annotations

import threading
from typing import Protocol

from pertitle.errors import Cancelled


class Cancellable(Protocol):
    """What has child processes that can be ended."""

    def cancel(self) -> None:
        """End them, and start no more."""


class Stop:
    """A handle that ends a run early from any thread; what is finished stays finished."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requested = False
        self._runners: list[Cancellable] = []

    def request(self) -> None:
        """End child processes and let the run raise Cancelled."""
        with self._lock:
            self._requested = True
            runners = list(self._runners)
        for runner in runners:
            runner.cancel()

    def attach(self, runner: Cancellable) -> None:
        """Let ``request`` reach the children of this runner too."""
        with self._lock:
            self._runners.append(runner)
            requested = self._requested
        if requested:
            runner.cancel()

    def check(self) -> None:
        """Raise Cancelled if a stop was requested."""
        if self._requested:
            raise Cancelled("cancelled")
