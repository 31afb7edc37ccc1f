"""What delivering costs beyond the bare encode: checks, sound, packaging.

Encodes the same rungs twice, once with nothing but ffmpeg in one process and once through
pertitle's delivery (encode, check every file, sound, package, check the package), and prints
processor and wall seconds of both::

    python -m benchmarks.delivery.delivery_overhead TITLE.mp4
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from pertitle.analysis.analysing import analyse
from pertitle.codecs import codec_named
from pertitle.encoder.audio.tracks import encode_audio
from pertitle.encoder.grid import gop_frames, segment_grid
from pertitle.encoder.package.checks import check_package
from pertitle.encoder.package.packaging import package
from pertitle.encoder.prober import rung_size
from pertitle.encoder.renditions import encode_command, encode_renditions, vbv_cap
from pertitle.encoder.title import open_title
from pertitle.records import Analysis, Rung, Window
from pertitle.results import Rendition, Verification
from pertitle.system.tools import Toolbox, find_toolbox

RUNGS = ((1.0, 23, 2000), (1.0, 28, 900), (0.75, 26, 700), (0.6, 27, 450), (0.5, 27, 300),
         (1 / 3, 28, 150))  # fmt: skip
"""Share of the source's height, CRF, and expected kbit/s."""
SEGMENT_SECONDS = 4.0


def rungs_of(title: Analysis) -> list[Rung]:
    rungs = []
    for share, crf, kbps in RUNGS:
        height = 2 * round(title.treatment.size.height * share / 2)
        size = rung_size(title, height)
        rungs.append(Rung(size.width, size.height, crf, kbps, 80, 80, 80, kbps, kbps))
    return rungs


def bare(toolbox: Toolbox, title: Analysis, folder: Path) -> None:
    codec = codec_named("h264")
    opened = open_title(title)
    gop = gop_frames(SEGMENT_SECONDS, opened.rate)
    targets = []
    for i, rung in enumerate(rungs_of(title)):
        cap = vbv_cap(rung.bitrate_kbps, 2, SEGMENT_SECONDS)
        options = codec.encoder_options(
            preset=None, crf=rung.crf, gop=gop, threads=toolbox.threads, cap=cap
        )
        targets.append((rung_size(title, rung.height), options, folder / f"{i}.mp4"))
    toolbox.runner.run(encode_command(toolbox.ffmpeg, opened, targets, bit_depth=8))


def delivered(toolbox: Toolbox, title: Analysis, folder: Path) -> None:
    rate = Fraction(title.treatment.frame_rate)
    encoded = encode_renditions(
        toolbox, title, rungs_of(title), codec=codec_named("h264"), preset=None,
        segment_seconds=SEGMENT_SECONDS, vbv_ratio=2, folder=folder,
    )  # fmt: skip
    audio = encode_audio(toolbox, title, frames=encoded[0].frames, folder=folder)
    unmeasured = Verification(80, 80, 80, 0, 80, Window(0, 1), 80, 35, 0)
    renditions = [
        Rendition(e.rung, e.codec, e.codec_string, e.path, e.frames, e.average_kbps, e.peak_kbps,
                  unmeasured, 1, True)
        for e in encoded
    ]  # fmt: skip
    made = package(
        toolbox, renditions, audio, folder=folder / "package", segment_seconds=SEGMENT_SECONDS,
        frame_rate=rate,
    )  # fmt: skip
    check_package(
        folder / "package", made, renditions, audio, segment_seconds=SEGMENT_SECONDS,
        frame_rate=rate, skipped=segment_grid(title.source.duration, rate, SEGMENT_SECONDS).skipped,
    )  # fmt: skip


def processor_seconds() -> float:
    spent = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        spent += usage.ru_utime + usage.ru_stime
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("video", type=Path)
    video = parser.parse_args().video
    toolbox = find_toolbox()
    title = analyse(video)
    costs = []
    steps: tuple[tuple[str, Callable[[Toolbox, Analysis, Path], None]], ...] = (
        ("bare ffmpeg", bare), ("delivery", delivered),
    )  # fmt: skip
    for name, step in steps:
        with tempfile.TemporaryDirectory(prefix="pertitle-") as folder:
            processor, wall = processor_seconds(), time.monotonic()
            step(toolbox, title, Path(folder))
            costs.append(processor_seconds() - processor)
            print(f"{name:12} {costs[-1]:7.1f} processor s {time.monotonic() - wall:7.1f} wall s")
    print(f"overhead {100 * (costs[1] / costs[0] - 1):.1f} % of processor time")


if __name__ == "__main__":
    main()
