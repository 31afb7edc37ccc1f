"""What the title is: container, picture, sound, subtitles, defects."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from pertitle import words
from pertitle.records import Analysis, LadderPlan
from pertitle.report import page
from pertitle.report.markup import Markup, tag
from pertitle.results import TitleResult


def rate(value: Fraction) -> str:
    """A frame rate as people write it: ``25``, ``29.97``."""
    return f"{float(value):.3f}".rstrip("0").rstrip(".")


def one_line(analysis: Analysis) -> str:
    """The source in one line."""
    source = analysis.source
    sound = words.count(len(source.audio), "sound track") if source.audio else "no sound"
    length = words.seconds(source.duration)
    return (
        f"{source.size} at {rate(source.video.frame_rate)} frames/s, {length},"
        f" {source.video.codec}, {sound}, {words.size(source.bytes)}"
    )


def warnings(analysis: Analysis, ladders: Sequence[LadderPlan]) -> Markup | None:
    """Defects of the source and remarks on the plan; None if there are none."""
    entries = [
        tag("li", tag("strong", warning.code), " ", warning.message)
        for warning in analysis.warnings
    ]
    several = len(ladders) > 1
    entries += [
        tag("li", f"{words.codec(ladder.codec)}: {note}" if several else note)
        for ladder in ladders
        for note in ladder.notes
    ]
    if not entries:
        return None
    return tag("section", tag("h2", "Worth knowing", id="h-notes"), tag("ul", entries),
               class_="notes", aria_labelledby="h-notes")  # fmt: skip


def source_section(result: TitleResult) -> Markup:
    """Facts of the file, its treatment, its tracks and what was made of them."""
    analysis = result.plan.analysis
    source, video, treatment = analysis.source, analysis.source.video, analysis.treatment
    package = result.package
    done = []
    if treatment.deinterlace:
        done.append("deinterlaced")
    if treatment.crop is not None:
        crop = treatment.crop
        done.append(f"cropped to {crop.size} at {crop.x}, {crop.y}")
    if video.dynamic_range != "sdr":
        mapped = [one.codec for one in result.plan.ladders if one.dynamic_range == "sdr"]
        if mapped:
            codecs = ", ".join(map(words.codec, mapped))
            done.append(f"tone-mapped to standard dynamic range in {codecs}")
    if treatment.frame_rate != video.frame_rate or video.variable_rate:
        done.append(f"brought to {rate(treatment.frame_rate)} frames/s")
    color = ", ".join(
        f"{kind} {value}"
        for kind, value in (("primaries", video.primaries), ("transfer", video.transfer),
                            ("matrix", video.matrix), ("range", video.color_range))
    )  # fmt: skip
    flags = [
        name
        for name, yes in (("interlaced", video.interlaced), ("alpha", video.has_alpha),
                          ("variable frame rate", video.variable_rate))
        if yes
    ]  # fmt: skip
    pairs: list[tuple[str, object]] = [
        ("File", tag("span", source.path, class_="path")),
        ("Container", f"{source.container}, {words.size(source.bytes)},"
                      f" {words.kbps(source.bytes * 8 / max(source.duration, 0.001) / 1000)}"),
        ("Picture", f"{video.codec}, {video.width}×{video.height} coded, {source.size} shown,"
                    f" {video.pixel_format}, {video.bit_depth} bit"),
        ("Rotation", f"{video.rotation}°" if video.rotation else None),
        ("Pixel aspect", str(video.sample_aspect) if video.sample_aspect != 1 else None),
        ("Frames", f"{rate(video.frame_rate)} a second"
                   + (f", {words.grouped(video.frames)}" if video.frames else "")),
        ("Colour", color),
        ("Marked", ", ".join(flags) or None),
        ("Treatment", ", ".join(done) or "none: frames are encoded as they are"),
        ("Package", f"HLS {package.hls_master}"
                    + (f", DASH {package.dash_manifest}" if package.dash_manifest else "")),
    ]  # fmt: skip
    return page.section("source", "Source", page.facts(pairs), _tracks(result))


def _tracks(result: TitleResult) -> list[object]:
    source = result.plan.analysis.source
    made = {track.source_index: track for track in result.audio}
    parts: list[object] = []
    if source.audio:
        rows: list[list[object]] = []
        for track in source.audio:
            done = made.get(track.index)
            delivered = "not delivered"
            if done is not None:
                delivered = (
                    f"{done.codec_string}, {words.count(done.channels, 'channel')},"
                    f" {done.sample_rate / 1000:g} kHz, {words.kbps(done.average_kbps)}"
                )
                if done.mos is not None:
                    delivered += f", MOS {done.mos:.2f}"
                if done.loudness is not None:
                    delivered += f", from {done.loudness:.1f} LUFS"
                delivered = "; ".join((delivered, *done.remarks))
            rows.append([
                track.title or f"track {track.index}", track.language,
                f"{track.codec}, {track.layout}, {track.sample_rate / 1000:g} kHz", delivered,
            ])  # fmt: skip
        columns = [("Sound", ""), ("Language", ""), ("Source", ""), ("Delivered", "")]
        parts.append(page.table("Sound tracks", columns, rows))
    else:
        parts.append(tag("p", "The source has no sound."))
    if source.subtitles:
        rows = [
            [
                s.title or f"track {s.index}",
                s.language,
                s.codec,
                "text" if s.is_text else "pictures",
            ]
            for s in source.subtitles
        ]
        columns = [("Subtitles", ""), ("Language", ""), ("Codec", ""), ("Kind", "")]
        parts.append(page.table("Subtitle tracks", columns, rows))
    return parts
