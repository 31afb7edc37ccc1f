"""Stratified sampling: the places of the units, the honesty of the interval, when it ends."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from pertitle.encoder.sampling import GUARD, Design, Estimate, Question, error_of, estimate

Scores = NDArray[np.float64]


def scenes(rng: np.random.Generator, frames: int, level: float = 85.0) -> Scores:
    """Scores of scenes with their own level, slow drift and noise inside, as real ones are."""
    cuts = np.sort(rng.choice(np.arange(50, frames - 50), frames // 225, replace=False))
    scores = np.zeros(frames)
    for low, high in zip([0, *cuts], [*cuts, frames], strict=True):
        drift = np.cumsum(rng.normal(0, 0.1, high - low))
        scores[low:high] = rng.normal(level, 3) + drift + rng.normal(0, 0.5, high - low)
    return scores


def looked_at(scores: Scores, design: Design, look: int) -> Scores:
    return np.array([scores[s.first : s.end].mean() for s in design.look(look)])


@pytest.mark.parametrize("length", [1, 4])
@pytest.mark.parametrize("frames", [400, 1441, 259_200])
def test_a_look_has_a_unit_in_each_stratum_and_all_units_of_the_look_before(
    frames: int, length: int
) -> None:
    design = Design(frames, seed=3, length=length)
    before: set[int] = set()
    for number in range(design.looks):
        spans = design.look(number)
        firsts = [span.first for span in spans]
        assert before <= set(firsts)
        assert len(spans) == (len(before) * 2 or len(spans))
        assert {span.frames for span in spans} == {length}
        # With their guards they lie inside the title and apart from one another.
        assert firsts[0] >= GUARD
        assert spans[-1].end + GUARD <= frames
        assert min(np.diff(firsts), default=99) >= length + 2 * GUARD
        strata = np.array(firsts) * len(spans) // frames
        assert np.abs(strata - np.arange(len(spans))).max() <= 1
        assert design.weights(len(spans)).sum() == pytest.approx(1)
        before = set(firsts)
    assert [s.first for s in Design(frames, seed=3, length=length).look(0)] == [
        span.first for span in design.look(0)
    ]
    assert Design(frames, seed=4, length=length).look(0) != design.look(0)


def test_short_titles_are_compared_whole() -> None:
    assert Design(2).looks == Design(24).looks == 0
    assert Design(144).looks > 0


def test_every_frame_counts_as_much_as_any_other() -> None:
    counts = np.zeros(1200)
    for seed in range(3000):
        design = Design(1200, seed=seed)
        spans = design.look(0)
        counts[[span.first for span in spans]] += design.weights(len(spans))
    inside = counts[5:-5] / 3000
    assert inside.mean() == pytest.approx(1 / 1200, rel=0.02)
    # Less so at the borders of strata, where a unit of the next one may be in the way.
    assert np.abs(inside - inside.mean()).max() < 0.5 * inside.mean()
    assert inside.std() < 0.2 * inside.mean()


@pytest.mark.parametrize("period", [2, 3, 4, 5, 8])
def test_scores_that_recur_every_few_frames_do_not_deceive(period: int) -> None:
    """As of repeated frames, of pulled-down film and of the levels of a B-pyramid."""
    scores = np.where(np.arange(900) % period == 0, 60.0, 90.0)
    found = [estimate(Design(900, seed=s), looked_at(scores, Design(900, seed=s), 1), 0.05)
             for s in range(300)]  # fmt: skip
    held = [one.low <= scores.mean() <= one.high for one in found]
    assert np.mean(held) > 0.9
    assert np.mean([one.mean for one in found]) == pytest.approx(scores.mean(), abs=0.6)


def test_equal_scores_leave_no_doubt() -> None:
    design = Design(1200)
    found = estimate(design, np.full(32, 80.0), 0.02)
    assert (found.mean, found.low, found.high) == (80, 80, 80)


def test_all_intervals_of_a_title_miss_one_in_twenty_together() -> None:
    """Means of samples of which each is part of the next, so that they move together."""
    errors = [error_of(i) for i in range(6)]
    assert errors == sorted(errors, reverse=True)
    rng = np.random.default_rng(1)
    steps = rng.standard_normal((100_000, 6)) * np.array([1, 0.8, 0.8, 0.8, 0.8, 0.8])
    told = np.zeros(len(steps))
    missed = np.zeros(len(steps), dtype=bool)
    for i, error in enumerate(errors):
        told = 0.6 * told + steps[:, i]
        missed |= np.abs(told) > norm.isf(error / 2)
    assert missed.mean() == pytest.approx(0.05, abs=0.004)


def test_it_ends_where_the_question_is_answered() -> None:
    question = Question(0.5, target=80.0, tolerance=1.0)
    assert question.answered(Estimate(80.1, 79.2, 81.0))  # surely inside
    assert question.answered(Estimate(83.0, 81.1, 84.9))  # surely outside
    assert not question.answered(Estimate(80.5, 79.7, 81.3))
    assert question.answered(Estimate(80.9, 80.4, 81.4))  # in doubt, but narrow enough
    assert not Question(0.5).answered(Estimate(80.0, 79.4, 80.6))
    assert question.next_look(0, Estimate(80.5, 79.4, 81.6)) == 2
    assert question.next_look(3, Estimate(80.5, 79.9, 81.1)) == 4


def sampled(
    scores: Scores, seed: int, question: Question, other: tuple[Scores, int] | None = None
) -> tuple[Estimate, int] | None:
    """What the verifier would say, and of how many frames; None where it compares all."""
    design = Design(len(scores), seed=seed)
    look = told = 0
    while look < design.looks:
        values = looked_at(scores, design, look)
        beside = None
        if other is not None and other[1] > look:
            beside = looked_at(other[0], design, look), looked_at(other[0], design, other[1])
        found = estimate(design, values, error_of(told), beside)
        if question.answered(found):
            return found, len(values)
        told += 1
        look = question.next_look(look, found)
    return None


@pytest.mark.parametrize("helped", [False, True])
def test_the_interval_holds_the_mean_as_often_as_it_says(helped: bool) -> None:
    rng = np.random.default_rng(5)
    held, cost = [], []
    for trial in range(400):
        scores = scenes(rng, 9000)
        # A neighbouring rung of the same title, looked at more closely.
        beside = 1.2 * scores - 25 + rng.normal(0, 1, len(scores))
        question = Question(0.5, target=scores.mean() + rng.normal(0, 0.7), tolerance=1.0)
        found = sampled(scores, trial, question, (beside, 4) if helped else None)
        assert found is not None
        held.append(found[0].low <= scores.mean() <= found[0].high)
        cost.append(found[1])
    assert np.mean(held) >= 0.93
    assert np.mean(cost) < 130


def test_a_neighbour_that_was_looked_at_more_closely_narrows_the_interval() -> None:
    rng = np.random.default_rng(7)
    scores = scenes(rng, 9000)
    design = Design(len(scores), seed=1)
    values = looked_at(scores, design, 0)
    plain = estimate(design, values, 0.05)
    for noise, share in ((0.1, 0.5), (50.0, 1.3)):
        beside = 0.8 * scores + rng.normal(0, noise, len(scores))
        helped = estimate(
            design, values, 0.05, (looked_at(beside, design, 0), looked_at(beside, design, 3))
        )
        assert helped.half_width < share * plain.half_width
        assert helped.low <= scores.mean() <= helped.high
