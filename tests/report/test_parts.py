"""Markup, numbers, scales, and the fixed ladder."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pertitle import axes, words
from pertitle.analysis.corpus_place import share_below
from pertitle.ladder.fixed import APPLE
from pertitle.report import chart, saving, timeline
from pertitle.report.fixed import compare_with_fixed
from pertitle.report.markup import Markup, tag, text
from tests.report import example
from tools import feature_quantiles

ROOT = Path(__file__).parents[2]


def test_text_is_escaped_and_markup_is_not() -> None:
    assert tag("p", "<b>", Markup("<i></i>")) == "<p>&lt;b&gt;<i></i></p>"
    assert tag("a", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;"></a>'
    assert tag("td", [1, [2.5, None]], class_="x", data_v=0.126, hidden=True, title=None) == (
        '<td class="x" data-v="0.13" hidden>12.5</td>'
    )


@pytest.mark.parametrize("bad", ["\x00", "\x1b", "\x85", "\u202e", "\u2066", "\ud800", "\uffff"])
def test_unprintable_and_turning_characters_are_replaced(bad: str) -> None:
    assert text(f"a{bad}b") == "a\ufffdb"
    text(bad).encode("utf-8")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.44, "0.4 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"),
     (3599.7, "1 h 00 min"), (5430, "1 h 30 min"), (math.nan, "unknown")],
)  # fmt: skip
def test_seconds(value: float, shown: str) -> None:
    assert words.seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(3.2, "0:03.2"), (59.97, "1:00.0"), (61, "1:01.0"), (3723, "1:02:03")]
)
def test_clock(value: float, shown: str) -> None:
    assert words.clock(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(999, "999 B"), (1200, "1.2 kB"), (999_600, "1.0 MB"), (91e6, "91.0 MB")]
)
def test_size(value: float, shown: str) -> None:
    assert words.size(value) == shown


def test_signed_zero_has_no_sign() -> None:
    assert words.signed(-0.04) == "0.0"
    assert words.signed(-0.06) == "\u22120.1"
    assert words.signed(2, 0) == "+2"


def test_a_thousand_hours_of_4500_kbps_are_2025_gigabytes() -> None:
    assert words.thousand_hours(4500) == pytest.approx(2025)


def test_log_scale_puts_equal_ratios_at_equal_distances() -> None:
    scale = axes.Scale(100, 1600, 0, 80, log=True)
    assert [scale(v) for v in (100, 200, 400, 1600)] == pytest.approx([0, 20, 40, 80])
    assert scale.ticks(5) == [100, 200, 500, 1000]


def test_linear_ticks_are_round_and_inside() -> None:
    assert axes.Scale(17, 100, 0, 1).ticks(8) == [20, 40, 60, 80, 100]


def test_thinning_keeps_ends_and_corners() -> None:
    straight = [(float(x), 2.0 * x) for x in range(50)]
    assert chart.thin(straight) == [straight[0], straight[-1]]
    corner = [(0.0, 0.0), (1.0, 0.0), (2.0, 5.0), (3.0, 0.0), (4.0, 0.0)]
    assert (2.0, 5.0) in chart.thin(corner)


def test_labels_are_spread_in_order() -> None:
    placed = chart.spread([50, 51, 20, 52], 10, 0, 60)
    assert placed[2] == 20
    assert placed[0] < placed[1] < placed[3] <= 60
    assert min(b - a for a, b in zip(sorted(placed), sorted(placed)[1:], strict=False)) >= 10


def test_ladder_on_the_fixed_rungs_saves_nothing() -> None:
    plan = example.ladder()
    rungs = tuple(
        replace(plan.rungs[0], height=h, width=round(h * 8 / 9) * 2, bitrate_kbps=float(k),
                vmaf=example.curve_vmaf(h if h != 234 else 240, k))
        for h, k in APPLE["h264"]
    )  # fmt: skip
    comparison = compare_with_fixed(replace(plan, rungs=rungs), ())
    assert comparison is not None
    assert comparison.bd_rate == pytest.approx(0, abs=0.3)
    assert comparison.at_top == pytest.approx(7800, rel=0.02)


def test_measured_rungs_move_the_fixed_ladder_too() -> None:
    """If every rung costs twice what was believed, the fixed ladder must be worse as well."""
    result = example.title()
    plan = result.plan.ladder
    dear = tuple(
        replace(
            done,
            average_kbps=2 * planned.bitrate_kbps,
            verification=replace(done.verification, vmaf=planned.vmaf),
        )
        for planned, done in zip(plan.rungs, result.renditions, strict=True)
    )
    measured = compare_with_fixed(plan, dear)
    assert measured is not None
    for rung in measured.rungs:  # even at 240 lines, where nothing was measured
        height = 240 if rung.height == 234 else rung.height
        assert rung.vmaf == pytest.approx(
            example.curve_vmaf(height, rung.bitrate_kbps / 2), abs=0.2
        )


def test_the_fixed_ladder_is_the_one_the_documentation_states() -> None:
    text = (ROOT / "docs/how-it-works.md").read_text("utf-8")
    for codec, name in (("h264", "H.264"), ("hevc", "HEVC")):
        (row,) = re.findall(rf"^\| {name} \| (\d.*) \|$", text, re.MULTILINE)
        stated = [
            (int(lines), int(kbps))
            for lines, rates in (part.split(": ") for part in row.split(" · "))
            for kbps in rates.split(", ")
        ]
        assert stated == list(APPLE[codec])


def test_no_comparison_for_portrait_or_an_unlisted_codec() -> None:
    plan = example.ladder()
    assert compare_with_fixed(replace(plan, codec="av1"), ()) is None
    portrait = tuple(replace(r, width=r.height * 9 // 16) for r in plan.rungs)
    assert compare_with_fixed(replace(plan, rungs=portrait), ()) is None
    assert compare_with_fixed(replace(plan, curves=()), ()) is None


def test_a_dearer_ladder_is_called_dearer() -> None:
    result = example.title()
    plan = result.plan.ladder
    comparison = compare_with_fixed(plan, ())
    assert comparison is not None
    dear = replace(comparison, bd_rate=12.4, own_kbps=9000.0, own_vmaf=97.5, at_top=None)
    said = " ".join(saving.sentences(dear)).replace("\xa0", " ")
    assert "needs 12 % more bitrate" in said
    assert "GB more for every thousand hours" in said


def test_merged_segments_keep_bits_and_time() -> None:
    track = [(4.0 * i, 4.0 * i + 4, 500.0 + i % 7) for i in range(5000)]
    short = timeline.merged(track)
    assert len(short) <= timeline.MAX_STEPS
    assert (short[0][0], short[-1][1]) == (0.0, 20000.0)
    bits = sum(kbps * (end - start) for start, end, kbps in short)
    assert bits == pytest.approx(sum(kbps * 4 for _, _, kbps in track))
    assert timeline.merged(track[:10]) == track[:10]


def test_a_feature_is_placed_among_the_quantiles_of_the_corpus() -> None:
    quantiles = [0.0, 0.0, 0.0, 1.0, 3.0]
    assert share_below(quantiles, 2.0) == pytest.approx(0.875)
    assert share_below(quantiles, 0.0) == pytest.approx(0.25)
    assert share_below(quantiles, -1.0) == 0
    assert share_below(quantiles, 9.0) == 1


def test_the_shipped_quantiles_are_those_of_the_feature_table() -> None:
    written = feature_quantiles.quantiles()
    text = (ROOT / "pertitle/analysis/corpus.json").read_text(encoding="utf-8")
    assert text == written, "run python -m tools.feature_quantiles"
