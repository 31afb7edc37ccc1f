"""The index page of a batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from pertitle.report.batch import write_batch_report
from pertitle.report.markup import number
from pertitle.results import BatchResult
from tests.report import example
from tests.report.checking import Page, external, read


def written(batch: BatchResult) -> tuple[str, Page]:
    target = batch.out / "index.html"
    write_batch_report(batch, target)
    html = target.read_text(encoding="utf-8")
    return html, read(html)


def test_index_links_every_title_and_nothing_else(tmp_path: Path) -> None:
    batch = example.batch(tmp_path)
    _, page = written(batch)
    assert page.problems == []
    wanted = {f"./{title.name}/report.html" for title in batch.titles}
    assert {unquote(address) for address in external(page)} == wanted
    assert all(address.startswith("./") for address in external(page))


def test_index_tells_totals_and_why_titles_failed(tmp_path: Path) -> None:
    batch = example.batch(tmp_path)
    _, page = written(batch)
    text = page.text()
    assert "5 titles in 15 min 12 s" in text
    assert "2 failures" in text
    assert "notes.mp4 is not a readable video" in text
    assert "21 rungs" in text  # three titles of seven
    assert "9 probes" in text
    assert "273 MB" in text


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    html, page = written(example.batch(tmp_path))
    assert "<script>window" not in html
    assert len(page.all("script")) == 1
    assert page.text().count(example.HOSTILE) >= 3


def test_cells_hold_what_sorting_needs(tmp_path: Path) -> None:
    batch = example.batch(tmp_path)
    _, page = written(batch)
    rows = [a for name, a in page.elements if name in ("td", "th") and "data-value" in a]
    assert len(rows) == 10 * len(batch.titles)
    rates = [a["data-value"] for a in rows[4::10]]
    assert rates == [number(t.renditions[0].average_kbps) for t in batch.titles]
    heads = [a for a in page.all("th") if a.get("aria-sort")]
    assert len(heads) == 10


def test_a_batch_of_failures_only(tmp_path: Path) -> None:
    batch = example.batch(tmp_path)
    _, page = written(BatchResult(tmp_path, (), batch.failures, 1.0))
    assert page.problems == []
    assert "0 titles" in page.text()
    assert "Ladders side by side" not in page.text()


def test_first_thumbnail_of_a_title_is_shown(tmp_path: Path) -> None:
    batch = example.batch(tmp_path)
    example.write_thumbnails(batch.titles[0], tmp_path / batch.titles[0].name / "thumbnails")
    _, page = written(batch)
    assert [a["width"] for a in page.all("img")] == ["120"]


def test_figures_of_one_codec_among_several_name_it(tmp_path: Path) -> None:
    both = replace(example.batch(tmp_path), titles=(example.codecs(),), failures=())
    html, page = written(both)
    assert html.count("<small>H.264</small>") == 3
    assert "mean of 1 title, H.264" in page.text()
    assert "7 rungs in H.264" in page.text()
    _, alone = written(replace(both, titles=(example.title(),)))
    assert "mean of 1 title, H.264" not in alone.text()
