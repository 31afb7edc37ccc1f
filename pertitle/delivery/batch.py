"""A batch: what goes in becomes titles, the machine is divided between them, pages tell of all.

Larger steps are composed of smaller ones that can be called alone: ``run_batch`` of
``deliver_title``, that of ``plan_title``, that of ``analyse_title``.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from joblib import Parallel, delayed

from pertitle import events
from pertitle.delivery.cluster import run_on_cluster
from pertitle.delivery.failures import guarded
from pertitle.delivery.job import Recorder, Work, cache_for, large_titles_at_once, toolbox_for
from pertitle.delivery.pages import write_pages
from pertitle.errors import (
    SourceError,
    UsageError,
)
from pertitle.events import OnEvent, ignore, logged
from pertitle.options import Options
from pertitle.records import TitlePlan
from pertitle.report.preview import read_player
from pertitle.results import BatchResult, TitleFailure, TitleResult
from pertitle.storage.bucket import Store, destination
from pertitle.storage.inputs import Title, find_titles, title_of
from pertitle.storage.plan_file import read_plan
from pertitle.storage.remote import shown
from pertitle.storage.workspace import present
from pertitle.system.scratch import sweep
from pertitle.system.stop import Stop


def run_batch(
    paths: str | Path | Iterable[str | Path],
    out: str | Path,
    options: Options,
    *,
    on_event: OnEvent = ignore,
    stop: Stop | None = None,
    jobs: int | None = None,
    keep_work: bool = False,
    scheduler: str | None = None,
) -> BatchResult:
    """Deliver many titles. See :func:`pertitle.run`."""
    if scheduler and jobs:
        raise UsageError("a cluster works on as many titles as its workers have threads")
    named = [paths] if isinstance(paths, str | Path) else paths
    folder, store = destination(out, options.scratch)
    titles = find_titles(named, folder, store.canonical if store else "")
    if not titles:
        raise UsageError("no videos given")
    return _run(
        titles,
        folder,
        options,
        on_event,
        stop or Stop(),
        jobs=jobs,
        keep_work=keep_work,
        scheduler=scheduler,
        store=store,
    )


def encode_plan(
    plan_file: Path,
    out: str | Path,
    *,
    source: Path | None = None,
    chosen: Options | None = None,
    on_event: OnEvent = ignore,
    stop: Stop | None = None,
    keep_work: bool = False,
) -> BatchResult:
    """Deliver the ladder of a plan file.

    Args:
        source: the video, if it moved since the plan.
        chosen: what is not said by the plan, which has its own ladder and encode options.

    Raises:
        ModelError: the file is not a valid plan.
        SourceError: the video is not the one that was planned.
    """
    plan, planned = read_plan(plan_file)
    path = (source or plan.analysis.source.path).absolute()
    options = replace(chosen or Options(), ladder=planned.ladder, encode=planned.encode)
    if not path.exists():
        raise SourceError(f"the video of this plan is not at {path}; name it with --source")
    if path.stat().st_size != plan.analysis.source.bytes:
        raise SourceError(f"{path.name} is not the video that was planned: its size differs")
    moved = replace(plan.analysis, source=replace(plan.analysis.source, path=path))
    title = title_of(path)
    folder, store = destination(out, options.scratch)
    return _run(
        (title,),
        folder,
        options,
        on_event,
        stop or Stop(),
        jobs=1,
        keep_work=keep_work,
        given=replace(plan, analysis=moved),
        store=store,
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
    scheduler: str | None = None,
    store: Store | None = None,
) -> BatchResult:
    started = time.monotonic()
    if options.preview:
        read_player(options.preview)  # a typing error shows now and not after hours of encoding
    if store is not None:
        store.check()
    lock, tell = threading.Lock(), logged(on_event)

    def emit(event: events.Event) -> None:
        with lock:
            tell(event)

    cores = os.cpu_count() or 1
    jobs = min(jobs or cores, len(titles))
    toolbox = toolbox_for(options, stop, threads=max(1, cores // jobs), jobs=jobs)
    large = threading.Semaphore(large_titles_at_once())
    cache = cache_for(options)
    sweep()
    with present(out, force=options.force):
        names, sizes = tuple(t.name for t in titles), tuple(map(_size, titles))
        emit(events.BatchStarted(names, sizes, options.encode.codecs))

        def one(title: Title) -> TitleResult | TitleFailure | None:
            own = replace(toolbox, runner=Recorder(toolbox.runner, stop))
            work = Work(title.name, options, own, emit, stop, cache, large=large)
            return guarded(title, out, work, given=given, keep_work=keep_work, store=store)

        if scheduler:
            outcomes = run_on_cluster(
                scheduler,
                titles,
                store.url if store else str(out),
                options,
                emit,
                stop,
                keep_work=keep_work,
            )
        else:
            outcomes = Parallel(n_jobs=jobs, backend="threading")(delayed(one)(t) for t in titles)
        stop.check()
        result = BatchResult(
            out=out,
            titles=tuple(o for o in outcomes if isinstance(o, TitleResult)),
            failures=tuple(o for o in outcomes if isinstance(o, TitleFailure)),
            seconds=time.monotonic() - started,
            url=shown(store.url) if store else "",
        )
        cache.prune()
        write_pages(result, options, store)
    emit(events.BatchDone(result))
    return result


def _size(title: Title) -> int:
    """Bytes of the source; 0 if it cannot be told, which the title itself will report."""
    if title.url:
        return title.bytes
    try:
        return title.path.stat().st_size
    except OSError:
        return 0
