"""Render the sample clips: ``python samples/render.py [--out FOLDER] [NAME ...]``.

Pictures and sound are computed here from fixed seeds; nothing is recorded. ffmpeg encodes them.
"""

from __future__ import annotations

import argparse
import tempfile
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import ffmpeg
import numpy as np
import scenes_motion
import scenes_night
import scenes_titles
import sounds
from numpy.typing import NDArray
from textures import HEIGHT, WIDTH, Picture, soften

from pertitle.encoder.commands import finish
from pertitle.system.process import Limits
from pertitle.system.tools import Toolbox, find_toolbox


@dataclass(frozen=True)
class Clip:
    """One sample: name, frame rate, x264 CRF, lens blur (sigma, pixels), pictures, sound."""

    name: str
    fps: int
    crf: float
    softness: float
    shots: Sequence[Callable[[], Shot]]
    sound: Callable[[], sounds.Sound]


class Shot(Protocol):
    """One shot; setting it up is slow, so each is made only when its turn comes."""

    seconds: float

    def frame(self, t: float, rng: np.random.Generator) -> Picture:
        """The picture at ``t`` seconds; ``rng`` is for what is fresh in every frame."""
        ...


def pictures(shots: Sequence[Callable[[], Shot]], fps: int) -> Iterator[Picture]:
    """All frames of a clip, shot after shot."""
    rng = np.random.default_rng(99)
    for make in shots:
        shot = make()
        for number in range(round(shot.seconds * fps)):
            yield shot.frame(number / fps, rng)


TITLES = (scenes_titles.Mountains, scenes_titles.Infographic, scenes_titles.Shore)
MOTION = (
    scenes_motion.Flight,
    scenes_motion.Foliage,
    scenes_motion.Stadium,
    scenes_motion.Rapids,
)
NIGHT = (scenes_night.Street, scenes_night.Corridor, scenes_night.Candle)

CLIPS = (
    Clip("titles", 25, 22, 0.5, TITLES, lambda: sounds.music(6.0, seed=1)),
    Clip("motion", 25, 32, 1.1, MOTION, lambda: sounds.stadium(6.0, seed=2)),
    Clip("night", 24, 29, 0.0, NIGHT, lambda: sounds.whisper_in_rain(6.0, seed=3)),
)


def _quantize(picture: Picture, rng: np.random.Generator) -> NDArray[np.uint8]:
    """8-bit 4:2:0 planes, with half a step of dither so that gradients do not band."""
    dither = rng.uniform(-0.5, 0.5, picture.shape[:2])[..., None]
    pixels = np.clip(picture * 255 + dither + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _write_sound(path: Path, sound: sounds.Sound) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(sounds.RATE)
        file.writeframes((sound * 32767).round().astype("<i2").tobytes())


def render(toolbox: Toolbox, clip: Clip, folder: Path) -> Path:
    """Compute one clip and encode it; returns the file."""
    target = folder / f"{clip.name}.mp4"
    rng = np.random.default_rng(7)
    with tempfile.TemporaryDirectory(prefix="pertitle-samples-") as name:
        frames, sound = Path(name, "frames.rgb"), Path(name, "sound.wav")
        with frames.open("wb") as file:
            for picture in pictures(clip.shots, clip.fps):
                if clip.softness:
                    picture = soften(picture, clip.softness)
                file.write(_quantize(picture, rng).tobytes())
        _write_sound(sound, clip.sound())
        video = (
            ffmpeg.input(
                f"file:{frames}",
                f="rawvideo",
                pixel_format="rgb24",
                video_size=(WIDTH, HEIGHT),
                framerate=clip.fps,
            )
            .filter("scale", out_color_matrix="bt709", out_range="tv")
            .filter("format", "yuv420p")
            .filter("setparams", color_primaries="bt709", color_trc="bt709", colorspace="bt709")
        )
        options = {
            "c:v": "libx264", "preset": "slow", "crf": clip.crf,
            "threads": 2, "c:a": "aac", "b:a": "96k", "movflags": "+faststart",
            "fflags": "+bitexact", "flags:v": "+bitexact", "flags:a": "+bitexact",
        }  # fmt: skip
        output = ffmpeg.output(video, ffmpeg.input(f"file:{sound}"), f"file:{target}", **options)
        toolbox.runner.run(finish(toolbox.ffmpeg, output), limits=Limits(seconds=900))
    return target


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Render the sample clips.")
    parser.add_argument("names", nargs="*", help="which clips (all)", metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="target folder")
    chosen = parser.parse_args(arguments)
    known = {clip.name: clip for clip in CLIPS}
    unknown = sorted(set(chosen.names) - set(known))
    if unknown:
        parser.error(f"no clip named {', '.join(unknown)}; known: {', '.join(known)}")
    toolbox = find_toolbox()
    for name in chosen.names or known:
        path = render(toolbox, known[name], chosen.out)
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
