"""The view that suits where a run is told: live for people, plain lines for pipes and CI."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console

from pertitle import events
from pertitle.terminal.lines import LineView
from pertitle.terminal.live import LiveView


class View(Protocol):
    """Something that shows a run; used as a context manager around it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def handle(self, event: events.Event) -> None:
        """Show one event."""

    def say(self, text: str) -> None:
        """Show a line that must not be lost."""


def view_for(quiet: bool, verbose: bool) -> View:
    """The view that suits stderr: live in a terminal, lines elsewhere, errors only if quiet."""
    console = Console(stderr=True)
    if quiet:
        return LineView(console, errors_only=True)
    if console.is_terminal and not verbose:
        return LiveView(console)
    return LineView(console, verbose=verbose)
