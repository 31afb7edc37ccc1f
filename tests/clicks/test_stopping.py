"""The stopping rule: how often it names a wrong winner, and that it names the right one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from pertitle.clicks.stopping import Log, decide, log_wealth
from pertitle.errors import UsageError

Floats = NDArray[np.float64]
Serving = Callable[[Floats, Floats, np.random.Generator], Floats]
LOOK = 250


def fixed(*propensity: float) -> Serving:
    return lambda shown, clicks, rng: np.array(propensity)


def thompson(shown: Floats, clicks: Floats, rng: np.random.Generator) -> Floats:
    draws = rng.beta(1 + clicks, 1 + shown - clicks, (100, len(shown)))
    wins = np.bincount(draws.argmax(axis=1), minlength=len(shown)) / len(draws)
    propensity: Floats = 0.95 * wins + 0.05 / len(shown)
    return propensity


def winner(
    rates: list[float], serving: Serving, looks: int, rng: np.random.Generator
) -> str | None:
    """The winner that a test looked at after every batch names first."""
    arms = len(rates)
    names = [str(k) for k in range(arms)]
    shown, clicks = np.zeros(arms), np.zeros(arms)
    log = Log(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
    for _ in range(looks):
        propensity = serving(shown, clicks, rng)
        arm = rng.choice(arms, LOOK, p=propensity)
        reward = (rng.random(LOOK) < np.array(rates)[arm]).astype(np.float64)
        shown += np.bincount(arm, minlength=arms)
        clicks += np.bincount(arm, reward, arms)
        log = Log(
            np.concatenate((log.arm, arm)),
            np.concatenate((log.reward, reward)),
            np.concatenate((log.propensity, propensity[arm])),
        )
        verdict = decide(names, log)
        if verdict.outcome == "winner":
            return verdict.leader
    return None


@pytest.mark.parametrize(
    ("arms", "serving"),
    [
        pytest.param(2, fixed(0.5, 0.5), id="even"),
        pytest.param(2, fixed(0.95, 0.05), id="95-5"),
        pytest.param(2, fixed(0.975, 0.025), id="97.5-2.5"),
        pytest.param(2, thompson, id="adaptive-2"),
        pytest.param(4, thompson, id="adaptive-4"),
    ],
)
def test_equal_candidates_have_no_winner_however_they_are_served(
    arms: int, serving: Serving
) -> None:
    rng = np.random.default_rng(5)
    false = sum(winner([0.05] * arms, serving, 20, rng) is not None for _ in range(150))
    assert false / 150 <= 0.05


def test_a_better_candidate_is_named() -> None:
    rng = np.random.default_rng(6)
    named = [winner([0.06, 0.06, 0.12], fixed(0.5, 0.25, 0.25), 40, rng) for _ in range(20)]
    assert named.count("2") >= 18


def log_of(*events: tuple[int, float, float]) -> Log:
    arm, reward, propensity = zip(*events, strict=True)
    return Log(np.array(arm), np.array(reward), np.array(propensity))


def test_a_candidate_seldom_shown_and_never_clicked_does_not_lose_yet() -> None:
    """21 impressions without a click are expected of 5 % in a third of all tests."""
    events = [(1, 0.0, 0.025)] + [(0, float(k % 20 == 0), 0.975) for k in range(39)]
    assert decide("ab", log_of(*(21 * events))).outcome == "none"


def test_a_candidate_never_shown_cannot_lose() -> None:
    log = log_of(*[(0, 1.0, 0.9)] * 1000)
    assert log_wealth(log, 0, 1) == pytest.approx(0.0)
    assert decide("ab", log).beaten == ()


def test_the_mean_wealth_of_one_more_event_is_one_at_most() -> None:
    """Whatever was seen before: a game that is fair or worse, by the sum over its outcomes."""
    before = [(0, 1.0, 0.5), (1, 0.0, 0.5), (0, 1.0, 0.8), (1, 1.0, 0.2)]
    now = np.exp(log_wealth(log_of(*before), 0, 1))
    for shown, rate in ((0.2, 0.3), (0.9, 0.3), (0.97, 0.3), (0.5, 1.0)):
        mean = 0.0
        for arm, propensity in ((0, shown), (1, 1 - shown)):
            for reward, chance in ((1.0, rate), (0.0, 1 - rate)):
                after = log_wealth(log_of(*before, (arm, reward, propensity)), 0, 1)
                mean += propensity * chance * np.exp(after)
        assert mean <= now * (1 + 1e-12)


def test_preferred_beats_the_default_only() -> None:
    log = log_of(*[(k % 3, float(k % 3 > 0 and k % 10 == 0), 1 / 3) for k in range(6000)])
    verdict = decide(["default", "new", "other"], log, default="default")
    assert (verdict.outcome, verdict.beaten) == ("preferred", ("default",))
    assert decide(["default", "new", "other"], log).outcome == "none"


def test_a_handful_of_clicks_decides_nothing() -> None:
    log = log_of(*[(0, 1.0, 0.5), (1, 0.0, 0.5)] * 6)
    assert decide("ab", log).outcome == "none"
    assert decide("ab", log_of((0, 0.0, 0.5), (1, 0.0, 0.5))).leader is None
    with pytest.raises(UsageError):
        decide("a", log)
    with pytest.raises(UsageError):
        decide("ab", log, alpha=0.7)
