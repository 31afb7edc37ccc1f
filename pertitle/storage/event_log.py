"""The JSONL stream of ``--events FILE``: one event a line, the same that the library tells.

Each line is an object with ``version`` (1), ``time`` (seconds since the epoch), ``event`` (the
class name in :mod:`pertitle.events`) and that event's fields. docs/events.md documents them.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from pertitle.errors import UsageError
from pertitle.events import Event
from pertitle.serial import dumps, to_json

VERSION = 1


class EventLog:
    """Appends events to a file, each line flushed so that a reader can follow it.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            # A pipe that nobody reads is refused, not waited for.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)
            handle = os.open(path, flags, 0o666)
            os.set_blocking(handle, True)
            if stat.S_ISBLK(os.fstat(handle).st_mode):
                os.close(handle)
                raise UsageError(f"{path} is a disk, not a file for events")
            self._file = os.fdopen(handle, "a", encoding="utf-8")
            self.lost = ""
        except OSError as error:
            raise UsageError(f"cannot write events to {path}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # what could not be written is still in the buffer
            self._file.close()

    def handle(self, event: Event) -> None:
        """Write one event; after the first that cannot be written, ``lost`` says why."""
        if self.lost:
            return
        record = {"version": VERSION, "time": time.time(), "event": type(event).__name__}
        try:
            self._file.write(dumps({**record, **to_json(event)}) + "\n")
            self._file.flush()
        except OSError as error:
            self.lost = error.strerror or type(error).__name__
