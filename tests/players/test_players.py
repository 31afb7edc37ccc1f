"""Real players play a real package: hls.js, dash.js and Shaka Player in headless Chromium.

Needs node, npm and Chromium, and most of a minute, so it runs only with ``PERTITLE_PLAYERS=1``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pertitle.encoder import (
    SubtitleRendition,
    encode_audio,
    encode_renditions,
    make_storyboard,
    package,
)
from pertitle.encoder.codecs import codec_named
from pertitle.encoder.grid import gop_frames
from pertitle.tools import Toolbox
from tests.encoder.helpers import analysis_of, rendition_of, rung

PLAYERS = ("hls.js", "dash.js", "shaka-dash", "shaka-hls")

pytestmark = pytest.mark.skipif(
    os.environ.get("PERTITLE_PLAYERS") != "1", reason="set PERTITLE_PLAYERS=1 to play packages"
)


@pytest.fixture(scope="module", params=["one codec", "two codecs", "ffmpeg"])
def played(
    request: pytest.FixtureRequest, browser_checks: Path, toolbox: Toolbox, real_clip: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, dict[str, dict[str, object]]]:  # fmt: skip
    """A kind of package of the real clip, played twice over, and what each player says of it."""
    folder = tmp_path_factory.mktemp("title")
    clip = folder / "twice.mp4"
    toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-stream_loop", "1", "-i", f"file:{real_clip}",
         "-c", "copy", f"file:{clip}"]
    )  # fmt: skip
    analysis = analysis_of(clip)
    encoded = list(encode_renditions(
        toolbox, analysis,
        [rung(854, 480, 26, 900), rung(640, 360, 26, 400), rung(320, 180, 28, 120)],
        codec=codec_named("h264"), preset="ultrafast", segment_seconds=2, vbv_ratio=3,
        folder=folder,
    ))  # fmt: skip
    if request.param == "two codecs":
        encoded += encode_renditions(
            toolbox, analysis, [rung(854, 480, 40, 900), rung(320, 180, 44, 120)],
            codec=codec_named("av1"), preset="12", segment_seconds=2, vbv_ratio=3, folder=folder,
        )  # fmt: skip
    if request.param == "ffmpeg":
        toolbox = replace(toolbox, packager=None)
    audio = encode_audio(toolbox, analysis, frames=encoded[0].frames, folder=folder)
    cues = folder / "cues.vtt"
    cues.write_text("WEBVTT\n\n00:00:00.500 --> 00:00:09.000\nA rabbit\n", encoding="utf-8")
    package(
        toolbox, [rendition_of(one) for one in encoded], audio, folder=folder / "package",
        segment_seconds=2, frame_rate=analysis.treatment.frame_rate,
        subtitles=[SubtitleRendition(cues, 2, "eng", "English", 1)],
        storyboard=make_storyboard(
            toolbox, rendition_of(encoded[2]), gop=gop_frames(2, analysis.treatment.frame_rate),
            frame_rate=analysis.treatment.frame_rate, folder=folder / "board",
        ),
    )  # fmt: skip
    done = subprocess.run(
        ["node", "play.mjs", str(folder / "package"), "--chromium",
         shutil.which("chromium") or ""],
        cwd=browser_checks, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    results: dict[str, dict[str, object]] = json.loads(done.stdout)
    return request.param, results


@pytest.mark.parametrize("name", PLAYERS)
def test_a_player_plays_every_rung_to_the_end(
    played: tuple[str, dict[str, dict[str, object]]], name: str
) -> None:
    kind, results = played
    result = results[name]
    assert result["ok"], result
    # Of two codecs a player offers both or only the one it prefers.
    rungs = {"h264": [180, 360, 480], "av1": [180, 480], "both": [180, 180, 360, 480, 480]}
    allowed = list(rungs.values()) if kind == "two codecs" else [rungs["h264"]]
    assert sorted(result["seen"]) in allowed  # type: ignore[call-overload]
    assert result["ended"] == pytest.approx(result["duration"], abs=0.1)
    assert result["corrupted"] == 0
    assert result["shown"] == "A rabbit"
