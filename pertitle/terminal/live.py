"""The live view of a run: titles in work, what is left, and the ladder that takes shape."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pertitle import events
from pertitle.records import LadderPlan
from pertitle.results import Rendition
from pertitle.terminal.braille import Line, plot
from pertitle.terminal.eta import Estimate, Progress
from pertitle.terminal.lines import verified_words
from pertitle.terminal.tables import batch_table, summary_line, title_line, title_table
from pertitle.terminal.text import escape

REFRESHES = 4
"""A second: often enough to look alive, too few to flicker."""
MAX_ROWS = 8
"""Titles in work that get a row."""
CHART_ROWS = 10
LEAST_ROWS = 20
"""Terminals lower than this get no chart."""


class LiveView:
    """Draws a run in a terminal; use as a context manager around it.

    Args:
        console: where to draw.
        clock: seconds; a test or a replay brings its own.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._lock = threading.Lock()
        self._started = clock()
        self._estimate = Estimate()
        self._texts: dict[str, str] = {}
        self._total = self._finished = 0
        self._shown: tuple[str, LadderPlan] | None = None
        self._landed: list[tuple[tuple[object, ...], str]] = []
        self._live = Live(
            get_renderable=self.board,
            console=console,
            refresh_per_second=REFRESHES,
            transient=True,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def handle(self, event: events.Event) -> None:
        with self._lock:
            self._estimate.handle(event, self._clock())
            self._note(event)
        match event:
            case events.TitleSkipped(title):
                self.say(f"{title}: already delivered")
            case events.TitleFailed(title, failure):
                where = f"[bold red]{escape(title)}: failed in {failure.stage}:[/]"
                self._console.print(f"{where} {escape(failure.message)}", highlight=False)
            case events.TitleDone(_, result):
                if self._total == 1:
                    self._console.print(title_table(result))
                else:
                    self.say(title_line(result))
            case events.Notice(title, message):
                self.say(f"{title}: note: {message}")
            case events.BatchDone(result):
                if len(result.titles) > 1:
                    self._console.print(batch_table(result.titles))
                self.say(summary_line(result))

    def _note(self, event: events.Event) -> None:
        match event:
            case events.BatchStarted(titles):
                self._total = len(titles)
            case events.StageStarted(title, _, _, _):
                self._texts[title] = ""
            case events.StageProgress(title, _, _, text):
                self._texts[title] = text
            case events.RungVerified(title):
                self._texts[title] = verified_words(event)
                if self._is_shown(title):
                    self._landed.append((_encode_of(event), verified_words(event)))
            case events.Probed(title, probe, codec):
                self._texts[title] = f"{codec} {probe.height}p VMAF {probe.vmaf:.1f}"
            case events.Planned(title, ladder):
                self._shown = (title, ladder)
                self._landed = []
            case events.RenditionDone(title, rendition) if self._is_shown(title):
                mark = _encode_of(rendition)
                self._landed = [entry for entry in self._landed if entry[0] != mark]
                self._landed.append((mark, _measured(rendition)))
            case events.TitleSkipped() | events.TitleFailed() | events.TitleDone():
                self._finished += 1

    def _is_shown(self, title: str) -> bool:
        return self._shown is not None and self._shown[0] == title

    # --- drawing ----------------------------------------------------------------------------

    def board(self) -> RenderableType:
        """What is on the screen now."""
        with self._lock:
            now, width = self._clock(), self._console.width
            parts: list[RenderableType] = [self._rows(now, width)]
            if self._shown is not None and self._console.height >= LEAST_ROWS:
                parts.append(self._ladder(*self._shown, width))
            return Group(*parts)

    def _rows(self, now: float, width: int) -> Table:
        name_width = 20 if width < 100 else 32
        grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
        grid.add_column(no_wrap=True, width=name_width)
        grid.add_column(no_wrap=True, width=12)
        grid.add_column(ratio=1, min_width=6)
        grid.add_column(no_wrap=True, justify="right", width=4)
        grid.add_column(no_wrap=True, overflow="ellipsis", width=32 if width < 100 else 44)
        share = 1.0 if self._total and self._finished == self._total else self._estimate.share
        grid.add_row(
            Text(f"{self._finished} of {self._total} done", style="bold"),
            Text(clock(now - self._started), style="bold"),
            ProgressBar(total=1.0, completed=share),
            f"{share:.0%}",
            Text(self._outlook(now), style="bold"),
        )
        active = [(n, e) for n, e in self._estimate.titles.items() if e.active]
        for name, entry in active[:MAX_ROWS]:
            grid.add_row(Text(shortened(name, name_width)), *self._row(name, entry, now))
        if len(active) > MAX_ROWS:
            grid.add_row(Text(f"and {len(active) - MAX_ROWS} more", style="dim"))
        return grid

    def _row(self, name: str, entry: Progress, now: float) -> tuple[RenderableType, ...]:
        known = entry.total > 0
        bar = ProgressBar(
            total=entry.total or 1.0,
            completed=min(entry.done, entry.total),
            pulse=not known,
            animation_time=now,
        )
        share = f"{min(1.0, entry.done / entry.total):.0%}" if known else ""
        text = Text(self._texts.get(name, ""), style="dim")
        return Text(entry.stage or "", style="cyan"), bar, share, text

    def _outlook(self, now: float) -> str:
        left = self._estimate.remaining(now)
        parts = [f"{clock(left)} left"] if left is not None else []
        speed = self._estimate.speed(now)
        if speed > 0:
            parts.append(f"{speed:.2f} × real time")
        return ", ".join(parts)

    def _ladder(self, title: str, ladder: LadderPlan, width: int) -> RenderableType:
        columns = 40 if width < 100 else 72
        chart = plot(
            [
                Line([(p.bitrate_kbps, p.vmaf) for p in ladder.hull]),
                Line([(p.bitrate_kbps, p.vmaf) for p in ladder.probes], mark="×"),
                Line([(r.bitrate_kbps, r.vmaf) for r in ladder.rungs], mark="●"),
            ],
            width=columns,
            height=CHART_ROWS,
        )
        count = len(ladder.rungs)
        what = f": {ladder.codec}, {count} rung{'s' * (count != 1)}"
        head = shortened(title, width - columns - 1 - len(what)) + what
        lines = [Text(head, style="bold")]
        lines += [Text(text) for _, text in self._landed[-(CHART_ROWS - 2) :]]
        if not self._landed:
            lines += [
                Text(f"{r.height}p {r.bitrate_kbps:.0f} kbit/s, VMAF {r.vmaf:.1f} expected", "dim")
                for r in ladder.rungs[: CHART_ROWS - 2]
            ]
        lines.append(Text("● rungs  × probes  line: hull", style="dim"))
        grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
        grid.add_column(no_wrap=True, width=columns)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        grid.add_row(Text(chart), Group(*lines))
        return grid


def _measured(rendition: Rendition) -> str:
    mark = "" if rendition.on_target else " off target"
    return (
        f"{rendition.codec} {rendition.rung.height}p {rendition.average_kbps:.0f} kbit/s,"
        f" VMAF {rendition.verification.vmaf:.1f}{mark}"
    )


def _encode_of(encode: events.RungVerified | Rendition) -> tuple[object, ...]:
    """What tells one encode of a title from the others."""
    rung = encode.rung
    return encode.codec, rung.height, rung.crf, rung.half_rate, encode.average_kbps


def shortened(name: str, room: int) -> str:
    """A name in so many columns: titles of a series differ at their ends, so its middle goes."""
    if cell_len(name) <= room:
        return name
    tail = max(1, (room - 1) // 2)
    while cell_len(name[-tail:]) > (room - 1) // 2 and tail > 1:
        tail -= 1
    head = room - 1 - cell_len(name[-tail:])
    return set_cell_size(name, head) + "…" + name[-tail:]


def clock(seconds: float) -> str:
    """``0:42``, ``12:03``, ``1:02:03``."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
