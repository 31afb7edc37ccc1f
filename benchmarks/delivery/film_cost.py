"""What delivering a film costs, against the bare encode of the same rungs.

Runs the whole job (analysis, probes, encodes, verification, packaging, thumbnails), then encodes
the rungs that came out of it with nothing but ffmpeg in one process, and prints both in processor
and wall seconds, their ratio, the encodes a rung, what verification costs a rung beside its encode,
where the time went by stage, and the largest memory of any process::

    python -m benchmarks.delivery.film_cost FILM.mp4 -o OUT [--seconds 60] [--start 60]

Processor seconds are those of this process and its children. Wall seconds mean something only where
nothing else runs.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pertitle import events
from pertitle.codecs import codec_named
from pertitle.delivery.batch import run_batch
from pertitle.encoder.grid import segment_grid
from pertitle.encoder.renditions import encode_command, vbv_cap
from pertitle.encoder.title import open_title
from pertitle.options import Options
from pertitle.records import Size
from pertitle.results import Rendition, TitleResult
from pertitle.system.tools import Toolbox, find_toolbox


@dataclass(frozen=True)
class Spent:
    """Processor and wall seconds."""

    processor: float
    wall: float

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.processor - other.processor, self.wall - other.wall)

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.processor + other.processor, self.wall + other.wall)


def now() -> Spent:
    spent = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        spent += usage.ru_utime + usage.ru_stime
    return Spent(spent, time.monotonic())


def peak_mib() -> tuple[float, float]:
    """Largest memory (MiB) of this process, and of any of its children."""
    own, children = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own, children


@dataclass
class Account:
    """Hears the events of a run and adds what every stage took, to the start of the next."""

    stages: dict[str, Spent] = field(default_factory=dict)
    stage: str = ""
    since: Spent = field(default_factory=now)

    def hear(self, event: object) -> None:
        if isinstance(event, events.StageStarted):
            self.turn(event.stage)

    def turn(self, stage: str) -> None:
        at = now()
        if self.stage:
            known = self.stages.get(self.stage, Spent(0.0, 0.0))
            self.stages[self.stage] = known + (at - self.since)
        self.stage, self.since = stage, at


def part_of(toolbox: Toolbox, film: Path, start: float, seconds: float, folder: Path) -> Path:
    """A part of the film, its streams copied; it begins at a keyframe."""
    target = folder / f"{film.stem}-{seconds:g}s{film.suffix}"
    span = ["-ss", f"{start:g}", "-t", f"{seconds:g}"]
    toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-y", *span, "-i", f"file:{film}", "-c", "copy",
         f"file:{target}"]
    )  # fmt: skip
    return target


def bare(toolbox: Toolbox, result: TitleResult, options: Options, folder: Path) -> None:
    """The rungs of a delivered title, encoded by one ffmpeg."""
    title = open_title(result.plan.analysis)
    seconds = options.encode.segment_seconds
    grid = segment_grid(title.source.duration, title.rate, seconds)
    targets = []
    for i, done in enumerate(result.renditions):
        rung = done.rung
        encoder = codec_named(done.codec).encoder_options(
            preset=options.encode.preset_of(done.codec),
            crf=rung.crf,
            gop=grid.gop,
            skipped=grid.skipped,
            threads=toolbox.threads,
            cap=vbv_cap(rung.bitrate_kbps, options.encode.vbv_ratio, seconds),
        )
        targets.append((Size(rung.width, rung.height), encoder, folder / f"{i}.mp4"))
    toolbox.runner.run(encode_command(toolbox.ffmpeg, title, targets, bit_depth=8))


def row(name: str, spent: Spent, length: float) -> str:
    return f"{name:14} {spent.processor:9.1f} {spent.wall:9.1f} {spent.wall / length:9.2f}"


def told(
    result: TitleResult, account: Account, whole: Spent, encode: Spent, length: float
) -> Sequence[str]:
    renditions: Sequence[Rendition] = result.renditions
    attempts = sum(one.attempts for one in renditions)
    encoding, checking = (
        account.stages.get(stage, Spent(0.0, 0.0)) for stage in ("encoding", "verification")
    )
    frames = sum(one.verification.frames for one in renditions)
    missed = [one.verification.vmaf - one.rung.vmaf for one in renditions]
    lines = [f"{'':14} {'processor':>9} {'wall s':>9} {'x real':>9}"]
    lines += [row(stage, spent, length) for stage, spent in account.stages.items()]
    lines += [row("whole job", whole, length), row("bare encode", encode, length)]
    lines += [
        f"whole job / bare encode: {whole.processor / encode.processor:.2f} in processor,"
        f" {whole.wall / encode.wall:.2f} in wall time",
        f"encodes a rung: {attempts / len(renditions):.3f} ({attempts} of {len(renditions)} rungs)",
        f"verification a rung: {checking.processor / len(renditions):.1f} processor s,"
        f" {checking.processor / max(encoding.processor, 1e-9):.2f} of encoding;"
        f" {frames / len(renditions):.0f} frames of the last encode",
        f"off target: {max(map(abs, missed)):.2f} VMAF at worst,"
        f" {sum(not one.on_target for one in renditions)} rungs",
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("film", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, help="only so much of the film")
    parser.add_argument("--start", type=float, default=0.0)
    arguments = parser.parse_args()
    toolbox = find_toolbox()
    options = replace(Options(), cache=False)
    with tempfile.TemporaryDirectory(prefix="film-cost-") as scratch:
        film = arguments.film
        if arguments.seconds is not None:
            film = part_of(toolbox, film, arguments.start, arguments.seconds, Path(scratch))
        account = Account()
        before = now()
        batch = run_batch([film], arguments.out, options, on_event=account.hear)
        whole = now() - before
        account.turn("")
        own, children = peak_mib()
        if not batch.ok:
            raise SystemExit(f"{batch.failures[0].stage}: {batch.failures[0].message}")
        (result,) = batch.titles
        before = now()
        bare(toolbox, result, options, Path(scratch))
        encode = now() - before
    length = result.plan.analysis.source.duration
    print(f"{film.name}: {length:.1f} s, {len(result.renditions)} rungs")
    print("\n".join(told(result, account, whole, encode, length)))
    print(f"largest memory: {own:.0f} MiB of this process, {children:.0f} MiB of a child")


if __name__ == "__main__":
    main()
