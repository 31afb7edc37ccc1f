"""Nothing that is asked of a tool grows with the length of a title: three hours, on paper."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from pertitle.codecs import CODECS
from pertitle.encoder import commands
from pertitle.encoder.extra_metrics import VMAF_V1
from pertitle.encoder.grid import segment_grid
from pertitle.encoder.package.storyboard import keyframes
from pertitle.encoder.prober import digest_spans
from pertitle.encoder.renditions import encode_command, side_by_side, vbv_cap
from pertitle.encoder.sampling import Design
from pertitle.encoder.series import MAX_POINTS, window_series
from pertitle.encoder.title import Span, Title, pass_command, seek_command
from pertitle.encoder.verification import SPANS_PER_PROCESS, _guarded, rendition_spans
from pertitle.records import Analysis, Size, Window
from tests.conftest import MakeClip
from tests.encoder.helpers import MODEL, analysis_of, encoded_stub, rendition_of, rung

HOURS = 3
MINUTE = 60.0
RATE = Fraction(25)
DISPLAY = Size(1920, 1080)


@pytest.fixture(scope="module")
def short(make_clip: MakeClip) -> Analysis:
    return analysis_of(make_clip("testsrc2=s=160x90:r=25:d=1", "paper.mp4"))


def of_length(analysis: Analysis, seconds: float) -> Analysis:
    windows = tuple(Window(seconds * (i + 0.5) / 10, 2.0) for i in range(10))
    return replace(analysis, source=replace(analysis.source, duration=seconds), digest=windows)


def title_of(analysis: Analysis) -> Title:
    return Title(analysis.source, analysis.treatment, Fraction(0))


def commands_of(analysis: Analysis) -> list[list[str]]:
    """The ffmpeg commands of a title: encodes, its digest, the source's frames, comparisons."""
    title = title_of(analysis)
    frames = title.expected_frames
    made = []
    for codec in CODECS.values():
        grid = segment_grid(analysis.source.duration, RATE, 4.0)
        targets = [
            (
                Size(160, 90),
                codec.encoder_options(
                    preset=None, crf=30, gop=grid.gop, skipped=grid.skipped, threads=2,
                    cap=vbv_cap(300, 2, 4),
                ),
                Path(f"{i}.mp4"),
            )
            for i in range(8)
        ]  # fmt: skip
        made.append(encode_command("ffmpeg", title, targets, bit_depth=8))
    made.append(seek_command("ffmpeg", title, digest_spans(analysis), Path("digest.mkv"), 8))
    design = Design(frames)
    for look in range(design.looks):
        spans = [_guarded(span) for span in design.look(look)]
        for batch in (spans[:SPANS_PER_PROCESS], spans[-SPANS_PER_PROCESS:]):
            made.append(seek_command("ffmpeg", title, batch, Path("reference.mkv"), 8))
            made.append(compared(rendition_spans(Path("rung.mp4"), batch, RATE, seek=True)))
        if len(spans) <= commands.MAX_RUNS:
            made.append(pass_command("ffmpeg", title, {Path("reference.mkv"): spans}, 8))
            made.append(compared(rendition_spans(Path("rung.mp4"), spans, RATE, seek=False)))
    return made


def compared(rendition: object) -> list[str]:
    extra = commands.ExtraMetrics((VMAF_V1,), "e.csv", "x.txt", commands.in_runs([(0, 3)] * 10))
    return commands.compare(
        "ffmpeg", rendition, commands.open_input(Path("reference.mkv"))["v:0"], "v.csv",
        display=DISPLAY, models=[MODEL], frame_rate=RATE, singles=commands.SCORED, extra=extra,
    )  # fmt: skip


def test_no_command_grows_with_the_length_of_a_title(short: Analysis) -> None:
    ten = commands_of(of_length(short, 10 * MINUTE))
    hours = commands_of(of_length(short, HOURS * 60 * MINUTE))
    for made in (ten, hours):
        for argv in made:
            inputs, text = argv.count("-i"), " ".join(argv)
            assert inputs <= SPANS_PER_PROCESS + 1
            assert len(text) < 60_000
            graph = argv[argv.index("-filter_complex") + 1] if "-filter_complex" in argv else ""
            for expression in re.findall(r"select=([^\[;]*)", graph):
                assert expression.count("between(") <= commands.MAX_RUNS
    longest = [max(len(" ".join(argv)) for argv in made) for made in (ten, hours)]
    assert longest[1] < 1.2 * longest[0]


def test_sampling_looks_at_no_more_of_a_long_title_than_of_a_short_one() -> None:
    ten, hours = (Design(round(s * RATE)) for s in (10 * MINUTE, HOURS * 60 * MINUTE))
    assert hours.looks <= ten.looks + 1
    assert len(hours.look(0)) == len(ten.look(0))
    assert len(hours.look(hours.looks - 1)) <= 4096


def test_what_is_kept_of_a_long_title_for_the_report_is_bounded() -> None:
    spans = [Span(65 * i, 1) for i in range(4096)]
    series = window_series(spans, [80.0] * 4096, RATE)
    assert len(series.times) <= MAX_POINTS


def test_a_long_title_is_encoded_in_passes_that_an_interruption_may_lose() -> None:
    areas = [1280 * 720] * 3 + [960 * 540] * 2 + [768 * 432] * 3
    assert side_by_side(areas, 5 * MINUTE) == [list(range(8))]
    passes = side_by_side(areas, HOURS * 60 * MINUTE)
    assert sorted(i for places in passes for i in places) == list(range(8))
    assert 2 <= len(passes) <= 4
    assert max(sum(areas[i] for i in places) for places in passes) <= 2.2 * areas[0]


def test_small_pictures_of_a_long_title_are_one_short_command() -> None:
    rendition = rendition_of(encoded_stub(rung(160, 90, 30), frames=HOURS * 3600 * 25))
    video = keyframes(rendition, Size(160, 90), 100, RATE)
    argv = commands.finish("ffmpeg", video.output("pipe:", f="null"))
    assert len(" ".join(argv)) < 1000
