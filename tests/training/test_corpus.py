"""Measuring a corpus: what each altered form of a clip is, and runs that are taken up again."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from pertitle.analysis.probe import probe
from pertitle.system.tools import Toolbox
from pertitle.training.corpus import (
    ALTERED,
    VARIANTS,
    Job,
    extract_variant,
    jobs_for,
    measure_table,
    read_table,
)  # fmt: skip
from pertitle.training.features_table import features_of, measure_features_table
from tests.conftest import MakeClip


@pytest.fixture(scope="module")
def counting_clip(make_clip: MakeClip) -> Path:
    """8 s at 25 frames/s; the luma of every picture is 20 and its number."""
    graph = "color=s=96x64:r=25:d=8,format=yuv420p,geq=lum='20+N':cb=128:cr=128"
    return make_clip(graph, "counting.mkv", "-c:v", "libx264", "-qp", "0")


def numbers(path: Path) -> list[int]:
    """Numbers of the pictures of an extract of the counting clip."""
    capture = cv2.VideoCapture(str(path))
    capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    found: list[int] = []
    while True:
        more, picture = capture.read()
        if not more:
            return found
        found.append(round(float(np.median(np.asarray(picture)[:64, :96]))) - 20)


@pytest.mark.parametrize(
    ("variant", "wanted", "rate"),
    [
        ("base", range(75, 125), 25),
        ("fast", range(50, 150, 2), 25),
        ("double", range(50, 150), 50),
        ("cuts", [*range(150, 162), *range(100, 112), *range(50, 62), *range(12)], 25),
    ],
)
def test_forms_are_made_of_the_pictures_they_say(
    toolbox: Toolbox, counting_clip: Path, tmp_path: Path, variant: str, wanted: range, rate: int
) -> None:
    target = tmp_path / "window.mkv"
    frames = extract_variant(toolbox, probe(counting_clip), variant, target)
    assert numbers(target) == list(wanted)
    assert frames == len(wanted)
    assert probe(target).video.frame_rate == rate


def test_features_see_what_was_done_to_a_clip(
    toolbox: Toolbox, make_clip: MakeClip, real_clip: Path
) -> None:
    source = probe(make_clip(f"movie={real_clip},scale=480:-2", "bunny.mp4"))
    of = {name: features_of(toolbox, source, name) for name in VARIANTS if name != "cuts"}
    own = of["base"]
    assert of["grain"]["noise_mean"] > own["noise_mean"] + 1
    assert of["denoise"]["rate_native_crf22"] < own["rate_native_crf22"]
    assert of["soft"]["rolloff_mean"] < 0.8 * own["rolloff_mean"]
    assert of["fast"]["speed_mean"] > own["speed_mean"]
    assert of["double"]["log2_fps"] == pytest.approx(own["log2_fps"] + 1, abs=0.1)
    # What the file's own coding spent is the origin's, not that of the lossless extract.
    assert {f["source_log2_bpp"] for f in of.values()} == {own["source_log2_bpp"]}


def test_each_clip_comes_in_one_altered_form_and_in_its_group(tmp_path: Path) -> None:
    clips = [tmp_path / f"{i}.mp4" for i in range(60)]
    (tmp_path / "index.csv").write_text("file,group\n7.mp4,origin\n")
    jobs = jobs_for(clips, ["h264", "av1"], variants=True)
    assert {job.variant for job in jobs} == set(ALTERED)
    assert len({(job.clip, job.variant) for job in jobs}) == 60
    assert {job.group for job in jobs if job.clip.stem == "7"} == {"origin"}
    assert jobs == jobs_for(clips[::-1], ["h264", "av1"], variants=True)


def test_a_table_is_taken_up_again_and_a_broken_clip_leaves_no_row(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    good = make_clip("testsrc2=s=192x144:r=25:d=3", "good.mp4")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(good.read_bytes()[:2000])
    jobs = [Job(clip, clip.stem, v, "h264") for clip in (broken, good) for v in ("base", "double")]
    table = tmp_path / "t.csv"
    errors = []
    told = lambda job, seconds, error: errors.append((job.clip.name, error))  # noqa: E731
    assert measure_table(toolbox, jobs, table, on_done=told) == 2
    assert {name for name, error in errors if error} == {"broken.mp4"}
    rows = read_table(table)
    assert {(row.clip, row.variant, row.frame_rate) for row in rows} == {
        ("good.mp4", "base", Fraction(25)), ("good.mp4", "double", Fraction(50)),
    }  # fmt: skip
    for variant in ("base", "double"):
        measured = sorted(
            (row for row in rows if row.variant == variant and row.height == 144),
            key=lambda row: row.crf,
        )
        assert [r.vmaf for r in measured] == sorted((r.vmaf for r in measured), reverse=True)
        assert [r.bytes for r in measured] == sorted((r.bytes for r in measured), reverse=True)


def test_what_an_interrupted_write_tore_is_measured_again_and_nothing_else(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip("testsrc2=s=96x64:r=25:d=1", "small.mp4")
    jobs = [Job(clip, "small", variant, "h264") for variant in ("base", "fast")]
    table, features = tmp_path / "t.csv", tmp_path / "f.csv"
    measured: list[str] = []
    note = lambda job, seconds, error: measured.append(f"{job.variant}{error}")  # noqa: E731
    assert measure_table(toolbox, jobs, table, workers=1, on_done=note) == 0
    assert measure_features_table(toolbox, jobs, features, on_done=note) == 0
    assert measured == ["base", "fast"] * 2
    wanted = [replace(row, encode_seconds=0) for row in read_table(table)], features.read_text()
    for path in (table, features):
        path.write_bytes(path.read_bytes()[:-30])
    assert measure_table(toolbox, jobs, table, on_done=note) == 0
    assert measure_features_table(toolbox, jobs, features, on_done=note) == 0
    assert measured[4:] == ["fast"] * 2
    assert wanted == (
        [replace(row, encode_seconds=0) for row in read_table(table)], features.read_text()
    )  # fmt: skip
