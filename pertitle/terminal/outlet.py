"""Standard output and error as things that can go away while the work goes on.

A reader that leaves (``| head``), a full disk or a closed descriptor ends no title: what can no
longer be written is dropped, and :func:`outlets` tells the caller, whose exit code then says it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast


class Outlet:
    """A text stream whose writes never raise; ``lost`` says whether any of them failed."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.lost = False

    def write(self, text: str) -> int:
        """Write, or drop the text if the stream is gone."""
        if self._stream is None:
            self.lost = self.lost or bool(text)
        elif not self.lost:
            try:
                self._stream.write(text)
            except (OSError, ValueError):
                self._lose()
        return len(text)

    def flush(self) -> None:
        """Flush, or remember that the stream is gone."""
        if self._stream is not None and not self.lost:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._lose()

    def writelines(self, lines: list[str]) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        """Whether a person is reading."""
        return self._stream is not None and not self.lost and self._stream.isatty()

    def _lose(self) -> None:
        """Let the descriptor lead nowhere: what is buffered would fail again when Python ends."""
        self.lost = True
        with suppress(OSError, ValueError, AttributeError):
            handle = os.open(os.devnull, os.O_WRONLY)
            os.dup2(handle, cast("TextIO", self._stream).fileno())
            os.close(handle)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def outlets() -> Iterator[tuple[Outlet, Outlet]]:
    """Put outlets in the place of ``sys.stdout`` and ``sys.stderr``.

    A standard descriptor that is closed leads nowhere from now on: otherwise the next file that is
    opened would take its number, and children would write their complaints into it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    pair = Outlet(before[0]), Outlet(before[1])
    sys.stdout, sys.stderr = (cast("TextIO", outlet) for outlet in pair)
    try:
        yield pair
    finally:
        for outlet in pair:
            outlet.flush()
        sys.stdout, sys.stderr = before
