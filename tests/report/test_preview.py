"""The preview page and its server, without a browser."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pertitle.report.preview import preview_server, write_preview
from tests.report import example
from tests.report.checking import external, read


def player(folder: Path) -> Path:
    """A stand-in for hls.js that tries to end its element."""
    path = folder / "hls.min.js"
    path.write_text("var Hls = '</script><img src=x>';")
    return path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[http.client.HTTPConnection]:
    folder = tmp_path / "title"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "1.m4s").write_bytes(b"12345")
    (folder / "segments").mkdir()
    write_preview(example.title(), folder, player(tmp_path))
    server = preview_server(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    yield connection
    connection.close()
    server.shutdown()
    server.server_close()


def asked(connection: http.client.HTTPConnection, path: str) -> tuple[int, str, bytes]:
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.getheader("content-type") or "", answer.read()


def test_page_carries_its_player_and_survives_hostile_names(tmp_path: Path) -> None:
    html = write_preview(example.hostile(), tmp_path, player(tmp_path)).read_text(encoding="utf-8")
    page = read(html)
    assert page.problems == []
    assert external(page) == []
    assert len(page.all("script")) == 3  # data, hls.js, the page's own
    assert len(page.all("video")) == 2
    assert "<script>window" not in html
    assert len(html) < 1_000_000


def test_segments_are_served_with_their_type(served: http.client.HTTPConnection) -> None:
    assert asked(served, "/1.m4s") == (200, "video/iso.segment", b"12345")
    status, kind, body = asked(served, "/preview.html")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("path", ["/../secret.txt", "/%2e%2e/secret.txt", "/segments/", "/"])
def test_nothing_else_is_served(served: http.client.HTTPConnection, path: str) -> None:
    assert asked(served, path)[0] == 404
