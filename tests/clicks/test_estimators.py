"""The estimators against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from pertitle.clicks import estimators as evaluation


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
