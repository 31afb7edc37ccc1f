"""Folders, names, numbers and children that try a door: each test fails without its guard."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import pertitle
from pertitle import events
from pertitle.analysis.analysing import analyse
from pertitle.delivery.batch import run_batch
from pertitle.delivery.pages import merged
from pertitle.errors import (
    Cancelled,
    FolderError,
    ModelError,
    PertitleError,
    ProcessStalled,
    SourceError,
    UsageError,
)
from pertitle.options import AudioOptions, Options
from pertitle.results import BatchResult, Stage, TitleFailure
from pertitle.serial import dumps, from_json, read_json, to_json, write_named, write_text
from pertitle.storage.event_log import EventLog
from pertitle.storage.inputs import find_titles, refuse_output
from pertitle.storage.published import text_without_folders, without_folders
from pertitle.storage.remote import at, scrubbed, shown
from pertitle.storage.workspace import MARK, Earlier, Workspace, held, present
from pertitle.system import cell, isolation
from pertitle.system.isolation import _VARIABLES, isolated
from pertitle.system.process import NO_LIMITS, Completed, Limits, SubprocessRunner, environment
from pertitle.system.scratch import sweep
from pertitle.system.tools import Toolbox, find_toolbox
from tests.attacks.test_attacks import Answering
from tests.conftest import MakeClip
from tests.delivery.test_batch import FAST, scene

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux enforces it")
QUICK = replace(FAST, ladder=replace(FAST.ladder, max_probes=0, max_rungs=2), thumbnails=1)


@pytest.fixture(scope="module")
def clip(make_clip: MakeClip) -> Path:
    return make_clip(scene(seconds=2), "scene.mp4", sound="sine=f=440:d=2")


# --- folders --------------------------------------------------------------------------------


def test_pages_of_somebody_else_are_not_overwritten(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("my site")
    with pytest.raises(FolderError, match="not made by pertitle"):
        run_batch([clip], tmp_path, QUICK)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    with present(tmp_path, force=True):
        assert (tmp_path / "index.html").read_text() == "my site"


def test_a_folder_of_somebody_else_is_left_alone(clip: Path, tmp_path: Path) -> None:
    for name in ("thumbnails/mine.jpg", "segments/mine.m4s", ".movie.mkv.part"):
        (tmp_path / "scene" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "scene" / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    batch = run_batch([clip], tmp_path, QUICK)
    assert "was not made by pertitle" in batch.failures[0].message
    kept = [path for path in sorted(tmp_path.rglob("*")) if path.is_relative_to(tmp_path / "scene")]
    assert kept == before[before.index(tmp_path / "scene") :]
    with held(tmp_path / "scene", force=True):
        assert (tmp_path / "scene" / MARK).exists()


def test_what_others_were_writing_is_not_taken_for_torn_files(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "title")
    with held(space.folder):
        (space.folder / ".movie.mkv.part").write_text("mine")
        space.begin({})
    assert (space.folder / ".movie.mkv.part").exists()


def test_nothing_is_removed_or_written_through_links(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "rungs").mkdir(parents=True)
    (mine / "rungs/film.mp4").write_text("mine")
    space = Workspace(tmp_path / "title")
    space.folder.mkdir()
    for name in ("thumbnails", ".work"):
        (space.folder / name).symlink_to(mine)
    space.begin({})
    (space.work / "rungs").symlink_to(mine / "rungs")
    space.begin({})
    (space.staged("thumbnails") / "a.jpg").write_text("new")
    space.publish(space.work, ["thumbnails"])
    space.withdraw()
    space.clear()
    assert [path.name for path in mine.rglob("*")] == ["rungs", "film.mp4"]
    (tmp_path / "linked").symlink_to(mine)
    with pytest.raises(FolderError, match="is a link"), held(tmp_path / "linked"):
        pass


def test_two_runs_share_an_output_folder_but_not_a_title(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with ExitStack() as stack:
        for lock in (present(tmp_path), present(tmp_path), held(one), held(two)):
            stack.enter_context(lock)
        with pytest.raises(FolderError, match="another run"):
            stack.enter_context(held(one))


def test_pages_show_the_titles_of_every_run(clip: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(clip.read_bytes())
    out = tmp_path / "out"
    assert run_batch([clip], out, QUICK).ok
    assert len(run_batch([other], out, QUICK).titles) == 1
    told = read_json(out / "batch.json")
    assert [title["name"] for title in told["titles"]] == ["other", "scene"]
    page = (out / "index.html").read_text()
    assert "./other/report.html" in page
    assert "./scene/report.html" in page
    # Nothing of this machine is published, and the source of a title is known all the same.
    texts = [p for p in out.rglob("*") if p.suffix in {".json", ".html", ".log", ".m3u8", ".mpd"}]
    texts = [p for p in texts if ".work" not in p.parts]
    assert len(texts) > 8
    for path in texts:
        assert str(tmp_path) not in path.read_text(), path
        assert str(clip.parent) not in path.read_text(), path
        assert str(Path(sys.prefix)) not in path.read_text(), path
    again = run_batch([other], out, QUICK)
    assert again.titles[0].plan.analysis.source.path == other


def test_a_failure_is_shown_until_its_title_is_delivered(tmp_path: Path) -> None:
    lost = TitleFailure("a", Path("a.mp4"), "broken", Stage.ANALYSIS)
    run = BatchResult(tmp_path, (), (), 1.0)
    assert merged(run, (), (lost,)).failures == (lost,)
    new = replace(lost, message="still broken")
    assert merged(replace(run, failures=(new,)), (), (lost,)).failures == (new,)


def test_other_sound_or_packaging_encodes_no_video_again(clip: Path, tmp_path: Path) -> None:
    first = run_batch([clip], tmp_path, QUICK).titles[0]
    seen: list[Any] = []
    sound = replace(
        QUICK,
        audio=AudioOptions(loudness=-23.0),
        encode=replace(QUICK.encode, single_file=True),
    )
    second = run_batch([clip], tmp_path, sound, on_event=seen.append).titles[0]
    assert [r.path for r in second.renditions] == [r.path for r in first.renditions]
    assert not [line for line in second.commands if "libx264" in line]
    notes = [event.message for event in seen if isinstance(event, events.Notice)]
    assert any("loudness" in note and "single_file" in note for note in notes)
    assert any("encoded by an earlier run and are kept" in note for note in notes)
    dropped = replace(QUICK, keep_rungs=False)
    assert run_batch([clip], tmp_path, dropped).ok
    assert not (tmp_path / "scene/.work").exists()


def test_a_source_replaced_in_mid_run_is_not_delivered(make_clip: MakeClip, tmp_path: Path) -> None:
    source = tmp_path / "film.mp4"
    source.write_bytes(make_clip(scene(seconds=2), "scene.mp4").read_bytes())
    other = make_clip(scene(seconds=1), "shorter.mp4").read_bytes()

    def swap(event: object) -> None:
        if isinstance(event, events.StageStarted) and event.stage == "packaging":
            source.write_bytes(other)

    batch = run_batch([source], tmp_path / "out", QUICK, on_event=swap)
    assert "was replaced or changed" in batch.failures[0].message
    left = {path.name for path in (tmp_path / "out/film").iterdir()}
    assert left <= {"error.log", MARK}


# --- names and addresses --------------------------------------------------------------------


def test_no_title_takes_the_name_of_a_page(tmp_path: Path) -> None:
    for name in ("index.html.mp4", "batch.json.mp4"):
        (tmp_path / name).write_text("x")
    names = {title.name for title in find_titles([tmp_path], tmp_path / "out")}
    assert len(names) == 2
    assert not names & {"index.html", "batch.json"}


def test_a_link_to_itself_is_one_failed_title(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    (title,) = find_titles([tmp_path / "loop.mp4"], tmp_path / "out")
    batch = run_batch([title.path], tmp_path / "out", QUICK)
    assert len(batch.failures) == 1
    assert "internal" not in batch.failures[0].message


def test_own_output_and_links_out_are_no_input_of_a_pattern(tmp_path: Path) -> None:
    out, films, away = tmp_path / "films/out", tmp_path / "films", tmp_path / "away"
    for path in (out / "title", away):
        path.mkdir(parents=True)
    (out / "title" / MARK).touch()
    for path in (out / "title/rung.mp4", films / "a.mp4", away / "b.mp4"):
        path.write_text("x")
    (films / "link.mp4").symlink_to(away / "b.mp4")
    (films / "own.mp4").symlink_to(out / "title/rung.mp4")
    (films / "up").mkdir()
    for pattern in (films / "**/*.mp4", films / "up/../**/*.mp4"):
        found = find_titles([str(pattern)], out)
        assert [title.path.name for title in found] == ["a.mp4"]
    assert [title.path.name for title in find_titles([films], out)] == ["a.mp4"]
    with pytest.raises(SourceError, match="lies in a title's folder"):
        refuse_output(out / "title/rung.mp4", out)


def test_a_result_from_a_store_names_no_other_folder(clip: Path, tmp_path: Path) -> None:
    batch = run_batch([clip], tmp_path, QUICK)
    data = read_json(tmp_path / "scene/result.json")
    found = Earlier.of({**data, "name": "../../elsewhere"}, "scene")
    assert found is not None
    assert found.result.name == "scene"
    forged = {**data["package"], "hls_master": "../../../etc/passwd"}
    with pytest.raises(ModelError):
        Earlier.of({**data, "package": forged}, "scene")
    assert batch.ok


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2secret@host/film.mp4?X-Amz-Signature=abcdef0123&token=t0k3nvalue",
        "s3://AKIAEXAMPLEKEY:hunter2/secret@bucket/films?key=abcdef0123",
        "ftp://user:p%40ss%2Fhunter2@host/film.mp4",
    ],
)
def test_what_is_secret_in_an_address_is_told_nowhere(url: str) -> None:
    whole = "abcdef0123 t0k3nvalue hunter2secret hunter2/secret p@ss/hunter2 p%40ss%2Fhunter2"
    told = scrubbed(f"cannot reach {url} as {url[8:40]}", url) + shown(url)
    parts = [part for part in whole.split() if part in url]
    assert parts
    assert not [part for part in parts if part in told]
    for part in parts:
        assert part not in scrubbed(f"the server refused {part}", url)
    assert shown("s3://host/a@b/film*.mp4") == "s3://host/a@b/film*.mp4"


def test_a_stores_own_error_repeats_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "environment-secret")
    with pytest.raises(PertitleError) as caught, at("memory://u:hunter2@x/y"):
        raise RuntimeError("login u / hunter2 with environment-secret at //u:hunter2@x failed")
    assert "hunter2" not in str(caught.value)
    assert "environment-secret" not in str(caught.value)
    assert caught.value.__suppress_context__


# --- numbers and files ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Fraction, "1e99999999999"),
        (Fraction, "1/" + "9" * 5000),
        (float, 10**400),
        (int, 10**400),
        (float, float("nan")),
    ],
)
def test_numbers_of_no_use_are_refused_at_once(kind: Any, value: object) -> None:
    began = time.monotonic()
    with pytest.raises(ModelError):
        from_json(kind, value)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": ' + "9" * 4000 + "}", "[-Infinity]"])
def test_what_is_no_number_is_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ModelError):
        read_json(tmp_path / "a.json")


@linux
def test_pipes_and_devices_are_not_read_as_records(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), Path("/dev/null"), tmp_path):
        with pytest.raises(ModelError):
            read_json(path)


@linux
def test_written_files_replace_no_device_and_no_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    write_named(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    (tmp_path / "null").symlink_to("/dev/null")
    write_named(tmp_path / "null", "gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device"):
        write_named(tmp_path / "pipe", "nobody reads")
    with pytest.raises(UsageError):
        EventLog(tmp_path / "pipe")


def test_the_umask_decides_who_may_read(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_records_cannot_command_a_terminal() -> None:
    text = dumps({"a": "\x1b[2J\x9b2J\u202e\x7f", "b": "\udc9b"})
    assert not [c for c in text if ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c == "\u202e"]
    assert json.loads(text)["a"] == "\x1b[2J\x9b2J\u202e\x7f"


def test_published_text_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    text = f"-i 'file:{tmp_path}/a b/film.mp4' /opt/some/where/y {sys.prefix}/bin/ffmpeg 30000/1001"
    told = text_without_folders(text, [tmp_path / "a b", tmp_path])
    assert told == "-i 'file:film.mp4' y bin/ffmpeg 30000/1001"
    data = {"url": "https://host/a/b", "type": "video/mp4", "n": [f"{tmp_path}/x"]}
    assert without_folders(data, [tmp_path]) == {**data, "n": ["x"]}


@linux
def test_folders_of_a_killed_run_are_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys, time; from pathlib import Path;"
        "from pertitle.system.scratch import scratch_folder\n"
        "with scratch_folder(Path(sys.argv[1])) as f:\n print(f, flush=True); time.sleep(60)"
    )
    argv = [sys.executable, "-c", code, str(tmp_path)]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    folder = Path(child.stdout.readline().strip())
    (tmp_path / "pertitle-mine").mkdir(mode=0o700)
    monkeypatch.setattr("pertitle.system.scratch._FRESH_SECONDS", -1.0)
    assert sweep(tmp_path) == 0
    child.kill()
    child.wait()
    child.stdout.close()
    assert sweep(tmp_path) == 1
    assert not folder.exists()
    assert (tmp_path / "pertitle-mine").exists()


# --- children -------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [{"error": "Cancelled", "message": "x"}, [], 7, {"a": 1}])
def test_a_decoder_cannot_stop_the_run_or_answer_nothing(clip: Path, answer: Any) -> None:
    toolbox = Toolbox("ffmpeg", None, Answering(answer))
    with pytest.raises((SourceError, ModelError)) as caught:
        isolated(toolbox, analyse, {"path_or_source": clip}, name=clip.name)
    assert not isinstance(caught.value, Cancelled)


class Linking:
    """A runner in whose place a decoder answers with a link to a file of somebody else."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def run(self, argv: Sequence[str], *, limits: Limits = NO_LIMITS, **more: Any) -> Completed:
        more["on_line"]("pertitle-progress nan")
        more["on_line"]("pertitle-progress 1e9999")
        (Path(argv[-1]) / "result.json").symlink_to(self.target)
        return Completed(tuple(argv), "", "", 0.0)


