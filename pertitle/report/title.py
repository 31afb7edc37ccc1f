"""The page of one delivered title."""

from __future__ import annotations

from pathlib import Path

from pertitle import words
from pertitle.analysis.corpus_place import place_features
from pertitle.records import Rung
from pertitle.report import curves, page, saving, source, timeline
from pertitle.report.codecs import codec_section
from pertitle.report.features import feature_section
from pertitle.report.fixed import Comparison, compare_with_fixed, own_points
from pertitle.report.images import embed
from pertitle.report.markup import Markup, join, tag
from pertitle.results import Rendition, TitleResult
from pertitle.serial import write_text

WIDE, NARROW = (840, 430), (420, 400)
WIDE_TIME, NARROW_TIME = (840, 440), (420, 440)
THUMBNAIL_WIDTH = 480


def write_title_report(
    result: TitleResult, path: Path, *, thumbnails_folder: Path | None = None
) -> None:
    """Write the report of a delivered title as one HTML file.

    Args:
        result: what the report tells; parts that are missing leave their section out.
        path: the file to write.
        thumbnails_folder: where the files of ``result.thumbnails`` are; without it, or where a
            file is missing, a candidate is listed without its picture.

    Raises:
        OSError: the file cannot be written.
    """
    write_text(path, title_page(result, thumbnails_folder))


def title_page(result: TitleResult, thumbnails_folder: Path | None) -> str:
    """The page as text; see :func:`write_title_report`."""
    ladders = result.plan.ladders
    views = [result.alone(ladder) for ladder in ladders]
    subjects = [_subject(view) for view in views]
    placed = place_features(result.plan.analysis.features)
    body: list[object] = [
        tag("a", "Skip to the rungs", href="#rungs", class_="skip"),
        tag("header", tag("h1", result.name), tag("p", source.one_line(result.plan.analysis))),
        tag(
            "main",
            page.cards(_cards(result, subjects[0].comparison)),
            source.warnings(result.plan.analysis, ladders),
            codec_section(result),
            [
                _ladder_sections(view, subject, alone=len(ladders) == 1, first=i == 0)
                for i, (view, subject) in enumerate(zip(views, subjects, strict=True))
            ],
            _thumbnail_section(result, thumbnails_folder),
            source.source_section(result),
            feature_section(placed),
            _making_section(result),
        ),
        tag("footer", tag("p", "Written by pertitle. Nothing on this page is fetched.")),
    ]
    readings = {subject.plan.codec: curves.readings(subject) for subject in subjects}
    return page.page(result.name, body, data={"readings": readings})


def _subject(view: TitleResult) -> curves.RateQuality:
    ladder = view.plan.ladder
    return curves.RateQuality(ladder, view.renditions, compare_with_fixed(ladder, view.renditions))


def _ladder_sections(
    view: TitleResult, subject: curves.RateQuality, *, alone: bool, first: bool
) -> list[Markup | None]:
    codec = view.plan.ladder.codec
    name = "" if first else f"-{codec}"
    heading = "" if alone else f", {words.codec(codec)}"
    return [
        _curve_section(subject, name, heading),
        _rung_section(view, name, heading),
        _time_section(view, subject, name, heading),
    ]


