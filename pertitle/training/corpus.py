"""Brute-force rate-quality tables: every height, every CRF, for training and evaluation.

A table is a CSV file with one row an encode; :class:`Row` documents the columns. Measuring
appends all rows of one (clip, variant, codec) at once, so an interrupted run continues with
the next and any prefix of a table is usable.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from pertitle.analysis.probe import probe
from pertitle.codecs import Codec, codec_named
from pertitle.encoder import commands
from pertitle.encoder.quality import count_bits, measure_vmaf
from pertitle.errors import ModelError, PertitleError
from pertitle.records import FULL_HD, LADDER_HEIGHTS, Source, Treatment, Window
from pertitle.system.tools import Toolbox

WINDOW_SECONDS = 2.0
MIN_WINDOW_FRAMES = 24
"""Low-rate clips get a longer window: fewer frames than this say little of motion."""
BURST = (5, 13)
"""VMAF is measured on 5 of every 13 frames of a window (see ``commands.compare``): 13 shares no
factor with the mini-GOPs of 4, 8 and 16 frames, so every level of the pyramid is met."""
USELESS_VMAF = 15.0
"""No ladder holds such a rung: higher CRFs of a height that fell below it are not measured."""
MODEL = "vmaf_v0.6.1"


@dataclass(frozen=True)
class Row:
    """One encode of one window.

    Attributes:
        clip: file name; ``group`` joins clips of one origin.
        variant: ``base``, or what was done to the clip before (see :data:`VARIANTS`).
        codec, preset: how it was encoded.
        source_width, source_height: upright square-pixel size of the source.
        frame_rate: frames per second, as a fraction.
        start, frames: the window, in seconds and frames.
        width, height, crf: the encode.
        bytes, key_bytes: picture bytes in all and of the keyframe the window starts with.
        vmaf: mean over the bursts, at a 1920×1080 display the picture is fitted into.
        encode_seconds: wall time of the encode, an equal share of one process for all CRFs.
        build: ffmpeg and libvmaf versions.
    """

    clip: str
    group: str
    variant: str
    codec: str
    preset: str
    source_width: int
    source_height: int
    frame_rate: Fraction
    start: float
    frames: int
    width: int
    height: int
    crf: float
    bytes: int
    key_bytes: int
    vmaf: float
    encode_seconds: float
    build: str


COLUMNS = tuple(field.name for field in fields(Row))
_PARSERS: dict[str, Callable[[str], object]] = {
    "str": str, "int": int, "float": float, "Fraction": Fraction,
}  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """A form a clip is measured in.

    Attributes:
        change: filters its pictures go through.
        step: one of so many pictures is kept, at the same rate: motion is faster.
        speed: the clip is played so many times as fast, with all its pictures.
        shots: pieces from all over the clip, latest first, so that each begins with a cut.
    """

    change: Callable[[Any], Any] = lambda video: video
    step: int = 1
    speed: int = 1
    shots: int = 1


VARIANTS: dict[str, Variant] = {
    "base": Variant(),
    # Film grain, the same seed for every clip.
    "grain": Variant(lambda v: v.filter("noise", alls=14, allf="t", all_seed=7)),
    "denoise": Variant(lambda v: v.filter("hqdn3d", 6, 4, 9, 6)),
    # An upscale passed off as native, as much web video is.
    "soft": Variant(
        lambda v: v.filter("scale", "trunc(iw/4)*2", "trunc(ih/4)*2", flags="area").filter(
            "scale", "iw*2", "ih*2", flags="bicubic"
        )
    ),
    "fast": Variant(step=2),
    # 50 and 60 frames a second, which few clips have.
    "double": Variant(speed=2),
    "cuts": Variant(shots=4),
}
ALTERED = tuple(name for name in VARIANTS if name != "base")


def heights_below(source_height: int) -> tuple[int, ...]:
    """The source's own height and the default rung heights below it, largest first."""
    return (source_height, *(h for h in LADDER_HEIGHTS if h < source_height))