def test_a_decoders_answer_is_a_file_of_its_own(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"error": "SourceError", "message": "read elsewhere"}')
    told: list[float] = []
    toolbox = Toolbox("ffmpeg", None, Linking(tmp_path / "other.json"))
    with pytest.raises(ModelError, match="cannot read"):
        isolated(
            toolbox, analyse, {"path_or_source": clip}, name=clip.name, on_progress=told.append
        )
    assert told == []


def test_children_see_no_secrets(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "DB_PASSWORD"):
        monkeypatch.setenv(name, "hunter2hunter2")
    argv = [sys.executable, "-c", "import os; print(os.environ)"]
    assert "hunter2" not in SubprocessRunner().run(argv).stdout
    monkeypatch.setenv("HARMLESS", "hunter2hunter2")
    assert "HARMLESS" in environment(None)
    assert "HARMLESS" not in environment(_VARIABLES)
    runner = Answering({"error": "SourceError", "message": "x"})
    with pytest.raises(SourceError):
        isolated(Toolbox("f", None, runner), analyse, {"path_or_source": clip}, name="x")
    assert runner.limits.variables == _VARIABLES


CELL = """
import socket, sys
from pathlib import Path
from pertitle.system import cell, isolation
cell.enter([Path(sys.argv[1])])
def told(name, act):
    try:
        act()
        print(name, "done")
    except OSError as error:
        print(name, "refused")
told("inside", lambda: Path(sys.argv[1], "a").write_text("x"))
told("outside", lambda: Path(sys.argv[2], "a").write_text("x"))
told("over", lambda: Path(sys.argv[2], "there").write_text("x"))
told("remove", lambda: Path(sys.argv[2], "there").unlink())
told("read", lambda: Path(sys.argv[2], "there").read_text())
told("network", lambda: socket.create_connection(("127.0.0.1", int(sys.argv[3])), 2).close())
"""


