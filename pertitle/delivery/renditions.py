"""The rungs of one ladder: encoded, verified, and corrected where they are off their aim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from joblib import Parallel, delayed

from pertitle import events
from pertitle.codecs import Codec, codec_named, prepared
from pertitle.delivery.correction import Aim, Track, at_half_rate, correction, replanned
from pertitle.delivery.job import Steps
from pertitle.delivery.planning import taught
from pertitle.encoder.renditions import EncodedRung, encode_renditions
from pertitle.encoder.verification import Measured, Verifier
from pertitle.errors import DeliveryError
from pertitle.options import Options
from pertitle.records import Analysis, LadderPlan
from pertitle.results import Rendition, Stage
from pertitle.storage.workspace import FORMAT, Workspace, key_of
from pertitle.system.tools import Toolbox
from pertitle.version import __version__

TOP_SHARE = 0.5
"""The top rung is held to this share of the tolerance: it is what most viewers watch."""
REPLAN_SHARE = 0.25
"""A rung that is expected to miss its target by this share of the tolerance is planned anew."""
LEARNING_RUNGS = 4
"""Ladders of fewer rungs are made at once."""


def renditions_of(
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
        Track(
            rung,
            tolerance * (TOP_SHARE if i == 0 else 1.0),
            floor,
            aim,
            next=rung,
            most_kbps=options.ladder.max_kbps,
        )
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
    for track in tracks:
        if track.over_cap and track.best is not None:
            what = f"{ladder.codec} {track.target.height}p is left out: at its lowest it takes"
            kbps = f"{track.best[0].average_kbps:.0f} kbit/s of {options.ladder.max_kbps:g}"
            steps.emit(events.Notice(steps.name, f"{what} {kbps}"))
    tracks = [track for track in tracks if not track.over_cap]
    if not tracks:
        raise DeliveryError(f"no rung keeps to {options.ladder.max_kbps:g} kbit/s")
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
        toolbox,
        analysis,
        codec=codec,
        quality_model=ladder.quality_model,
        display=ladder.display,
        scratch=space.staged("verification"),
    )
    done: list[Measured] = []

    def verified(track: Track, rung: EncodedRung, threads: int) -> Measured:
        stat = rung.path.stat()
        basis = (stat.st_size, stat.st_mtime_ns, __version__, FORMAT, toolbox.version)
        asked = (track.target.vmaf, track.tolerance) if track.aim is Aim.QUALITY else ()
        helped = [one.verification.vmaf for one in done]
        key = key_of(*basis, ladder.quality_model, ladder.display, options.verify, asked, helped)

        def verify() -> Measured:
            return verifier.verify(
                rung.path,
                options.verify,
                target=track.target.vmaf if asked else None,
                tolerance=track.tolerance,
                others=done,
                threads=threads,
            )

        return space.note(f"verified-{rung.path.stem}", key, Measured, verify)

    # Rungs of half the frame rate show other pictures than those the plan is of.
    learn = tracks[0].aim is Aim.QUALITY and not tracks[0].target.half_rate
    order = batches(len(tracks), learn=learn)
    with verifier:
        while pending := [track for track in tracks if track.next is not None]:
            batch = [tracks[i] for i in order.pop(0)] if order else pending
            rungs = space.kept("rungs")
            found = _attempt(batch, analysis, options, toolbox, rungs, steps, codec, verified)
            done += found
            measured = [point for track in tracks for point in track.measured]
            known = taught(analysis, ladder, measured, options) if learn else ladder
            for track in pending:
                if track.attempts:
                    track.next = correction(track, known, codec)
                elif known is not ladder and track.next is not None:
                    track.next = replanned(
                        known,
                        track.target,
                        room=REPLAN_SHARE * track.tolerance,
                        crf_range=codec.crf_range,
                        crf_step=codec.crf_step,
                    )


def batches(count: int, *, learn: bool = True) -> list[list[int]]:
    """Which rungs of a ladder are made together, by their places, so that later ones learn.

    The top and a middle one first, then two that lie between and below, then the rest between
    neighbours that are known. All at once where there are few, or nothing is learned.
    """
    if count < LEARNING_RUNGS or not learn:
        return [list(range(count))]
    first = [0, (count + 1) // 2]
    second = [(count + 1) // 4, count - 1] if count >= 2 * LEARNING_RUNGS - 2 else []
    rest = [i for i in range(count) if i not in (*first, *second)]
    return [places for places in (first, second, rest) if places]


def _attempt(
    tracks: Sequence[Track],
    analysis: Analysis,
    options: Options,
    toolbox: Toolbox,
    folder: Path,
    steps: Steps,
    codec: Codec,
    check: Callable[[Track, EncodedRung, int], Measured],
) -> list[Measured]:
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
    found = []
    with steps.stage(Stage.VERIFICATION, float(len(encoded)), "rungs", codec.name):
        jobs = min(toolbox.threads, len(encoded))
        checks = Parallel(n_jobs=jobs, backend="threading", return_as="generator")(
            delayed(check)(track, rung, max(1, toolbox.threads // jobs))
            for track, rung in zip(tracks, encoded, strict=True)
        )
        for i, (track, rung, measured) in enumerate(zip(tracks, encoded, checks, strict=True)):
            track.add(rung, measured)
            found.append(measured)
            steps.report(Stage.VERIFICATION, i + 1.0)
            vmaf = measured.verification.vmaf
            steps.emit(
                events.RungVerified(steps.name, codec.name, rung.rung, rung.average_kbps, vmaf)
            )
    return found


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
        encode_seconds=track.encode_seconds,
        verify_seconds=track.verify_seconds,
    )