def read_table(path: Path | str) -> list[Row]:
    """All complete rows; a row torn by an interrupted write is dropped.

    Raises:
        ModelError: the file is not such a table.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot read table {path}: {error}") from error
    complete = text[: text.rfind("\n") + 1]
    reader = csv.DictReader(io.StringIO(complete))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ModelError(f"{path} is not a corpus table: its columns are not {','.join(COLUMNS)}")
    try:
        return [
            Row(**{f.name: _PARSERS[str(f.type)](line[f.name]) for f in fields(Row)})  # type: ignore[arg-type]
            for line in reader
        ]
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise ModelError(f"{path}: damaged row: {error}") from error


def _append(path: Path, rows: Iterable[Row]) -> None:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    if not path.exists():
        writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    with path.open("a", encoding="utf-8") as file:
        file.write(buffer.getvalue())
        file.flush()
        os.fsync(file.fileno())


def _mend(path: Path) -> None:
    """Drop the job that an interrupted write tore, so that it is measured again."""
    if path.read_bytes().endswith(b"\n"):
        return
    rows = read_table(path)
    torn = rows and _key(rows[-1])
    mended = path.with_name(f"{path.name}.mended")
    mended.unlink(missing_ok=True)
    _append(mended, (row for row in rows if _key(row) != torn))
    mended.replace(path)


def _key(row: Row) -> tuple[str, str, str]:
    return row.clip, row.variant, row.codec


def groups_of(folder: Path) -> dict[str, str]:
    """Groups from an ``index.csv`` with ``file`` and ``group`` columns, if the folder has one."""
    index = folder / "index.csv"
    if not index.exists():
        return {}
    with index.open(encoding="utf-8", newline="") as file:
        return {line["file"]: line["group"] for line in csv.DictReader(file)}


@dataclass(frozen=True)
class Job:
    """One (clip, variant, codec) to measure."""

    clip: Path
    group: str
    variant: str
    codec: str


def jobs_for(clips: Sequence[Path], codecs: Sequence[str], *, variants: bool = False) -> list[Job]:
    """Jobs in a fixed random order of clips, the codecs of a clip next to one another.

    With ``variants`` each clip comes in one altered form (which one depends on its name) in
    place of its own.
    """
    jobs = []
    for clip in sorted(clips, key=lambda c: hashlib.sha256(c.name.encode()).digest()):
        group = groups_of(clip.parent).get(clip.name, clip.stem)
        pick = int.from_bytes(hashlib.sha256(clip.stem.encode()).digest()[-2:], "big")
        variant = ALTERED[pick % len(ALTERED)] if variants else "base"
        jobs += [Job(clip, group, variant, codec) for codec in codecs]
    return jobs


def measure_table(
    toolbox: Toolbox,
    jobs: Sequence[Job],
    table: Path,
    *,
    workers: int = 2,
    on_done: Callable[[Job, float, str], None] = lambda job, seconds, error: None,
) -> int:
    """Measure every job that the table does not hold yet and append its rows.

    Args:
        on_done: called after each job with its wall time and an error line or "".

    Returns:
        The number of jobs that failed; a failed job leaves no rows and stops no other.
    """
    done = set()
    if table.exists():
        _mend(table)
        done = {_key(row) for row in read_table(table)}
    todo = [job for job in jobs if (job.clip.name, job.variant, job.codec) not in done]
    failed = 0
    parallel = Parallel(n_jobs=workers, backend="threading", return_as="generator_unordered")
    for job, rows, seconds, error in parallel(delayed(_measured)(toolbox, job) for job in todo):
        if error:
            failed += 1
        else:
            _append(table, rows)
        on_done(job, seconds, error)
    return failed


def _measured(toolbox: Toolbox, job: Job) -> tuple[Job, list[Row], float, str]:
    started = time.monotonic()
    try:
        rows = measure_job(toolbox, job)
        error = ""
    except PertitleError as problem:
        rows, error = [], str(problem)
    return job, rows, time.monotonic() - started, error


def corpus_window(source: Source) -> Window:
    """The window in the middle of the clip that stands for it."""
    rate = float(source.video.frame_rate)
    wanted = max(WINDOW_SECONDS, MIN_WINDOW_FRAMES / rate)
    duration = min(wanted, source.duration)
    return Window((source.duration - duration) / 2, duration)


def variant_rate(source: Source, variant: str) -> Fraction:
    """Frames per second of the altered clip."""
    return source.video.frame_rate * VARIANTS[variant].speed


def extract_variant(toolbox: Toolbox, source: Source, variant: str, target: Path) -> int:
    """Write the window of a clip, altered as the variant says, losslessly; returns frames."""
    form = VARIANTS[variant]
    rate = variant_rate(source, variant)
    window = corpus_window(source)
    frames = max(1, round(window.duration * rate))
    # Faster forms read more of the clip, and shots come from all over it, as far as it goes.
    length = min(window.duration * form.step * form.speed * form.shots, source.duration)
    piece = length / form.shots
    start = (source.duration - length) / 2
    treatment = Treatment(source.video.frame_rate, source.size)
    video = commands.join_windows(
        source,
        [Window(start + i * piece, piece) for i in reversed(range(form.shots))],
        treatment,
        frames=max(1, frames * form.step // form.shots),
    )
    if form.step > 1:
        video = video.filter("framestep", form.step)
    video = commands.number(commands.scale(form.change(video), source.size), rate)
    # The rate told last is the one the encoder believes: it would repeat the last frame else.
    video = video.filter("format", commands.pixel_format(8)).filter("fps", str(rate))
    video = video.filter("trim", end_frame=frames)
    toolbox.runner.run(
        commands.finish(
            toolbox.ffmpeg, video.output(commands.url(target), **commands.LOSSLESS, r=str(rate))
        ),
        limits=toolbox.limits(600),
    )
    return count_bits(target).frames


def measure_job(toolbox: Toolbox, job: Job) -> list[Row]:
    """All heights and CRFs of one clip in one codec."""
    source = probe(job.clip)
    codec = codec_named(job.codec)
    with tempfile.TemporaryDirectory(prefix="pertitle-corpus-") as name:
        scratch = Path(name)
        window_file = scratch / "window.mkv"
        frames = extract_variant(toolbox, source, job.variant, window_file)
        rows: list[Row] = []
        for height in heights_below(source.size.height):
            rows += _measure_height(toolbox, job, source, codec, window_file, frames, height)
        return rows


def _measure_height(
    toolbox: Toolbox,
    job: Job,
    source: Source,
    codec: Codec,
    window_file: Path,
    frames: int,
    height: int,
) -> list[Row]:
    rate = variant_rate(source, job.variant)
    size = source.size if height == source.size.height else source.size.at_height(height)
    targets = [(crf, window_file.with_name(f"{height}-{crf:g}.mkv")) for crf in codec.corpus_crfs]
    argv = commands.encode_crfs(
        toolbox.ffmpeg, window_file, size, targets, codec, preset=None, gop=frames, threads=1
    )
    encoded = toolbox.runner.run(argv, limits=toolbox.limits(1800))
    rows = []
    for crf, path in targets:
        bits = count_bits(path)
        scores = measure_vmaf(
            toolbox,
            path,
            window_file,
            display=source.size.fit(FULL_HD),
            models=[MODEL],
            frame_rate=rate,
            burst=BURST,
        )
        rows.append(
            Row(
                clip=job.clip.name,
                group=job.group,
                variant=job.variant,
                codec=codec.name,
                preset=codec.preset,
                source_width=source.size.width,
                source_height=source.size.height,
                frame_rate=rate,
                start=round(corpus_window(source).start, 3),
                frames=frames,
                width=size.width,
                height=size.height,
                crf=crf,
                bytes=bits.bytes,
                key_bytes=bits.key_bytes,
                vmaf=round(scores.mean(MODEL), 3),
                encode_seconds=round(encoded.seconds / len(targets), 3),
                build=f"{toolbox.version}/{toolbox.libvmaf}",
            )
        )
        if scores.mean(MODEL) < USELESS_VMAF:
            break
    for _, path in targets:
        path.unlink()
    return rows
