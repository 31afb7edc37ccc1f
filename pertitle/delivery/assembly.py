"""Delivering one planned title: encode, verify, correct what is off target, sound, package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from joblib import Parallel, delayed

from pertitle import events
from pertitle.codecs import Codec, codec_named, prepared
from pertitle.delivery.constraints import undominated
from pertitle.delivery.correction import Aim, Track, at_half_rate, correction
from pertitle.encoder.audio.tracks import encode_audio
from pertitle.encoder.grid import Grid, segment_grid
from pertitle.encoder.package.checks import check_package
from pertitle.encoder.package.packaging import package
from pertitle.encoder.package.storyboard import Storyboard, make_bif, make_storyboard, smallest_fit
from pertitle.encoder.package.subtitles import SubtitleRendition, extract_subtitles
from pertitle.encoder.renditions import EncodedRung, encode_renditions
from pertitle.encoder.verification import Verifier
from pertitle.events import OnEvent
from pertitle.options import Options
from pertitle.records import Analysis, LadderPlan, TitlePlan
from pertitle.results import (
    AudioRendition,
    Package,
    Rendition,
    SoundTracks,
    Stage,
    Verification,
)
from pertitle.storage.workspace import FORMAT, Workspace, key_of
from pertitle.system.tools import Toolbox
from pertitle.version import __version__

TOP_SHARE = 0.5
"""The top rung is held to this share of the tolerance: it is what most viewers watch."""


class Steps(Protocol):
    """How delivery tells what it does (the pipeline's side)."""

    @property
    def name(self) -> str: ...

    @property
    def emit(self) -> OnEvent: ...

    def stage(
        self, stage: Stage, total: float = ..., unit: str = ..., codec: str = ...
    ) -> AbstractContextManager[None]: ...

    def report(self, stage: Stage, done: float, text: str = ...) -> None: ...


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
        for rendition in _renditions(plan.analysis, ladder, options, toolbox, space, steps)
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


def _renditions(
    planned: Analysis,
    ladder: LadderPlan,
    options: Options,
    toolbox: Toolbox,
    space: Workspace,
    steps: Steps,
) -> tuple[Rendition, ...]:
    """The rungs of one codec, on their targets as far as could be."""
    tolerance, floor = options.encode.vmaf_tolerance, options.verify.min_window_vmaf
    aim = Aim.of(options.encode)
    tracks = [
        Track(rung, tolerance * (TOP_SHARE if i == 0 else 1.0), floor, aim, next=rung)
        for i, rung in enumerate(ladder.rungs)
    ]
    for half_rate in (False, True):
        chosen = [track for track in tracks if track.target.half_rate == half_rate]
        if chosen:
            analysis = prepared(planned, ladder.dynamic_range, half_rate=half_rate)
            believed = ladder
            if half_rate:
                codec = codec_named(ladder.codec)
                believed = at_half_rate(ladder, codec, planned.treatment.frame_rate)
            _bring_onto_target(chosen, analysis, believed, options, toolbox, space, steps)
    # Two rungs may be corrected to the same encode where a CRF step is coarse: one is delivered.
    unlike = {_spent(track.best[0]): track for track in reversed(tracks) if track.best is not None}
    done = tuple(
        _rendition(track, ladder.dynamic_range) for track in tracks if track in unlike.values()
    )
    for rendition in done:
        steps.emit(events.RenditionDone(steps.name, rendition))
    for track in tracks:
        if aim is Aim.RATE and track in unlike.values() and not track.rate_held:
            steps.emit(events.Notice(steps.name, _rate_missed(track)))
    return done


def _spent(encoded: EncodedRung) -> str:
    """What two rungs that look alike have in common: size and CRF or bitrate, not the cap."""
    return encoded.path.stem.rpartition("-")[0]


def _bring_onto_target(
    tracks: Sequence[Track],
    analysis: Analysis,
    ladder: LadderPlan,
    options: Options,
    toolbox: Toolbox,
    space: Workspace,
    steps: Steps,
) -> None:
    """Encode and verify rungs of one codec and frame rate until each is as good as it gets."""
    codec = codec_named(ladder.codec)
    verifier = Verifier(
        # VMAF scales badly over threads: rungs are measured side by side, one thread each.
        replace(toolbox, threads=1),
        analysis,
        codec=codec,
        quality_model=ladder.quality_model,
        display=ladder.display,
        scratch=space.staged("verification"),
    )

    def verified(rung: EncodedRung) -> Verification:
        stat = rung.path.stat()
        basis = (stat.st_size, stat.st_mtime_ns, __version__, FORMAT, toolbox.version)
        key = key_of(*basis, ladder.quality_model, ladder.display, options.verify)
        return space.note(
            f"verified-{rung.path.stem}",
            key,
            Verification,
            lambda: verifier.verify(rung.path, options.verify),
        )

    with verifier:
        while pending := [track for track in tracks if track.next is not None]:
            rungs = space.kept("rungs")
            _attempt(pending, analysis, options, toolbox, rungs, steps, codec, verified)
            for track in pending:
                track.next = correction(track, ladder, codec)


def _attempt(
    tracks: Sequence[Track],
    analysis: Analysis,
    options: Options,
    toolbox: Toolbox,
    folder: Path,
    steps: Steps,
    codec: Codec,
    check: Callable[[EncodedRung], Verification],
) -> None:
    """Encode the next version of some rungs and measure them."""

    lines = [t.next.height for t in tracks if t.next is not None]
    heights = ", ".join(f"{n}p" for n in lines)
    if len(lines) > 3:
        heights = f"{len(lines)} rungs, {lines[0]}p to {lines[-1]}p"
    heights = f"{codec.name} {heights}" if len(options.encode.codecs) > 1 else heights
    with steps.stage(Stage.ENCODING, float(len(lines)), "rungs", codec.name):
        encoded = encode_renditions(
            toolbox,
            analysis,
            [track.next for track in tracks if track.next is not None],
            codec=codec,
            preset=options.encode.preset_of(codec.name),
            segment_seconds=options.encode.segment_seconds,
            vbv_ratio=options.encode.vbv_ratio,
            buffer_seconds=options.encode.bufsize_ratio,
            two_pass=options.encode.two_pass and codec.two_pass,
            folder=folder,
            on_progress=lambda share: steps.report(Stage.ENCODING, share * len(lines), heights),
        )
    with steps.stage(Stage.VERIFICATION, float(len(encoded)), "rungs", codec.name):
        checks = Parallel(
            n_jobs=min(toolbox.threads, len(encoded)), backend="threading", return_as="generator"
        )(delayed(check)(rung) for rung in encoded)
        for i, (track, rung, found) in enumerate(zip(tracks, encoded, checks, strict=True)):
            track.add(rung, found)
            steps.report(Stage.VERIFICATION, i + 1.0)
            steps.emit(
                events.RungVerified(
                    steps.name, codec.name, rung.rung, rung.average_kbps, found.vmaf
                )
            )


def _rate_missed(track: Track) -> str:
    assert track.best is not None
    encoded, wanted = track.best[0], track.target.bitrate_kbps
    return (
        f"{encoded.codec} {encoded.rung.height}p takes {encoded.average_kbps:.0f} kbit/s, not the"
        f" {wanted:.0f} that were planned"
    )


def _rendition(track: Track, dynamic_range: str) -> Rendition:
    assert track.best is not None
    encoded, check = track.best
    # What two passes were told to reach the aim is not what is expected.
    kbps = (track.target if track.aim is Aim.RATE else encoded.rung).bitrate_kbps
    return Rendition(
        rung=replace(encoded.rung, vmaf=track.target.vmaf, bitrate_kbps=kbps),
        codec=encoded.codec,
        codec_string=encoded.codec_string,
        path=encoded.path,
        frames=encoded.frames,
        average_kbps=encoded.average_kbps,
        peak_kbps=encoded.peak_kbps,
        verification=check,
        attempts=track.attempts,
        on_target=track.on_target,
        dynamic_range=dynamic_range,
        bitrate_series=encoded.bitrate_series,
    )
