"""Sources and output folders in a store, against a server that speaks S3 and one in memory."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pertitle import cli, events
from pertitle.delivery.batch import run_batch
from pertitle.errors import Cancelled, StoreError, UsageError
from pertitle.results import BatchResult
from pertitle.serial import to_json
from pertitle.storage import remote
from pertitle.storage.bucket import _UPLOADS, Store, destination
from pertitle.storage.inputs import find_titles
from pertitle.storage.remote import fetch, fingerprint_of, shown
from pertitle.storage.workspace import MARKS, fingerprint
from pertitle.system.stop import Stop
from tests.conftest import MakeClip
from tests.delivery.test_batch import FAST, scene

fsspec = pytest.importorskip("fsspec")
SMALL = replace(
    FAST,
    ladder=replace(FAST.ladder, max_probes=0, max_rungs=2),
    threads=1,
    thumbnails=1,
    cache=False,
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of an object store; what the environment says leads there."""
    moto = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    running = moto.ThreadedMotoServer("127.0.0.1", port=0)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("AWS_ENDPOINT_URL", f"http://{host}:{port}"), ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_DEFAULT_REGION", "us-east-1"),
        ):  # fmt: skip
            patch.setenv(name, value)
        fsspec.filesystem("s3").mkdir("films")
        fsspec.filesystem("s3").mkdir("out")
        yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def memory() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


@pytest.fixture(scope="module")
def clips(make_clip: MakeClip) -> list[Path]:
    return [make_clip(scene(seconds=1 + n), f"clip{n}.mp4") for n in range(2)]


def tree(files: Any, root: str) -> dict[str, bytes]:
    start = len(root.rstrip("/")) + 1
    return {path[start:]: files.cat_file(path) for path in files.find(root)}


def measured(batch: BatchResult) -> dict[str, Any]:
    return {
        title.name: to_json([(r.rung, r.frames, r.verification) for r in title.renditions])
        for title in batch.titles
    }


# --- addresses ------------------------------------------------------------------------------


def test_folders_and_globs_list_videos_as_on_a_disk(memory: Any, tmp_path: Path) -> None:
    for name in ("a.mp4", "deep/b.MKV", "notes.txt", ".hidden.mp4", ".git/c.mp4", "out/x/v.mp4"):
        memory.pipe_file(f"/films/{name}", b"xy")
    titles = find_titles(["memory://films/"], tmp_path, "memory:///films/out")
    assert [(t.name, t.url, t.bytes) for t in titles] == [
        ("a", "memory:///films/a.mp4", 2), ("b", "memory:///films/deep/b.MKV", 2)
    ]  # fmt: skip
    assert [t.name for t in find_titles(["memory://films/*"], tmp_path)] == ["a"]
    one = ["memory://films/notes.txt", "memory:///films/notes.txt", "memory://films/absent.mp4"]
    assert [t.path.name for t in find_titles(one, tmp_path)] == ["notes.txt", "absent.mp4"]
    for wrong, said in (("memory://films/*.mov", "nothing matches"), ("memory://films", "also an")):
        with pytest.raises(UsageError, match=said):
            find_titles([wrong], tmp_path, "memory:///films")


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    (title,) = find_titles([f"file://{tmp_path}"], tmp_path / "out")
    assert (title.path, title.url) == (tmp_path / "a.mp4", "")
    assert destination(f"file://{tmp_path}/out", None) == (tmp_path / "out", None)


def test_secrets_in_addresses_are_not_shown() -> None:
    assert shown("sftp://me:pass@host/a?.mp4") == "sftp://host/a?.mp4"
    assert shown("https://host/a.mp4?X-Amz-Signature=abc#x") == "https://host/a.mp4"
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:9") as caught:
        fingerprint_of("http://127.0.0.1:9/a.mp4?token=secret")
    assert "secret" not in str(caught.value)


