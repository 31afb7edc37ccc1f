"""The titles of a batch on a Dask cluster: one task a title, on folders that all workers share.

A task goes through the same steps as on one machine and works in the title's folder, so what a
worker finished before it died is kept by the one that takes the title over. With an output folder
in a store it works in the worker's own scratch folder. Records cross as JSON. Needs the extra
``pertitle[dask]``.
"""

from __future__ import annotations

import importlib
import json
import os
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from pertitle import events
from pertitle.errors import Cancelled, ToolError, UsageError
from pertitle.events import OnEvent
from pertitle.options import Options
from pertitle.results import Stage, TitleFailure, TitleResult
from pertitle.serial import from_json, to_json
from pertitle.storage.inputs import Title

CONNECT_SECONDS = 10
_POLL_SECONDS = 0.5
Outcome = TitleResult | TitleFailure


def run_on_cluster(
    address: str,
    titles: Sequence[Title],
    out: str,
    options: Options,
    emit: OnEvent,
    stop: Any,
    *,
    keep_work: bool,
) -> list[Outcome]:
    """Deliver titles on the workers of a scheduler, in the order given.

    Args:
        out: a folder that all workers share, or the URL of one in a store.
        stop: ends the run early: see :class:`pertitle.delivery.job.Stop`.

    Raises:
        ToolError: Dask is not installed.
        UsageError: the scheduler does not answer.
        Cancelled: ``stop`` was requested.
    """
    distributed = _dask()
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(f"no scheduler answers at {address}") from error
    topic = f"pertitle-{uuid.uuid4().hex}"
    with client:
        client.subscribe_topic(topic, lambda told: emit(_event(told[1])))
        halt = distributed.Event(topic, client=client)
        futures = [
            client.submit(
                deliver_here,
                to_json(title),
                out,
                to_json(options),
                topic,
                keep_work,
                key=f"{topic}-{title.name}",
                pure=False,
            )
            for title in titles
        ]
        while not all(future.done() for future in futures):
            time.sleep(_POLL_SECONDS)
            try:
                stop.check()
            except Cancelled:
                halt.set()
                client.cancel(futures)
                raise
        client.unsubscribe_topic(topic)
        return [_outcome(title, future) for title, future in zip(titles, futures, strict=True)]


def _dask() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise ToolError("a scheduler needs Dask: pip install 'pertitle[dask]'") from error


def _event(told: str) -> events.Event:
    name, fields = json.loads(told)
    event: events.Event = from_json(getattr(events, name), fields)
    return event


def _outcome(title: Title, future: Any) -> Outcome:
    if future.status != "finished":
        # Dask gives a task up that kills one worker after another ("allowed-failures").
        message = f"{title.path.name}: its workers died: {future.exception()}"
        return TitleFailure(title.name, title.path, message, Stage.CLUSTER)
    kind, data = future.result()
    if kind == "TitleResult":
        return from_json(TitleResult, data)
    return from_json(TitleFailure, data)


def threads_beside(threads: Mapping[str, int], address: str) -> int:
    """Threads of all workers on the machine of one: as many titles share its cores and memory.

    Args:
        threads: of each worker, by address, such as ``tcp://10.0.0.1:40001``.
    """
    here = urlsplit(address).hostname
    return sum(count for other, count in threads.items() if urlsplit(other).hostname == here)


def deliver_here(
    named: Any, out: str, options: Any, topic: str, keep_work: bool
) -> tuple[str, Any]:
    """Deliver a title on this worker; runs as a task.

    Returns:
        Name of the record's type, and the record as JSON.
    """
    from pertitle.delivery.failures import guarded
    from pertitle.delivery.job import Recorder, Work, cache_for, toolbox_for
    from pertitle.storage.bucket import destination
    from pertitle.system.stop import Stop

    distributed = _dask()
    worker = distributed.get_worker()
    chosen = from_json(Options, options)
    stop = Stop()
    ended = threading.Event()
    client = distributed.get_client()
    halt = distributed.Event(topic, client=client)

    def watch() -> None:
        while not ended.wait(_POLL_SECONDS):
            if halt.is_set():
                stop.request()
                return

    def emit(event: events.Event) -> None:
        # As text: what carries events makes tuples of lists.
        worker.log_event(topic, json.dumps([type(event).__name__, to_json(event)]))

    slots = threads_beside(client.nthreads(), worker.address)
    threads = max(1, (os.cpu_count() or 1) // slots)
    toolbox = toolbox_for(chosen, stop, threads=threads, jobs=slots)
    recorder = Recorder(toolbox.runner, stop)
    title = from_json(Title, named)
    folder, store = destination(out, chosen.scratch)
    threading.Thread(target=watch, daemon=True).start()
    try:
        work = Work(
            title.name, chosen, replace(toolbox, runner=recorder), emit, stop, cache_for(chosen)
        )
        outcome = guarded(title, folder, work, keep_work=keep_work, store=store)
    finally:
        ended.set()
    if outcome is None:
        raise Cancelled("cancelled")
    return type(outcome).__name__, to_json(outcome)
