"""How well the digest stands for its title.

Each title is probed at a few CRFs on its digest, as the planner does, and then the same way on the
whole; beside it what as many evenly spaced windows would have said::

    python -m benchmarks.planner.digest_error film.mp4 --json digest.json
    python -m benchmarks.planner.digest_error --join clips/ --titles 4 --clips 15

Titles are first brought to 640 × 360 at 25 frames a second, VMAF is taken at that size. ``--join``
makes multi-shot titles of random clips of a folder.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import ffmpeg
import numpy as np

from pertitle.analysis.analysing import analyse
from pertitle.codecs import codec_named
from pertitle.encoder import commands
from pertitle.encoder.prober import DigestProber
from pertitle.records import Analysis, Probe, Size, Treatment, Window
from pertitle.system.tools import Toolbox, find_toolbox

SEGMENT_SECONDS = 4.0
SMALL = Treatment(Fraction(25), Size(640, 360))
VIDEO_SUFFIXES = {".mp4", ".webm", ".mkv", ".mov", ".avi", ".mpg"}
Row = dict[str, str | float]


def join(toolbox: Toolbox, clips: Sequence[Path], target: Path) -> None:
    """One title of one or more clips, coded as web video is."""
    parts = [
        commands.treat(commands.open_input(clip).video, SMALL, pixel_format="yuv420p")
        for clip in clips
    ]
    video = ffmpeg.concat(*parts, v=1, a=0)
    options = {"c:v": "libx264", "preset": "veryfast", "crf": "20"}
    argv = commands.finish(toolbox.ffmpeg, video.output(f"file:{target}", **options))
    toolbox.runner.run(argv, limits=toolbox.limits())


def probe(
    toolbox: Toolbox, analysis: Analysis, windows: Sequence[Window], crfs: Sequence[float]
) -> list[Probe]:
    """Probe encodes of some windows of a title at each CRF."""
    with tempfile.TemporaryDirectory(prefix="pertitle-digest-") as name:
        prober = DigestProber(
            toolbox,
            replace(analysis, digest=tuple(windows)),
            codec=codec_named("h264"),
            preset=None,
            quality_model="vmaf_v0.6.1",
            display=SMALL.size,
            segment_seconds=SEGMENT_SECONDS,
            scratch=Path(name),
        )
        with prober:
            return [prober.measure(SMALL.size.height, crf) for crf in crfs]


def examine(toolbox: Toolbox, title: str, path: Path, crfs: Sequence[float]) -> list[Row]:
    """Errors of the digest and of an even choice, at each CRF; empty if the digest is the title."""
    analysis = analyse(path, segment_seconds=SEGMENT_SECONDS)
    digest, duration = analysis.digest, analysis.source.duration
    if len(digest) < 2:
        return []
    step, length = duration / len(digest), digest[0].duration
    even = [Window((i + 0.5) * step - length / 2, length) for i in range(len(digest))]
    truth = probe(toolbox, analysis, [Window(0.0, duration)], crfs)
    rows: list[Row] = []
    for scheme, windows in (("digest", digest), ("even", even)):
        for seen, whole in zip(probe(toolbox, analysis, windows, crfs), truth, strict=True):
            row: Row = {
                "title": title,
                "seconds": round(duration, 1),
                "crf": whole.crf,
                "scheme": scheme,
                "bitrate_error": round(seen.bitrate_kbps / whole.bitrate_kbps - 1, 4),
                "vmaf_error": round(seen.vmaf - whole.vmaf, 3),
            }
            rows.append(row)
            print(*row.values(), sep="\t", flush=True)
    return rows


def summarise(rows: Sequence[Row]) -> None:
    """Mean absolute errors by scheme."""
    for scheme in ("digest", "even"):
        mine = [row for row in rows if row["scheme"] == scheme]
        if mine:
            rate = np.mean([abs(float(row["bitrate_error"])) for row in mine])
            vmaf = np.mean([abs(float(row["vmaf_error"])) for row in mine])
            print(f"{scheme}: mean |bitrate error| {rate:.1%}, mean |VMAF error| {vmaf:.2f}")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("videos", nargs="*", type=Path, metavar="VIDEO")
    parser.add_argument("--join", type=Path, metavar="FOLDER", help="make titles of its clips")
    parser.add_argument("--titles", type=int, default=4, help="how many")
    parser.add_argument("--clips", type=int, default=15, help="clips in each")
    parser.add_argument("--crfs", default="22,30,38")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    toolbox = find_toolbox()
    crfs = [float(text) for text in chosen.crfs.split(",")]
    titles = {path.name: [path] for path in chosen.videos}
    if chosen.join is not None:
        clips = sorted(p for p in chosen.join.iterdir() if p.suffix in VIDEO_SUFFIXES)
        for number in range(chosen.titles):
            titles[f"joined {number + 1}"] = random.Random(number).sample(clips, chosen.clips)
    rows: list[Row] = []
    for title, parts in titles.items():
        with tempfile.TemporaryDirectory(prefix="pertitle-titles-") as name:
            path = Path(name, "title.mp4")
            join(toolbox, parts, path)
            rows += examine(toolbox, title, path, crfs)
    summarise(rows)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
