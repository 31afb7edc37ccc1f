"""A batch on two Dask workers, one of which is killed, against the same batch on this machine."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pertitle import events
from pertitle.delivery.batch import run_batch
from pertitle.delivery.cluster import threads_beside
from pertitle.errors import UsageError
from pertitle.results import BatchResult
from pertitle.serial import to_json
from tests.conftest import MakeClip
from tests.delivery.test_batch import FAST, scene

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow


def _delivered(batch: BatchResult) -> dict[str, Any]:
    return {
        # As JSON, in which records cross: six decimals.
        title.name: to_json([(r.rung, r.frames, r.verification) for r in title.renditions])
        for title in batch.titles
    }


def test_a_killed_worker_costs_its_task_only(make_clip: MakeClip, tmp_path: Path) -> None:
    clips = [make_clip(scene(seconds=1 + n), f"clip{n}.mp4") for n in range(2)]
    ladder = replace(FAST.ladder, max_probes=0, max_rungs=2)
    options = replace(FAST, ladder=ladder, threads=1, thumbnails=0, cache=False)
    local = run_batch(clips, tmp_path / "local", options)
    assert local.ok
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        victims = [worker.pid for worker in cluster.workers.values()]
        once = threading.Lock()
        seen: list[events.Event] = []

        def on_event(event: events.Event) -> None:
            seen.append(event)
            if isinstance(event, events.Planned) and once.acquire(blocking=False):
                os.kill(victims[0], signal.SIGKILL)

        remote = run_batch(
            clips, tmp_path / "remote", options, on_event=on_event,
            scheduler=cluster.scheduler_address,
        )  # fmt: skip
    assert remote.ok, remote.failures
    assert once.locked()
    assert _delivered(remote) == _delivered(local)
    assert {type(event) for event in seen} >= {events.Analysed, events.RenditionDone}


def test_workers_of_one_machine_share_its_cores() -> None:
    threads = {"tcp://10.0.0.1:4001": 1, "tcp://10.0.0.1:4002": 2, "tls://10.0.0.2:4001": 4}
    assert threads_beside(threads, "tcp://10.0.0.1:4002") == 3
    assert threads_beside(threads, "tls://10.0.0.2:4001") == 4


def test_a_scheduler_that_does_not_answer_is_told(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip(scene(seconds=1), "clip0.mp4")
    with pytest.raises(UsageError, match="no scheduler answers"):
        run_batch([clip], tmp_path, FAST, scheduler="tcp://127.0.0.1:9")
