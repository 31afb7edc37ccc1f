"""Rows of the table of odd sources (benchmarks.robustness.odd_sources) that no other test has."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks.robustness import odd_sources as table
from pertitle.analysis.analysing import analyse
from pertitle.system.tools import Toolbox


@pytest.mark.parametrize("name", ["rotated-270", "120fps", "no-duration", "hdr10-av1"])
def test_a_row_is_as_expected(toolbox: Toolbox, tmp_path: Path, name: str) -> None:
    case = table.CASES[name]
    path = tmp_path / case.file
    case.make(toolbox, path)
    analysis, source = analyse(path, crop=case.crop), table.look(path)
    made, audio = table.deliver(toolbox, analysis, case, tmp_path)
    assert table.wrongs(case, source, analysis, made, audio) == []


def test_a_wrong_row_is_told() -> None:
    case = table.Case("x", "x.mkv", table.lavfi("testsrc2"), frames=10)
    good = table.Picture(10, "320x180", 16 / 9, "yuv420p", (1, 1, 1), False, {})
    bad = table.Picture(9, "320x240", 4 / 3, "yuv420p10le", (1, 1, 2), True, {"x": (1,)})

    class Fake:
        class source:
            class video:
                frame_rate = 25

        class treatment:
            frame_rate = 25

    assert table.wrongs(case, good, cast(Any, Fake), good, ()) == []
    assert len(table.wrongs(case, good, cast(Any, Fake), bad, ())) == 7