def _cards(result: TitleResult, comparison: Comparison | None) -> list[tuple[str, str, str]]:
    ladder, ladders = result.plan.ladder, result.plan.ladders
    points = own_points(ladder, result.renditions_of(ladder.codec))
    kind = "measured" if result.renditions else "predicted"
    heights = [rung.height for one in ladders for rung in one.rungs]
    rungs = len(result.renditions) or len(heights)
    entries = []
    if points:
        span = (
            f"{max(heights)}p" if len(set(heights)) == 1 else f"{max(heights)}p to {min(heights)}p"
        )
        codecs = ", ".join(words.codec(one.codec) for one in ladders)
        entries.append(("Ladder", words.count(rungs, "rung"), f"{codecs}, {span}"))
        top_kbps, top_vmaf = points[0]
        whose = f", {words.codec(ladder.codec)}" if len(ladders) > 1 else ""
        entries.append(("Top rung", words.kbps(top_kbps), f"VMAF {top_vmaf:.1f} {kind}{whose}"))
    short = saving.headline(comparison)
    if short is not None:
        entries.append(("Against fixed", *short))
    package = result.package
    entries.append(("Package", words.size(package.bytes), words.count(package.segments, "segment")))
    entries.append(("Made in", words.seconds(sum(result.seconds.values())),
                    f"with {words.count(result.plan.probes, 'probe encode')}"))  # fmt: skip
    return entries


def _curve_section(subject: curves.RateQuality, name: str, heading: str) -> Markup | None:
    if not subject.heights:
        return None
    switches = [
        tag("button", tag("span", class_=f"swatch {subject.color(height)}"), f"{height}p",
            type="button", aria_pressed="true", data_switch_h=height)
        for height in subject.heights
    ]  # fmt: skip
    switches += [
        tag("button", tag("span", class_=f"swatch layer-{key}"), name, type="button",
            aria_pressed="true", data_switch_layer=key)
        for key, name in subject.layers
    ]  # fmt: skip
    return page.section(
        f"curves{name}",
        f"Rate and quality{heading}",
        page.figure(
            curves.draw(subject, *WIDE, key=f"wide{name}"),
            curves.draw(subject, *NARROW, key=f"narrow{name}"),
            tag(
                "div",
                "Point at the chart, or focus here and use the arrow keys: left and right along a"
                " series, up and down between series.",
                class_="reader", tabindex=0, role="slider",
                aria_label="Reader of the chart",
                aria_valuemin=0, aria_valuenow=0, aria_valuemax=1,
                aria_valuetext="use the arrow keys",
            ),
            tag("div", switches, class_="switches", role="group", aria_label="Show in the chart"),
            of=subject.plan.codec,
        ),
        saving.paragraph(subject.comparison),
        tag(
            "p",
            f"Quality is {subject.plan.quality_model}, mean over frames, on a"
            f" {subject.plan.display} picture. Intervals hold the truth nine times in ten."
            f" Expected BD-rate loss against the exhaustive hull:"
            f" {words.percent(subject.plan.expected_loss, 1)}; 95 of 100 titles lose at most"
            f" {words.percent(subject.plan.loss_bound, 1)}.",
            class_="fine",
        ),
    )  # fmt: skip


def _rung_section(result: TitleResult, name: str, heading: str) -> Markup | None:
    planned = result.plan.ladder.rungs
    if not planned and not result.renditions:
        return None
    columns = [("Rung", ""), ("CRF", "num"), ("VMAF predicted", "num"), ("VMAF measured", "num"),
               ("off by", "num"), ("kbit/s predicted", "num"), ("kbit/s measured", "num"),
               ("off by", "num"), ("peak", "num"), ("worst window", "num"),
               ("VMAF v1", "num"), ("XPSNR", "num"), ("banding", "num"),
               ("GB per 1000 h", "num"), ("encodes", "num")]  # fmt: skip
    if result.renditions:
        same = len(planned) == len(result.renditions)
        rows = [
            _delivered_row(planned[i] if same else done.rung, done)
            for i, done in enumerate(result.renditions)
        ]
        missed = sum(not done.on_target for done in result.renditions)
        remark = (
            "Every rung is on its quality target."
            if not missed
            else f"{words.count(missed, 'rung')} could not be brought onto the quality target."
        )
    else:
        rows = [_planned_row(rung) for rung in planned]
        remark = "Nothing was encoded yet: the figures are predictions."
    listing = page.table(f"Rungs of the ladder, best first{heading}", columns, rows)
    return page.section(f"rungs{name}", f"Rungs{heading}", listing, tag("p", remark))


