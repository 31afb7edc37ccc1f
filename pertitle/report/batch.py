"""The index page of a batch: totals, a table to sort and filter, small multiples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pertitle import words
from pertitle.report import chart, page, saving
from pertitle.report.curves import RateQuality
from pertitle.report.fixed import Comparison, compare_with_fixed, own_points
from pertitle.report.images import embed
from pertitle.report.markup import Markup, number, tag
from pertitle.results import BatchResult, TitleFailure, TitleResult
from pertitle.serial import write_text

THUMBNAIL_WIDTH = 120
MAX_PICTURES = 200
"""Titles that get a picture in the table; a batch of thousands would make a page of megabytes."""
MAX_MULTIPLES = 120
SMALL = (220, 150)


@dataclass(frozen=True)
class _Entry:
    """A title, the points (kbit/s, VMAF; best first) of its ladder in the codec of widest reach,
    and the fixed ladder beside it."""

    title: TitleResult
    points: list[tuple[float, float]]
    comparison: Comparison | None

    @property
    def link(self) -> str:
        """Address of the title's own report, relative to the index page."""
        return f"./{quote(self.title.name)}/report.html"


def write_batch_report(batch: BatchResult, path: Path) -> None:
    """Write the index page of a batch as one HTML file.

    Args:
        batch: titles and failures; the titles' own reports are linked as
            ``<name>/report.html`` beside the page.
        path: the file to write.

    Raises:
        OSError: the file cannot be written.
    """
    write_text(path, batch_page(batch))


def batch_page(batch: BatchResult) -> str:
    """The page as text; see :func:`write_batch_report`."""
    entries = []
    for title in batch.titles:
        ladder = title.plan.ladder
        renditions = title.renditions_of(ladder.codec)
        comparison = compare_with_fixed(ladder, renditions)
        entries.append(_Entry(title, own_points(ladder, renditions), comparison))
    total = len(entries) + len(batch.failures)
    heading = f"{words.count(total, 'title')} in {words.seconds(batch.seconds)}"
    body: list[object] = [
        tag(
            "header",
            tag("h1", heading),
            tag("p", tag("span", batch.url or batch.out.name, class_="path")),
        ),
        tag(
            "main",
            page.cards(_totals(batch, entries)),
            _failures(batch.failures),
            _titles(batch, entries),
            _multiples(entries),
        ),
        tag("footer", tag("p", "Written by pertitle. Nothing on this page is fetched.")),
    ]
    return page.page(f"pertitle: {heading}", body)


def _totals(batch: BatchResult, entries: list[_Entry]) -> list[tuple[str, str, str]]:
    failed = len(batch.failures)
    remark = f"{words.count(failed, 'failure')}" if failed else "no failure"
    cards = [("Delivered", words.count(len(entries), "title"), remark)]
    if not entries:
        return cards
    duration = sum(e.title.plan.analysis.source.duration for e in entries)
    ratio = f", {duration / batch.seconds:.2f} × real time" if batch.seconds > 0 else ""
    cards.append(("Wall time", words.seconds(batch.seconds),
                  f"for {words.seconds(duration)} of video{ratio}"))  # fmt: skip
    rungs = sum(len(e.title.renditions) for e in entries)
    probes = sum(e.title.plan.probes for e in entries)
    cards.append(("Encodes", words.count(rungs, "rung"), words.count(probes, "probe")))
    cards.append(
        (
            "Packages",
            words.size(sum(e.title.package.bytes for e in entries)),
            f"from {words.size(sum(e.title.plan.analysis.source.bytes for e in entries))}",
        )
    )
    whose = _whose(entries)
    rates = [
        c.bd_rate for e in entries if (c := e.comparison) is not None and c.bd_rate is not None
    ]
    if rates:
        mean = sum(rates) / len(rates)
        cards.append(
            (
                "Against fixed",
                words.percent(abs(mean)) + (" less" if mean < 0 else " more"),
                f"bitrate at equal quality, mean of {words.count(len(rates), 'title')}{whose}",
            )
        )
    spared = [c.at_top - c.own_kbps for e in entries if (c := e.comparison) and c.at_top]
    if spared:
        mean = words.thousand_hours(sum(spared) / len(spared))
        cards.append(
            (
                "At top quality",
                f"{words.grouped(abs(mean))} GB {'less' if mean >= 0 else 'more'}",
                "a thousand hours than the fixed ladder, mean of "
                + words.count(len(spared), "title")
                + whose,
            )
        )
    return cards


