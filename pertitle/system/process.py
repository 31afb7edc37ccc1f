"""The one place that runs child processes.

Everything else builds argument lists (pure functions) and hands them to a :class:`Runner`.
Tests hand in a :class:`FakeRunner` instead.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from pertitle.errors import Cancelled, ProcessError, ProcessStalled, ProcessTimeout, ToolError
from pertitle.system import launcher as launcher_module

STDERR_TAIL_LINES = 40
MAX_LINE = 1 << 16
GRACE_SECONDS = 1.0
"""Time a child gets between SIGTERM and SIGKILL."""

LineHandler = Callable[[str], None]

CRASHES = frozenset({signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV})
"""Signals by which a program that met damaged data ends itself; others come from outside."""


@dataclass(frozen=True)
class Limits:
    """What a child process may use.

    Attributes:
        seconds: wall time before it is killed; None for no limit.
        memory_bytes: data it may hold (RLIMIT_DATA, enforced by Linux); None for no limit.
        file_bytes: largest file it may write (RLIMIT_FSIZE); None for no limit.
        niceness: added to the parent's nice level.
        stall: seconds without progress before it is killed, where its progress is listened to;
            None for no limit.
        variables: names of the environment's variables that it sees; None for all but those that
            look like secrets.
    """

    seconds: float | None = None
    memory_bytes: int | None = None
    file_bytes: int | None = None
    niceness: int = 0
    stall: float | None = None
    variables: tuple[str, ...] | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Completed:
    """A child process that ended well: its command, stdout, stderr tail and wall time."""

    argv: tuple[str, ...]
    stdout: str
    stderr_tail: str
    seconds: float


class Runner(Protocol):
    """Runs one command to its end."""

    def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits = ...,
        on_line: LineHandler | None = ...,
        cwd: Path | None = ...,
    ) -> Completed:
        """Run ``argv`` and wait.

        Args:
            argv: the command; never passed through a shell.
            limits: time, memory and file-size bounds.
            on_line: called with each stdout line as it arrives (``-progress pipe:1``).
            cwd: working directory; None for this process's own.

        Raises:
            ProcessError: it exited with another code than 0.
            ProcessTimeout: it outlived ``limits.seconds``.
            Cancelled: the runner was cancelled before or during the run.
            ToolError: the program does not exist or may not be executed.
        """
        ...


class SubprocessRunner:
    """Runs commands as children of this process; ``cancel`` ends all of them.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._children: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._cancelled = False

    def cancel(self) -> None:
        """End all running children (SIGTERM, then SIGKILL); later runs raise Cancelled."""
        with self._lock:
            self._cancelled = True
            children = list(self._children)
        _terminate(children)

    def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits = NO_LIMITS,
        on_line: LineHandler | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        started = time.monotonic()
        child = self._spawn(argv, limits, cwd)
        timed_out = threading.Event()
        timer: threading.Timer | None = None
        if limits.seconds is not None:
            timer = threading.Timer(limits.seconds, _expire, (child, timed_out))
            timer.daemon = True
            timer.start()
        watch = Watchdog(limits.stall if on_line is not None else None, child)
        tail: deque[str] = deque(maxlen=STDERR_TAIL_LINES)
        drain = threading.Thread(target=_drain, args=(child.stderr, tail), daemon=True)
        drain.start()
        out: list[str] = []
        try:
            assert child.stdout is not None
            for line in _lines(child.stdout):
                if on_line is None:
                    out.append(line)
                else:
                    watch.see(line)
                    on_line(line.rstrip("\n"))
            code = child.wait()
        except BaseException:
            _terminate([child])
            raise
        finally:
            watch.end()
            _kill(child)  # what a wrapper left behind
            if timer is not None:
                timer.cancel()
            drain.join(timeout=GRACE_SECONDS)
            with self._lock:
                self._children.discard(child)
                cancelled = self._cancelled
            for pipe in (child.stdout, child.stderr):
                if pipe is not None:
                    pipe.close()
        stderr_tail = "".join(tail)
        if timed_out.is_set():
            raise ProcessTimeout(argv, limits.seconds or 0.0, stderr_tail)
        if watch.bitten and code != 0:
            raise ProcessStalled(argv, limits.stall or 0.0, stderr_tail)
        if cancelled and code != 0:
            raise Cancelled("cancelled")
        if code != 0:
            raise ProcessError(argv, code, stderr_tail)
        return Completed(tuple(argv), "".join(out), stderr_tail, time.monotonic() - started)

    def _spawn(
        self, argv: Sequence[str], limits: Limits, cwd: Path | None
    ) -> subprocess.Popen[str]:
        with self._lock:
            if self._cancelled:
                raise Cancelled("cancelled")
            try:
                child = subprocess.Popen(
                    _bounded(argv, limits),
                    cwd=cwd,
                    env=environment(limits.variables),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                )
            except OSError as error:
                raise ToolError(f"cannot run {argv[0]}: {error.strerror or error}") from error
            self._children.add(child)
        return child


