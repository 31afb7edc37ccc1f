"""Tables for the terminal.

Those of a run go to stderr; the results of ``analyze``, ``plan``, ``thumbs``, ``compare`` and
``doctor`` are what the user asked for and go to stdout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from pertitle import words
from pertitle.analysis.corpus_place import place_features, standing_out
from pertitle.ladder.comparison import LadderComparison
from pertitle.ladder.viewing import Viewing
from pertitle.records import Analysis, LadderPlan, TitlePlan
from pertitle.results import BatchResult, Thumbnail, TitleResult
from pertitle.system.tools import Check
from pertitle.terminal.braille import Line, plot
from pertitle.terminal.text import escape


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
    """A row per delivered title and codec; what is of the whole title stands in its first."""
    table = Table(expand=False)
    for name in ("title", "codec", "rungs", "top", "kbit/s", "VMAF", "probes", "seconds"):
        side = "left" if name in ("title", "codec") else "right"
        table.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]
    for result in titles:
        whole = escape(result.name), str(result.plan.probes), f"{sum(result.seconds.values()):.1f}"
        for codec in dict.fromkeys(r.codec for r in result.renditions):
            renditions = result.renditions_of(codec)
            rates = sorted((r.average_kbps for r in renditions), reverse=True)
            scores = sorted((r.verification.vmaf for r in renditions), reverse=True)
            table.add_row(
                whole[0],
                codec,
                str(len(rates)),
                f"{max(r.rung.height for r in renditions)}p",
                f"{rates[0]:.0f}–{rates[-1]:.0f}",
                f"{scores[0]:.1f}–{scores[-1]:.1f}",
                *whole[1:],
            )
            whole = "", "", ""
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
        f"expected loss to the exhaustive hull {ladder.expected_loss:.2f} %,"
        f" for 95 of 100 titles at most {ladder.loss_bound:.1f} %",
        highlight=False,
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
        names = (
            "loss_mean",
            "loss_median",
            "loss_p95",
            "top_overpay_mean",
            "rung_vmaf_mae",
            "rung_bitrate_error",
        )
        for name in ("probes", *names, "vmaf_coverage", "bitrate_coverage"):
            table.add_column(name.replace("_", " "), justify="right")
        for count, scores in {**part["probes"], "default": part["default"]}.items():
            shares = (f"{scores[name]:.0%}" for name in ("vmaf_coverage", "bitrate_coverage"))
            table.add_row(str(count), *(f"{scores[name]:.2f}" for name in names), *shares)
        Console().print(table)


def print_comparison(comparison: LadderComparison) -> None:
    """The result of ``pertitle compare`` for people: a sentence, the rungs, a plot."""
    console = Console()
    table = Table()
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for row in comparison_rows(comparison):
        table.add_row(*row)
    console.print(table)
    plot = comparison_plot(comparison)
    lines = (plot, comparison_summary(comparison), *comparison.remarks)
    console.print("\n".join(lines), markup=False, highlight=False)


def print_viewing(viewing: Sequence[Viewing]) -> None:
    """What an audience gets of each ladder, and the rules that each breaks."""
    console = Console()
    table = Table()
    for name in (
        "ladder",
        "player",
        "VMAF",
        "kbit/s",
        "outage",
        "stalled",
        "switches/min",
        "rungs",
    ):
        table.add_column(name, justify="right")
    for view in viewing:
        ideal = view.expected
        table.add_row(
            escape(view.name), "ideal", f"{ideal.quality:.1f}", f"{ideal.kbps:.0f}",
            f"{ideal.outage:.1%}", "", "", str(ideal.rungs),
        )  # fmt: skip
        for rule, played in view.played.items():
            table.add_row(
                "", rule, f"{played.quality:.1f}", f"{played.kbps:.0f}", "",
                f"{played.stalled:.1%}", f"{played.switches:.1f}", "",
            )  # fmt: skip
    console.print(table)
    for view in viewing:
        for rule in view.broken:
            console.print(f"{view.name}: {rule}", markup=False, highlight=False)


def comparison_summary(comparison: LadderComparison) -> str:
    """The result in one sentence."""
    first, second = comparison.first.name, comparison.second.name
    if comparison.bd_rate is None or comparison.common is None:
        return f"{first} and {second} reach no common quality."
    low, high = comparison.common
    amount = f"{abs(comparison.bd_rate):.1f} %"
    verb = "less" if comparison.bd_rate < 0 else "more"
    return (
        f"{second} needs {amount} {verb} bitrate than {first} at equal quality"
        f" (BD-rate {words.signed(comparison.bd_rate)} %, VMAF {low:.1f} to {high:.1f})."
    )


COLUMNS = ("rung", "kbit/s", "VMAF", "nearest", "kbit/s", "VMAF", "at equal VMAF", "change")


def comparison_rows(comparison: LadderComparison) -> list[tuple[str, ...]]:
    """Rows of text under :data:`COLUMNS`, one a rung of the first ladder, best first."""
    rows: list[tuple[str, ...]] = []
    for pair in comparison.pairs:
        change = pair.change
        rows.append(
            (
                f"{pair.rung.size} crf {pair.rung.crf:g}",
                f"{pair.rung.bitrate_kbps:.0f}",
                f"{pair.rung.vmaf:.1f}",
                f"{pair.nearest.size} crf {pair.nearest.crf:g}",
                f"{pair.nearest.bitrate_kbps:.0f}",
                f"{pair.nearest.vmaf:.1f}",
                "" if pair.other_kbps is None else f"{pair.other_kbps:.0f}",
                "" if change is None else f"{words.signed(change)} %",
            )
        )
    return rows


def comparison_plot(comparison: LadderComparison, *, width: int = 72, height: int = 18) -> str:
    """Both ladders for a terminal: lines with the rungs as ``A`` and ``B``."""
    lines = []
    for side, mark in ((comparison.first, "A"), (comparison.second, "B")):
        points = [(p.bitrate_kbps, p.vmaf) for p in side.points]
        lines += [Line(points), Line(points, mark)]
    return plot(lines, width=width, height=height)
