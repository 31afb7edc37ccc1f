"""What an operator meets: signals, exit codes, status, the lock, the shared cache."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pertitle import cli
from pertitle.delivery.job import Work, large_titles_at_once, toolbox_for
from pertitle.delivery.planning import plan_in
from pertitle.errors import SourceError
from pertitle.events import Event, Probed, ignore
from pertitle.options import LadderOptions, Options
from pertitle.storage.cache import Cache
from pertitle.storage.status import status_of
from pertitle.storage.workspace import (
    MARKS,
    Workspace,
    changes,
    fingerprint,
    inputs_of,
    pages_of,
    present,
)
from pertitle.system.process import FakeRunner, SubprocessRunner
from pertitle.system.stop import Stop
from pertitle.system.tools import Toolbox
from tests.conftest import MakeClip

LONG = "testsrc2=s=640x360:r=25:d=40"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_soon_and_tells_how_to_resume(
    number: signal.Signals, make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip(LONG, "long.mp4", "-c:v", "libx264", "-preset", "ultrafast")
    log = tmp_path / "events"
    run = subprocess.Popen(
        [sys.executable, "-m", "pertitle.cli", "run", str(clip), "-o", str(tmp_path / "out"),
         "--max-probes", "0", "--preset", "veryslow", "--events", str(log), "-v"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(1200):
        if log.exists() and '"stage": "encoding"' in log.read_text():
            break
        time.sleep(0.1)
    time.sleep(0.5)
    children = Path(f"/proc/{run.pid}/task").glob("*/children")
    pids = [pid for file in children for pid in file.read_text().split()]
    assert pids
    began = time.monotonic()
    run.send_signal(number)
    _, error = run.communicate(timeout=60)
    assert time.monotonic() - began < 5
    assert run.returncode == cli.EXIT_INTERRUPTED, (run.returncode, error)
    assert "Run the same command again to continue" in error
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not list((tmp_path / "out").rglob("result.json"))
    status = status_of(tmp_path / "out")
    assert [title.state for title in status.titles] == ["unfinished"]


def test_children_that_ignore_a_request_are_killed_together() -> None:
    runner = SubprocessRunner()
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('ready', flush=True); time.sleep(60)"
    )
    ready = threading.Semaphore(0)

    def run(_: int) -> None:
        runner.run([sys.executable, "-c", stubborn], on_line=lambda line: ready.release())

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(run, n) for n in range(4)]
        for _ in jobs:
            assert ready.acquire(timeout=60)
        began = time.monotonic()
        runner.cancel()
        assert time.monotonic() - began < 5
        assert all(job.exception() is not None for job in jobs)


def test_status_tells_what_became_of_each_title(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["status", str(tmp_path)]) == cli.EXIT_USAGE
    with present(tmp_path):
        assert status_of(tmp_path).running
    done, failed, begun = (tmp_path / name for name in ("done", "failed", "begun"))
    for folder in (done, failed, begun):
        folder.mkdir()
    for name in MARKS:
        (done / name).write_text("{}")
    (failed / "error.log").write_text("/x.mp4\nanalysis: x.mp4 is not a video\n")
    (begun / ".work/rungs").mkdir(parents=True)
    (begun / ".work/rungs/a.json").write_text("{}")
    capsys.readouterr()
    assert cli.main(["status", str(tmp_path)]) == cli.EXIT_FAILED
    out = capsys.readouterr().out
    assert "delivered   done" in out
    assert "failed      failed: analysis: x.mp4 is not a video" in out
    assert "unfinished  begun, 1 rungs kept" in out
    assert "1 delivered, 1 failed, 1 unfinished; no run is at work" in out


def test_what_a_killed_run_was_writing_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".pertitle-index.html.abc.part").write_text("torn")
    with pages_of(tmp_path):
        assert not list(tmp_path.glob(".*.part"))
    space = Workspace(tmp_path / "title")
    space.folder.mkdir()
    (space.folder / ".pertitle-report.html.abc.part").write_text("torn")
    space.begin({})
    assert not list(space.folder.glob(".*.part"))


def test_a_step_is_remembered_until_its_files_or_inputs_change(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "title")
    space.begin({})
    made: list[str] = []

    def make(folder: Path) -> str:
        made.append("x")
        (folder / "file").write_text("content")
        return "result"

    for key in ("a", "a", "b"):
        assert space.remember("step", key, str, make) == "result"
    assert len(made) == 2
    (space.work / "step/file").write_text("torn")
    space.remember("step", "b", str, make)
    assert len(made) == 3
    (space.work / "step/file").unlink()
    space.remember("step", "b", str, make)
    assert len(made) == 4

    def fail(folder: Path) -> str:
        raise SourceError("x")

    with pytest.raises(SourceError):
        space.remember("step", "c", str, fail)
    space.remember("step", "b", str, make)  # the files of "b" went with the attempt at "c"
    assert len(made) == 5


def test_inputs_name_what_changed(tmp_path: Path) -> None:
    before = inputs_of("s1", Options(), "7.1")
    assert changes(before, inputs_of("s1", Options(), "7.1")) == {}
    told = changes(before, inputs_of("s2", Options(thumbnails=3, nice=5), "8"))
    assert list(told.values()) == ["ffmpeg 7.1 → 8", "source", "thumbnails 6 → 3"]


def test_a_whole_digest_sees_what_samples_miss(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    content = bytearray(8 << 20)
    path.write_bytes(content)
    samples, whole = fingerprint(path), fingerprint(path, whole=True)
    content[2 << 20] = 1
    path.write_bytes(content)
    assert fingerprint(path) == samples
    assert fingerprint(path, whole=True) != whole


WRITER = """
import sys; from pathlib import Path; from pertitle.storage.cache import Cache
cache = Cache(Path(sys.argv[1]))
for n in range(150):
    key = f"{n % 20:02d}key"
    cache.put(key, {"n": n % 20, "filler": "x" * 2000})
    found = cache.get(key)
    assert found is None or found["n"] == n % 20, found
    if n % 10 == 0:
        cache.prune(20_000)