def _whose(entries: list[_Entry]) -> str:
    """Whose codec's figures are shown, where titles have several: ``, H.264``; else empty."""
    if all(len(entry.title.plan.ladders) == 1 for entry in entries):
        return ""
    shown = dict.fromkeys(words.codec(entry.title.plan.ladder.codec) for entry in entries)
    return f", {' and '.join(shown)}"


def _failures(failures: tuple[TitleFailure, ...]) -> Markup | None:
    if not failures:
        return None
    entries = []
    for failure in failures:
        details: list[object] = []
        if failure.command:
            details.append(tag("pre", tag("code", failure.command), tabindex=0,
                               aria_label="command"))  # fmt: skip
        if failure.log_tail:
            details.append(tag("pre", failure.log_tail, tabindex=0, aria_label="log"))
        entries.append(
            tag(
                "li",
                tag("strong", failure.name),
                f": {failure.message} ",
                tag("span", f"(during {failure.stage})" if failure.stage else "", class_="fine"),
                tag("div", tag("span", failure.path, class_="path")),
                tag("details", tag("summary", "command and log"), details) if details else None,
            )
        )
    return tag(
        "section",
        tag("h2", "Failed", id="h-failed"),
        tag("ul", entries),
        class_="notes failed",
        aria_labelledby="h-failed",
    )


def _titles(batch: BatchResult, entries: list[_Entry]) -> Markup | None:
    if not entries:
        return None
    columns = [
        ("Title", ""), ("Source", ""), ("Length", "num"), ("Rungs", "num"), ("Top kbit/s", "num"),
        ("Top VMAF", "num"), ("Largest miss", "num"), ("Against fixed", "num"),
        ("Package", "num"), ("Time", "num"),
    ]  # fmt: skip
    head = tag("tr", [
        tag("th", tag("button", name, type="button"), scope="col", class_=kind or None,
            aria_sort="none")
        for name, kind in columns
    ])  # fmt: skip
    rows = [_row(batch, entry, index < MAX_PICTURES) for index, entry in enumerate(entries)]
    return page.section(
        "titles",
        "Titles",
        tag(
            "p",
            tag("label", "Filter by name or format ", for_="filter"),
            tag("input", id="filter", type="search", autocomplete="off"),
            tag("span", words.count(len(entries), "title"), id="shown", role="status"),
            class_="filter",
        ),
        tag(
            "div",
            tag(
                "table",
                tag("caption", "Delivered titles; the headings sort", class_="hidden"),
                tag("thead", head),
                tag("tbody", rows),
                class_="sortable",
            ),
            class_="scroll", tabindex=0, role="region", aria_label="Delivered titles",
        ),
    )  # fmt: skip


def _row(batch: BatchResult, entry: _Entry, with_picture: bool) -> Markup:
    title = entry.title
    source = title.plan.analysis.source
    picture: Markup | None = None
    if with_picture and title.thumbnails:
        file = (
            batch.out / Path(title.name).name / "thumbnails" / Path(title.thumbnails[0].file).name
        )
        embedded = embed(file, THUMBNAIL_WIDTH)
        if embedded is not None:
            address, width, height = embedded
            picture = tag("img", src=address, width=width, height=height, alt="")
    kbps, vmaf = entry.points[0] if entry.points else (0.0, 0.0)
    planned = [rung for ladder in title.plan.ladders for rung in ladder.rungs]
    misses = [
        done.verification.vmaf - wanted.vmaf
        for done, wanted in zip(title.renditions, planned, strict=False)
    ]
    worst = max(misses, key=abs, default=0.0)
    rate = entry.comparison.bd_rate if entry.comparison is not None else None
    spent = sum(title.seconds.values())
    codec = ", ".join(words.codec(ladder.codec) for ladder in title.plan.ladders)
    # Figures of one codec among several say whose they are.
    several = len(title.plan.ladders) > 1
    shown_codec = tag("small", words.codec(title.plan.ladder.codec)) if several else None

    def cell(value: float, shown: object) -> Markup:
        return tag("td", shown, class_="num", data_value=number(value))

    return tag(
        "tr",
        tag("th", tag("a", picture, title.name, href=entry.link, class_="title"), scope="row",
            data_value=title.name.casefold()),
        tag("td", f"{source.size}, {source.video.codec} to {codec}",
            data_value=f"{source.size.width * source.size.height:012d}"),
        cell(source.duration, words.seconds(source.duration)),
        cell(len(title.renditions), len(title.renditions)),
        cell(kbps, [words.grouped(kbps), shown_codec]),
        cell(vmaf, [f"{vmaf:.1f}", shown_codec]),
        cell(abs(worst), words.signed(worst) if misses else ""),
        cell(rate if rate is not None else 1e9,
             [f"{words.signed(rate, 0)} %", shown_codec] if rate is not None else ""),
        cell(title.package.bytes, words.size(title.package.bytes)),
        cell(spent, words.seconds(spent)),
    )  # fmt: skip


