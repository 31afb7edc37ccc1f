"""The JSON Schemas: current, and true of what runs write."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import pertitle
from pertitle import events
from pertitle.options import LadderOptions, Options
from pertitle.results import RESULT_VERSION
from pertitle.serial import to_json
from pertitle.storage.event_log import EventLog
from pertitle.storage.plan_file import plan_document
from tests.conftest import MakeClip
from tests.report import example
from tools import json_schemas


def schema(name: str) -> Any:
    text = resources.files("pertitle").joinpath("schemas", f"{name}.schema.json").read_text("utf-8")
    found = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def test_the_shipped_schemas_are_those_of_the_records() -> None:
    for name, text in json_schemas.written().items():
        shipped = resources.files("pertitle").joinpath("schemas", name).read_text("utf-8")
        assert shipped == text, "run python -m tools.json_schemas"


def test_a_plan_with_every_field_fits_and_a_torn_one_does_not() -> None:
    document = plan_document(example.title().plan, Options())
    schema("plan").validate(document)
    del document["ladders"][0]["rungs"][0]["crf"]
    with pytest.raises(jsonschema.ValidationError, match="'crf' is a required property"):
        schema("plan").validate(document)


def test_what_a_run_writes_fits(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("testsrc2=s=128x72:r=10:d=1", "schema.mp4")
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"\0" * 64)
    options = Options(
        ladder=LadderOptions(max_probes=1, heights=(72,), max_rungs=2), thumbnails=1, cache=False
    )
    told: list[events.Event] = []
    batch = pertitle.run([clip, damaged], tmp_path / "out", options, on_event=told.append)
    assert len(batch.titles) == len(batch.failures) == 1
    folder = tmp_path / "out" / batch.titles[0].name
    schema("plan").validate(json.loads((folder / "plan.json").read_text("utf-8")))
    schema("result").validate(json.loads((folder / "result.json").read_text("utf-8")))
    schema("batch").validate(json.loads((tmp_path / "out/batch.json").read_text("utf-8")))
    with EventLog(tmp_path / "events.jsonl") as log:
        for event in told:
            log.handle(event)
    lines = (tmp_path / "events.jsonl").read_text("utf-8").splitlines()
    for line in lines:
        schema("event").validate(json.loads(line))
    assert {json.loads(line)["event"] for line in lines} >= {
        "TitleDone",
        "TitleFailed",
        "BatchDone",
    }


def test_a_batch_of_hostile_names_fits(tmp_path: Path) -> None:
    document = {"version": RESULT_VERSION, **to_json(example.batch(tmp_path))}
    schema("batch").validate(document)
