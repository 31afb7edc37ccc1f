"""The preview page and its server, without a browser."""

from __future__ import annotations

from pathlib import Path

from pertitle.report.preview import write_preview
from tests.report import example
from tests.report.checking import external, read


def player(folder: Path) -> Path:
    """A stand-in for hls.js that tries to end its element."""
    path = folder / "hls.min.js"
    path.write_text("var Hls = '</script><img src=x>';")
    return path


def test_page_carries_its_player_and_survives_hostile_names(tmp_path: Path) -> None:
    html = write_preview(example.hostile(), tmp_path, player(tmp_path)).read_text(encoding="utf-8")
    page = read(html)
    assert page.problems == []
    assert external(page) == []
    assert len(page.all("script")) == 3  # data, hls.js, the page's own
    assert len(page.all("video")) == 2
    assert "<script>window" not in html
    assert len(html) < 1_000_000
