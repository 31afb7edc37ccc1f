"""Encoding the rungs of a title: one decode feeds several encoders."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ffmpeg

from pertitle.codecs import Cap, Codec
from pertitle.encoder import commands
from pertitle.encoder.checks import check_rendition
from pertitle.encoder.grid import Grid, segment_grid
from pertitle.encoder.pictures import Pictures, read_pictures
from pertitle.encoder.series import bitrate_series
from pertitle.encoder.title import ENDLESS_FRAMES, Title, open_title
from pertitle.errors import DeliveryError, SourceError
from pertitle.records import Analysis, Rung, Size
from pertitle.results import Series
from pertitle.serial import sync_file, write_json
from pertitle.system.tools import Toolbox

FORMAT_VERSION = 2
"""Part of every key: a change in how files are made makes earlier ones useless."""
MIN_MAXRATE_KBPS = 100
"""A cap below this saves nobody anything and ruins the first picture of a still title."""
LONG_SECONDS = 1200.0
"""Titles up to this length are decoded once for all rungs. Of a longer one no pass makes more than
about two of its largest rungs, so that an interruption loses at most that."""
FULL_PASS = 2.2
"""Pixels of a pass of a long title, in those of its largest rung."""
MISSING_SHARE = 0.02
MISSING_SECONDS = 0.5
"""A title that is shorter than declared by more than both is a truncated file."""

OnProgress = Callable[[float], None]


@dataclass(frozen=True)
class EncodedRung:
    """One rung as a checked file, not yet verified or packaged.

    Attributes:
        path: an MP4 file with one video track.
        reused: it was there already, from an earlier run.
        seconds: wall time of the encode; rungs made by one process share it by their pixels.
        average_kbps, peak_kbps: picture bytes over the title and over its largest segment.
        bitrate_series: kbit/s of each segment, at its start.
    """

    rung: Rung
    codec: str
    codec_string: str
    path: Path
    frames: int
    average_kbps: float
    peak_kbps: float
    bitrate_series: Series
    reused: bool
    seconds: float = 0.0


def vbv_cap(expected_kbps: float, ratio: float, buffer_seconds: float) -> Cap:
    """The cap of a rung: ``ratio`` times its expected rate, over a buffer of so many seconds.

    The usual buffer is a segment: a smaller one would starve titles of stills, where the keyframe
    holds a segment's bits.
    """
    rate = max(MIN_MAXRATE_KBPS, round(expected_kbps * ratio))
    return Cap(rate, round(rate * buffer_seconds))


def encode_renditions(
    toolbox: Toolbox,
    analysis: Analysis,
    rungs: Sequence[Rung],
    *,
    codec: Codec,
    preset: str | None,
    segment_seconds: float,
    vbv_ratio: float,
    folder: Path,
    buffer_seconds: float | None = None,
    two_pass: bool = False,
    on_progress: OnProgress = lambda done: None,
) -> tuple[EncodedRung, ...]:
    """Encode rungs of a title into ``folder``, in the order given.

    Each file is written under a temporary name, checked and renamed; one that is there already
    with the same key (source, treatment, rung, encoder, version) is kept, not made again.

    Args:
        vbv_ratio: VBV maxrate as a multiple of a rung's expected bitrate.
        buffer_seconds: VBV buffer in seconds of maxrate; None for the length of a segment.
        two_pass: hold the rung's bitrate on average, in two passes, in the place of its CRF.
        on_progress: called with the share of the work that is done, 0 to 1.

    Raises:
        SourceError: the source is truncated or can no longer be read.
        DeliveryError: a file does not pass its check.
        ProcessError: ffmpeg failed.
    """
    title = open_title(analysis)
    grid = segment_grid(title.source.duration, title.rate, segment_seconds)
    jobs = [
        _job(
            toolbox,
            title,
            rung,
            codec,
            preset,
            grid,
            vbv_cap(rung.bitrate_kbps, vbv_ratio, buffer_seconds or segment_seconds),
            folder,
            two_pass=two_pass,
        )
        for rung in rungs
    ]
    found = {job.path: job.read() for job in jobs}
    missing = list({job.path: job for job in jobs if found[job.path] is None}.values())
    frames, done = None, 0.0
    seconds: dict[Path, float] = {}
    areas = [job.size.width * job.size.height for job in missing]
    for chosen in side_by_side(areas, title.source.duration):
        run = [missing[i] for i in chosen]
        share, before = sum(areas[i] for i in chosen) / sum(areas), done
        started = time.monotonic()
        _encode(
            toolbox,
            title,
            run,
            codec,
            2 if two_pass else 1,
            partial(_part, on_progress, before, share),
        )
        done += share
        spent = (time.monotonic() - started) / sum(areas[i] for i in chosen)
        seconds |= {missing[i].path: spent * areas[i] for i in chosen}
        for job in run:
            pictures = check_rendition(
                toolbox,
                job.part,
                size=job.size,
                frame_rate=title.rate,
                gop=grid.gop,
                skipped=grid.skipped,
                frames=frames,
            )
            frames = pictures.frames
            check_complete(title, frames)
            job.keep(pictures)
            found[job.path] = pictures
    counts = {pictures.frames for pictures in found.values() if pictures is not None}
    if len(counts) != 1:
        raise DeliveryError(f"the rungs differ in length: {sorted(counts)} frames")
    made = {job.path for job in missing}
    return tuple(
        _encoded(
            job,
            found[job.path],
            codec,
            title,
            grid,
            job.path not in made,
            seconds.get(job.path, 0.0),
        )
        for job in jobs
    )


def _part(on_progress: OnProgress, before: float, share: float, done: float) -> None:
    on_progress(before + share * done)


def side_by_side(areas: Sequence[int], seconds: float) -> list[list[int]]:
    """Which rungs one process makes together, by their places.

    Args:
        areas: pixels a picture of each rung.
        seconds: length of the title (see :data:`LONG_SECONDS`).
    """
    if seconds <= LONG_SECONDS:
        return [list(range(len(areas)))] if areas else []
    runs: list[list[int]] = []
    for i in sorted(range(len(areas)), key=lambda i: -areas[i]):
        room = FULL_PASS * max(areas) - areas[i]
        run = next((r for r in runs if sum(areas[j] for j in r) <= room), None)
        if run is None:
            runs.append([i])
        else:
            run.append(i)
    return runs


@dataclass(frozen=True)
class _Job:
    rung: Rung
    size: Size
    options: dict[str, str]
    path: Path
    key: str

    @property
    def part(self) -> Path:
        return self.path.with_name(f"{self.path.stem}.part.mp4")

    @property
    def note(self) -> Path:
        return self.path.with_suffix(".json")

    def read(self) -> Pictures | None:
        """The finished file of an earlier run, if it was made from the same and is whole."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            if note["key"] != self.key or note["bytes"] != self.path.stat().st_size:
                return None
            os.utime(self.note)  # in use
            return read_pictures(self.path)
        except (OSError, ValueError, KeyError, TypeError, DeliveryError):
            return None

    def keep(self, pictures: Pictures) -> None:
        """Rename the checked file, then say what it is; without the note it does not count."""
        sync_file(self.part)
        self.note.unlink(missing_ok=True)
        self.part.replace(self.path)
        note = {"key": self.key, "bytes": self.path.stat().st_size, "frames": pictures.frames}
        write_json(self.note, note)


