"""The whole of it: analysis in, files and records out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from pertitle.errors import DeliveryError, UsageError
from pertitle.records import Analysis, Shot
from pertitle.results import Thumbnail
from pertitle.thumbnails import candidates as passes
from pertitle.thumbnails import renditions, selection
from pertitle.thumbnails.candidates import Candidate
from pertitle.thumbnails.decoding import FrameReader
from pertitle.thumbnails.faces import FaceDetector
from pertitle.thumbnails.renditions import SHAPES, Shape

MANIFEST = "thumbnails.json"
MANIFEST_VERSION = 1
SMALL_SET = 5
"""A person gets at least so many to pick from where the title has as many different pictures."""
LOOKS = 3
"""Second looks, at most, for each thumbnail wanted."""
CONTACT_SHEET = "contact-sheet.jpg"
OWN_FILE = re.compile(r"\d{2,}-[a-z0-9]+\.[a-z]+")


def find_candidates(
    analysis: Analysis,
    *,
    count: int = 6,
    spoiler_share: float = 0.0,
    threads: int = 0,
    on_progress: Callable[[float], None] = lambda share: None,
) -> tuple[Candidate, ...]:
    """The frames to show, best first; see :func:`make_thumbnails` for the arguments."""
    if count < 1:
        raise UsageError("at least one thumbnail has to be asked for")
    if not 0 <= spoiler_share < 1:
        raise UsageError("the spoiler stretch is a share of the title: 0 up to below 1")
    shots = analysis.shots
    detector = FaceDetector()
    with FrameReader(analysis, threads=threads) as reader:
        times = passes.sample_times(shots, analysis.source.duration, last=1 - spoiler_share)
        samples = passes.first_pass(
            reader, shots, times, detector, lambda share: on_progress(0.6 * share)
        )
        good, poor = _second_pass(reader, shots, samples, detector, count, on_progress)
    chosen = selection.top_up(selection.choose(good, count), good, min(count, SMALL_SET))
    if not chosen:
        visible = [c for c in [*poor, *samples] if "black" not in c.faults]
        visible.sort(key=lambda c: (len(c.faults), -c.score))
        chosen = visible[:1]
    return tuple(chosen)


def _second_pass(
    reader: FrameReader,
    shots: Sequence[Shot],
    samples: Sequence[Candidate],
    detector: FaceDetector,
    count: int,
    on_progress: Callable[[float], None],
) -> tuple[list[Candidate], list[Candidate]]:
    """Refined frames without and with faults; the number of looks is bounded."""
    left = list(samples)
    good: list[Candidate] = []
    poor: list[Candidate] = []
    failed: list[Candidate] = []
    looks = LOOKS * count + 4
    for done in range(looks):
        sample = selection.next_look(left, good, failed)
        if sample is None or (sample.faults and good):
            break
        left = [c for c in left if c is not sample]
        looked = passes.refine(reader, shots, sample, detector, [c.time for c in good])
        if looked.faults:
            poor.append(looked)
            failed.append(sample)
        else:
            good.append(looked)
        on_progress(0.6 + 0.35 * (done + 1) / looks)
        # A few more than wanted leave the choice to what only the second look sees; a title
        # that shows one thing throughout has no more to give after twice as many.
        enough = len(good) >= count + 3 and len(selection.choose(good, count)) >= count
        if enough or len(good) >= 2 * count:
            break
    return good, poor


def make_thumbnails(
    analysis: Analysis,
    folder: Path,
    *,
    count: int = 6,
    spoiler_share: float = 0.0,
    shapes: tuple[Shape, ...] = tuple(SHAPES.values()),
    formats: tuple[str, ...] = ("jpg", "webp"),
    title: str | None = None,
    threads: int = 0,
    on_progress: Callable[[float], None] = lambda share: None,
) -> tuple[Thumbnail, ...]:
    """Choose the frames that represent a title best and write them into a folder.

    Written are ``01-16x9.jpg`` and so on for each candidate, shape and format, a contact sheet,
    and ``thumbnails.json``, which says what is in each file and is what learning from clicks
    reads. Pictures of an earlier call that are no longer listed go. Nothing is enlarged: a small
    source gives small files.

    Args:
        analysis: what was found out about the title; shots, crop and colour are used.
        folder: made if it does not exist.
        count: candidates wanted; there are fewer where the title has no more distinct pictures.
        spoiler_share: leave out this share of the title at its end.
        shapes: the shapes to write; the first is the main one for titles wider than high, and
            the second, if there is one, for those higher than wide.
        formats: of ``jpg``, ``webp`` and ``avif``; the main file has the first one.
        title: name in ``thumbnails.json``, by which events refer to it; None for the file's.
        threads: decoding threads, 0 for as many as there are cores.
        on_progress: called with the share done, 0 to 1.

    Returns:
        The candidates, best first; empty if every frame is black.

    Raises:
        UsageError: an argument is out of range or a format cannot be written.
        SourceError: the title cannot be opened.
        DeliveryError: the folder cannot be written.
    """
    if not shapes or not formats:
        raise UsageError("at least one thumbnail shape and one format are needed")
    renditions.check_formats(formats)
    chosen = find_candidates(
        analysis,
        count=count,
        spoiler_share=spoiler_share,
        threads=threads,
        on_progress=on_progress,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeliveryError(f"cannot make folder {folder}: {error.strerror}") from error
    stale = _files_of(folder)
    thumbnails = []
    entries = []
    for number, candidate in enumerate(chosen, start=1):
        files = _write_shapes(folder, number, candidate, shapes, formats)
        thumbnail = _record(analysis, candidate, files[_main_shape(candidate, shapes)][0])
        thumbnails.append(thumbnail)
        entries.append(_entry(thumbnail, candidate, files))
    if chosen:
        labels = [f"{i}  {c.time:.2f} s  {c.score:.2f}" for i, c in enumerate(chosen, start=1)]
        sheet = renditions.contact_sheet([c.image for c in chosen], labels)
        renditions.write(folder / CONTACT_SHEET, sheet)
    _write_manifest(folder, analysis, title or analysis.source.path.stem, entries)
    for path in stale - _files_of(folder):
        path.unlink(missing_ok=True)
    on_progress(1.0)
    return tuple(thumbnails)


def _main_shape(candidate: Candidate, shapes: Sequence[Shape]) -> str:
    height, width = candidate.image.shape[:2]
    return shapes[1 if height > width and len(shapes) > 1 else 0].name


def _write_shapes(
    folder: Path,
    number: int,
    candidate: Candidate,
    shapes: Sequence[Shape],
    formats: Sequence[str],
) -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for shape in shapes:
        box = renditions.crop_box(candidate.image, candidate.faces, shape)
        picture = renditions.render(candidate.image, box, shape)
        for extension in formats:
            name = f"{number:02d}-{shape.name}.{extension}"
            renditions.write(folder / name, picture)
            files.setdefault(shape.name, []).append(name)
    return files


def _record(analysis: Analysis, candidate: Candidate, file: str) -> Thumbnail:
    crop = analysis.treatment.crop
    dx, dy = (crop.x, crop.y) if crop is not None else (0, 0)
    return Thumbnail(
        file=file,
        time=round(candidate.time, 3),
        score=round(candidate.score, 4),
        terms={name: round(value, 4) for name, value in candidate.terms.items()},
        faces=tuple((f.x + dx, f.y + dy, f.width, f.height) for f in candidate.faces),
        reason=selection.reason(candidate),
    )


def _entry(
    thumbnail: Thumbnail, candidate: Candidate, files: dict[str, list[str]]
) -> dict[str, object]:
    return {
        # The place in time names a candidate: ranks change when a title is done again.
        "id": f"{round(thumbnail.time * 1000):08d}",
        "file": thumbnail.file,
        "time": thumbnail.time,
        "score": thumbnail.score,
        "terms": thumbnail.terms,
        "faces": thumbnail.faces,
        "reason": thumbnail.reason,
        "files": files,
    }


def _files_of(folder: Path) -> set[Path]:
    """The pictures that a folder's ``thumbnails.json`` lists; nothing but names like ours."""
    try:
        entries = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["thumbnails"]
        names = [name for entry in entries for files in entry["files"].values() for name in files]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return set()
    return {folder / name for name in names if OWN_FILE.fullmatch(str(name))}


def _write_manifest(
    folder: Path, analysis: Analysis, title: str, entries: list[dict[str, object]]
) -> None:
    text = json.dumps(
        {
            "version": MANIFEST_VERSION,
            "title": title,
            "size": [analysis.source.size.width, analysis.source.size.height],
            "duration": analysis.source.duration,
            "contact_sheet": CONTACT_SHEET if entries else None,
            "thumbnails": entries,
        },
        indent=1,
        ensure_ascii=False,
    )
    try:
        partial = folder / f".{MANIFEST}.part"
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(folder / MANIFEST)
    except OSError as error:
        raise DeliveryError(f"cannot write {MANIFEST}: {error.strerror}") from error
