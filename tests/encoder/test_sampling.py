"""Stratified sampling: the places of the windows and the honesty of the interval."""

from __future__ import annotations

import numpy as np
import pytest

from pertitle.encoder.sampling import (
    WINDOW_FRAMES,
    Design,
    estimate,
    rounds_needed,
    strata_borders,
)


def test_borders_cover_the_title_and_move_to_cuts() -> None:
    assert strata_borders(3000, ()) == tuple(range(0, 3001, 100))
    assert strata_borders(3000, (110, 190, 450))[:5] == (0, 110, 190, 300, 400)
    assert strata_borders(120, ()) == (0, 30, 60, 90, 120)
    assert strata_borders(7, ()) == (0, 7)


def test_every_round_looks_at_each_stratum_once_inside_its_borders() -> None:
    design = Design(3000, (120, 777), seed=3)
    assert design.weights.sum() == pytest.approx(1)
    for number in range(6):
        for span, low, high in zip(
            design.round(number), design.borders, design.borders[1:], strict=False
        ):
            assert low <= span.first
            assert span.end <= high
            assert span.frames == WINDOW_FRAMES
    assert design.round(0) == Design(3000, (120, 777), seed=3).round(0)
    assert design.round(0) != design.round(1)


def test_equal_windows_leave_no_doubt_and_one_round_is_not_enough() -> None:
    design = Design(1200)
    sure = estimate(design, [[80.0] * 30] * 2)
    assert (sure.mean, sure.low, sure.high) == (80, 80, 80)
    with pytest.raises(ValueError, match="two rounds"):
        estimate(design, [[80.0] * 30])


def test_rounds_grow_with_the_square_of_the_wanted_narrowing() -> None:
    assert rounds_needed(2, 0.4, 0.5) == 2
    assert rounds_needed(2, 1.0, 0.5) == 8
    assert rounds_needed(2, 0.51, 0.5) == 3


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    """Titles of scenes with their own level, slow drift and noise inside, as real scores are."""
    rng = np.random.default_rng(5)
    held = sampled = 0
    for trial in range(200):
        frames = 9000
        cuts = np.sort(rng.choice(np.arange(50, frames - 50), 40, replace=False))
        scores = np.full(frames, 0.0)
        for low, high in zip([0, *cuts], [*cuts, frames], strict=True):
            drift = np.cumsum(rng.normal(0, 0.1, high - low))
            scores[low:high] = rng.normal(85, 3) + drift + rng.normal(0, 0.5, high - low)
        total = np.concatenate([[0.0], np.cumsum(scores)])
        design = Design(frames, cuts.tolist(), seed=trial)
        rows = [[(total[s.end] - total[s.first]) / s.frames for s in design.round(i)]
                for i in range(40)]  # fmt: skip
        found = estimate(design, rows[:2])
        rounds = rounds_needed(2, found.half_width, 1.0)
        if design.exact_is_cheaper(rounds):
            continue
        found = estimate(design, rows[:rounds])
        sampled += 1
        held += found.low <= scores.mean() <= found.high
    assert sampled > 150
    assert 0.9 <= held / sampled <= 0.99
