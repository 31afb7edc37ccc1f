"""The one module that knows all stages: source → analysis → ladder → encoder → report.

Larger steps are composed of smaller ones that can be called alone: ``run_batch`` of
``deliver_title``, that of ``plan_title``, that of ``analyse_title``.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from joblib import Parallel, delayed

import pertitle
from pertitle import events
from pertitle.analysis import analyse
from pertitle.cache import Cache, default_folder
from pertitle.delivery import Delivery, deliver
from pertitle.encoder import DigestProber
from pertitle.encoder.codecs import codec_named
from pertitle.encoder.thumbnails import make_thumbnails
from pertitle.errors import (
    Cancelled,
    ModelError,
    PertitleError,
    ProcessError,
    SourceError,
    UsageError,
)
from pertitle.events import OnEvent, ignore
from pertitle.inputs import Title, find_titles, folder_name
from pertitle.ladder import TitleContext, load_model, plan_ladder
from pertitle.plan_file import plan_document, read_plan
from pertitle.process import NO_LIMITS, Completed, Limits, LineHandler, Runner, SubprocessRunner
from pertitle.records import (
    Analysis,
    BatchResult,
    LadderPlan,
    Options,
    PlanSeconds,
    Probe,
    Source,
    Thumbnail,
    TitleFailure,
    TitlePlan,
    TitleResult,
)
from pertitle.report import write_batch_report, write_title_report
from pertitle.report.preview import write_preview
from pertitle.serial import from_json, to_json, write_json, write_text
from pertitle.tools import Toolbox, find_toolbox
from pertitle.workspace import FORMAT, Workspace, fingerprint, key_of, locked, plan_key, title_key


class Stop:
    """A handle that ends a run early from any thread; what is finished stays finished."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requested = False
        self._runners: list[SubprocessRunner] = []

    def request(self) -> None:
        """End child processes and let the run raise Cancelled."""
        with self._lock:
            self._requested = True
            runners = list(self._runners)
        for runner in runners:
            runner.cancel()

    def attach(self, runner: SubprocessRunner) -> None:
        """Let ``request`` reach the children of this runner too."""
        with self._lock:
            self._runners.append(runner)
            requested = self._requested
        if requested:
            runner.cancel()

    def check(self) -> None:
        """Raise Cancelled if a stop was requested."""
        if self._requested:
            raise Cancelled("cancelled")


@dataclass
class _Recorder:
    """A runner that remembers the commands of one title and when a stop is due."""

    runner: Runner
    stop: Stop
    commands: list[str] = field(default_factory=list)

    def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits = NO_LIMITS,
        on_line: LineHandler | None = None,
        cwd: Path | None = None,
    ) -> Completed:
        self.stop.check()
        self.commands.append(shlex.join(argv))
        return self.runner.run(argv, limits=limits, on_line=on_line, cwd=cwd)


@dataclass(frozen=True)
class _Work:
    """What the steps of one title share."""

    name: str
    options: Options
    toolbox: Toolbox
    emit: OnEvent
    stop: Stop
    cache: Cache
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, stage: str, total: float = 0.0, unit: str = "") -> Iterator[None]:
        """Announce a stage and add its wall time to the title's account."""
        self.stop.check()
        self.emit(events.StageStarted(self.name, stage, total, unit))
        started = time.monotonic()
        try:
            yield
        except Exception as error:
            if not hasattr(error, "stage"):
                error.stage = stage  # type: ignore[attr-defined]
            raise
        finally:
            spent = time.monotonic() - started
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent

    def report(self, stage: str, done: float, text: str = "") -> None:
        """Tell the amount done and notice a requested stop."""
        self.stop.check()
        self.emit(events.StageProgress(self.name, stage, done, text))

    def progress(self, stage: str) -> Callable[[float], None]:
        """``report`` as a callback of the amount alone."""
        return lambda done: self.report(stage, done)


def _toolbox(options: Options, stop: Stop, threads: int | None = None) -> Toolbox:
    """Programs for a run, checked for what the options need."""
    runner = SubprocessRunner()
    stop.attach(runner)
    toolbox = find_toolbox(options.ffmpeg, runner=runner, threads=options.threads or threads)
    toolbox.require(encoders=(codec_named(options.encode.codec).encoder,), filters=("libvmaf",))
    return toolbox


def _cache(options: Options) -> Cache:
    return Cache(default_folder() if options.cache else None)


# --- smaller steps --------------------------------------------------------------------------


def analyse_title(path: Path, options: Options, *, source: Source | None = None) -> Analysis:
    """Measure a title. See :func:`pertitle.analyse`."""
    return analyse(source or path, segment_seconds=options.encode.segment_seconds)


def plan_title(path: Path, options: Options, *, on_event: OnEvent = ignore) -> TitlePlan:
    """Predict and probe a ladder. See :func:`pertitle.plan`."""
    stop = Stop()
    toolbox, cache = _toolbox(options, stop), _cache(options)
    return _plan(path, _Work(folder_name(path.stem), options, toolbox, on_event, stop, cache))