def _bounded(argv: Sequence[str], limits: Limits) -> list[str]:
    """The command behind the launcher that sets its limits.

    Raises:
        ToolError: there is no such program.
    """
    program = shutil.which(argv[0])
    if program is None:
        raise ToolError(f"cannot run {argv[0]}: no such program")
    bounds = (os.getpid(), limits.memory_bytes or 0, limits.file_bytes or 0, limits.niceness)
    launcher = [sys.executable, "-I", "-S", launcher_module.__file__]
    return [*launcher, *map(str, bounds), str(Path(program).absolute()), *argv[1:]]


def _drain(pipe: IO[str] | None, tail: deque[str]) -> None:
    if pipe is not None:
        with contextlib.suppress(ValueError):  # closed under us after a kill
            tail.extend(_lines(pipe))


def _lines(pipe: IO[str]) -> Iterator[str]:
    """Lines as they come; a child that writes without end of line cannot fill the memory."""
    return iter(lambda: pipe.readline(MAX_LINE), "")


_SECRET = re.compile(
    r"SECRET|TOKEN|PASSW(OR)?D|CREDENTIAL|PRIVATE|_KEY$|KEY_ID$|^AWS_|^AZURE_|^GOOGLE_|^GCS_", re.I
)


def environment(names: Sequence[str] | None) -> dict[str, str]:
    """What a child sees of the environment: decoders of untrusted files need no keys.

    Args:
        names: of the variables; None for all whose names do not look like secrets.
    """
    if names is None:
        return {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
    return {name: os.environ[name] for name in names if name in os.environ}


class Watchdog:
    """Kills a child whose progress stands still, which a wall clock of hours notices too late.

    Progress is a line that was not the last of its kind: of ffmpeg's ``-progress``, pictures,
    place or bytes; the rest (``speed``) changes when nothing happens.
    """

    def __init__(self, seconds: float | None, child: subprocess.Popen[str]) -> None:
        self.bitten = False
        self._seconds, self._child = seconds, child
        self._last: dict[str, str] = {}
        self._moved = time.monotonic()
        self._ended = threading.Event()
        if seconds is not None:
            threading.Thread(target=self._watch, args=(seconds,), daemon=True).start()

    def see(self, line: str) -> None:
        """Look at a line of the child's output."""
        kind, equals, value = line.partition("=")
        if equals and kind not in _MOVING:
            return
        if self._last.get(kind) != value:
            self._last[kind] = value
            self._moved = time.monotonic()

    def end(self) -> None:
        """Let go: the child has ended."""
        self._ended.set()

    def _watch(self, seconds: float) -> None:
        while not self._ended.wait(min(5.0, seconds / 4)):
            if time.monotonic() - self._moved > seconds:
                self.bitten = True
                _kill(self._child)
                return


_MOVING = {"frame", "total_size", "out_time_us"}


def _expire(child: subprocess.Popen[str], flag: threading.Event) -> None:
    flag.set()
    _kill(child)


def _signal(child: subprocess.Popen[str], number: int) -> None:
    """Tell a child and all that it started: a wrapper does not pass a signal on by itself.

    The launcher put it into a process group of its own, or has not come to that yet.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)


def _kill(child: subprocess.Popen[str]) -> None:
    _signal(child, signal.SIGKILL)


def _terminate(children: Sequence[subprocess.Popen[str]]) -> None:
    """Ask all to end, then end those that are still there after the time of grace."""
    running = [child for child in children if child.poll() is None]
    for child in running:
        _signal(child, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    for child in running:
        try:
            child.wait(max(0.01, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _kill(child)
            child.wait()


@dataclass
class FakeRunner:
    """A runner for tests: answers from a function instead of starting anything.

    Attributes:
        answer: receives the argv; returns stdout or raises one of the errors of ``Runner.run``.
        calls: every argv that was asked for, in order.
    """

    answer: Callable[[Sequence[str]], str] = lambda argv: ""
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits = NO_LIMITS,
        on_line: LineHandler | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        self.calls.append(tuple(argv))
        text = self.answer(argv)
        if on_line is not None:
            for line in text.splitlines():
                on_line(line)
            text = ""
        return Completed(tuple(argv), text, "", 0.0)