def _multiples(entries: list[_Entry]) -> Markup | None:
    """One small chart a title, all on the same axes: how differently titles behave."""
    drawn = [entry for entry in entries if entry.points][:MAX_MULTIPLES]
    if not drawn:
        return None
    everything = [point for entry in drawn for point in entry.points if point[0] > 0]
    rates = [kbps for kbps, _ in everything] or [100.0, 1000.0]
    floor = min(90.0, max(0.0, 10 * (min((v for _, v in everything), default=0.0) // 10)))
    ends = (min(rates) / 1.3, max(rates) * 1.3)
    return page.section(
        "ladders",
        "Ladders side by side",
        tag("p", "All on the same axes: kbit/s by its logarithm to the right, VMAF upward. Dashes"
            " are the predicted hull, points the rungs as delivered, dots the fixed ladder."),
        tag("ul", [tag("li", _small(entry, ends, floor)) for entry in drawn], class_="multiples"),
        tag("p", f"The first {len(drawn)} titles.", class_="fine")
        if len(drawn) < len(entries) else None,
    )  # fmt: skip


def _small(entry: _Entry, rates: tuple[float, float], floor: float) -> Markup:
    area = chart.frame(*SMALL, rates, (floor, 100.0), margins=(8, 8, 20, 28), log_x=True)
    ladder = entry.title.plan.ladder
    renditions = entry.title.renditions_of(ladder.codec)
    subject = RateQuality(ladder, renditions, entry.comparison)
    hull = sorted(
        (p.bitrate_kbps, p.vmaf)
        for p in ladder.hull
        if rates[0] <= p.bitrate_kbps <= rates[1] and p.vmaf >= floor
    )
    fixed = [
        area.place((r.bitrate_kbps, r.vmaf))
        for r in (entry.comparison.rungs if entry.comparison else ())
        if rates[0] <= r.bitrate_kbps <= rates[1] and r.vmaf >= floor
    ]
    heights = [done.rung.height for done in renditions] or [rung.height for rung in ladder.rungs]
    short = saving.headline(entry.comparison)
    name = entry.title.name
    return tag(
        "a",
        tag(
            "svg",
            [tag("line", x1=area.left, x2=area.right, y1=area.y(v), y2=area.y(v), class_="grid")
             for v in area.y.ticks(4)],
            [tag("text", f"{v:g}", x=area.left - 4, y=area.y(v) + 3.5, class_="tick end")
             for v in area.y.ticks(4)],
            [tag("text", words.grouped(v), x=area.x(v), y=area.bottom + 13, class_="tick mid")
             for v in area.x.ticks(4)],
            tag("path", d=chart.line(fixed), class_="fixed-line"),
            tag("path", d=chart.line([area.place(p) for p in hull]), class_="hull"),
            [tag("circle", cx=area.x(kbps), cy=area.y(vmaf), r=3,
                 class_=f"real {subject.color(height)}")
             for (kbps, vmaf), height in zip(entry.points, heights, strict=False)],
            viewbox=f"0 0 {SMALL[0]} {SMALL[1]}", class_="plot small", aria_hidden="true",
        ),
        tag("span", name, class_="name"),
        tag("span", f"{words.count(len(entry.points), 'rung')}"
            + (f" in {words.codec(ladder.codec)}" if len(entry.title.plan.ladders) > 1 else "")
            + (f", {short[0]}" if short is not None else ""), class_="fine"),
        href=entry.link, class_="small",
    )  # fmt: skip