def _interval(middle: str, low: str, high: str) -> Markup:
    return tag("span", middle, " ", tag("small", f"{low}–{high}"))


def _predictions(rung: Rung) -> tuple[Markup, Markup]:
    return (
        _interval(f"{rung.vmaf:.1f}", f"{rung.vmaf_low:.1f}", f"{rung.vmaf_high:.1f}"),
        _interval(words.grouped(rung.bitrate_kbps), words.grouped(rung.bitrate_low_kbps),
                  words.grouped(rung.bitrate_high_kbps)),
    )  # fmt: skip


def _delivered_row(planned: Rung, done: Rendition) -> list[object]:
    check = done.verification
    quality, rate = _predictions(planned)
    missed = check.vmaf - planned.vmaf
    rate_missed = (
        100 * (done.average_kbps / planned.bitrate_kbps - 1) if planned.bitrate_kbps else 0.0
    )
    measured: object = f"{check.vmaf:.1f}"
    if check.high - check.low >= 0.1:
        measured = _interval(f"{check.vmaf:.1f}", f"{check.low:.1f}", f"{check.high:.1f}")
    off: object = words.signed(missed)
    if not done.on_target:
        off = tag("span", words.signed(missed), " off target", class_="bad")
    at = tag("small", f"at {words.clock(check.worst_window.start)}")
    return [
        f"{done.rung.width}×{done.rung.height}", f"{done.rung.crf:g}", quality, measured, off, rate,
        words.grouped(done.average_kbps), f"{words.signed(rate_missed, 0)} %",
        words.grouped(done.peak_kbps), tag("span", f"{check.worst:.1f}", " ", at),
        f"{check.vmaf_v1:.1f}", f"{check.xpsnr:.1f} dB", f"{check.cambi:.1f}",
        words.grouped(words.thousand_hours(done.average_kbps)), f"{done.attempts}",
    ]  # fmt: skip


def _planned_row(rung: Rung) -> list[object]:
    quality, rate = _predictions(rung)
    return [f"{rung.width}×{rung.height}", f"{rung.crf:g}", quality, "", "", rate,
            *[""] * 7, words.grouped(words.thousand_hours(rung.bitrate_kbps)), ""]  # fmt: skip


