"""The reports in a real browser: no error, no request, no sideways scroll, accessible, usable.

Needs node, npm and Chromium, so it runs only with ``PERTITLE_PAGES=1``. ``PERTITLE_SHOTS=FOLDER``
keeps the screenshots.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pertitle.report.batch import write_batch_report
from pertitle.report.title import write_title_report
from tests.report import example

PAGES = ("title.html", "codecs.html", "hostile.html", "bare.html", "batch.html")

pytestmark = pytest.mark.skipif(
    os.environ.get("PERTITLE_PAGES") != "1", reason="set PERTITLE_PAGES=1 to open the reports"
)


@pytest.fixture(scope="module")
def seen(browser_checks: Path) -> dict[str, dict[str, Any]]:
    """What the browser says of each page."""
    folder = browser_checks
    makers = (example.title, example.codecs, example.hostile, example.bare)
    for name, make in zip(PAGES, makers, strict=False):
        result = make()
        example.write_thumbnails(result, folder / "thumbnails")
        write_title_report(result, folder / name, thumbnails_folder=folder / "thumbnails")
    batch = example.batch(folder)
    example.write_thumbnails(batch.titles[0], folder / batch.titles[0].name / "thumbnails")
    write_batch_report(batch, folder / "batch.html")
    shots = os.environ.get("PERTITLE_SHOTS", "")
    keep = ["--shots", str(Path(shots).absolute())] if shots else []
    done = subprocess.run(
        ["node", "check.mjs", "--chromium", shutil.which("chromium") or "", *keep, *PAGES],
        cwd=folder, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wrong_at_any_width(seen: dict[str, dict[str, Any]], name: str) -> None:
    assert seen[name]["problems"] == []


def test_the_chart_is_read_by_keyboard_and_pointer(seen: dict[str, dict[str, Any]]) -> None:
    used = seen["title.html"]["used"]
    first, second, last, below, home = used["readings"]
    assert first.startswith("1080p CRF")
    assert len({first, second, last}) == 3
    assert below.startswith("720p CRF")
    assert home.startswith("720p CRF")
    assert used["spoken"] == f"720p: {home}"
    assert used["hovered"].startswith("measured 360p CRF")


def test_layers_are_switched_by_keyboard(seen: dict[str, dict[str, Any]]) -> None:
    used = seen["title.html"]["used"]
    assert (used["before"], used["after"], used["again"]) == (7, 0, 7)
    assert used["pressed"] == "false"


def test_the_batch_is_sorted_and_filtered(seen: dict[str, dict[str, Any]]) -> None:
    used = seen["batch.html"]["used"]
    assert sorted(used["unsorted"]) == sorted(used["ascending"])
    assert used["descending"] == used["ascending"][::-1]
    assert used["ascending"][-1] == "The Long Valley"
    assert used["filtered"] == ["The Long Valley"]
    assert used["status"] == "1 of 3"
