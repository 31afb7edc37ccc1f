"""A title of more than five minutes, end to end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import pertitle
from pertitle import events
from pertitle.options import EncodeOptions, LadderOptions, Options
from pertitle.records import Size
from pertitle.report.title import title_page
from pertitle.results import Stage, TitleResult
from pertitle.terminal.lines import spent_words
from tests.conftest import MakeClip

MINUTES = 5.2
RATE = 8
FRAMES = round(MINUTES * 60 * RATE)


@pytest.fixture(scope="module")
def delivered(
    make_clip: MakeClip, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TitleResult, list[object]]:
    seconds = MINUTES * 60
    clip = make_clip(
        # Still, moving and noisy by turns, so that a sample has something to miss.
        f"testsrc2=s=64x36:r={RATE}:d={seconds / 2}[a];"
        f"testsrc2=s=64x36:r={RATE}:d={seconds / 2},noise=alls=6:allf=t[b];"
        "[a][b]concat=n=2,setsar=1[out0]",
        "film.mp4", "-g", "60", sound=f"sine=f=440:d={seconds}",
    )  # fmt: skip
    options = Options(
        ladder=LadderOptions(heights=(28, 20), max_probes=2, vmaf_step=12, min_vmaf=50),
        encode=EncodeOptions(display=Size(64, 36), preset="veryfast", vmaf_tolerance=3),
        thumbnails=1,
    )
    heard: list[object] = []
    out = tmp_path_factory.mktemp("films")
    batch = pertitle.run([clip], out, options, on_event=heard.append)
    assert batch.ok, batch.failures
    (result,) = batch.titles
    assert (out / "film/master.m3u8").exists()
    return result, heard


def test_it_is_delivered_whole_and_verified_by_samples(
    delivered: tuple[TitleResult, list[object]],
) -> None:
    result, _ = delivered
    assert len(result.renditions) >= 3
    for one in result.renditions:
        assert one.frames == FRAMES
        assert one.verification.frames < FRAMES / 3
        assert one.verification.low <= one.verification.vmaf <= one.verification.high


def test_rungs_are_made_in_groups_that_learn(delivered: tuple[TitleResult, list[object]]) -> None:
    result, heard = delivered
    assert all(one.on_target or one.attempts > 1 for one in result.renditions)
    stages = Counter(e.stage for e in heard if isinstance(e, events.StageStarted))
    assert 1 < stages[Stage.ENCODING] <= 5
    assert stages[Stage.ENCODING] == stages[Stage.VERIFICATION]


def test_where_the_time_went_is_told(delivered: tuple[TitleResult, list[object]]) -> None:
    result, _ = delivered
    for one in result.renditions:
        assert one.encode_seconds > 0
        assert one.verify_seconds > 0
    told = spent_words(replace(result, seconds={"encoding": 156.0, "verification": 31.2}))
    assert told == "delivered in 187.2 s, 0.60 × real time (encoding 0.50, verification 0.10)"
    page = title_page(result, thumbnails_folder=Path("nowhere"))
    assert "Wall time by rung" in page
    assert "× real time" in page