def _time_section(
    result: TitleResult, subject: curves.RateQuality, name: str, heading: str
) -> Markup | None:
    shots = result.plan.analysis.shots
    if not shots and not result.renditions:
        return None
    said = words.count(len(shots), "shot")
    if len(shots) > 1:
        lengths = sorted(shot.duration for shot in shots)
        low, middle, high = lengths[0], lengths[len(lengths) // 2], lengths[-1]
        said += (
            f", shaded in turn: the shortest {words.seconds(low)}, the middle one"
            f" {words.seconds(middle)}, the longest {words.seconds(high)}"
        )
    said += "."
    if not result.renditions:
        return page.section(f"time{name}", f"Over time{heading}", tag("p", said))
    looked = (
        "of all frames"
        if all(r.verification.low == r.verification.high for r in result.renditions)
        else "of the windows that were compared"
    )
    said += f" VMAF is that {looked}; a triangle marks where a rung is worst."
    picks = [
        tag("button", tag("span", class_=f"swatch {subject.color(done.rung.height)}"),
            f"{done.rung.height}p {words.kbps(done.average_kbps)}", type="button",
            aria_pressed="false", data_pick=index, data_text=timeline.summary(done))
        for index, done in enumerate(result.renditions)
    ]  # fmt: skip
    return page.section(
        f"time{name}",
        f"Over time{heading}",
        page.figure(
            timeline.draw(result, subject, *WIDE_TIME),
            timeline.draw(result, subject, *NARROW_TIME),
            tag("p", "Choose a rung to see it alone.", class_="reader", role="status"),
            tag("div", picks, class_="switches picks", role="group",
                aria_label="Show one rung over time"),
        ),
        tag("p", said),
    )  # fmt: skip


def _thumbnail_section(result: TitleResult, folder: Path | None) -> Markup | None:
    if not result.thumbnails:
        return None
    entries = []
    for index, candidate in enumerate(result.thumbnails):
        shown: Markup | None = None
        name = Path(candidate.file).name  # a plain name, whatever the record says
        picture = embed(folder / name, THUMBNAIL_WIDTH) if folder is not None else None
        if picture is not None:
            address, width, height = picture
            shown = tag("img", src=address, width=width, height=height,
                        alt=f"Frame at {words.clock(candidate.time)}")  # fmt: skip
        strongest = sorted(candidate.terms.items(), key=lambda term: -term[1])
        terms = ", ".join(f"{key} {value:.2f}" for key, value in strongest)
        faces = f", {words.count(len(candidate.faces), 'face')}" if candidate.faces else ""
        entries.append(
            tag(
                "li",
                tag(
                    "figure",
                    shown,
                    tag(
                        "figcaption",
                        tag("strong", f"{index + 1}. score {candidate.score:.2f}"),
                        f" at {words.clock(candidate.time)}{faces}",
                        tag("span", candidate.reason, class_="reason"),
                        tag("details", tag("summary", "parts of the score"), tag("p", terms))
                        if terms
                        else None,
                    ),
                ),
            )
        )
    return page.section("thumbnails", "Thumbnails", tag("ol", join(entries), class_="thumbs"))


def _making_section(result: TitleResult) -> Markup | None:
    if not (result.seconds or result.plan.probes or result.commands):
        return None
    longest = max(result.seconds.values(), default=0.0) or 1.0
    length = result.plan.analysis.source.duration
    stages: list[list[object]] = [
        [
            stage,
            tag("span", tag("span", style=f"width:{100 * spent / longest:.1f}%"), class_="bar"),
            words.seconds(spent),
            words.times(spent, length),
        ]
        for stage, spent in result.seconds.items()
    ]
    rungs: list[list[object]] = [
        [
            f"{words.codec(done.codec)} {done.rung.height}p",
            f"{done.rung.crf:g}",
            f"{done.attempts}",
            words.seconds(done.encode_seconds),
            words.times(done.encode_seconds, length),
            words.seconds(done.verify_seconds),
            words.times(done.verify_seconds, length),
            f"{done.verification.frames}",
        ]
        for done in result.renditions
        if done.encode_seconds or done.verify_seconds
    ]
    probes: list[list[object]] = [
        [f"{words.codec(ladder.codec)} {p.height}p", f"{p.crf:g}",
         words.grouped(p.bitrate_kbps), words.vmaf(p.vmaf), words.seconds(p.seconds)]
        for ladder in result.plan.ladders
        for p in ladder.probes
    ]  # fmt: skip
    return page.section(
        "making",
        "How it was made",
        page.table("Wall time by stage",
                   [("Stage", ""), ("Beside the longest", "grow"), ("Time", "num"),
                    ("× real time", "num")], stages)
        if stages else None,
        page.table("Wall time by rung; rungs that are made together share it by their pixels",
                   [("Rung", ""), ("CRF", "num"), ("Encodes", "num"), ("Encoding", "num"),
                    ("× real time", "num"), ("Verification", "num"), ("× real time", "num"),
                    ("Frames compared", "num")], rungs)
        if rungs else None,
        tag(
            "details",
            tag("summary", words.count(len(probes), "probe encode")),
            page.table("Probe encodes of the digest, in order",
                       [("Height", ""), ("CRF", "num"), ("kbit/s", "num"), ("VMAF", "num"),
                        ("time", "num")], probes),
        ) if probes else None,
        page.commands(result.commands, words.count(len(result.commands), "command") + " that ran")
        if result.commands else None,
    )  # fmt: skip