def _job(
    toolbox: Toolbox,
    title: Title,
    rung: Rung,
    codec: Codec,
    preset: str | None,
    grid: Grid,
    cap: Cap,
    folder: Path,
    *,
    two_pass: bool,
) -> _Job:
    options = codec.encoder_options(
        preset=preset,
        crf=rung.crf,
        gop=grid.gop,
        skipped=grid.skipped,
        threads=toolbox.threads,
        cap=cap,
        kbps=rung.bitrate_kbps if two_pass else None,
    )
    size = Size(rung.width, rung.height)
    spent = f"{rung.bitrate_kbps:.0f}k" if two_pass else f"crf{rung.crf:g}"
    stat = title.source.path.stat()
    basis = [FORMAT_VERSION, toolbox.version, stat.st_size, stat.st_mtime_ns]
    basis += [repr(title), str(size), sorted(options.items())]
    key = hashlib.sha256(json.dumps(basis, default=str).encode()).hexdigest()
    # Two rungs may come to one CRF under different caps: neither takes the other's file.
    path = folder.absolute() / f"{size}-{codec.name}-{spent}-{key[:8]}.mp4"
    return _Job(rung, size, options, path, key)


def _encode(
    toolbox: Toolbox,
    title: Title,
    jobs: Sequence[_Job],
    codec: Codec,
    passes: int,
    on_progress: OnProgress,
) -> None:
    total = title.expected_frames
    folder = jobs[0].path.parent
    # What the first pass learns has plain names in a folder of its own: encoders parse them.
    with tempfile.TemporaryDirectory(dir=folder, prefix="passes-") as logs:
        for number in range(1, passes + 1):

            def on_line(line: str, before: int = number - 1) -> None:
                key, _, value = line.partition("=")
                if key == "frame":
                    if int(value) > 2 * total + ENDLESS_FRAMES:
                        name = title.source.path.name
                        raise SourceError(f"{name} goes on after its declared end")
                    on_progress((before + min(1.0, int(value) / total)) / passes)

            argv = encode_command(
                toolbox.ffmpeg,
                title,
                [(job.size, job.options, job.part) for job in jobs],
                bit_depth=codec.bit_depth(title.source.video.bit_depth),
                run=(number, passes),
            )
            limits = toolbox.limits(toolbox.seconds_for(title.source.duration))
            toolbox.runner.run(argv, limits=limits, on_line=on_line, cwd=Path(logs).absolute())
    on_progress(1.0)


