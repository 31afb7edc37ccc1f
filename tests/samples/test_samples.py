"""The bundled clips are what their README says, and the script beside them makes them."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

FOLDER = Path(__file__).parents[2] / "samples"
CUTS = {"titles": [2.4, 4.2], "motion": [1.64, 2.92, 4.52], "night": [53 / 24, 99 / 24]}
NAMES = tuple(CUTS)


@cache
def small_frames(name: str) -> NDArray[np.uint8]:
    """All pictures of a clip, a quarter of the size: (frames, 180, 320, 3)."""
    with av.open(str(FOLDER / f"{name}.mp4")) as container:
        pictures = [
            frame.reformat(width=320, height=180, format="bgr24").to_ndarray()
            for frame in container.decode(video=0)
        ]
    return np.stack(pictures)


def test_all_clips_together_are_small() -> None:
    files = sorted(FOLDER.glob("*.mp4"))
    assert [file.stem for file in files] == sorted(NAMES)
    assert sum(file.stat().st_size for file in files) < 4_000_000


@pytest.mark.parametrize("name", NAMES)
def test_format(name: str) -> None:
    with av.open(str(FOLDER / f"{name}.mp4")) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height) == (1280, 720)
        assert video.codec_context.name == "h264"
        assert audio.codec_context.name == "aac"
        # 1 is BT.709 in each (ITU-T H.273).
        assert video.codec_context.color_primaries == 1
        assert video.codec_context.color_trc == 1
        assert video.codec_context.colorspace == 1
        assert audio.codec_context.channels == 2
        assert container.duration == pytest.approx(6_000_000, abs=50_000)
        assert video.average_rate is not None
        assert len(small_frames(name)) == 6 * video.average_rate


@pytest.mark.parametrize("name", NAMES)
def test_sound_is_heard_throughout(name: str) -> None:
    with av.open(str(FOLDER / f"{name}.mp4")) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    samples = np.concatenate(blocks, axis=1).mean(axis=0)
    seconds = samples[: 6 * 48000].reshape(6, 48000)
    level = np.sqrt((seconds**2).mean(axis=1))
    assert (level > 0.01).all()
    assert np.abs(samples).max() < 1.0


@pytest.mark.parametrize("name", NAMES)
def test_cuts_are_where_the_shots_meet(name: str) -> None:
    frames = small_frames(name).astype(np.float32)
    rate = len(frames) / 6
    change = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    around = np.median(change)
    for cut in CUTS[name]:
        assert change[round(cut * rate) - 1] > 3 * around


def test_clips_differ_as_the_readme_says() -> None:
    motion, light = {}, {}
    for name in NAMES:
        frames = small_frames(name).astype(np.float32)
        motion[name] = float(np.median(np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))))
        light[name] = float(frames.mean())
    assert motion["motion"] > 4 * motion["titles"]
    assert light["night"] < 0.3 * min(light["titles"], light["motion"])


@pytest.mark.parametrize("name", NAMES)
def test_script_renders_the_clip(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    import render

    try:
        clip = next(clip for clip in render.CLIPS if clip.name == name)
        picture: NDArray[Any] = next(render.pictures(clip.shots, clip.fps))
    finally:
        for module in set(sys.modules) - before:
            if (getattr(sys.modules[module], "__file__", None) or "").startswith(str(FOLDER)):
                del sys.modules[module]
    pixels = np.clip(cv2.resize(picture, (320, 180), interpolation=cv2.INTER_AREA) * 255, 0, 255)
    error = float(((pixels - small_frames(name)[0]) ** 2).mean())
    assert 10 * np.log10(255**2 / error) > 28  # dB; coding, dither and grain are all that differs
