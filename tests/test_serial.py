from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from pertitle.errors import ModelError
from pertitle.options import Options
from pertitle.records import Size
from pertitle.results import Stage, TitleFailure
from pertitle.serial import from_json, read_json, to_json, write_json


@dataclass(frozen=True)
class Inner:
    rate: Fraction
    size: Size


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    path: Path
    values: dict[str, float]
    limit: float | None = None


def test_a_record_survives_the_round_trip() -> None:
    record = Outer(
        (Inner(Fraction(30000, 1001), Size(2, 4)),), Path("a b/ü.mp4"), {"si": 1.5}, None
    )
    assert from_json(Outer, json.loads(json.dumps(to_json(record)))) == record


def test_options_survive_the_round_trip() -> None:
    assert from_json(Options, to_json(Options())) == Options()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"path": 3}, "path"),
        ({"extra": 1}, "extra"),
        ({"values": {"si": float("nan")}}, "values.si"),
        ({"values": {"si": True}}, "values.si"),
        ({"inner": {}}, "inner"),
        ({"inner": [{"rate": "1/0", "size": {"width": 2, "height": 2}}]}, "rate"),
        ({"inner": [{"rate": "25/1", "size": {"width": 2.5, "height": 2}}]}, "width"),
        ({"path": "a\0b"}, "path"),
    ],
)
def test_a_damaged_record_is_refused_with_its_place(change: dict[str, object], word: str) -> None:
    good = to_json(Outer((), Path("x"), {}, 1.0))
    with pytest.raises(ModelError, match=word):
        from_json(Outer, {**good, **change})


def test_a_stage_that_is_none_is_refused_with_its_place() -> None:
    failure = TitleFailure("t", Path("t.mp4"), "why", Stage.AUDIO)
    data = to_json(failure)
    assert data["stage"] == "audio"
    assert from_json(TitleFailure, data) == failure
    with pytest.raises(ModelError, match="stage: 'dreaming' is none of fetching"):
        from_json(TitleFailure, {**data, "stage": "dreaming"})


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ModelError, match="'values' is missing"):
        from_json(Outer, {"inner": [], "path": "x"})


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    write_json(target, {"a": 1})
    with pytest.raises(TypeError):
        write_json(target, {"a": object()})
    assert read_json(target) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_text_that_is_not_json_is_a_model_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("[" * 100_000)
    with pytest.raises(ModelError, match="not JSON"):
        read_json(bad)
