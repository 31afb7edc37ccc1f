"""Rungs for an audience: distributions, the dynamic programme, the player, the files."""

from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from pertitle.errors import UsageError
from pertitle.ladder.abr import RULES, make_traces, play
from pertitle.ladder.allocation import (
    MARGIN,
    SOUND_KBPS,
    Problem,
    best_ladders,
    choose_points,
    deliver,
    neighbours,
)
from pertitle.ladder.audience import AUDIENCES, below, lines_of, phone_vmaf, read_audience
from pertitle.ladder.viewing import apple_breaks
from pertitle.options import EncodeOptions, LadderOptions, Lines, Options, ViewerClass

CLASSES = (
    ViewerClass("phones", 0.7, (Lines(1.0, 1200, 0.9),), phone=True),
    ViewerClass("rooms", 0.3, (Lines(2.0, 900, 0.4), Lines(1.0, 8000, 0.5))),
)


def hull(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A made-up hull: bitrates and VMAF, rising."""
    draw = np.random.default_rng(seed)
    kbps = np.sort(draw.uniform(100, 6000, count))
    return kbps, np.sort(draw.uniform(50, 95, count))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("priced", [False, True])
def test_the_programme_finds_what_trying_every_ladder_finds(seed: int, priced: bool) -> None:
    kbps, vmaf = hull(11, seed)
    price = kbps / 2000 if priced else None
    egress = 0.002 if priced else 0.0
    allowed = neighbours(kbps, vmaf, LadderOptions(min_ratio=1.1, max_ratio=4.0))
    problem = Problem.of(CLASSES, kbps, vmaf, allowed=allowed, egress=egress, price=price)
    found = best_ladders(problem, 5)
    for rungs in range(1, 6):
        values = []
        for path in combinations(range(11), rungs):
            pick = list(path)
            if all(allowed[a, b] for a, b in pairwise(path)):
                given = deliver(CLASSES, kbps[pick], vmaf[pick])
                paid = 0.0 if price is None else float(price[pick].sum())
                values.append(given.quality - egress * given.kbps - paid)
        if not values:
            assert len(found) < rungs
        else:
            assert found[rungs - 1][0] == pytest.approx(max(values), abs=1e-9)


def test_what_is_delivered_is_the_mean_over_drawn_viewers() -> None:
    kbps, vmaf = np.array([300.0, 1000.0, 3000.0]), np.array([60.0, 80.0, 95.0])
    viewers = (ViewerClass("one", 1.0, (Lines(1.0, 1500, 0.8),)),)
    lines = np.exp(np.log(1500) + 0.8 * np.random.default_rng(1).standard_normal(400_000))
    rung = np.searchsorted(MARGIN * (kbps + SOUND_KBPS), lines, side="right")
    given = deliver(viewers, kbps, vmaf)
    assert given.quality == pytest.approx(np.append(0, vmaf)[rung].mean(), abs=0.1)
    assert given.outage == pytest.approx((rung == 0).mean(), abs=0.003)
    assert given.stored_kbps == 4300


def test_chosen_points_lose_little_with_few_rungs_and_keep_to_the_ratios() -> None:
    vmaf = np.arange(50, 95.1, 0.25)
    kbps = 150 * 2 ** ((vmaf - 50) / 9)
    options = LadderOptions(audience=AUDIENCES["mixed"])
    chosen = list(choose_points(kbps, vmaf, options))
    limit = deliver(options.audience, kbps, vmaf).quality
    given = deliver(options.audience, kbps[chosen], vmaf[chosen])
    assert given.quality >= 0.98 * limit
    assert len(chosen) <= 7
    ratios = kbps[chosen][1:] / kbps[chosen][:-1]
    assert np.all(ratios <= options.max_ratio + 1e-6)
    # One rung fewer would not have been enough.
    problem = Problem.of(options.audience, kbps, vmaf, allowed=neighbours(kbps, vmaf, options))
    assert best_ladders(problem, len(chosen) - 1)[-1][0] < 0.98 * limit


def test_dear_storage_takes_rungs_away_and_wide_audiences_add_them() -> None:
    vmaf = np.arange(50, 95.1, 0.5)
    kbps = 150 * 2 ** ((vmaf - 50) / 9)
    wide = (ViewerClass("wide", 1.0, (Lines(1.0, 1500, 1.2),)),)
    cheap = LadderOptions(audience=wide, point_value=0.01, storage_cost=0.001, hours=1000)
    dear = LadderOptions(audience=wide, point_value=0.01, storage_cost=5.0, hours=10)
    few, many = (choose_points(kbps, vmaf, options) for options in (dear, cheap))
    assert len(few) < len(many)
    narrow = (ViewerClass("narrow", 1.0, (Lines(1.0, 20_000, 0.1),)),)
    assert len(choose_points(kbps, vmaf, LadderOptions(audience=narrow))) == 1


def test_samples_keep_their_distribution() -> None:
    draw = np.random.default_rng(3)
    kbps = np.exp(8 + 0.9 * draw.standard_normal(5000))
    viewers = ViewerClass("read", 1.0, lines_of(list(kbps), [1.0] * 5000))
    for level in (0.05, 0.25, 0.5, 0.75, 0.95):
        assert below(viewers, np.quantile(kbps, level)) == pytest.approx(level, abs=0.02)


def test_made_up_lines_have_the_distribution_that_was_asked_for() -> None:
    traces = make_traces(CLASSES, 600, 600, seed=5)
    for kbps in (500, 1200, 4000):
        wanted = sum(c.share * float(below(c, kbps)) for c in CLASSES)
        assert (traces < kbps).mean() == pytest.approx(wanted, abs=0.04)
    assert np.array_equal(traces, make_traces(CLASSES, 600, 600, seed=5))


@pytest.mark.parametrize("rule", RULES)
def test_a_player_on_a_steady_line_plays_what_it_carries(rule: str) -> None:
    kbps, vmaf = [300.0, 1000.0, 3000.0], [60.0, 80.0, 95.0]
    fast = play(kbps, vmaf, np.full((2, 300), 50_000.0), rule=rule, seconds=600)
    assert fast.stalled == 0
    assert fast.quality > 93
    middle = play(kbps, vmaf, np.full((2, 300), 1300.0), rule=rule, seconds=600)
    assert middle.stalled == 0
    assert 75 < middle.quality < 85
    # Half of what the lowest rung needs: half of the session is waiting.
    slow = play(kbps, vmaf, np.full((2, 300), (300 + SOUND_KBPS) / 2), rule=rule, seconds=600)
    assert slow.stalled == pytest.approx(0.5, abs=0.02)
    assert slow.quality == 60
    # Bytes cannot come faster than the line.
    assert middle.kbps <= 1300 * 1.05


def test_no_such_player_is_refused() -> None:
    with pytest.raises(ValueError, match="no such rule"):
        play([300.0], [60.0], np.full((1, 10), 500.0), rule="oracle")


def test_phones_forgive_and_never_see_less() -> None:
    score = np.linspace(0, 100, 201)
    assert np.all(phone_vmaf(score) >= score)
    assert np.all(np.diff(phone_vmaf(score)) >= 0)
    # libvmaf: 1.70674692 + 1.72643844 · 50 - 0.00705305 · 2500.
    assert phone_vmaf(50.0) == pytest.approx(70.396, abs=0.001)
    with pytest.raises(UsageError, match="phone model"):
        Options(
            ladder=LadderOptions(audience=CLASSES),
            encode=EncodeOptions(quality_model="vmaf_v0.6.1:enable_transform=true"),
        )


def test_apples_rules_are_told_by_pair_and_bottom() -> None:
    assert apple_breaks([60.0, 180.0, 400.0, 800.0]) == ()
    said = apple_breaks([300.0, 1500.0])
    assert len(said) == 2
    assert "apart" in said[0]
    assert "cellular" in said[1]


def test_an_audience_is_read_from_tables(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("kbps,weight\n0,1\n800,1\n3000,2\n", encoding="utf-8")
    (tmp_path / "a.toml").write_text(
        '[[class]]\nname = "p"\nshare = 3\nbandwidth = "log.csv"\nscreen = "phone"\n'
        '[[class]]\nshare = 1\nbandwidth = "mixed"\n',
        encoding="utf-8",
    )
    (samples,) = read_audience(str(tmp_path / "log.csv"))
    assert below(samples, 100) == pytest.approx(0.25, abs=0.01)
    phones, others = read_audience(str(tmp_path / "a.toml"))
    assert phones.phone
    assert (phones.share, others.share, others.name) == (3, 1, "mixed")
    assert len(others.lines) == 4


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "speed\n3\n"),
        ("a.csv", "kbps\n"),
        ("a.csv", "kbps\nfast\n"),
        ("a.csv", "kbps\nnan\n"),
        ("a.csv", "kbps\n-4\n"),
        ("a.toml", "class = 3"),
        ("a.toml", "[[class]]\nshare = 1\n"),
        ("a.toml", '[[class]]\nshare = -1\nbandwidth = "mobile"\n'),
        ("a.toml", '[[class]]\nshare = "all"\nbandwidth = "mobile"\n'),
        ("a.toml", '[[class]]\nshare = 1\nbandwidth = "missing.csv"\n'),
        ("a.toml", '[[class]]\nshare = 1\nbandwidth = "mobile"\nscreen = "cinema"\n'),
        ("a.toml", "[["),
        ("a.txt", "kbps\n3\n"),
    ],
)
def test_a_file_that_is_no_audience_is_refused_in_one_line(
    name: str, text: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_audience(str(tmp_path / name))
    assert "\n" not in str(caught.value)