def encode_command(
    program: str,
    title: Title,
    targets: Sequence[tuple[Size, dict[str, str], Path]],
    *,
    bit_depth: int,
    run: tuple[int, int] = (1, 1),
) -> list[str]:
    """The argv that decodes and treats a title once and encodes it at several sizes.

    Args:
        run: number of this pass and of all; of several, only the last one writes pictures, and
            what passes tell one another lies in the working directory.
    """
    number, passes = run
    video = title.video(pixel_format=commands.pixel_format(bit_depth))
    branches = video.split() if len(targets) > 1 else [video]
    outputs = []
    for i, (size, options, path) in enumerate(targets):
        branch = branches[i] if len(targets) > 1 else video
        picture = branch if size == title.treatment.size else commands.scale(branch, size)
        tags = {"tag:v": "hvc1"} if options["c:v"] == "libx265" else {}
        if passes > 1:
            tags |= {"pass": str(number), "passlogfile": f"rung{i}"}
        if number < passes:
            outputs.append(picture.output("pipe:", f="null", **options, **tags))
            continue
        outputs.append(
            picture.output(
                commands.url(path), f="mp4", map_metadata="-1", map_chapters="-1", **options, **tags
            )
        )
    return commands.finish(program, ffmpeg.merge_outputs(*outputs), progress=True)


def check_complete(title: Title, frames: int) -> None:
    """A title that ends long before its declared length is truncated.

    Raises:
        SourceError: it is.
    """
    missing = (title.expected_frames - frames) / float(title.rate)
    if missing > max(MISSING_SECONDS, MISSING_SHARE * title.source.duration):
        raise SourceError(
            f"{title.source.path.name} is truncated: its picture ends after"
            f" {frames / float(title.rate):.1f} s of {title.source.duration:.1f} s"
        )


def _encoded(
    job: _Job,
    pictures: Pictures | None,
    codec: Codec,
    title: Title,
    grid: Grid,
    reused: bool,
    seconds: float,
) -> EncodedRung:
    assert pictures is not None
    starts = grid.starts(pictures.frames)
    return EncodedRung(
        rung=job.rung,
        codec=codec.name,
        codec_string=pictures.codec_string,
        path=job.path,
        frames=pictures.frames,
        average_kbps=pictures.average_kbps(title.rate),
        peak_kbps=pictures.peak_kbps(title.rate, starts),
        bitrate_series=bitrate_series(pictures, starts, title.rate),
        reused=reused,
        seconds=seconds,
    )
