"""The digest: lengths, places and likeness to the title."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from pertitle.analysis.digest import choose_digest, feature_windows
from pertitle.analysis.scan import Glance, Look, Spending
from pertitle.records import Window

RATE = Fraction(25)


def look(time: float, rate: float = 8.0, key: float = 6.0) -> Look:
    glance = Glance(time, np.zeros((4, 4), np.uint8), np.zeros(48, np.float32))
    return Look(glance, time, key, rate, 80.0, "none", (0.0, 0.0, 0.0, 0.0), 0.0)


def spend(by_second: list[float]) -> Spending:
    times = np.arange(len(by_second) * 25) / 25
    return Spending(times, np.repeat(np.array(by_second) / 25, 25))


def test_short_title_is_its_own_digest() -> None:
    assert choose_digest([look(1)], None, 11.96, RATE, 4.0) == (Window(0.0, 11.96),)


def test_hardly_longer_than_the_digest_is_taken_whole() -> None:
    assert len(choose_digest([look(1)], None, 21.0, RATE, 4.0)) == 1


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(60)])
@pytest.mark.parametrize("segment", [1.0, 4.0, 6.0])
def test_windows_are_short_apart_and_on_a_grid(rate: Fraction, segment: float) -> None:
    rng = np.random.default_rng(0)
    looks = [look(t, rng.uniform(5, 12)) for t in np.linspace(2, 590, 40)]
    digest = choose_digest(looks, None, 600.0, rate, segment)
    length = round(min(segment, 2.0) * rate)
    assert sum(w.duration for w in digest) == pytest.approx(20, abs=1.0)
    for window in digest:
        assert window.duration * rate == pytest.approx(length)
        assert (window.start * rate / length) == pytest.approx(round(window.start * rate / length))
        assert window.end <= 600
    assert len({w.start for w in digest}) == len(digest)
    assert [w.start for w in digest] == sorted(w.start for w in digest)


def test_scenes_are_represented_in_proportion() -> None:
    """Three fifths of the title are cheap, one is middling, one is dear."""
    spent = [10e3] * 180 + [80e3] * 60 + [600e3] * 60
    looks = [look(t, np.log2(spent[int(t)] / 1000)) for t in np.linspace(1, 299, 40)]
    digest = choose_digest(looks, spend(spent), 300.0, RATE, 4.0)
    kinds = [("cheap", "middle", "dear")[int(w.start >= 180) + int(w.start >= 240)] for w in digest]
    assert sorted(kinds) == ["cheap"] * 6 + ["dear"] * 2 + ["middle"] * 2


def test_mean_of_the_digest_is_the_titles() -> None:
    rng = np.random.default_rng(7)
    spent = list(np.exp(rng.normal(4.5, 1.0, 150)).repeat(4) * 1000)
    title = spend(spent)
    digest = choose_digest([], title, 600.0, RATE, 4.0)
    mean = sum(title.between(w.start, w.end) for w in digest) / sum(w.duration for w in digest)
    assert mean == pytest.approx(float(np.mean(spent)), rel=0.05)


def test_a_title_all_alike_is_sampled_over_its_length() -> None:
    digest = choose_digest([], spend([50e3] * 600), 600.0, RATE, 4.0)
    starts = np.array([w.start for w in digest])
    assert starts.max() - starts.min() > 300


def test_same_input_same_digest() -> None:
    rng = np.random.default_rng(1)
    looks = [look(t, rng.uniform(5, 12), rng.uniform(3, 9)) for t in np.linspace(2, 590, 40)]
    assert choose_digest(looks, None, 600.0, RATE, 4.0) == choose_digest(
        looks, None, 600.0, RATE, 4.0
    )


def test_features_are_measured_inside_the_digest() -> None:
    digest = (Window(8.0, 2.0), Window(40.0, 2.0))
    assert feature_windows(digest) == digest
    many = feature_windows([Window(10.0 * i, 2.0) for i in range(10)])
    assert many[3] == Window(30.5, 1.0)
    assert feature_windows((Window(0.0, 1.5),)) == (Window(0.0, 1.5),)
    spread = feature_windows((Window(0.0, 12.0),))
    assert len(spread) == 3
    assert all(w.duration == 2 and w.end <= 12 for w in spread)
