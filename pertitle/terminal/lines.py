"""A run in plain lines, one an event that matters."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console

from pertitle import events, words
from pertitle.records import LadderPlan
from pertitle.results import Rendition, TitleResult
from pertitle.terminal.tables import batch_table, summary_line


class LineView:
    """One plain line an event that matters, with the time since the start."""

    def __init__(
        self, console: Console, *, verbose: bool = False, errors_only: bool = False
    ) -> None:
        self._console = console
        self._verbose = verbose
        self._errors_only = errors_only
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def handle(self, event: events.Event) -> None:
        match event:
            case events.TitleFailed(title, failure):
                self.say(f"{title}: FAILED in {failure.stage}: {failure.message}")
            case _ if self._errors_only:
                return
            case events.BatchDone(result):
                self._console.print(batch_table(result.titles))
                self.say(summary_line(result))
            case _:
                line = describe(event, verbose=self._verbose)
                if line:
                    self.say(f"[{time.monotonic() - self._started:7.1f}s] {line}")


def describe(event: events.Event, *, verbose: bool) -> str:
    """The plain line of an event, empty if it is not worth one."""
    match event:
        case events.BatchStarted(titles):
            return f"{len(titles)} title{'s' * (len(titles) != 1)}"
        case events.TitleSkipped(title):
            return f"{title}: already delivered"
        case events.Analysed(title, analysis):
            source = analysis.source
            return (
                f"{title}: {source.size}, {float(source.video.frame_rate):.5g} fps,"
                f" {source.duration:.1f} s, {words.count(len(analysis.shots), 'shot')}"
            )
        case events.Probed(title, probe, codec):
            return (
                f"{title}: {codec} probe {probe.height}p crf {probe.crf:g}:"
                f" {probe.bitrate_kbps:.0f} kbit/s VMAF {probe.vmaf:.1f} ({probe.seconds:.1f} s)"
            )
        case events.Planned(title, ladder):
            return f"{title}: {ladder_words(ladder)}"
        case events.RenditionDone(title, rendition):
            return f"{title}: {rendition_words(rendition)}"
        case events.Notice(title, message):
            return f"{title}: note: {message}"
        case events.TitleDone(title, result):
            return f"{title}: {spent_words(result)}"
        case events.StageStarted(title, stage, codec=codec) if verbose:
            return f"{title}: {stage} {codec}".rstrip()
        case events.RungVerified(title) if verbose:
            return f"{title}: {verified_words(event)}"
    return ""


def spent_words(result: TitleResult) -> str:
    """Where a title's time went: what each stage took, in multiples of its length."""
    total, length = sum(result.seconds.values()), result.plan.analysis.source.duration
    stages = ", ".join(
        f"{stage} {words.times(spent, length)}" for stage, spent in result.seconds.items()
    )
    return f"delivered in {total:.1f} s, {words.times(total, length)} × real time ({stages})"


def ladder_words(ladder: LadderPlan) -> str:
    """A ladder in one line."""
    steps = ", ".join(f"{r.height}p {r.bitrate_kbps:.0f}k VMAF {r.vmaf:.0f}" for r in ladder.rungs)
    count = len(ladder.probes)
    return (
        f"{ladder.codec}: {len(ladder.rungs)} rungs from {count} probe{'s' * (count != 1)}: {steps}"
    )


def verified_words(event: events.RungVerified) -> str:
    """One measured encode of a rung, in few words."""
    rung = event.rung
    return f"{event.codec} {rung.height}p crf {rung.crf:g} VMAF {event.vmaf:.1f}"


def rendition_words(rendition: Rendition) -> str:
    """A finished rung in one line."""
    check = rendition.verification
    mark = "" if rendition.on_target else " (off target)"
    again = f" after {rendition.attempts} encodes" if rendition.attempts > 1 else ""
    return (
        f"{rendition.codec} {rendition.rung.height}p crf {rendition.rung.crf:g}:"
        f" {rendition.average_kbps:.0f} kbit/s"
        f" VMAF {check.vmaf:.1f}, expected {rendition.rung.vmaf:.1f}{again}{mark};"
        f" {rendition.encode_seconds:.1f} s encoding, {rendition.verify_seconds:.1f} s comparing"
        f" {words.count(check.frames, 'frame')}"
    )