def thumbnails_of(path: Path, folder: Path, options: Options) -> tuple[Thumbnail, ...]:
    """Write candidate thumbnails of a title into a folder."""
    analysis = analyse_title(path, options)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}") from error
    return make_thumbnails(analysis, folder, count=options.thumbnails)


def _plan(path: Path, work: _Work) -> TitlePlan:
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


def _analysis(path: Path, work: _Work) -> tuple[Analysis, str]:
    """The analysis, from the cache if this content was analysed before, and its key."""
    segment = work.options.encode.segment_seconds
    key = key_of("analysis", FORMAT, pertitle.__version__, fingerprint(path), segment)
    known = work.cache.get(key)
    if known is not None:
        try:
            analysis = from_json(Analysis, known)
        except ModelError:
            known = None
        else:
            return replace(analysis, source=replace(analysis.source, path=path.absolute())), key
    analysis = analyse(path, segment_seconds=segment, on_progress=work.progress("analysis"))
    work.cache.put(key, analysis)
    return analysis, key


def _ladder(analysis: Analysis, mark: str, work: _Work) -> LadderPlan:
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


# --- titles ---------------------------------------------------------------------------------


def _deliver_title(
    title: Title,
    out: Path,
    work: _Work,
    *,
    given: TitlePlan | None = None,
    keep_work: bool = False,
) -> TitleResult:
    """Deliver one title, unless it was already delivered under the same key."""
    mark = fingerprint(title.path)
    key = title_key(mark, work.options, work.toolbox.version)
    space = Workspace(out / title.name)
    finished = space.finished(key)
    if finished is not None:
        work.emit(events.TitleSkipped(title.name))
        return finished
    space.create()
    plan = given or _resumed_plan(title, mark, space, work)
    recorder = work.toolbox.runner
    assert isinstance(recorder, _Recorder)
    delivery = deliver(plan, work.options, work.toolbox, space, work)
    thumbnails: tuple[Thumbnail, ...] = ()
    staged = space.staged("thumbnails")
    if work.options.thumbnails:
        with work.stage("thumbnails", 1.0):
            thumbnails = make_thumbnails(
                plan.analysis,
                staged,
                count=work.options.thumbnails,
                on_progress=work.progress("thumbnails"),
            )
    result = _result(title.name, plan, delivery, thumbnails, recorder.commands, work.seconds)
    space.retract()
    space.publish(space.work, ["thumbnails"])
    space.publish(delivery.staged, delivery.entries)
    write_json(space.folder / "plan.json", plan_document(plan, work.options))
    write_title_report(
        result, space.folder / "report.html", thumbnails_folder=space.folder / "thumbnails"
    )
    (space.folder / "error.log").unlink(missing_ok=True)
    if work.options.preview:
        write_preview(result, space.folder)
    write_json(space.folder / "result.json", {"version": 1, "key": key, **to_json(result)})
    if not keep_work:
        space.clear()
    work.emit(events.TitleDone(title.name, result))
    return result


def _resumed_plan(title: Title, mark: str, space: Workspace, work: _Work) -> TitlePlan:
    """The plan an interrupted run made under the same key, or a new one."""
    key = plan_key(mark, work.options, work.toolbox.version)
    saved = space.saved_plan(key)
    if saved is not None:
        try:
            plan, _ = read_plan(saved)
        except PertitleError:
            saved.unlink()
        else:
            source = replace(plan.analysis.source, path=title.path)
            plan = replace(plan, analysis=replace(plan.analysis, source=source))
            work.emit(events.Notice(work.name, "continues with the plan of an earlier run"))
            return plan
    plan = _plan(title.path, work)
    space.save_plan(key, plan_document(plan, work.options))
    return plan


def _result(
    name: str,
    plan: TitlePlan,
    delivery: Delivery,
    thumbnails: tuple[Thumbnail, ...],
    commands: Sequence[str],
    seconds: dict[str, float],
) -> TitleResult:
    return TitleResult(
        name=name,
        plan=plan,
        renditions=delivery.renditions,
        audio=delivery.audio,
        package=delivery.package,
        thumbnails=thumbnails,
        commands=tuple(commands),
        seconds=dict(seconds),
    )


# --- batches --------------------------------------------------------------------------------


def run_batch(
    paths: Iterable[str | Path],
    out: Path,
    options: Options,
    *,
    on_event: OnEvent = ignore,
    stop: Stop | None = None,
    jobs: int | None = None,
    keep_work: bool = False,
) -> BatchResult:
    """Deliver many titles. See :func:`pertitle.run`.

    Args:
        jobs: titles in work at a time; None for one a core. The cores are divided between
            titles: encodes of few threads beside one another waste less than one of many.
        keep_work: keep the intermediate files of delivered titles.
    """
    titles = find_titles(paths, out)
    if not titles:
        raise UsageError("no videos given")
    return _run(titles, out, options, on_event, stop or Stop(), jobs=jobs, keep_work=keep_work)


