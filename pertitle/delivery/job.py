"""What the steps of one run share: what was run, where progress goes."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pertitle import events
from pertitle.codecs import codec_named
from pertitle.events import OnEvent
from pertitle.options import Options
from pertitle.results import Stage
from pertitle.storage.cache import Cache, default_folder
from pertitle.system.process import (
    NO_LIMITS,
    Completed,
    Limits,
    LineHandler,
    Runner,
    SubprocessRunner,
)
from pertitle.system.stop import Stop
from pertitle.system.tools import Toolbox, find_toolbox, machine_memory

LARGE_LINES = 1440
LARGE_BYTES = 6 << 30
"""Data that the encode of a 2160-line title with four rungs in AV1 holds (5.3 GB measured)."""


def large_titles_at_once() -> int:
    """How many titles of more than ``LARGE_LINES`` lines this machine's memory can encode."""
    return max(1, machine_memory() // LARGE_BYTES)


@dataclass
class Recorder:
    """A runner that remembers the tools' commands of one title and when a stop is due."""

    runner: Runner
    stop: Stop
    commands: list[str] = field(default_factory=list)

    def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits = NO_LIMITS,
        on_line: LineHandler | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        self.stop.check()
        if argv[0] != sys.executable:  # of use to nobody without the folder it works in
            self.commands.append(shlex.join(argv))
        return self.runner.run(argv, limits=limits, on_line=on_line, cwd=cwd)


class Steps(Protocol):
    """How delivery tells what it does (the pipeline's side)."""

    @property
    def name(self) -> str: ...

    @property
    def emit(self) -> OnEvent: ...

    def stage(
        self, stage: Stage, total: float = ..., unit: str = ..., codec: str = ...
    ) -> AbstractContextManager[None]: ...

    def report(self, stage: Stage, done: float, text: str = ...) -> None: ...


@dataclass(frozen=True)
class Work:
    """What the steps of one title share.

    Attributes:
        seconds: wall time by stage.
        begun: stages in the order they began; where the title fails, the last is told.
    """

    name: str
    options: Options
    toolbox: Toolbox
    emit: OnEvent
    stop: Stop
    cache: Cache
    seconds: dict[str, float] = field(default_factory=dict)
    begun: list[Stage] = field(default_factory=list)
    large: AbstractContextManager[object] = field(default_factory=nullcontext)

    def turn(self, lines: int) -> AbstractContextManager[object]:
        """Held while a title is encoded: titles of many lines wait for one another."""
        return self.large if lines > LARGE_LINES else nullcontext()

    @contextmanager
    def stage(
        self, stage: Stage, total: float = 0.0, unit: str = "", codec: str = ""
    ) -> Iterator[None]:
        """Announce a stage and add its wall time to the title's account."""
        self.stop.check()
        self.begun.append(stage)
        self.emit(events.StageStarted(self.name, stage, total, unit, codec))
        started = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - started
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent

    def report(self, stage: Stage, done: float, text: str = "") -> None:
        """Tell the amount done and notice a requested stop."""
        self.stop.check()
        self.emit(events.StageProgress(self.name, stage, done, text))

    def progress(self, stage: Stage) -> Callable[[float], None]:
        """``report`` as a callback of the amount alone."""
        return lambda done: self.report(stage, done)


def toolbox_for(
    options: Options, stop: Stop, threads: int | None = None, *, jobs: int = 1
) -> Toolbox:
    """Programs for a run of that many titles at a time, checked for what the options need."""
    runner = SubprocessRunner()
    stop.attach(runner)
    toolbox = find_toolbox(
        options.ffmpeg,
        runner=runner,
        threads=options.threads or threads,
        niceness=options.nice,
        jobs=jobs,
    )
    encoders = [codec_named(name).encoder for name in options.encode.codecs]
    toolbox.require(encoders=encoders, filters=("libvmaf",))
    return toolbox


def cache_for(options: Options) -> Cache:
    return Cache(default_folder() if options.cache else None)