@linux
def test_a_decoder_has_no_network_and_writes_only_in_its_folder(tmp_path: Path) -> None:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "out/there").write_text("mine")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        argv = [sys.executable, "-c", CELL, str(tmp_path / "in"), str(tmp_path / "out"), port]
        lines = SubprocessRunner().run(argv).stdout.split("\n")
    told = dict(line.split() for line in lines if line)
    assert told["inside"] == told["read"] == "done"
    if cell.files_can_be_closed():
        assert [told[name] for name in ("outside", "over", "remove")] == ["refused"] * 3
        assert (tmp_path / "out/there").read_text() == "mine"
    if cell.network_can_be_closed():
        assert told["network"] == "refused"


@linux
def test_decoding_happens_in_the_cell(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    monkeypatch.setattr(cell, "enter", lambda folders: seen.extend(map(str, folders)))

    def decode(request: object) -> dict[str, object]:
        seen.append("decoded")
        return {}

    monkeypatch.setattr(isolation, "_call", decode)
    place = clip.parent / "request"
    place.mkdir(exist_ok=True)
    (place / "request.json").write_text(json.dumps({"writes": ["/pictures"]}))
    isolation.answer(str(place))
    assert seen == [str(place), "/pictures", "decoded"]


WRAPPER = """#!/bin/sh
sleep 300 &
echo $! > {note}
sleep 300
"""


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _pid(note: Path) -> int:
    until = time.monotonic() + 20
    while not (note.exists() and note.read_text().strip()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return int(note.read_text())


def _gone(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not _alive(pid):
            return True
        time.sleep(0.05)
    return False


@linux
def test_what_a_wrapper_started_ends_with_a_stopped_run(tmp_path: Path) -> None:
    wrapper, note = tmp_path / "ffmpeg", tmp_path / "note"
    wrapper.write_text(WRAPPER.format(note=note))
    wrapper.chmod(0o755)
    runner = SubprocessRunner()

    def run() -> None:
        with pytest.raises(Cancelled):
            runner.run([str(wrapper)])

    thread = threading.Thread(target=run)
    thread.start()
    started = _pid(note)
    began = time.monotonic()
    runner.cancel()
    thread.join(10)
    assert _gone(started, 1)
    assert time.monotonic() - began < 5


@linux
def test_what_a_wrapper_started_ends_with_a_killed_run(tmp_path: Path) -> None:
    wrapper, note = tmp_path / "ffmpeg", tmp_path / "note"
    wrapper.write_text(WRAPPER.format(note=note))
    wrapper.chmod(0o755)
    code = (
        "import sys; from pertitle.system.process import SubprocessRunner;"
        "SubprocessRunner().run([sys.argv[1]])"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(wrapper)])
    started = _pid(note)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert _gone(started, 5)


STANDING = """
import time
for n in range(1000):
    print("frame=7", "speed=%d" % n, sep="\\n", flush=True)
    time.sleep(0.05)
"""


def test_a_child_without_progress_is_ended() -> None:
    argv = [sys.executable, "-c", STANDING]
    began = time.monotonic()
    with pytest.raises(ProcessStalled, match="made no progress for 1 s"):
        SubprocessRunner().run(argv, limits=Limits(stall=1.0), on_line=lambda line: None)
    assert time.monotonic() - began < 20
    moving = STANDING.replace("frame=7", "frame=%d").replace('"frame=%d"', '"frame=%d" % n')
    argv = [sys.executable, "-c", moving.replace("1000", "40")]
    SubprocessRunner().run(argv, limits=Limits(stall=1.0), on_line=lambda line: None)


def test_encoders_and_decoders_are_watched(clip: Path) -> None:
    assert find_toolbox().limits().stall == 1800.0
    runner = Answering({"error": "SourceError", "message": "x"})
    with pytest.raises(SourceError):
        isolated(Toolbox("f", None, runner), analyse, {"path_or_source": clip}, name="x")
    assert runner.limits.stall == 1800.0


def test_options_of_doors_cross_as_records() -> None:
    options = Options(force=True, keep_rungs=False, machine_paths=True)
    assert from_json(Options, to_json(options)) == options
    assert pertitle.Options().keep_rungs
