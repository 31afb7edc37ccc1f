"""The preview page plays a real package in a real browser, both sides at the same frame.

Needs node, npm and Chromium, so it runs only with ``PERTITLE_PAGES=1``.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import threading
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pertitle.codecs import codec_named
from pertitle.encoder.audio.tracks import encode_audio
from pertitle.encoder.package.packaging import package
from pertitle.encoder.renditions import encode_renditions
from pertitle.report.preview import write_preview
from pertitle.system.tools import Toolbox
from tests.encoder.helpers import analysis_of, rendition_of, rung
from tests.report import example

RATE = 25
pytestmark = pytest.mark.skipif(
    os.environ.get("PERTITLE_PAGES") != "1", reason="set PERTITLE_PAGES=1 to open the reports"
)


@pytest.fixture(scope="module")
def seen(
    browser_checks: Path,
    toolbox: Toolbox,
    real_clip: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What the browser saw while it used the page."""
    folder = tmp_path_factory.mktemp("preview")
    analysis = analysis_of(real_clip)
    encoded = encode_renditions(
        toolbox, analysis,
        [rung(1280, 720, 26, 1500), rung(640, 360, 26, 400), rung(320, 180, 28, 120)],
        codec=codec_named("h264"), preset="ultrafast", segment_seconds=2, vbv_ratio=3,
        folder=folder,
    )  # fmt: skip
    audio = encode_audio(toolbox, analysis, frames=encoded[0].frames, folder=folder)
    renditions = tuple(rendition_of(one) for one in encoded)
    delivered = folder / "title"
    finished = package(
        toolbox, renditions, audio, folder=delivered, segment_seconds=2,
        frame_rate=analysis.treatment.frame_rate,
    )  # fmt: skip
    plain = example.title(example.HOSTILE)
    result = replace(
        plain, renditions=renditions, package=finished,
        plan=replace(plain.plan, analysis=analysis),
    )  # fmt: skip
    write_preview(result, delivered, browser_checks / "node_modules/hls.js/dist/hls.min.js")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(delivered))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    shots = os.environ.get("PERTITLE_SHOTS", "")
    keep = ["--shots", str(Path(shots).absolute())] if shots else []
    try:
        done = subprocess.run(
            ["node", "preview.mjs", f"http://127.0.0.1:{server.server_address[1]}/preview.html",
             "--chromium", shutil.which("chromium") or "", *keep],
            cwd=browser_checks, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_nothing_goes_wrong_and_nothing_else_is_asked(seen: dict[str, Any]) -> None:
    assert seen["problems"] == []
    assert len(seen["hosts"]) == 1
    assert seen["wide"] <= 390


def test_every_rung_can_be_chosen(seen: dict[str, Any]) -> None:
    assert len(seen["options"]) == 4  # three rungs and the automatic choice
    assert seen["options"][0].startswith("H.264 1280×720, ")
    assert seen["sizes"] == [1280, 320]
    assert seen["switched"] == 1280


def test_both_sides_show_the_same_frame(seen: dict[str, Any]) -> None:
    assert seen["paused"]
    for left, right in seen["frames"]:
        assert left > 0
        assert left == pytest.approx(right, abs=0.002)
    first, second, third = (left for left, _ in seen["frames"])
    assert second - first == pytest.approx(1 / RATE, abs=0.002)
    assert third == pytest.approx(first, abs=0.002)


def test_the_divider_moves_by_keyboard(seen: dict[str, Any]) -> None:
    before, after = seen["clip"]
    assert before == "inset(0px 0px 0px 50%)"
    assert after != before
