"""Delivering one planned title: encode, verify, correct what is off target, sound, package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pertitle import events
from pertitle.delivery.constraints import undominated
from pertitle.delivery.job import Steps
from pertitle.delivery.renditions import renditions_of
from pertitle.encoder.audio.tracks import encode_audio
from pertitle.encoder.grid import Grid, segment_grid
from pertitle.encoder.package.checks import check_package
from pertitle.encoder.package.packaging import package
from pertitle.encoder.package.storyboard import Storyboard, make_bif, make_storyboard, smallest_fit
from pertitle.encoder.package.subtitles import SubtitleRendition, extract_subtitles
from pertitle.options import Options
from pertitle.records import TitlePlan
from pertitle.results import AudioRendition, Package, Rendition, SoundTracks, Stage
from pertitle.storage.workspace import FORMAT, Workspace, key_of
from pertitle.system.tools import Toolbox
from pertitle.version import __version__


@dataclass(frozen=True)
class Delivery:
    """A packaged title in a staged folder, with what it is made of.

    Attributes:
        entries: names in ``staged`` to move into the title's folder, marks of completion last.
    """

    staged: Path
    entries: list[str]
    renditions: tuple[Rendition, ...]
    audio: tuple[AudioRendition, ...]
    package: Package


def deliver(
    plan: TitlePlan, options: Options, toolbox: Toolbox, space: Workspace, steps: Steps
) -> Delivery:
    """Encode, verify and package a plan into the workspace's staging folder.

    Raises:
        SourceError: the source is damaged beyond what analysis saw.
        DeliveryError: an artifact failed its check.
        ProcessError: ffmpeg or the packager failed.
    """
    stat = plan.analysis.source.path.stat()
    basis = key_of(
        FORMAT,
        __version__,
        toolbox.version,
        space.folder,  # records hold absolute paths
        plan.analysis.source,
        (stat.st_size, stat.st_mtime_ns),
    )
    renditions = tuple(
        rendition
        for ladder in plan.ladders
        for rendition in renditions_of(plan.analysis, ladder, options, toolbox, space, steps)
    )
    if options.encode.drop_dominated:
        renditions = _without_dominated(renditions, steps)
    analysis = plan.analysis
    frames = max(r.frames * (2 if r.rung.half_rate else 1) for r in renditions)
    with steps.stage(Stage.AUDIO, float(len(analysis.source.audio)), "tracks"):

        def sound(folder: Path) -> SoundTracks:
            dropped: list[str] = []
            kept = encode_audio(
                toolbox,
                analysis,
                frames=frames,
                folder=folder,
                options=options.audio,
                on_dropped=dropped.append,
            )
            return SoundTracks(kept, tuple(dropped))

        tracks = space.remember("audio", key_of(basis, frames, options.audio), SoundTracks, sound)
        audio = tracks.kept
        for note in tracks.dropped:
            steps.emit(events.Notice(steps.name, note))
        for track in audio:
            for remark in track.remarks:
                message = f"sound track {track.source_index}: {remark}"
                steps.emit(events.Notice(steps.name, message))
        subtitles = space.remember(
            "subtitles",
            key_of(basis, frames),
            tuple[SubtitleRendition, ...],
            lambda folder: extract_subtitles(toolbox, analysis, frames=frames, folder=folder),
        )

    def packaged(staged: Path) -> Package:
        rate = analysis.treatment.frame_rate
        grid = segment_grid(analysis.source.duration, rate, options.encode.segment_seconds)
        board, bif = _storyboard(
            renditions, rate, grid, options, toolbox, space.staged("storyboard")
        )
        finished = package(
            toolbox,
            renditions,
            audio,
            folder=staged,
            segment_seconds=options.encode.segment_seconds,
            frame_rate=plan.analysis.treatment.frame_rate,
            subtitles=subtitles,
            storyboard=board,
            bif=bif,
            single_file=options.encode.single_file,
            segment_format=options.encode.segments,
        )
        if finished.program == "ffmpeg":
            why = "failed" if toolbox.packager else "is missing"
            steps.emit(events.Notice(steps.name, f"Shaka Packager {why}; packaged with ffmpeg"))
        check_package(
            staged,
            finished,
            renditions,
            audio,
            segment_seconds=options.encode.segment_seconds,
            frame_rate=plan.analysis.treatment.frame_rate,
            skipped=grid.skipped,
            subtitles=subtitles,
            storyboard=board,
            bif=bif is not None,
        )
        return finished

    parts = [(r.path.name, r.path.stat().st_mtime_ns, r.rung, r.verification) for r in renditions]
    encode = options.encode
    cut = encode.segment_seconds, encode.segments, encode.single_file
    key = key_of(basis, parts, audio, subtitles, cut, options.bif)
    with steps.stage(Stage.PACKAGING):
        finished = space.remember("package", key, Package, packaged)
    staged = space.work / "package"
    marks = {finished.hls_master, finished.dash_manifest}
    entries = sorted((p.name for p in staged.iterdir()), key=lambda name: (name in marks, name))
    return Delivery(staged, entries, renditions, audio, finished)


def _storyboard(
    renditions: Sequence[Rendition],
    rate: Fraction,
    grid: Grid,
    options: Options,
    toolbox: Toolbox,
    folder: Path,
) -> tuple[Storyboard, Path | None]:
    """Pictures for scrubbing, one a segment, and a BIF file if it is asked for."""
    chosen = smallest_fit(renditions)
    if chosen.rung.half_rate:
        rate, grid = rate / 2, grid.halved()
    gop, skipped = grid.gop, grid.skipped
    board = make_storyboard(
        toolbox, chosen, gop=gop, skipped=skipped, frame_rate=rate, folder=folder / "sheets"
    )
    if not options.bif:
        return board, None
    bif = folder / "storyboard.bif"
    make_bif(toolbox, chosen, gop=gop, skipped=skipped, frame_rate=rate, target=bif)
    return board, bif


def _without_dominated(renditions: tuple[Rendition, ...], steps: Steps) -> tuple[Rendition, ...]:
    kept = undominated(renditions)
    for one in renditions:
        if one not in kept:
            what = f"{one.codec} {one.rung.height}p at {one.average_kbps:.0f} kbit/s"
            steps.emit(events.Notice(steps.name, f"{what} left out: an H.264 rung is no worse"))
    return kept
