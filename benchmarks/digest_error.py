"""How well the digest stands for its title.

Each title is encoded whole, in closed segments, at one height and several CRFs. What the digest's
segments cost and look like is then compared with the whole, and beside it what as many evenly
spaced segments would have said::

    python benchmarks/digest_error.py film.mp4 --json digest.json
    python benchmarks/digest_error.py --join clips/ --titles 4 --clips 15

``--join`` makes multi-shot titles of random clips of a folder (640 × 360, 25 frames a second).
VMAF is taken at the encode's own height, on every frame.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import ffmpeg
import numpy as np
from numpy.typing import NDArray

from pertitle.analysis import analyse
from pertitle.encoder import commands
from pertitle.encoder.codecs import codec_named
from pertitle.encoder.quality import measure_vmaf
from pertitle.records import Size, Treatment, Window
from pertitle.tools import Toolbox, find_toolbox

SEGMENT_SECONDS = 4.0
MODEL = "vmaf_v0.6.1"
VIDEO_SUFFIXES = {".mp4", ".webm", ".mkv", ".mov", ".avi", ".mpg"}
Floats = NDArray[np.float64]


def join(toolbox: Toolbox, clips: Sequence[Path], target: Path) -> None:
    """One title of several clips, coded as web video is."""
    treatment = Treatment(Fraction(25), Size(640, 360))
    parts = [
        commands.treat(commands.open_input(clip).video, treatment, pixel_format="yuv420p")
        for clip in clips
    ]
    video = ffmpeg.concat(*parts, v=1, a=0)
    options = {"c:v": "libx264", "preset": "veryfast", "crf": "20"}
    argv = commands.finish(toolbox.ffmpeg, video.output(f"file:{target}", **options))
    toolbox.runner.run(argv, limits=toolbox.limits())


def measure_segments(
    toolbox: Toolbox,
    source: Path,
    size: Size,
    rate: Fraction,
    crf: float,
    gop: int,
    scratch: Path,
) -> tuple[Floats, Floats]:
    """Bits and mean VMAF of every segment of a whole-title encode."""
    target = scratch / "encode.mkv"
    argv = commands.encode_crfs(
        toolbox.ffmpeg, source, size, [(crf, target)], codec_named("h264"),
        preset=None, gop=gop, threads=toolbox.threads,
    )  # fmt: skip
    toolbox.runner.run(argv, limits=toolbox.limits())
    scores = measure_vmaf(
        toolbox, target, source, display=size, models=[MODEL], frame_rate=rate,
        threads=toolbox.threads,
    ).frames[0]  # fmt: skip
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        packets = [p for p in container.demux(stream) if p.size and p.pts is not None]
        base = float(stream.time_base or 0)
        frames = [round(float(p.pts or 0) * base * float(rate)) for p in packets]
        bits = np.zeros(max(frames) + 1)
        for frame, packet in zip(frames, packets, strict=True):
            bits[frame] += 8 * packet.size
    segments = -(-len(scores) // gop)
    edges = [range(i * gop, min(len(scores), (i + 1) * gop)) for i in range(segments)]
    return (
        np.array([bits[edge.start : edge.stop].sum() for edge in edges]),
        np.array([scores[edge.start : edge.stop].mean() for edge in edges]),
    )


def errors(bits: Floats, vmaf: Floats, chosen: Sequence[int]) -> tuple[float, float]:
    """Relative bitrate error and VMAF error of segments against all of them."""
    picked = list(chosen)
    return (
        float(bits[picked].mean() / bits.mean() - 1),
        float(vmaf[picked].mean() - vmaf.mean()),
    )


def segments_of(digest: Sequence[Window]) -> list[int]:
    """Segment numbers of the digest's windows."""
    return [round(window.start / window.duration) for window in digest]


def examine(
    toolbox: Toolbox, path: Path, height: int, crfs: Sequence[float]
) -> list[dict[str, object]]:
    """Errors of the digest and of an even choice, at each CRF; empty if the digest is the title."""
    analysis = analyse(path, segment_seconds=SEGMENT_SECONDS)
    rate, size = analysis.treatment.frame_rate, analysis.treatment.size
    if len(analysis.digest) < 2:
        return []
    gop = round(SEGMENT_SECONDS * rate)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="pertitle-digest-") as name:
        scratch = Path(name)
        reduced = scratch / "reduced.mkv"
        small = size if size.height <= height else size.at_height(height)
        treatment = Treatment(rate, small)
        video = commands.treat(
            commands.open_input(path).video, treatment, pixel_format="yuv420p"
        ).output(f"file:{reduced}", **commands.LOSSLESS)
        toolbox.runner.run(commands.finish(toolbox.ffmpeg, video), limits=toolbox.limits())
        for crf in crfs:
            bits, vmaf = measure_segments(toolbox, reduced, small, rate, crf, gop, scratch)
            whole = len(bits) - 1  # the last segment is shorter: no digest window, but it counts
            count = len(analysis.digest)
            even = [int((i + 0.5) * whole / count) for i in range(count)]
            for scheme, chosen in (("digest", segments_of(analysis.digest)), ("even", even)):
                rate_error, vmaf_error = errors(bits, vmaf, chosen)
                row = {
                    "title": path.name, "segments": len(bits), "crf": crf, "scheme": scheme,
                    "bitrate_error": round(rate_error, 4), "vmaf_error": round(vmaf_error, 3),
                }  # fmt: skip
                rows.append(row)
                print(
                    f"{path.name[:32]:32s} {len(bits):4d} segments  CRF {crf:g}  {scheme:6s}"
                    f"  bitrate {rate_error:+7.1%}  VMAF {vmaf_error:+6.2f}",
                    flush=True,
                )
    return rows


def summarise(rows: Sequence[dict[str, object]]) -> None:
    """Mean absolute errors by scheme."""
    for scheme in ("digest", "even"):
        mine = [row for row in rows if row["scheme"] == scheme]
        if mine:
            rate = np.mean([abs(float(str(row["bitrate_error"]))) for row in mine])
            vmaf = np.mean([abs(float(str(row["vmaf_error"]))) for row in mine])
            print(f"{scheme}: mean |bitrate error| {rate:.1%}, mean |VMAF error| {vmaf:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("titles", nargs="*", type=Path)
    parser.add_argument("--join", type=Path, metavar="FOLDER", help="make titles of its clips")
    parser.add_argument("--titles", dest="count", type=int, default=4, help="how many")
    parser.add_argument("--clips", type=int, default=15, help="clips in each")
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--crfs", default="22,30,38")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    toolbox = find_toolbox()
    crfs = [float(text) for text in chosen.crfs.split(",")]
    rows = []
    with tempfile.TemporaryDirectory(prefix="pertitle-titles-") as name:
        titles = list(chosen.titles)
        if chosen.join is not None:
            clips = sorted(p for p in chosen.join.iterdir() if p.suffix in VIDEO_SUFFIXES)
            for number in range(chosen.count):
                path = Path(name, f"joined-{number + 1}.mp4")
                join(toolbox, random.Random(number).sample(clips, chosen.clips), path)
                titles.append(path)
        for path in titles:
            rows += examine(toolbox, path, chosen.height, crfs)
    summarise(rows)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