def encode_plan(
    plan_file: Path,
    out: Path,
    *,
    source: Path | None = None,
    ffmpeg: str | None = None,
    threads: int | None = None,
    thumbnails: int = 6,
    on_event: OnEvent = ignore,
    stop: Stop | None = None,
    keep_work: bool = False,
) -> BatchResult:
    """Deliver the ladder of a plan file.

    Raises:
        ModelError: the file is not a valid plan.
        SourceError: the video is not the one that was planned.
    """
    plan, planned = read_plan(plan_file)
    path = (source or plan.analysis.source.path).absolute()
    options = replace(planned, ffmpeg=ffmpeg, threads=threads, thumbnails=thumbnails)
    if not path.exists():
        raise SourceError(f"the video of this plan is not at {path}; name it with --source")
    if path.stat().st_size != plan.analysis.source.bytes:
        raise SourceError(f"{path.name} is not the video that was planned: its size differs")
    moved = replace(plan.analysis, source=replace(plan.analysis.source, path=path))
    title = Title(folder_name(path.stem), path)
    return _run(
        (title,),
        out,
        options,
        on_event,
        stop or Stop(),
        jobs=1,
        keep_work=keep_work,
        given=replace(plan, analysis=moved),
    )


def _run(
    titles: Sequence[Title],
    out: Path,
    options: Options,
    on_event: OnEvent,
    stop: Stop,
    *,
    jobs: int | None,
    keep_work: bool,
    given: TitlePlan | None = None,
) -> BatchResult:
    started = time.monotonic()
    out = out.absolute()  # children run in other working directories
    lock = threading.Lock()

    def emit(event: events.Event) -> None:
        with lock:
            on_event(event)

    cores = os.cpu_count() or 1
    jobs = min(jobs or cores, len(titles))
    toolbox = _toolbox(options, stop, threads=max(1, cores // jobs))
    cache = _cache(options)
    with locked(out):
        emit(events.BatchStarted(tuple(title.name for title in titles)))

        def one(title: Title) -> TitleResult | TitleFailure | None:
            own = replace(toolbox, runner=_Recorder(toolbox.runner, stop))
            work = _Work(title.name, options, own, emit, stop, cache)
            return _guarded(title, out, work, given=given, keep_work=keep_work)

        outcomes = Parallel(n_jobs=jobs, backend="threading")(delayed(one)(t) for t in titles)
        stop.check()
        result = BatchResult(
            out=out,
            titles=tuple(o for o in outcomes if isinstance(o, TitleResult)),
            failures=tuple(o for o in outcomes if isinstance(o, TitleFailure)),
            seconds=time.monotonic() - started,
        )
        cache.prune()
        write_batch_report(result, out / "index.html")
        write_json(out / "batch.json", {"version": 1, **to_json(result)})
    emit(events.BatchDone(result))
    return result


def _guarded(
    title: Title, out: Path, work: _Work, *, given: TitlePlan | None, keep_work: bool
) -> TitleResult | TitleFailure | None:
    """Deliver a title and turn whatever goes wrong with it into a failure record."""
    try:
        return _deliver_title(title, out, work, given=given, keep_work=keep_work)
    except Cancelled:
        return None  # the batch raises when all workers have let go
    except Exception as error:
        failure = _failure(title, error)
        _write_failure_log(out / title.name, failure, error)
        work.emit(events.TitleFailed(title.name, failure))
        return failure


def _failure(title: Title, error: Exception) -> TitleFailure:
    message = str(error)
    if isinstance(error, OSError) and not isinstance(error, PertitleError):
        message = f"{error.strerror or error}: {error.filename or title.path.name}"
    elif not isinstance(error, PertitleError):
        message = f"internal error: {type(error).__name__}: {error}"
    failed = error if isinstance(error, ProcessError) else error.__cause__
    ran = isinstance(failed, ProcessError)
    return TitleFailure(
        name=title.name,
        path=title.path,
        message=" ".join(message.split()),
        stage=getattr(error, "stage", "analysis"),
        command=failed.command if isinstance(failed, ProcessError) and ran else "",
        log_tail=failed.stderr_tail if isinstance(failed, ProcessError) and ran else "",
    )


def _write_failure_log(folder: Path, failure: TitleFailure, error: Exception) -> None:
    """Leave what is known of a failure beside the title's output, if that can be written."""
    lines = [f"{failure.path}", f"{failure.stage}: {failure.message}"]
    if failure.command:
        lines += ["", failure.command, "", failure.log_tail]
    if not isinstance(error, PertitleError):
        lines += ["", "".join(traceback.format_exception(error))]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "error.log", "\n".join(lines) + "\n")
    except OSError:
        return
