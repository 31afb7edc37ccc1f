"""The title page: it stands alone, holds the figures, and no name can break it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pertitle import words
from pertitle.errors import ModelError
from pertitle.records import Shot
from pertitle.report.fixed import compare_with_fixed
from pertitle.report.title import title_page, write_title_report
from pertitle.results import Rendition, Series, TitleResult
from pertitle.serial import from_json, to_json
from tests.report import example
from tests.report.checking import Page, external, read


def written(result: TitleResult, folder: Path) -> tuple[str, Page]:
    pictures = folder / "thumbnails"
    example.write_thumbnails(result, pictures)
    target = folder / "report.html"
    write_title_report(result, target, thumbnails_folder=pictures)
    html = target.read_text(encoding="utf-8")
    return html, read(html)


@pytest.mark.parametrize("make", [example.title, example.hostile, example.bare])
def test_page_is_well_formed_and_stands_alone(make: object, tmp_path: Path) -> None:
    _, page = written(make(), tmp_path)  # type: ignore[operator]
    assert page.problems == []
    assert external(page) == []
    identities = [a["id"] for _, a in page.elements if "id" in a]
    assert len(identities) == len(set(identities))
    pointed = [a["href"][1:] for a in page.all("a")]
    pointed += [a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a]
    assert set(pointed) - {"rungs"} <= set(identities)


def test_page_holds_the_figures_of_every_rung(tmp_path: Path) -> None:
    result = example.title()
    _, page = written(result, tmp_path)
    text = page.text()
    for planned, done in zip(result.plan.ladder.rungs, result.renditions, strict=True):
        assert f"{planned.width}×{planned.height}" in text
        assert f"{planned.vmaf:.1f} {planned.vmaf_low:.1f}–{planned.vmaf_high:.1f}" in text
        assert f"{done.verification.vmaf:.1f}" in text
        assert f"{done.average_kbps:,.0f}".replace(",", "\u00a0") in "".join(
            data for _, data in page.texts
        )
        assert (
            f"{done.verification.worst:.1f} at 0:{done.verification.worst_window.start:.1f}" in text
        )
    assert text.count("off target") == 1
    assert "1 rung could not be brought onto the quality target" in text


def test_page_tells_of_source_sound_defects_and_commands(tmp_path: Path) -> None:
    _, page = written(example.title(), tmp_path)
    text = page.text()
    for expected in (
        "the picture is interlaced; it is deinterlaced",
        "the preset was not trained",
        "mp4a.40.2, 2 channels, 48 kHz, 128 kbit/s",
        "not delivered",  # the second sound track
        "23.976 frames/s",
        "ffmpeg -hide_banner -i 'file:/films/The Long Valley.mkv' -f null -",
        "a face, sharp, good contrast",
        "9 shots",
        "unheard_of",
    ):
        assert expected in text


def test_thumbnails_travel_inside_the_page(tmp_path: Path) -> None:
    html, page = written(example.title(), tmp_path)
    images = page.all("img")
    assert len(images) == 3
    for image in images:
        data = base64.b64decode(image["src"].partition(",")[2])
        assert data.startswith(b"\xff\xd8")
        assert (image["width"], image["height"]) == ("480", "270")
        assert image["alt"]
    assert len(html) < 3_000_000


def test_missing_thumbnail_files_leave_only_their_words(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    write_title_report(example.title(), target, thumbnails_folder=tmp_path / "nowhere")
    page = read(target.read_text(encoding="utf-8"))
    assert page.all("img") == []
    assert "strong colour" in page.text()


def test_a_thumbnail_name_cannot_reach_outside_its_folder(tmp_path: Path) -> None:
    result = example.title()
    example.write_thumbnails(result, tmp_path)  # pictures one level too high
    stolen = replace(result.thumbnails[0], file=f"../{result.thumbnails[0].file}")
    (tmp_path / "thumbnails").mkdir()
    target = tmp_path / "report.html"
    write_title_report(
        replace(result, thumbnails=(stolen,)), target, thumbnails_folder=tmp_path / "thumbnails"
    )
    assert read(target.read_text(encoding="utf-8")).all("img") == []


def test_hostile_texts_are_shown_and_never_run(tmp_path: Path) -> None:
    html, page = written(example.hostile(), tmp_path)
    assert len(page.all("script")) == 2  # the data and the page's own
    assert all("onerror" not in attributes for _, attributes in page.elements)
    assert [a for a in page.all("img") if not a["src"].startswith("data:")] == []
    assert example.HOSTILE in page.text()
    assert "<script>window" not in html


def test_only_the_script_of_the_policy_may_run(tmp_path: Path) -> None:
    html, page = written(example.hostile(), tmp_path)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv"))
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_chart_data_agree_with_the_records(tmp_path: Path) -> None:
    result = example.title()
    html, _ = written(result, tmp_path)
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    series = {
        entry["name"]: entry["points"] for entry in json.loads(found.group(1))["readings"]["h264"]
    }
    measured = [(round(kbps, 1), round(vmaf, 2)) for kbps, vmaf, _ in series["rungs measured"]]
    assert sorted(measured, reverse=True) == [
        (round(r.average_kbps, 1), round(r.verification.vmaf, 2)) for r in result.renditions
    ]
    assert {f"{height}p" for height in example.HEIGHTS} <= set(series)
    for points in series.values():
        assert points == sorted(points)


def test_saving_is_said_in_words_and_gigabytes(tmp_path: Path) -> None:
    result = example.title()
    comparison = compare_with_fixed(result.plan.ladder, result.renditions)
    assert comparison is not None
    _, page = written(result, tmp_path)
    text = page.text()
    top = result.renditions[0].average_kbps
    # 1000 h × 3600 s × kbit/s × 1000 / 8 bytes, in GB of 10^9.
    spared = (comparison.rungs[0].bitrate_kbps - top) * 1000 * 3600 * 1000 / 8 / 1e9
    assert f"{spared:,.0f}".replace(",", " ") + " GB less for every thousand hours" in text.replace(
        "\u00a0", " "
    )
    assert comparison.bd_rate is not None
    assert f"{abs(comparison.bd_rate):.0f} %" in text.replace("\xa0", " ")


def _of_three_hours(rendition: Rendition) -> Rendition:
    rates = Series(tuple(4.0 * i for i in range(2700)), tuple(500.0 + i % 11 for i in range(2700)))
    scores = Series(tuple(45.0 * i for i in range(240)), tuple(60.0 + i % 31 for i in range(240)))
    check = replace(rendition.verification, vmaf_series=scores)
    return replace(rendition, bitrate_series=rates, verification=check)


def test_page_of_three_hours_and_many_rungs_stays_small() -> None:
    result = example.title()
    plan = result.plan
    shots = tuple(Shot(3.6 * i, 3.6 * i + 3.6) for i in range(3000))
    long = replace(plan.analysis, shots=shots, source=replace(plan.analysis.source, duration=10800))
    result = replace(
        result,
        plan=replace(plan, analysis=long),
        renditions=tuple(_of_three_hours(r) for r in result.renditions * 2),
        commands=("ffmpeg " + "x" * 900,) * 400,
    )
    html = title_page(result, None)
    assert len(html) < 1_500_000
    assert f"{words.grouped(3000)} shots" in html


def test_page_without_renditions_says_that_figures_are_predictions(tmp_path: Path) -> None:
    _, page = written(replace(example.title(), renditions=()), tmp_path)
    assert "the figures are predictions" in page.text()
    assert "VMAF predicted" in page.text()


def test_bitrate_and_vmaf_of_every_rung_run_over_time(tmp_path: Path) -> None:
    result = example.title()
    check = result.renditions[0].verification
    one = replace(
        result.renditions[0],
        bitrate_series=Series((0.0, 40.0), (1000.0, 2000.0)),
        verification=replace(check, vmaf_series=Series((10.0, 30.0, 50.0), (90.0, 70.0, 95.0))),
    )
    _, page = written(replace(result, renditions=(one,)), tmp_path)
    rates = [a["d"] for a in page.all("path") if a.get("class") == "step"]
    scores = [a["d"] for a in page.all("path") if a.get("class") == "step thin"]
    assert len(rates) == len(scores) == 2  # the wide drawing and the narrow one
    for path in rates:
        first = float(re.findall(r"M[\d.]+ ([\d.]+)", path)[0])
        (second,) = (float(v) for v in re.findall(r"V([\d.]+)", path))
        assert second < first  # upward: the second segment has twice the bitrate
    for path in scores:
        xs, ys = zip(*([float(v) for v in p.split()] for p in path[1:].split("L")), strict=True)
        assert xs == tuple(sorted(xs))
        assert ys[1] > ys[0] > ys[2]  # down to 70, then up to 95
    (button,) = [a for a in page.all("button") if "data-pick" in a]
    assert f"at its worst {check.worst:.1f} at 0:17.0" in button["data-text"]


def test_a_result_of_before_the_series_is_read_and_drawn(tmp_path: Path) -> None:
    data = to_json(example.title())
    for rendition in data["renditions"]:
        del rendition["bitrate_series"], rendition["verification"]["vmaf_series"]
    _, page = written(from_json(TitleResult, data), tmp_path)
    assert page.problems == []
    assert len([a for a in page.all("path") if a.get("class") == "step"]) == 2 * 7
    data["renditions"][0]["bitrate_series"] = {"times": [0.0, 4.0], "values": [1.0]}
    with pytest.raises(ModelError, match="a series of 2 times has 1 values"):
        from_json(TitleResult, data)


def test_codecs_are_compared_in_one_chart_where_there_are_several(tmp_path: Path) -> None:
    result = example.codecs()
    _, page = written(result, tmp_path)
    assert "Codecs compared" in page.text()
    drawn = [a for a in page.all("svg") if a.get("aria-label", "").endswith("of H.264, AV1")]
    assert len(drawn) == 2  # for screens and for phones
    _, alone = written(example.title(), tmp_path)
    assert "Codecs compared" not in alone.text()


def test_names_of_features_do_not_break_inside(tmp_path: Path) -> None:
    html, page = written(example.title(), tmp_path)
    terms = [a for a in page.all("th") if a.get("class") == "term" and a.get("scope") == "row"]
    assert len(terms) > 3
    assert "tbody th.term { white-space: nowrap;" in html