"""


def test_runs_share_a_cache_safely(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for writer in writers:
        _, error = writer.communicate(timeout=120)
        assert writer.returncode == 0, error.decode()
    cache = Cache(tmp_path)
    cache.prune(20_000)
    assert cache.info().bytes <= 20_000
    for path in tmp_path.glob("??/*.json"):
        assert json.loads(path.read_text())["filler"]
    torn = tmp_path / "00/.pertitle-x.json.abc.part"
    torn.write_text("torn")
    os.utime(torn, (0, 0))
    cache.prune(20_000)
    assert not torn.exists()


def test_large_titles_wait_for_one_another() -> None:
    assert large_titles_at_once() >= 1
    places = threading.Semaphore(1)
    stop = Stop()
    toolbox = Toolbox("ffmpeg", None, FakeRunner())
    work = Work("x", Options(), toolbox, ignore, stop, Cache(None), large=places)
    with work.turn(2160):
        assert not places.acquire(blocking=False)
    with work.turn(1080):
        assert places.acquire(blocking=False)


def test_the_digest_of_a_run_lies_in_its_work_folder(
    make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a killed run leaves nothing large behind elsewhere."""
    system, scratch = tmp_path / "system", tmp_path / "scratch"
    system.mkdir()
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(system))
    held: list[list[int]] = []

    def watch(event: Event) -> None:
        if isinstance(event, Probed):
            held.append(
                [
                    sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
                    for folder in (system, scratch)
                ]
            )

    options = Options(cache=False, ladder=LadderOptions(max_probes=1, heights=(180,)))
    stop = Stop()
    toolbox = toolbox_for(options, stop)
    clip = make_clip("testsrc2=s=320x180:r=25:d=1", "digest.mp4", "-c:v", "libx264")
    plan_in(clip, Work("x", options, toolbox, watch, stop, Cache(None)), scratch)
    ((elsewhere, here),) = held
    assert here > 100_000 > elsewhere
    assert not any(scratch.iterdir())
