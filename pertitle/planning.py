"""Planning one title: analysis, then the ladder, both from the cache where they are known."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pertitle
from pertitle import events
from pertitle.analysis import analyse
from pertitle.encoder import DigestProber
from pertitle.encoder.codecs import codec_named
from pertitle.encoder.thumbnails import make_thumbnails
from pertitle.errors import ModelError, UsageError
from pertitle.events import OnEvent, ignore
from pertitle.inputs import folder_name
from pertitle.ladder import TitleContext, load_model, plan_ladder
from pertitle.records import (
    Analysis,
    LadderPlan,
    Options,
    PlanSeconds,
    Probe,
    Source,
    Thumbnail,
    TitlePlan,
)
from pertitle.serial import from_json
from pertitle.work import Stop, Work, cache_for, toolbox_for
from pertitle.workspace import FORMAT, fingerprint, key_of


def analyse_title(path: Path, options: Options, *, source: Source | None = None) -> Analysis:
    """Measure a title. See :func:`pertitle.analyse`."""
    return analyse(source or path, segment_seconds=options.encode.segment_seconds)


def plan_title(path: Path, options: Options, *, on_event: OnEvent = ignore) -> TitlePlan:
    """Predict and probe a ladder. See :func:`pertitle.plan`."""
    stop = Stop()
    toolbox, cache = toolbox_for(options, stop), cache_for(options)
    return plan_in(path, Work(folder_name(path.stem), options, toolbox, on_event, stop, cache))


def thumbnails_of(path: Path, folder: Path, options: Options) -> tuple[Thumbnail, ...]:
    """Write candidate thumbnails of a title into a folder."""
    analysis = analyse_title(path, options)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}") from error
    return make_thumbnails(analysis, folder, count=options.thumbnails)


def plan_in(path: Path, work: Work) -> TitlePlan:
    started = time.monotonic()
    with work.stage("analysis", 1.0):
        analysis, mark = _analysis(path, work)
    analysed = time.monotonic()
    work.emit(events.Analysed(work.name, analysis))
    for warning in analysis.warnings:
        work.emit(events.Notice(work.name, warning.message))
    with work.stage("probing", float(work.options.ladder.max_probes), "probes"):
        ladder = _ladder(analysis, mark, work)
    ended = time.monotonic()
    for note in ladder.notes:
        work.emit(events.Notice(work.name, note))
    work.emit(events.Planned(work.name, ladder))
    seconds = PlanSeconds(analysed - started, ended - analysed, ended - started)
    return TitlePlan(analysis, ladder, seconds)


def _analysis(path: Path, work: Work) -> tuple[Analysis, str]:
    """The analysis, from the cache if this content was analysed before, and its key."""
    segment = work.options.encode.segment_seconds
    tone_map = work.options.encode.codec == "h264"  # an HDR source gets an SDR ladder
    key = key_of("analysis", FORMAT, pertitle.__version__, fingerprint(path), segment, tone_map)
    known = work.cache.get(key)
    if known is not None:
        try:
            analysis = from_json(Analysis, known)
        except ModelError:
            known = None
        else:
            return replace(analysis, source=replace(analysis.source, path=path.absolute())), key
    analysis = analyse(
        path, segment_seconds=segment, tone_map=tone_map, on_progress=work.progress("analysis")
    )
    work.cache.put(key, analysis)
    return analysis, key


def _ladder(analysis: Analysis, mark: str, work: Work) -> LadderPlan:
    options, encode = work.options, work.options.encode
    codec = codec_named(encode.codec)
    done: list[Probe] = []

    def on_probe(probe: Probe) -> None:
        done.append(probe)
        work.emit(events.Probed(work.name, probe))
        work.progress("probing")(float(len(done)))

    def plan(measure: Callable[[int, float], Probe] | None) -> LadderPlan:
        return plan_ladder(
            load_model(codec.name, options.model),
            title_context(analysis, options),
            options.ladder,
            preset=encode.preset or codec.preset,
            quality_model=encode.quality_model,
            display=analysis.treatment.size.fit(encode.display),
            crf_range=codec.crf_range,
            crf_step=codec.crf_step,
            measure=measure,
            on_probe=on_probe,
        )

    if options.ladder.max_probes == 0:
        return plan(None)
    with tempfile.TemporaryDirectory(prefix="pertitle-") as scratch:
        prober = DigestProber(
            work.toolbox,
            analysis,
            codec=codec,
            preset=encode.preset,
            quality_model=encode.quality_model,
            display=analysis.treatment.size.fit(encode.display),
            segment_seconds=encode.segment_seconds,
            scratch=Path(scratch),
        )

        def measure(height: int, crf: float) -> Probe:
            key = key_of("probe", mark, work.toolbox.version, encode, height, crf)
            known = work.cache.get(key)
            if known is not None:
                with contextlib.suppress(ModelError):
                    return from_json(Probe, known)
            probe = prober.measure(height, crf)
            work.cache.put(key, probe)
            return probe

        with prober:
            return plan(measure)


def title_context(analysis: Analysis, options: Options) -> TitleContext:
    """What the ladder's model needs to know of a title."""
    return TitleContext(
        features=analysis.features,
        size=analysis.treatment.size,
        frame_rate=analysis.treatment.frame_rate,
        display=analysis.treatment.size.fit(options.encode.display),
        codec=options.encode.codec,
    )