def test_what_a_store_says_is_one_line(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, said in (
        (PermissionError("no"), "memory://a.mp4: access is denied"),
        (OSError(5, "Input/output error"), "memory://a.mp4: Input/output error"),
        (RuntimeError(), "memory://a.mp4: RuntimeError"),
    ):

        def refuse(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(type(memory), "info", refuse)
        with pytest.raises(StoreError) as caught:
            fetch("memory://a.mp4", tmp_path / "a", lambda share: None)
        assert str(caught.value) == said


def test_stores_that_cannot_be_used_are_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(out: str) -> tuple[int, str]:
        code = cli.main(["run", str(tmp_path / "a.mp4"), "-o", out])
        return code, capsys.readouterr().err

    code, text = said("nowhere://bucket/out")
    assert (code, text.count("\n")) == (cli.EXIT_USAGE, 1)
    code, text = said("https://host/out")
    assert (code, text) == (cli.EXIT_USAGE, "pertitle: https://host/out: web addresses can only be"
                                            " read\n")  # fmt: skip
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    code, text = said("s3://bucket/out")
    assert (code, text.count("\n")) == (cli.EXIT_TOOL, 1)
    assert "pip install 'pertitle[s3]'" in text


def test_a_digest_of_a_url_is_that_of_the_file(memory: Any, tmp_path: Path) -> None:
    for size in (0, 10, 5 << 20):
        content = bytes(n * n % 251 for n in range(1 << 10)) * (size >> 10) or b"x" * size
        (tmp_path / "a").write_bytes(content)
        memory.pipe_file("/a", content)
        for whole in (False, True):
            here = fingerprint(tmp_path / "a", whole=whole)
            assert fingerprint_of("memory://a", whole=whole) == here


class Web(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


def test_a_web_server_without_ranges_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("aiohttp")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mp4").write_bytes(b"x" * (3 << 20))
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/a.mp4"
        fetch(address, tmp_path / "b", lambda share: None)
        assert (tmp_path / "b").read_bytes() == (tmp_path / "a.mp4").read_bytes()
        with pytest.raises(StoreError, match="does not send parts"):
            fingerprint_of(address)
        with pytest.raises(StoreError, match=r"absent\.mp4: the server answers 404"):
            fingerprint_of(address.replace("a.mp4", "absent.mp4"))
        server.shutdown()


def test_a_source_that_changes_while_it_is_fetched_is_refused(memory: Any, tmp_path: Path) -> None:
    memory.pipe_file("/a.mp4", b"old")

    def change(share: float) -> None:
        memory.pipe_file("/a.mp4", b"new")

    with pytest.raises(StoreError, match="changed while it was fetched"):
        fetch("memory://a.mp4", tmp_path / "a.mp4", change)


# --- batches --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_batch_in_a_store_equals_one_on_a_disk(
    server: str, clips: list[Path], tmp_path: Path
) -> None:
    files = fsspec.filesystem("s3")
    for clip in clips:
        files.put_file(str(clip), f"films/{clip.name}")
    options = replace(SMALL, scratch=tmp_path / "scratch")
    local = run_batch(clips, tmp_path / "local", options)
    seen: list[events.Event] = []
    batch = run_batch(["s3://films"], "s3://out/round", options, on_event=seen.append)
    assert batch.ok, batch.failures
    assert measured(batch) == measured(local)
    assert [title.url for title in batch.titles] == [f"s3://films/{clip.name}" for clip in clips]
    assert batch.url == "s3://out/round"
    there, here = tree(files, "out/round"), tree(fsspec.filesystem("file"), str(tmp_path / "local"))
    hidden = {name for name in here if "/." in f"/{name}"}
    assert there.keys() == here.keys() - hidden
    differ = {name for name in there if there[name] != here[name]}
    told = ("result.json", "plan.json", "report.html", "index.html", "batch.json")
    assert all(name.endswith(told) for name in differ), differ
    assert b"data:image" in there["index.html"]
    left = [path.name for path in (tmp_path / "scratch").rglob("*") if path.is_file()]
    assert sorted(left) == [".pertitle.lock", ".pertitle.pages.lock", "batch.json", "index.html"]
    manifests = files.glob("out/round/clip0/*.m*")
    files.invalidate_cache()
    kinds = {files.info(path)["ContentType"] for path in manifests}
    assert kinds >= {"application/dash+xml", "application/vnd.apple.mpegurl"}

    before = {path: files.info(path)["LastModified"] for path in files.find("out/round/clip0")}
    again = run_batch(["s3://films/clip0.mp4"], "s3://out/round", options, on_event=seen.append)
    assert again.ok
    assert any(isinstance(event, events.TitleSkipped) for event in seen)
    files.invalidate_cache()
    assert {p: files.info(p)["LastModified"] for p in files.find("out/round/clip0")} == before

    fewer = replace(options, thumbnails=0)
    again = run_batch(["s3://films/clip0.mp4"], "s3://out/round", fewer, on_event=seen.append)
    assert again.ok
    now = tree(files, "out/round/clip0")
    assert not any(name.startswith("thumbnails/") for name in now)
    files.invalidate_cache()
    touched = {p for p, when in before.items() if files.exists(p)
               and files.info(p)["LastModified"] != when}  # fmt: skip
    assert not any(path.endswith((".m4s", ".mp4", ".m3u8", ".mpd")) for path in touched)


@pytest.mark.slow
def test_an_interrupted_upload_goes_on(
    memory: Any, clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.put_file(str(clips[0]), "/films/a.mp4")
    options = replace(SMALL, scratch=tmp_path)
    put, sent = Store._put, []
    lock = threading.Lock()

    def tear(self: Store, file: Path, inside: str) -> None:
        with lock:
            sent.append(inside)
            if inside.startswith("a/") and len(sent) > 18:
                raise StoreError("the line is cut")
        put(self, file, inside)

    monkeypatch.setattr(Store, "_put", tear)
    batch = run_batch(["memory://films"], "memory://out", options)
    assert [failure.stage for failure in batch.failures] == ["uploading"]
    assert "the line is cut" in batch.failures[0].message
    first = tree(memory, "/out/a")
    assert not first.keys() & set(MARKS)

    sent.clear()

    def note(self: Store, file: Path, inside: str) -> None:
        sent.append(inside)
        put(self, file, inside)

    monkeypatch.setattr(Store, "_put", note)
    encoded: list[events.Event] = []
    batch = run_batch(["memory://films"], "memory://out", options, on_event=encoded.append)
    assert batch.ok
    assert not any(isinstance(event, events.RenditionDone) for event in encoded)
    titles = [name for name in sent if name.startswith("a/")]
    assert titles[-1] == "a/result.json"
    again = {name.removeprefix("a/") for name in titles} & first.keys()
    assert len(again) <= _UPLOADS < len(first)  # what was under way may not be noted
    assert len(titles) + len(first) - len(again) == len(tree(memory, "/out/a"))
    assert not (destination("memory://out", tmp_path)[0] / "a").exists()


@pytest.mark.slow
def test_a_stopped_run_keeps_what_was_fetched(
    memory: Any, clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.put_file(str(clips[0]), "/films/a.mp4")
    options = replace(SMALL, scratch=tmp_path)
    stop = Stop()

    def on_event(event: events.Event) -> None:
        if isinstance(event, events.Planned):
            stop.request()

    with pytest.raises(Cancelled):
        run_batch(["memory://films"], "memory://out", options, on_event=on_event, stop=stop)
    assert not tree(memory, "/out")

    def refuse(*_: object) -> None:
        raise AssertionError("fetched again")

    monkeypatch.setattr(remote, "fetch", refuse)
    seen: list[events.Event] = []
    batch = run_batch(["memory://films"], "memory://out", options, on_event=seen.append)
    assert batch.ok, batch.failures
    assert any(isinstance(e, events.Notice) and "earlier run" in e.message for e in seen)
    assert "result.json" in tree(memory, "/out/a")


@pytest.mark.slow
def test_a_missing_object_or_bucket_fails_its_title_alone(
    server: str, clips: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = fsspec.filesystem("s3")
    files.put_file(str(clips[0]), "films/good.mp4")
    options = replace(SMALL, scratch=tmp_path)
    paths = ["s3://films/absent.mp4", "s3://no-such-bucket/films/", "s3://films/good.mp4"]
    batch = run_batch(paths, "s3://out/missing", options)
    assert [title.name for title in batch.titles] == ["good"]
    assert {failure.message for failure in batch.failures} == {
        "s3://films/absent.mp4: there is no such file or bucket",
        "s3://no-such-bucket/films: there is no such file or bucket",
    }
    assert {failure.stage for failure in batch.failures} == {"fetching"}
    assert b"no such file" in files.cat_file("out/missing/absent/error.log")
    code = cli.main(["run", str(clips[0]), "-o", "s3://no-such-bucket/out"])
    assert code == cli.EXIT_FAILED
    error = capsys.readouterr().err
    assert error == "pertitle: s3://no-such-bucket/out/.pertitle: there is no such file or bucket\n"


@pytest.mark.slow
def test_a_cluster_fetches_and_delivers_through_a_store(
    server: str, clips: list[Path], tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    files = fsspec.filesystem("s3")
    for clip in clips:
        files.put_file(str(clip), f"films/cluster/{clip.name}")
    options = replace(SMALL, scratch=tmp_path)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        batch = run_batch(
            ["s3://films/cluster/*.mp4", "s3://films/cluster/absent.mp4"], "s3://out/cluster",
            options, scheduler=cluster.scheduler_address,
        )  # fmt: skip
    assert [title.name for title in batch.titles] == ["clip0", "clip1"]
    assert [failure.name for failure in batch.failures] == ["absent"]
    there = tree(files, "out/cluster")
    assert {"clip0/result.json", "clip1/master.m3u8", "absent/error.log", "index.html"} <= set(
        there
    )
    assert b"data:image" in there["index.html"]
