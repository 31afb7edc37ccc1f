"""Conditioning and learning against what is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from pertitle.ladder.gaussian import Observations, condition, fit_tails, learn


def random_covariance(size: int, seed: int = 1) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(size, size))
    return root @ root.T + 0.1 * np.eye(size)


def test_an_exact_measurement_is_reproduced_and_leaves_no_doubt() -> None:
    covariance = random_covariance(4)
    row = np.array([[0.0, 1.0, 0.0, 0.0]])
    mean, after, _ = condition(np.zeros(4), covariance, row, np.array([1e-12]), np.array([3.0]))
    assert mean[1] == pytest.approx(3.0)
    assert after[1, 1] == pytest.approx(0.0, abs=1e-9)
    assert mean[0] == pytest.approx(3.0 * covariance[0, 1] / covariance[1, 1])


def test_conditioning_at_once_or_one_by_one_agrees() -> None:
    rng = np.random.default_rng(2)
    covariance, design = random_covariance(5), rng.normal(size=(3, 5))
    noise, values = np.array([0.1, 0.2, 0.3]), rng.normal(size=3)
    mean, after, distance = condition(np.zeros(5), covariance, design, noise, values)
    step_mean, step, total = np.zeros(5), covariance, 0.0
    for i in (2, 0, 1):
        step_mean, step, part = condition(
            step_mean, step, design[i : i + 1], noise[i : i + 1], values[i : i + 1]
        )
        total += part
    assert step_mean == pytest.approx(mean)
    assert step == pytest.approx(after)
    assert total == pytest.approx(distance)


def test_learning_finds_the_population_behind_partial_views() -> None:
    rng = np.random.default_rng(3)
    size, count = 3, 400
    true_mean, truth = np.array([1.0, -2.0, 0.5]), random_covariance(size, 4)
    titles = []
    for values in rng.multivariate_normal(true_mean, truth, size=count):
        rows = np.eye(size)[rng.permutation(size)[: rng.integers(1, size + 1)]]
        titles.append(Observations(rows, np.full(len(rows), 0.01), rows @ values))
    found = learn(titles, np.eye(size), lambda scatter, total: scatter / total, 1.0, steps=60)
    assert found.mean == pytest.approx(true_mean, abs=0.35)
    assert found.covariance == pytest.approx(truth, abs=0.25 * np.abs(truth).max())


def test_tails_are_heavier_when_some_titles_are_far_off() -> None:
    rng = np.random.default_rng(5)
    counts = np.full(300, 40.0)
    usual = rng.chisquare(40, 300)
    mixed = usual * np.where(rng.random(300) < 0.15, 8.0, 1.0)
    assert fit_tails(counts, mixed).freedom < 0.5 * fit_tails(counts, usual).freedom
    assert fit_tails(counts, 2.0 * usual).scale == pytest.approx(2.0, rel=0.1)
