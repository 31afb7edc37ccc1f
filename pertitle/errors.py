"""Every error pertitle raises on purpose.

::

    PertitleError
    ├── UsageError            options that contradict one another, unusable output folder
    │   └── FolderError       … which is somebody else's, or in use by another run
    ├── ToolError             ffmpeg or the packager is missing or lacks a capability
    ├── SourceError           the input is not a usable video
    │   └── DecoderCrash      … and a decoder died of it
    ├── StoreError            a store or web server refused, or was not reached
    ├── ProcessError          a child process failed
    │   └── ProcessTimeout    … or outlived its time limit
    │       └── ProcessStalled  … or made no progress for too long
    ├── Cancelled             the caller asked to stop
    ├── ModelError            a model, table or plan file is damaged or of another version
    ├── LadderError           no ladder satisfies the constraints; holds the best attempt
    └── DeliveryError         a written artifact failed its check

The message of each is one line that says what happened and, where it can, what to do.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Text that a terminal may show: file names and metadata can hold anything.

    Control characters, which could move the cursor or write elsewhere, lone surrogates and marks
    that turn the direction of the text become the replacement character.
    """
    return _UNPRINTABLE.sub("\ufffd", text)


class PertitleError(Exception):
    """Base of every error raised on purpose; ``str(error)`` is one readable line."""

    def __str__(self) -> str:
        return printable(super().__str__())


class UsageError(PertitleError):
    """The request itself is wrong: options, arguments or output folder."""


class FolderError(UsageError):
    """An output folder was not made by pertitle, or another run is writing to it."""


class ToolError(PertitleError):
    """An external program is missing or cannot do what is needed."""


class SourceError(PertitleError):
    """The input cannot be read as a video."""


class DecoderCrash(SourceError):
    """A decoder ended itself over the input (segmentation fault, abort, ...)."""


class StoreError(PertitleError):
    """What a URL names cannot be read or written: it is not there, refused or not reached."""


class Cancelled(PertitleError):
    """The caller cancelled the work."""


class ModelError(PertitleError):
    """A model, corpus table or plan file is damaged, untrusted or of another schema version."""


class DeliveryError(PertitleError):
    """A finished artifact did not pass its check (decode, duration, alignment)."""


class LadderError(PertitleError):
    """No ladder meets the constraints.

    Attributes:
        best: the closest attempt, if there was one (a ``LadderPlan``), else None.
    """

    def __init__(self, message: str, best: object | None = None) -> None:
        super().__init__(message)
        self.best = best


class ProcessError(PertitleError):
    """A child process ended with a failure.

    Attributes:
        argv: the command.
        returncode: exit code, negative for a signal.
        stderr_tail: the last lines it wrote to stderr.
    """

    def __init__(self, argv: Sequence[str], returncode: int, stderr_tail: str) -> None:
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stderr_tail = stderr_tail
        lines = [line.strip() for line in stderr_tail.splitlines() if line.strip()]
        reason = lines[-1] if lines else "it printed nothing"
        name = self.argv[0].replace("\\", "/").rsplit("/", 1)[-1]
        super().__init__(f"{name} {self._ending()}: {reason}")

    def _ending(self) -> str:
        if self.returncode < 0:
            return f"was killed by signal {-self.returncode}"
        return f"failed with exit code {self.returncode}"

    @property
    def command(self) -> str:
        """The command as a line that can be pasted into a shell."""
        return shlex.join(self.argv)


class ProcessTimeout(ProcessError):
    """A child process was killed because it outlived its time limit."""

    def __init__(self, argv: Sequence[str], seconds: float, stderr_tail: str) -> None:
        super().__init__(argv, -9, stderr_tail)
        self.seconds = seconds
        name = self.argv[0].replace("\\", "/").rsplit("/", 1)[-1]
        self.args = (f"{name} did not finish within {seconds:.0f} s and was killed",)


class ProcessStalled(ProcessTimeout):
    """A child process was killed because it made no progress any more."""

    def __init__(self, argv: Sequence[str], seconds: float, stderr_tail: str) -> None:
        super().__init__(argv, seconds, stderr_tail)
        name = self.argv[0].replace("\\", "/").rsplit("/", 1)[-1]
        self.args = (f"{name} made no progress for {seconds:.0f} s and was killed",)
