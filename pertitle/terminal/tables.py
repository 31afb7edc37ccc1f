"""Drawing a run in the terminal: a live view for people, plain lines for pipes and CI.

Everything here goes to stderr, except the results of ``analyze``, ``plan``, ``thumbs`` and
``doctor``, which are what the user asked for.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.table import Table

from pertitle import compare, events, words
from pertitle.records import Analysis, LadderPlan, TitlePlan
from pertitle.results import BatchResult, Rendition, Thumbnail, TitleResult
from pertitle.system.tools import Check
from pertitle.terminal.text import escape


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
        from pertitle.terminal.live import LiveView

        return LiveView(console)
    return LineView(console, verbose=verbose)


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
            return f"{title}: delivered in {sum(result.seconds.values()):.1f} s"
        case events.StageStarted(title, stage, _, _) if verbose:
            return f"{title}: {stage}"
    return ""


def ladder_words(ladder: LadderPlan) -> str:
    """A ladder in one line."""
    steps = ", ".join(f"{r.height}p {r.bitrate_kbps:.0f}k VMAF {r.vmaf:.0f}" for r in ladder.rungs)
    count = len(ladder.probes)
    return (
        f"{ladder.codec}: {len(ladder.rungs)} rungs from {count} probe{'s' * (count != 1)}: {steps}"
    )


def rendition_words(rendition: Rendition) -> str:
    """A finished rung in one line."""
    check = rendition.verification
    mark = "" if rendition.on_target else " (off target)"
    again = f" after {rendition.attempts} encodes" if rendition.attempts > 1 else ""
    return (
        f"{rendition.codec} {rendition.rung.height}p crf {rendition.rung.crf:g}:"
        f" {rendition.average_kbps:.0f} kbit/s"
        f" VMAF {check.vmaf:.1f}, expected {rendition.rung.vmaf:.1f}{again}{mark}"
    )


# --- tables ---------------------------------------------------------------------------------


def title_table(result: TitleResult) -> Table:
    """The delivered ladder of one title: expected and measured."""
    table = Table(title=escape(result.name), title_justify="left", expand=False)
    for name in ("codec", "rung", "CRF", "kbit/s", "expected", "VMAF", "expected", "±"):
        table.add_column(name, justify="right")
    for rendition in result.renditions:
        rung, check = rendition.rung, rendition.verification
        half = (check.high - check.low) / 2
        table.add_row(
            rendition.codec,
            f"{rung.width}×{rung.height}",
            f"{rung.crf:g}",
            f"{rendition.average_kbps:.0f}",
            f"{rung.bitrate_kbps:.0f}",
            f"{check.vmaf:.1f}" + ("" if rendition.on_target else " !"),
            f"{rung.vmaf:.1f}",
            "exact" if half == 0 else f"{half:.1f}",
        )
    return table


def title_line(result: TitleResult) -> str:
    """A delivered title in one line."""
    rates = [r.average_kbps for r in result.renditions]
    scores = [r.verification.vmaf for r in result.renditions]
    heights = [r.rung.height for r in result.renditions]
    missed = sum(not r.on_target for r in result.renditions)
    top, least = max(heights), min(heights)
    span = f"{top}p to {least}p" if top > least else f"{top}p"
    return (
        f"{result.name}: {len(rates)} rung{'s' * (len(rates) != 1)},"
        f" {span}, {max(rates):.0f} to {min(rates):.0f} kbit/s,"
        f" VMAF {max(scores):.1f} to {min(scores):.1f}"
        + (f", {missed} off target" if missed else "")
    )


def batch_table(titles: Sequence[TitleResult]) -> Table:
    """A row per delivered title."""
    table = Table(expand=False)
    for name in ("title", "rungs", "top", "kbit/s", "VMAF", "probes", "seconds"):
        table.add_column(name, justify="left" if name == "title" else "right", overflow="fold")
    for result in titles:
        rates = sorted((r.average_kbps for r in result.renditions), reverse=True)
        scores = sorted((r.verification.vmaf for r in result.renditions), reverse=True)
        table.add_row(
            escape(result.name),
            str(len(rates)),
            f"{result.renditions[0].rung.height}p",
            f"{rates[0]:.0f}–{rates[-1]:.0f}",
            f"{scores[0]:.1f}–{scores[-1]:.1f}",
            str(result.plan.probes),
            f"{sum(result.seconds.values()):.1f}",
        )
    return table


def summary_line(result: BatchResult) -> str:
    """The last line of a batch."""
    text = f"{len(result.titles)} delivered"
    if result.failures:
        text += f", {len(result.failures)} failed"
    return f"{text} in {result.seconds:.1f} s: {result.url or result.out}/index.html"


def print_analysis(analysis: Analysis, *, everything: bool = False) -> None:
    """The result of ``pertitle analyze`` for people: facts, and what is unusual about the title.

    Args:
        everything: list all features and not only those that stand out.
    """
    from pertitle.report.corpus_place import place_features, standing_out

    console = Console()
    source, video = analysis.source, analysis.source.video
    table = Table(title=escape(source.path.name), title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("picture", f"{source.size} {video.codec} {video.pixel_format}")
    rate = f"{float(video.frame_rate):.5g} fps{' variable' * video.variable_rate}"
    table.add_row("rate, duration", f"{rate}, {source.duration:.2f} s")
    table.add_row("sound", ", ".join(f"{a.codec} {a.layout}" for a in source.audio) or "none")
    table.add_row("shots", str(len(analysis.shots)))
    table.add_row("digest", f"{sum(w.duration for w in analysis.digest):.1f} s")
    console.print(table)
    placed = place_features(analysis.features)
    shown = placed if everything else standing_out(placed)
    table = Table(
        title="All features" if everything else "What stands out (all features: -v)",
        title_justify="left",
    )
    for name, side in (("feature", "left"), ("value", "right"), ("above", "right"), ("", "left")):
        table.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]
    for entry in shown:
        above = "" if entry.share is None else f"{entry.share:.0%}"
        table.add_row(entry.name, f"{entry.value:.4g}", above, escape(entry.meaning))
    console.print(table)
    console.print(
        "above: share of the corpus's clips with a lower value; docs/features.md explains each",
        highlight=False,
    )
    for warning in analysis.warnings:
        console.print(f"{warning.code}: {warning.message}", markup=False)


def print_plan(plan: TitlePlan) -> None:
    """The result of ``pertitle plan`` for people."""
    console = Console()
    for ladder in plan.ladders:
        _print_ladder(console, plan, ladder)
    seconds = plan.seconds
    console.print(
        f"{plan.probes} probe encodes; {seconds.analysis:.1f} s analysis,"
        f" {seconds.probing:.1f} s probing",
        highlight=False,
    )


def _print_ladder(console: Console, plan: TitlePlan, ladder: LadderPlan) -> None:
    table = Table(
        title=f"{escape(plan.analysis.source.path.name)}: {ladder.codec} {ladder.preset},"
        f" {ladder.quality_model} at {ladder.display}",
        title_justify="left",
    )
    for name in ("rung", "CRF", "kbit/s", "90 %", "VMAF", "90 %"):
        table.add_column(name, justify="right")
    for rung in ladder.rungs:
        table.add_row(
            f"{rung.width}×{rung.height}",
            f"{rung.crf:g}",
            f"{rung.bitrate_kbps:.0f}",
            f"{rung.bitrate_low_kbps:.0f}–{rung.bitrate_high_kbps:.0f}",
            f"{rung.vmaf:.1f}",
            f"{rung.vmaf_low:.1f}–{rung.vmaf_high:.1f}",
        )
    console.print(table)
    console.print(
        f"expected loss to the exhaustive hull {ladder.expected_loss:.2f} %", highlight=False
    )
    for note in ladder.notes:
        console.print(f"note: {note}", markup=False, highlight=False)


def print_thumbnails(thumbnails: Sequence[Thumbnail]) -> None:
    """The result of ``pertitle thumbs`` for people."""
    table = Table()
    for name in ("file", "time", "score", "reason"):
        table.add_column(name, overflow="fold")
    for thumbnail in thumbnails:
        table.add_row(
            escape(thumbnail.file),
            f"{thumbnail.time:.2f} s",
            f"{thumbnail.score:.2f}",
            escape(thumbnail.reason),
        )
    Console().print(table)


def print_checks(checks: Sequence[Check]) -> None:
    """The result of ``pertitle doctor`` for people."""
    console = Console()
    for check in checks:
        mark = "[green]ok     [/]" if check.ok else "[bold red]missing[/]"
        line = f"{mark} {escape(check.name)}: {escape(check.found)}"
        console.print(line, highlight=False, soft_wrap=True)
        if not check.ok:
            console.print(f"        mend: {check.mend}", markup=False, soft_wrap=True)


def print_evaluation(report: Mapping[str, Any]) -> None:
    """The result of ``pertitle evaluate`` for people: a row per number of measured points."""
    for codec, part in report["codecs"].items():
        table = Table(
            title=f"{codec}: {part['tested']} titles of {part['groups']} sources held out"
        )
        names = ("loss_mean", "loss_median", "loss_p95", "rung_vmaf_mae", "rung_bitrate_error")
        for name in ("probes", *names, "vmaf_coverage", "bitrate_coverage"):
            table.add_column(name.replace("_", " "), justify="right")
        for count, scores in {**part["probes"], "default": part["default"]}.items():
            shares = (f"{scores[name]:.0%}" for name in ("vmaf_coverage", "bitrate_coverage"))
            table.add_row(str(count), *(f"{scores[name]:.2f}" for name in names), *shares)
        Console().print(table)


def print_comparison(comparison: compare.LadderComparison) -> None:
    """The result of ``pertitle compare`` for people: a sentence, the rungs, a plot."""
    console = Console()
    table = Table()
    for name in compare.COLUMNS:
        table.add_column(name, justify="right")
    for row in compare.table(comparison):
        table.add_row(*row)
    console.print(table)
    plot = compare.text_plot(comparison)
    lines = (plot, compare.summary(comparison), *comparison.remarks)
    console.print("\n".join(lines), markup=False, highlight=False)
