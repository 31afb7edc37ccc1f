"""Real players play a real package: hls.js, dash.js and Shaka Player in headless Chromium.

Needs node, npm and Chromium, and two minutes, so it runs only with ``PERTITLE_PLAYERS=1``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pytest

from pertitle.codecs import codec_named
from pertitle.encoder.audio.tracks import encode_audio
from pertitle.encoder.grid import gop_frames
from pertitle.encoder.package.packaging import package
from pertitle.encoder.package.storyboard import Storyboard, make_storyboard
from pertitle.encoder.package.subtitles import SubtitleRendition
from pertitle.encoder.renditions import encode_renditions
from pertitle.results import AudioRendition, Rendition
from pertitle.system.tools import Toolbox
from tests.encoder.helpers import analysis_of, rendition_of, rung

PLAYERS = ("hls.js", "dash.js", "shaka-dash", "shaka-hls")

pytestmark = pytest.mark.skipif(
    os.environ.get("PERTITLE_PLAYERS") != "1", reason="set PERTITLE_PLAYERS=1 to play packages"
)


@dataclass(frozen=True)
class Made:
    """Renditions of the real clip, played twice over, its sound, subtitles and storyboard."""

    h264: tuple[Rendition, ...]
    av1: tuple[Rendition, ...]
    audio: tuple[AudioRendition, ...]
    subtitles: SubtitleRendition
    storyboard: Storyboard
    rate: Fraction


@pytest.fixture(scope="module")
def made(toolbox: Toolbox, real_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("title")
    clip = folder / "twice.mp4"
    toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-stream_loop", "1", "-i", f"file:{real_clip}",
         "-c", "copy", f"file:{clip}"]
    )  # fmt: skip
    analysis = analysis_of(clip)
    rungs = {
        "h264": [rung(854, 480, 26, 900), rung(640, 360, 26, 400), rung(320, 180, 28, 120)],
        "av1": [rung(854, 480, 40, 900), rung(320, 180, 44, 120)],
    }
    encoded = {
        codec: encode_renditions(
            toolbox, analysis, rungs[codec], codec=codec_named(codec), preset=preset,
            segment_seconds=2, vbv_ratio=3, folder=folder,
        )
        for codec, preset in (("h264", "ultrafast"), ("av1", "12"))
    }  # fmt: skip
    h264, av1 = (tuple(rendition_of(one) for one in encoded[codec]) for codec in ("h264", "av1"))
    cues = folder / "cues.vtt"
    cues.write_text("WEBVTT\n\n00:00:00.500 --> 00:00:09.000\nA rabbit\n", encoding="utf-8")
    rate = analysis.treatment.frame_rate
    board = make_storyboard(
        toolbox, h264[2], gop=gop_frames(2, rate), frame_rate=rate, folder=folder / "board"
    )
    audio = encode_audio(toolbox, analysis, frames=h264[0].frames, folder=folder)
    return Made(h264, av1, audio, SubtitleRendition(cues, 2, "eng", "English", 1), board, rate)


@pytest.fixture(scope="module", params=["one codec", "two codecs", "ffmpeg"])
def played(
    request: pytest.FixtureRequest, browser_checks: Path, toolbox: Toolbox, made: Made,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, dict[str, dict[str, object]]]:  # fmt: skip
    """A kind of package, and what each player says of it."""
    folder = tmp_path_factory.mktemp("package")
    package(
        replace(toolbox, packager=None) if request.param == "ffmpeg" else toolbox,
        [*made.h264, *(made.av1 if request.param == "two codecs" else ())], made.audio,
        folder=folder, segment_seconds=2, frame_rate=made.rate, subtitles=[made.subtitles],
        storyboard=made.storyboard,
    )  # fmt: skip
    done = subprocess.run(
        ["node", "play.mjs", str(folder), "--chromium", shutil.which("chromium") or ""],
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
