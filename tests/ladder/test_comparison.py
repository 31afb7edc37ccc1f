"""Comparing two ladders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pertitle.errors import ModelError
from pertitle.ladder.comparison import (
    Side,
    compare_ladders,
    read_side,
    side_of,
)
from pertitle.options import Options
from pertitle.results import RESULT_VERSION
from pertitle.serial import to_json, write_json
from pertitle.storage.plan_file import plan_document
from pertitle.terminal.tables import (
    COLUMNS,
    comparison_plot,
    comparison_rows,
    comparison_summary,
)
from tests.report import example


@pytest.fixture
def anchor() -> Side:
    return side_of(example.title().plan, "A")


def dearer(side: Side, factor: float, name: str = "B") -> Side:
    """The same ladder at ``factor`` times the bitrate."""
    points = tuple(replace(p, bitrate_kbps=factor * p.bitrate_kbps) for p in side.points)
    return replace(side, name=name, points=points)


def test_a_ladder_equals_itself(anchor: Side) -> None:
    comparison = compare_ladders(anchor, anchor)
    assert comparison.bd_rate == pytest.approx(0, abs=1e-6)
    assert comparison.remarks == ()
    for pair in comparison.pairs:
        assert pair.nearest == pair.rung
        assert pair.change == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.3])
def test_a_uniform_change_of_bitrate_is_the_bd_rate(anchor: Side, factor: float) -> None:
    comparison = compare_ladders(anchor, dearer(anchor, factor))
    wanted = 100 * (factor - 1)
    assert comparison.bd_rate == pytest.approx(wanted, abs=1e-6)
    assert all(pair.change == pytest.approx(wanted, abs=1e-6) for pair in comparison.pairs)
    assert f"{abs(wanted):.1f} % {'less' if factor < 1 else 'more'} bitrate" in comparison_summary(
        comparison
    )


def test_a_rung_beyond_the_other_ladder_has_no_equal(anchor: Side) -> None:
    shorter = replace(anchor, name="B", points=anchor.points[2:])
    comparison = compare_ladders(anchor, shorter)
    assert [pair.other_kbps is None for pair in comparison.pairs] == [True] * 2 + [False] * 5
    assert comparison.common == (anchor.points[-1].vmaf, anchor.points[2].vmaf)
    assert len(comparison_rows(comparison)) == 7
    assert all(len(row) == len(COLUMNS) for row in comparison_rows(comparison))


def test_ladders_apart_have_no_bd_rate(anchor: Side) -> None:
    upper, lower = (
        replace(anchor, points=anchor.points[:3]),
        replace(anchor, points=anchor.points[3:]),
    )
    comparison = compare_ladders(upper, lower)
    assert comparison.bd_rate is None
    assert comparison.common is None
    assert "no common quality" in comparison_summary(comparison)


def test_one_rung_each(anchor: Side) -> None:
    single = replace(anchor, points=anchor.points[:1])
    comparison = compare_ladders(single, single)
    assert comparison.bd_rate is None
    assert comparison.pairs[0].nearest == single.points[0]


def test_unfair_comparisons_are_called_so(anchor: Side) -> None:
    other = side_of(example.title(), "delivered")
    other = replace(other, quality_model="vmaf_v1", source="another.mkv")
    remarks = " ".join(compare_ladders(anchor, other).remarks)
    assert "sources differ" in remarks
    assert "their scores do not compare" in remarks
    assert "the figures of A are predictions" in remarks


def test_a_result_is_compared_by_what_was_measured() -> None:
    result = example.title()
    side = side_of(result, "x")
    assert side.measured
    assert [p.bitrate_kbps for p in side.points] == [r.average_kbps for r in result.renditions]
    assert not side_of(replace(result, renditions=()), "x").measured


def test_sides_are_read_from_files_and_folders(tmp_path: Path) -> None:
    result = example.title()
    folder = tmp_path / "title"
    folder.mkdir()
    write_json(folder / "plan.json", plan_document(result.plan, Options()))
    assert not read_side(folder).measured
    write_json(folder / "result.json", {"version": RESULT_VERSION, "inputs": {}, **to_json(result)})
    assert read_side(folder).measured
    assert read_side(folder).name == "title"
    assert len(read_side(folder / "plan.json").points) == 7


@pytest.mark.parametrize("text", ["{}", "[1]", "x", '{"renditions": [], "version": 1}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "some.json"
    path.write_text(text)
    with pytest.raises(ModelError):
        read_side(path)
    with pytest.raises(ModelError, match=r"neither result\.json nor plan\.json"):
        read_side(tmp_path)


def test_no_rungs_no_comparison(anchor: Side) -> None:
    with pytest.raises(ModelError, match="A has no rungs"):
        compare_ladders(replace(anchor, points=()), anchor)


def test_the_terminal_plot_keeps_its_size_and_shows_both(anchor: Side) -> None:
    drawn = comparison_plot(compare_ladders(anchor, dearer(anchor, 1.5)), width=60, height=16)
    lines = drawn.splitlines()
    assert len(lines) == 16
    assert max(map(len, lines)) <= 60
    assert drawn.count("A") >= 6
    # The rung marks of a rising curve: the first line that holds a B holds the best rung.
    first = next(line for line in lines if "B" in line)
    last = next(line for line in reversed(lines) if "B" in line)
    assert first.rindex("B") > last.index("B")
