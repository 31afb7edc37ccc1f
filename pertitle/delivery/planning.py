"""Planning one title: analysis, then the ladder, both from the cache where they are known."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from pertitle import events
from pertitle.analysis.analysing import analyse
from pertitle.codecs import Codec, by_reach, codec_named, delivered_range, prepared
from pertitle.delivery.constraints import fit_size
from pertitle.delivery.job import Work, cache_for, toolbox_for
from pertitle.delivery.steady import even, under_its_name
from pertitle.encoder.prober import DigestProber
from pertitle.errors import DecoderCrash, ModelError, UsageError
from pertitle.events import OnEvent, ignore, logged
from pertitle.ladder.coordinates import TitleContext
from pertitle.ladder.delivered import learn_from_rungs
from pertitle.ladder.library import load_model, trained_codec
from pertitle.ladder.plan import plan_ladder
from pertitle.ladder.surface import SurfaceModel
from pertitle.options import Options
from pertitle.records import Analysis, LadderPlan, PlanSeconds, Probe, RatePoint, Rung, TitlePlan
from pertitle.results import Stage, Thumbnail
from pertitle.serial import from_json, to_json
from pertitle.storage.inputs import folder_name
from pertitle.storage.workspace import FORMAT, fingerprint, key_of
from pertitle.system.isolation import isolated
from pertitle.system.process import SubprocessRunner
from pertitle.system.scratch import scratch_folder
from pertitle.system.stop import Stop
from pertitle.system.tools import Toolbox, find_toolbox
from pertitle.thumbnails.making import make_thumbnails
from pertitle.thumbnails.renditions import SHAPES
from pertitle.version import __version__

HALF_RATE_SHARE = 0.7
"""Bits that every other picture takes, of those of all pictures that look as good."""
HALF_RATE_DOUBT = 1.2
"""By so much that share was seen to differ from title to title."""


def _toolbox(options: Options, stop: Stop | None) -> Toolbox:
    """Programs whose child processes ``stop`` ends; nothing is asked of their capabilities."""
    runner = SubprocessRunner()
    if stop is not None:
        stop.check()
        stop.attach(runner)
    return find_toolbox(options.ffmpeg, runner=runner)


def analyse_title(path: Path, options: Options, *, stop: Stop | None = None) -> Analysis:
    """Measure a title. See :func:`pertitle.analyse`."""
    toolbox = _toolbox(options, stop)
    with even(path, toolbox) as readable:
        analysis = _measured(readable, options, toolbox)
        return analysis if readable is path else under_its_name(analysis, path)


def _measured(
    path: Path,
    options: Options,
    toolbox: Toolbox,
    on_progress: Callable[[float], None] | None = None,
) -> Analysis:
    """Analyse in a child process; without the sound, where its headers kill the decoder."""
    arguments = {
        "path_or_source": path.absolute(),
        "segment_seconds": options.encode.segment_seconds,
        "crop": options.encode.crop,
        "ffmpeg": toolbox.ffmpeg,
    }
    try:
        return isolated(toolbox, analyse, arguments, name=path.name, on_progress=on_progress)
    except DecoderCrash as crash:
        try:
            arguments["sound"] = False
            return isolated(toolbox, analyse, arguments, name=path.name, on_progress=on_progress)
        except DecoderCrash:
            raise crash from None


def plan_title(
    path: Path, options: Options, *, on_event: OnEvent = ignore, stop: Stop | None = None
) -> TitlePlan:
    """Predict and probe a ladder. See :func:`pertitle.plan`."""
    stop = stop or Stop()
    toolbox, cache = toolbox_for(options, stop), cache_for(options)
    name, tell = folder_name(path.stem), logged(on_event)
    with even(path, toolbox) as readable:
        plan = plan_in(readable, Work(name, options, toolbox, tell, stop, cache))
        if readable is path:
            return plan
        return replace(plan, analysis=under_its_name(plan.analysis, path))


def thumbnails_of(
    path: Path, folder: Path, options: Options, *, stop: Stop | None = None
) -> tuple[Thumbnail, ...]:
    """Write candidate thumbnails of a title into a folder. See :func:`pertitle.thumbs`."""
    toolbox = _toolbox(options, stop)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}") from error
    with even(path, toolbox) as readable:
        analysis = _measured(readable, options, toolbox)
        return isolated(
            toolbox,
            make_thumbnails,
            thumbnail_arguments(analysis, folder.absolute(), folder_name(path.stem), options),
            name=path.name,
        )


def thumbnail_arguments(
    analysis: Analysis, folder: Path, title: str, options: Options
) -> dict[str, object]:
    """What :func:`make_thumbnails` is told; ``title`` is the name events refer to it by."""
    pictures = options.pictures
    return {
        "analysis": analysis,
        "folder": folder,
        "title": title,
        "count": options.thumbnails,
        "shapes": tuple(SHAPES[name] for name in pictures.shapes),
        "formats": pictures.formats,
        "spoiler_share": pictures.spoiler_share,
    }


def plan_in(path: Path, work: Work, scratch: Path | None = None) -> TitlePlan:
    """Analyse a title and plan a ladder for each codec.

    Args:
        scratch: folder for the digest, lossless and hence large; None for the system's own.
    """
    started = time.monotonic()
    with work.stage(Stage.ANALYSIS, 1.0):
        analysis, mark = _analysis(path, work)
    analysed = time.monotonic()
    work.emit(events.Analysed(work.name, analysis))
    for warning in analysis.warnings:
        work.emit(events.Notice(work.name, warning.message))
    codecs = by_reach(work.options.encode.codecs)
    done: list[Probe] = []
    with work.stage(Stage.PROBING, float(work.options.ladder.max_probes * len(codecs)), "probes"):
        ladders = [_ladder(analysis, mark, codec, work, done, scratch) for codec in codecs]
    ladders = _as_wished(analysis, ladders, work.options)
    ended = time.monotonic()
    for ladder in ladders:
        for note in ladder.notes:
            work.emit(events.Notice(work.name, note))
        work.emit(events.Planned(work.name, ladder))
    seconds = PlanSeconds(analysed - started, ended - analysed, ended - started)
    return TitlePlan(analysis, tuple(ladders), seconds)


def _as_wished(analysis: Analysis, ladders: list[LadderPlan], options: Options) -> list[LadderPlan]:
    """The ladders within the size and with the frame rates that the options ask for."""
    encode = options.encode
    if encode.target_size is not None:
        limit, least = encode.target_size, options.ladder.min_vmaf
        ladders = list(fit_size(analysis, ladders, limit, min_vmaf=least))
    rate = analysis.treatment.frame_rate
    if encode.half_rate is None or rate <= 30:
        return ladders
    share = HALF_RATE_SHARE if encode.target_size is None else 1.0
    return [
        replace(
            ladder,
            rungs=tuple(
                halved(rung, codec_named(ladder.codec), rate, share)
                if rung.height <= encode.half_rate
                else rung
                for rung in ladder.rungs
            ),
        )
        for ladder in ladders
    ]


def halved(rung: Rung, codec: Codec, frame_rate: Fraction, share: float = HALF_RATE_SHARE) -> Rung:
    """The rung with every other picture, as good as those of all pictures would be.

    Args:
        frame_rate: of all pictures.
        share: of the bitrate of all pictures.
    """
    crf = min(rung.crf + codec.half_rate_crf(frame_rate), codec.crf_range[1])
    return replace(
        rung,
        crf=round(crf, 4),
        bitrate_kbps=rung.bitrate_kbps * share,
        bitrate_low_kbps=rung.bitrate_low_kbps * share / HALF_RATE_DOUBT,
        bitrate_high_kbps=rung.bitrate_high_kbps * share * HALF_RATE_DOUBT,
        half_rate=True,
    )


def _analysis(path: Path, work: Work) -> tuple[Analysis, str]:
    """The analysis, from the cache if this content was analysed before, and its key."""
    segment, crop = work.options.encode.segment_seconds, work.options.encode.crop
    mark = fingerprint(path, whole=work.options.whole_digest)
    key = key_of("analysis", FORMAT, __version__, mark, segment, crop)
    known = work.cache.get(key)
    if known is not None:
        try:
            analysis = from_json(Analysis, known)
        except ModelError:
            known = None
        else:
            return replace(analysis, source=replace(analysis.source, path=path.absolute())), key
    before = path.stat()
    analysis = _measured(path, work.options, work.toolbox, work.progress(Stage.ANALYSIS))
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
        work.cache.put(key, analysis)
    return analysis, key


def _ladder(
    analysis: Analysis,
    mark: str,
    codec: Codec,
    work: Work,
    done: list[Probe],
    scratch: Path | None,
) -> LadderPlan:
    """The ladder of one codec; ``done`` collects the probes of all of them."""
    options, encode = work.options, work.options.encode
    preset = encode.preset_of(codec.name)
    display = analysis.treatment.size.fit(encode.display)
    delivered = delivered_range(analysis.source, codec, encode.hdr)
    title = prepared(analysis, delivered)

    def on_probe(probe: Probe) -> None:
        done.append(probe)
        work.emit(events.Probed(work.name, probe, codec.name))
        work.progress(Stage.PROBING)(float(len(done)))

    def plan(measure: Callable[[int, float], Probe] | None) -> LadderPlan:
        ladder = plan_ladder(
            _model(codec, options),
            title_context(analysis, options, codec),
            options.ladder,
            preset=preset or codec.preset,
            quality_model=encode.quality_model,
            display=display,
            crf_range=codec.crf_range,
            crf_step=codec.crf_step,
            measure=measure,
            on_probe=on_probe,
        )
        return replace(ladder, dynamic_range=delivered)

    if options.ladder.max_probes == 0:
        return plan(None)
    with scratch_folder(scratch) as folder:
        prober = DigestProber(
            work.toolbox,
            title,
            codec=codec,
            preset=preset,
            quality_model=encode.quality_model,
            display=display,
            segment_seconds=encode.segment_seconds,
            scratch=folder,
        )
        basis = ("probe", mark, work.toolbox.version, codec, preset, encode.quality_model, display)

        def measure(height: int, crf: float) -> Probe:
            key = key_of(*basis, encode.segment_seconds, title.treatment, height, crf)
            known = work.cache.get(key)
            if known is not None:
                with contextlib.suppress(ModelError):
                    return from_json(Probe, known)
            measured = to_json(prober.measure(height, crf))
            work.cache.put(key, measured)
            return from_json(Probe, measured)  # to the digit what a later run will read

        with prober:
            return plan(measure)


def _model(codec: Codec, options: Options) -> SurfaceModel:
    """The caller's model for the codec it was trained on, else the shipped one."""
    if options.model is not None and len(options.encode.codecs) > 1:
        given = trained_codec(options.model)
        if given not in options.encode.codecs:
            raise ModelError(f"model {options.model.name} is of codec {given}, which is not made")
        if given != codec.name:
            return load_model(codec.name)
    return load_model(codec.name, options.model)


def title_context(analysis: Analysis, options: Options, codec: Codec) -> TitleContext:
    """What the ladder's model of a codec needs to know of a title."""
    seen = sum(window.duration for window in analysis.digest)
    return TitleContext(
        features=analysis.features,
        size=analysis.treatment.size,
        frame_rate=analysis.treatment.frame_rate,
        display=analysis.treatment.size.fit(options.encode.display),
        codec=codec.name,
        unseen=1 - min(1.0, seen / analysis.source.duration),
    )


def taught(
    analysis: Analysis, ladder: LadderPlan, verified: Sequence[RatePoint], options: Options
) -> LadderPlan:
    """The plan of a title with what its finished rungs have taught: see
    :func:`pertitle.ladder.delivered.learn_from_rungs`."""
    codec = codec_named(ladder.codec)
    return learn_from_rungs(
        ladder,
        verified,
        model=_model(codec, options),
        title=title_context(analysis, options, codec),
        options=options.ladder,
        crf_range=codec.crf_range,
        crf_step=codec.crf_step,
    )
