"""Outputs that go away: the work goes on, and the exit code says that something was lost."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

import pertitle
from pertitle import cli, events
from pertitle.errors import Cancelled
from pertitle.options import LadderOptions, Options
from tests.conftest import MakeClip

RUN = (
    f"{sys.executable} -m pertitle.cli run first.mp4 second.mp4 -o out -n 0 --heights 72"
    " --max-probes 0 --max-rungs 1 --no-cache"
)
QUICK = Options(
    ladder=LadderOptions(max_probes=0, heights=(72,), max_rungs=1), thumbnails=0, cache=False
)
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")


@pytest.fixture
def folder(tmp_path: Path, make_clip: MakeClip) -> Path:
    for name in ("first.mp4", "second.mp4"):
        clip = make_clip("testsrc2=s=128x72:r=10:d=1", name)
        (tmp_path / name).write_bytes(clip.read_bytes())
    return tmp_path


def code_of(line: str, folder: Path) -> int:
    done = subprocess.run(["bash", "-c", line], cwd=folder, stdout=subprocess.PIPE, timeout=120)
    return int(done.stdout.split()[-1])


@pytest.mark.parametrize(
    "line",
    [
        f"{RUN} 2>&1 | head -n 1 >&2; echo ${{PIPESTATUS[0]}}",
        pytest.param(f"{RUN} 2>/dev/full; echo $?", marks=FULL),
        f"{RUN} 2>&- ; echo $?",
        pytest.param(f"{RUN} --events /dev/full; echo $?", marks=FULL),
        pytest.param(f"{RUN} -q --json - >/dev/full; echo $?", marks=FULL),
    ],
    ids=["reader left", "full", "closed", "events", "json"],
)
def test_a_lost_output_ends_no_title_and_shows_in_the_exit_code(line: str, folder: Path) -> None:
    assert code_of(line, folder) == 1
    for name in ("first", "second"):
        assert (folder / "out" / name / "result.json").exists()


def test_the_json_of_every_delivery_fits_its_schema(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    text = resources.files("pertitle").joinpath("schemas/batch.schema.json").read_text("utf-8")
    quick = "--heights 72 --max-probes 0 --max-rungs 1 --no-cache -q"
    for line in (
        f"run first.mp4 -o out -n 0 --json batch.json {quick}",
        f"plan second.mp4 --profile mobile --json plan.json {quick}",
        "encode plan.json -o out -n 0 --json batch.json -q",
    ):
        assert cli.main(line.split()) == cli.EXIT_OK
        if not line.startswith("plan"):
            jsonschema.validate(json.loads(Path("batch.json").read_text()), json.loads(text))


def test_a_handler_that_raises_ends_no_title_and_is_logged_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(event: events.Event) -> None:
        raise RuntimeError("not today")

    batch = pertitle.run(folder / "first.mp4", folder / "out", QUICK, on_event=fails)
    assert batch.ok
    assert caplog.text.count("on_event failed") == 1


def test_a_handler_may_still_cancel(folder: Path) -> None:
    def cancels(event: events.Event) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        pertitle.run(folder / "first.mp4", folder / "out", QUICK, on_event=cancels)
