"""From tables to models: odd rows, few titles, the same bytes every time, and evaluation."""

from __future__ import annotations

import csv
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pertitle.errors import ModelError
from pertitle.ladder.library import load_model
from pertitle.ladder.surface import TitleTable
from pertitle.training.corpus import COLUMNS, Row, read_table
from pertitle.training.evaluation import evaluate
from pertitle.training.fitting import bitrate_kbps, read_features, titles_of, train
from tests.ladder.synthetic import make_titles


def rows_of(title: TitleTable) -> list[Row]:
    """Table rows of a made-up title: 60 frames at 30 fps, all frames alike."""
    rows = []
    for height, crf, kbps, vmaf in zip(
        title.heights, title.crfs, title.kbps, title.vmaf, strict=True
    ):
        size = title.context.rung_size(int(height))
        per_frame = max(1, round(float(kbps) * 1000 / 8 / 30))
        rows.append(
            Row(
                clip=f"{title.name}.mp4",
                group=title.group,
                variant="base",
                codec="h264",
                preset="medium",
                source_width=title.context.size.width,
                source_height=title.context.size.height,
                frame_rate=Fraction(30),
                start=0.0,
                frames=60,
                width=size.width,
                height=int(height),
                crf=float(crf),
                bytes=60 * per_frame,
                key_bytes=per_frame,
                vmaf=float(vmaf),
                encode_seconds=1.0,
                build="test",
            )
        )
    return rows


def write_table(path: Path, rows: list[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    return path


def write_features(path: Path, titles: list[TitleTable]) -> Path:
    lines = ["clip,variant,note,complexity,sharpness"]
    for title in titles:
        f = title.context.features
        lines.append(f"{title.name}.mp4,base,words,{f['complexity']},{f['sharpness']}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tables")
    titles = make_titles(15, seed=11)
    rows = [row for title in titles for row in rows_of(title)]
    return write_table(folder / "t.csv", rows), write_features(folder / "f.csv", titles)


def test_text_columns_are_no_features_and_holes_are_nan(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("clip,variant,a,word\nx.mp4,base,1.5,hello\ny.mp4,base,,there\n")
    features = read_features(path)
    assert features["x.mp4", "base"] == {"a": 1.5}
    assert features["y.mp4", "base"]["a"] != features["y.mp4", "base"]["a"]
    path.write_text("name,a\nx,1\n")
    with pytest.raises(ModelError, match="clip"):
        read_features(path)


def test_rows_measured_twice_count_once_and_senseless_ones_not_at_all() -> None:
    title = make_titles(1)[0]
    rows = rows_of(title)
    better = Row(**{**asdict(rows[0]), "vmaf": 12.5})
    broken = [Row(**{**asdict(rows[1]), "vmaf": float("nan"), "crf": 99.0})]
    found = titles_of([*rows, better, *broken], {}, "h264")
    assert len(found) == 1
    assert len(found[0].crfs) == len(rows)
    assert found[0].vmaf[0] == 12.5
    assert titles_of(rows[:3], {}, "h264") == []
    assert titles_of(rows, {}, "av1") == []


def test_bitrates_are_stated_for_a_keyframe_every_four_seconds() -> None:
    row = rows_of(make_titles(1)[0])[0]
    heavy_key = Row(**{**asdict(row), "bytes": 60_000, "key_bytes": 1_000 + 600})
    others = (60_000 - 1_600) / 59
    assert bitrate_kbps(heavy_key) == pytest.approx((1_600 + 119 * others) / 4 * 8 / 1000)


def test_the_same_tables_give_the_same_model_file(
    tables: tuple[Path, Path], tmp_path: Path
) -> None:
    table, features = tables
    for name in ("a.npz", "b.npz"):
        train(table, features, "h264", tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    model = load_model("h264", tmp_path / "a.npz")
    assert model.meta["titles"] == "15"
    assert {"complexity", "sharpness"} <= set(model.regression.scaler.names)


def test_too_few_titles_are_refused_in_one_line(tables: tuple[Path, Path], tmp_path: Path) -> None:
    few = [row for row in read_table(tables[0]) if row.clip < "t003"]
    path = write_table(tmp_path / "few.csv", few)
    for codec in ("h264", "av1"):
        with pytest.raises(ModelError) as caught:
            train(path, None, codec, tmp_path / "m.npz")
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="folds"):
        evaluate(path, None, ["h264"])


def test_evaluation_reports_less_loss_for_more_probes_and_draws_it(
    tables: tuple[Path, Path], tmp_path: Path
) -> None:
    report = evaluate(
        *tables, ["h264"], probes=(0, 5), folds=3, baselines=False, plots=tmp_path,
        out=tmp_path / "report.json",
    )  # fmt: skip
    found = report["codecs"]["h264"]
    assert found["tested"] == found["titles"] == 15
    assert found["probes"]["5"]["rung_vmaf_mae"] < 0.5 * found["probes"]["0"]["rung_vmaf_mae"]
    assert found["default"]["loss_mean"] < 2.0
    assert found["fixed_ladder"]["saving"] > 0.8 * found["fixed_ladder"]["hull_saving"]
    assert {p.name for p in tmp_path.iterdir()} == {
        "report.json", "loss-h264.svg", "calibration-h264.svg",
    }  # fmt: skip


def test_sources_may_be_assigned_to_the_folds_at_random(tables: tuple[Path, Path]) -> None:
    def order(seed: int) -> list[str]:
        report = evaluate(*tables, ["h264"], probes=(0,), folds=3, baselines=False, seed=seed)
        return [title["title"] for title in report["codecs"]["h264"]["per_title"]]

    usual, shuffled = order(0), order(1)
    assert usual != shuffled
    assert sorted(usual) == sorted(shuffled)
    assert shuffled == order(1)


def test_altered_clips_train_or_are_tested_and_move_no_fold(
    tables: tuple[Path, Path], tmp_path: Path
) -> None:
    rows = read_table(tables[0])
    # The altered form is another title of the same source: half the bitrate at the same quality.
    grain = [replace(row, variant="grain", bytes=row.bytes // 2) for row in rows]
    both = write_table(tmp_path / "both.csv", [*rows, *grain[: len(grain) // 2]])

    def report(path: Path, **more: Any) -> dict[str, Any]:
        found = evaluate(path, tables[1], ["h264"], (0,), 3, baselines=False, **more)
        return dict(found["codecs"]["h264"])

    plain, mixed = report(tables[0]), report(both)
    names = [[title["title"] for title in r["per_title"]] for r in (plain, mixed)]
    assert names[0] == names[1]
    assert plain["probes"] != mixed["probes"]
    assert plain["probes"] == report(both, train_originals=True)["probes"]
    altered = report(both, test_variants=True)
    assert altered["tested"] < plain["tested"]
    assert {title["title"].split("/")[1] for title in altered["per_title"]} == {"grain"}
