"""Rows of the table of odd sources that no other test covers (``benchmarks/odd_sources.py``)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from pertitle.analysis import analyse
from pertitle.tools import Toolbox

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "odd_sources.py"


@pytest.fixture(scope="module")
def table() -> Any:
    spec = importlib.util.spec_from_file_location("odd_sources", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["rotated-270", "120fps", "no-duration", "hdr10-av1"])
def test_a_row_is_as_expected(table: Any, toolbox: Toolbox, tmp_path: Path, name: str) -> None:
    case = table.CASES[name]
    path = tmp_path / case.file
    case.make(toolbox, path)
    analysis, source = analyse(path, crop=case.crop), table.look(path)
    made, audio = table.deliver(toolbox, analysis, case, tmp_path)
    assert table.wrongs(case, source, analysis, made, audio) == []


def test_a_wrong_row_is_told(table: Any) -> None:
    case = table.Case("x", "x.mkv", table.lavfi("testsrc2"), frames=10)
    good = table.Picture(10, "320x180", 16 / 9, "yuv420p", (1, 1, 1), False, {})
    bad = table.Picture(9, "320x240", 4 / 3, "yuv420p10le", (1, 1, 2), True, {"x": (1,)})

    class Fake:
        class source:
            class video:
                frame_rate = 25

        class treatment:
            frame_rate = 25

    assert table.wrongs(case, good, Fake, good, ()) == []
    assert len(table.wrongs(case, good, Fake, bad, ())) == 7
