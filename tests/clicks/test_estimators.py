"""The estimators against their definitions, and the error rate of the stopping rule."""

from __future__ import annotations

import numpy as np
import pytest

from pertitle.clicks import estimators as evaluation
from pertitle.clicks import stopping
from pertitle.clicks.stopping import Arm
from pertitle.errors import UsageError


def test_estimators_on_a_log_worked_by_hand() -> None:
    reward = np.array([1.0, 0.0, 1.0, 0.0])
    logged = np.array([0.5, 0.25, 0.25, 0.5])
    target = np.array([0.5, 0.5, 0.0, 1.0])
    # Weights 1, 2, 0, 2.
    assert evaluation.ips(reward, logged, target) == pytest.approx(1 / 4)
    assert evaluation.snips(reward, logged, target) == pytest.approx(1 / 5)
    assert evaluation.replay(reward, np.array([1.0, 0.0, 0.0, 1.0])) == pytest.approx(1 / 2)
    predicted = np.array([0.5, 0.5, 0.5, 0.5])
    expected = np.array([0.4, 0.3, 0.2, 0.1])
    by_hand = ((0.4 + 0.5) + (0.3 - 1.0) + 0.2 + (0.1 - 1.0)) / 4
    found = evaluation.estimate(
        "p", reward, logged, target, predicted=predicted, expected=expected, rounds=5
    )
    assert found.dr is not None
    assert found.dr.value == pytest.approx(by_hand)
    assert evaluation.effective_rounds(logged, target) == pytest.approx(25 / 9)


def test_bootstrap_points_equal_the_estimators() -> None:
    rng = np.random.default_rng(0)
    reward = (rng.random(500) < 0.2).astype(np.float64)
    logged = rng.choice([0.2, 0.5], 500)
    target = rng.random(500)
    found = evaluation.estimate(
        "p", reward, logged, target, predicted=target * 0.1, expected=target * 0.2, rounds=50
    )
    assert found.ips.value == pytest.approx(evaluation.ips(reward, logged, target))
    assert found.snips.value == pytest.approx(evaluation.snips(reward, logged, target))
    dr = (target * 0.2 + (reward - target * 0.1) * target / logged).mean()
    assert found.dr is not None
    assert found.dr.value == pytest.approx(dr)
    for part in (found.replay, found.ips, found.snips, found.dr):
        assert part.low < part.value < part.high


def test_no_click_at_all_is_not_certainty_of_none() -> None:
    """100 rounds without a click leave rates up to 1 − 0.025^(1/100) = 3.6 % possible."""
    half = np.full(100, 0.5)
    found = evaluation.estimate("p", np.zeros(100), half, half, rounds=20)
    assert found.ips.value == 0
    assert found.ips.high == pytest.approx(0.0362, abs=1e-3)


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    truth, hits = 0.1 * 0.2 + 0.2 * 0.8, 0
    for trial in range(80):
        action = rng.integers(0, 2, 1500)
        reward = (rng.random(1500) < np.where(action == 0, 0.1, 0.2)).astype(np.float64)
        target = np.where(action == 0, 0.2, 0.8)
        found = evaluation.estimate("p", reward, np.full(1500, 0.5), target, rounds=120, seed=trial)
        hits += found.snips.low <= truth <= found.snips.high
    assert 0.86 <= hits / 80 <= 1.0


def run_test(rng: np.random.Generator, rates: list[float], looks: int, batch: int) -> str | None:
    """A uniform test looked at after every batch; the winner's index as text, or None."""
    arms = len(rates)
    clicks = np.zeros(arms)
    for look in range(1, looks + 1):
        shown = rng.multinomial(batch, [1 / arms] * arms)
        clicks += rng.binomial(shown, rates)
        sums = [Arm(str(k), c * arms, c * arms**2) for k, c in enumerate(clicks)]
        verdict = stopping.decide(sums, look * batch)
        if verdict.outcome == "winner":
            return verdict.leader
    return None


def test_stopping_keeps_its_error_rate_under_constant_peeking() -> None:
    rng = np.random.default_rng(5)
    false = sum(run_test(rng, [0.06] * 4, 40, 500) is not None for _ in range(250))
    assert false / 250 <= 0.05
    named = [run_test(rng, [0.06, 0.06, 0.09], 60, 500) for _ in range(60)]
    assert named.count("2") >= 50
    assert named.count("0") + named.count("1") <= 3


def test_preferred_beats_the_default_only() -> None:
    arms = [Arm("default", 300.0, 900.0), Arm("new", 900.0, 2700.0), Arm("other", 880.0, 2640.0)]
    verdict = stopping.decide(arms, 12000, default="default")
    assert (verdict.outcome, verdict.leader, verdict.beaten) == ("preferred", "new", ("default",))
    assert stopping.decide(arms, 12000).outcome == "none"


def test_a_handful_of_clicks_decides_nothing() -> None:
    arms = [Arm("a", 12.0, 24.0), Arm("b", 0.0, 0.0)]
    assert stopping.decide(arms, 24).outcome == "none"
    assert stopping.decide([Arm("a", 0, 0), Arm("b", 0, 0)], 10).leader is None
    with pytest.raises(UsageError):
        stopping.decide(arms[:1], 24)
    with pytest.raises(UsageError):
        stopping.decide(arms, 24, alpha=0.7)
