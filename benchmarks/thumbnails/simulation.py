"""A world with known click chances: regret, interval coverage, and the stopping rule's errors.

Usage::

    python -m benchmarks.thumbnails.simulation [--rounds 40000] [--worlds 5] [--tests 1000]
    python -m benchmarks.thumbnails.simulation --stopping
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from pertitle.clicks import bandit, stopping
from pertitle.clicks import estimators as evaluation
from pertitle.clicks import ranking as learning
from pertitle.clicks.database import FEATURES, Cells

Floats = NDArray[np.float64]
Rng = np.random.Generator
TITLES, CANDIDATES, SEGMENTS = 60, 6, 3
BATCH = 2000
LOOK = 500


class World:
    """Clicks = popularity × (1 + features·taste of the segment + a picture's own charm)."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        count = TITLES * CANDIDATES
        features = rng.random((count, len(FEATURES)))
        # The content score is right on average and wrong often, as it will be.
        features[:, 0] = 0.5 + 0.3 * (features[:, 1:4].mean(axis=1) - 0.5)
        rows = [(i, f"t{i // CANDIDATES:03d}", f"{i}") for i in range(count)]
        self.pictures = bandit.pictures_of(rows, features)
        taste = rng.normal(0, 0.25, (SEGMENTS, len(FEATURES)))
        taste[:, 0] = 0.5
        charm = rng.normal(0, 0.08, (count, 1))
        lift = self.pictures.features @ taste.T + charm
        popularity = np.repeat(rng.uniform(0.03, 0.12, TITLES), CANDIDATES)[:, None]
        self.chance = np.clip(popularity * (1 + lift), 0.002, 0.9)
        self.best = self.chance.reshape(TITLES, CANDIDATES, SEGMENTS).max(axis=1)
        self.rng = rng


def cells_of(shown: Floats, clicks: Floats) -> Cells:
    """Sums by (picture, segment) as the store makes them."""
    picture, segment = np.nonzero(shown)
    n, c = shown[picture, segment], clicks[picture, segment]
    one = np.ones(len(n), dtype=np.int64)
    return Cells(picture, segment, one, n, n, c, n.astype(np.int64), 1.0)


def play(world: World, policy: str, rounds: int) -> Floats:
    """Cumulative regret in clicks after every batch."""
    shape = (TITLES * CANDIDATES, SEGMENTS)
    shown, clicks = np.zeros(shape), np.zeros(shape)
    names = {k: f"segment={k}" for k in range(SEGMENTS)}
    rows = np.arange(shape[0])
    regret: list[float] = []
    total = 0.0
    for _ in range(rounds // BATCH):
        probability = np.full(shape, 1 / CANDIDATES)
        if policy == "learned":
            cells = cells_of(shown, clicks)
            model = (
                bandit.fit(cells, world.pictures, names) if shown.any() else bandit.empty_model()
            )
            for k in range(SEGMENTS):
                probability[:, k] = learning.choose(
                    model, world.pictures, rows, names[k], explore=0.0, rng=world.rng, draws=200
                ).propensity
        elif policy in ("epsilon-greedy", "content score"):
            value = np.where(shown > 0, clicks / np.maximum(shown, 1), 1.0)
            if policy == "content score":
                value = np.repeat(world.pictures.features[:, :1], SEGMENTS, axis=1)
            ordered = value.reshape(TITLES, CANDIDATES, SEGMENTS)
            top = ordered >= ordered.max(axis=1, keepdims=True)
            greedy = (top / top.sum(axis=1, keepdims=True)).reshape(shape)
            share = 0.1 if policy == "epsilon-greedy" else 0.0
            probability = (1 - share) * greedy + share / CANDIDATES
        title = world.rng.integers(0, TITLES, BATCH)
        segment = world.rng.integers(0, SEGMENTS, BATCH)
        chances = probability.reshape(TITLES, CANDIDATES, SEGMENTS)[title, :, segment]
        draw = (chances.cumsum(axis=1) < world.rng.random((BATCH, 1))).sum(axis=1)
        picture = title * CANDIDATES + np.minimum(draw, CANDIDATES - 1)
        p = world.chance[picture, segment]
        np.add.at(shown, (picture, segment), 1)
        np.add.at(clicks, (picture, segment), world.rng.random(BATCH) < p)
        total += float((world.best[title, segment] - p).sum())
        regret.append(total)
    return np.array(regret)


def lift_coverage(world: World, rounds: int) -> float:
    """Share of true lifts, relative to the title's mean, inside their 90 % intervals."""
    shape = (TITLES * CANDIDATES, SEGMENTS)
    even = np.full(shape[0] * SEGMENTS, 1 / (shape[0] * SEGMENTS))
    shown = world.rng.multinomial(rounds, even).reshape(shape).astype(np.float64)
    clicks = world.rng.binomial(shown.astype(int), world.chance).astype(np.float64)
    names = {k: f"segment={k}" for k in range(SEGMENTS)}
    model = bandit.fit(cells_of(shown, clicks), world.pictures, names)
    inside = []
    for k in range(SEGMENTS):
        belief = bandit.believe(model, world.pictures, np.arange(shape[0]), names[k])
        draws = belief.draw(model, 1000, world.rng).reshape(TITLES, CANDIDATES, -1)
        draws = draws - draws.mean(axis=1, keepdims=True)
        true = world.chance[:, k].reshape(TITLES, CANDIDATES)
        true = true / true.mean(axis=1, keepdims=True) - 1
        low, high = np.percentile(draws, (5, 95), axis=2)
        inside.append(((true >= low) & (true <= high)).mean())
    return float(np.mean(inside))


def value_coverage(trials: int, rounds: int, seed: int) -> dict[str, float]:
    """Share of 95 % bootstrap intervals that hold the true value of a policy."""
    rng = np.random.default_rng(seed)
    arms = 5
    hits = dict.fromkeys(("replay", "ips", "snips", "dr"), 0)
    for trial in range(trials):
        chance = rng.uniform(0.05, 0.15, arms)
        policy = rng.dirichlet(np.ones(arms))
        log = 0.5 * rng.dirichlet(np.ones(arms)) + 0.5 / arms
        action = rng.choice(arms, rounds, p=log)
        reward = (rng.random(rounds) < chance[action]).astype(np.float64)
        model = np.full(arms, 0.1)
        found = evaluation.estimate(
            "p", reward, log[action], policy[action], predicted=model[action],
            expected=np.full(rounds, float(policy @ model)), rounds=300, seed=trial,
        )  # fmt: skip
        truth = float(policy @ chance)
        for name in hits:
            part = getattr(found, name)
            # Replay is only meant for uniform logs; its column shows what happens otherwise.
            hits[name] += part.low <= truth <= part.high
    return {name: count / trials for name, count in hits.items()}


def served(policy: str, arms: int, shown: Floats, clicks: Floats, rng: Rng) -> Floats:
    """Propensities of the next impressions.

    Args:
        policy: ``even``; ``90/10`` or ``97.5/2.5``, where the first arm gets the first share and
            the others divide the second; ``thompson``, from the Beta posteriors of what was seen,
            with :data:`pertitle.clicks.ranking.EXPLORE` spread evenly.
    """
    if policy == "even":
        return np.full(arms, 1 / arms)
    if policy == "thompson":
        draws = rng.beta(1 + clicks, 1 + shown - clicks, (200, arms))
        wins = np.bincount(draws.argmax(axis=1), minlength=arms) / len(draws)
        return (1 - learning.EXPLORE) * wins + learning.EXPLORE / arms
    most = float(policy.partition("/")[0]) / 100
    return np.array([most] + [(1 - most) / (arms - 1)] * (arms - 1))


def error_rates(
    rates: list[float], policy: str, tests: int, events: int, seed: int
) -> tuple[float, float, float]:
    """Shares of tests with a false and a true winner, and median events to the true one.

    Propensities are adapted every ``LOOK`` events. In the first quarter the test is looked at as
    often, and later every fourth time.
    """
    rng = np.random.default_rng(seed)
    arms = len(rates)
    names = [str(k) for k in range(arms)]
    best = {names[int(np.argmax(rates))]} if len(set(rates)) > 1 else set()
    false = true = 0
    needed = []
    for _ in range(tests):
        parts: list[tuple[NDArray[np.int64], Floats, Floats]] = []
        shown, clicks = np.zeros(arms), np.zeros(arms)
        for look in range(1, events // LOOK + 1):
            propensity = served(policy, arms, shown, clicks, rng)
            arm = rng.choice(arms, LOOK, p=propensity)
            reward = (rng.random(LOOK) < np.array(rates)[arm]).astype(np.float64)
            shown += np.bincount(arm, minlength=arms)
            clicks += np.bincount(arm, reward, arms)
            parts.append((arm, reward, propensity[arm]))
            if look * LOOK > events // 4 and look % 4 and look < events // LOOK:
                continue
            log = stopping.Log(*(np.concatenate(column) for column in zip(*parts, strict=True)))
            verdict = stopping.decide(names, log)
            if verdict.outcome == "winner":
                if verdict.leader in best:
                    true += 1
                    needed.append(look * LOOK)
                else:
                    false += 1
                break
    # A test that named nobody took longer than all that did.
    took = sorted(needed) + [np.inf] * (tests - len(needed))
    return false / tests, true / tests, float(took[len(took) // 2])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40_000)
    parser.add_argument("--worlds", type=int, default=5)
    parser.add_argument("--tests", type=int, default=1000)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--stopping", action="store_true", help="the stopping rule alone")
    options = parser.parse_args()
    if options.stopping:
        stopping_table(options.tests, options.events)
        return
    print("| policy | regret (clicks) after a quarter | after all | of uniform's |")
    print("|---|---|---|---|")
    uniform = 0.0
    for policy in ("uniform", "epsilon-greedy", "content score", "learned"):
        curves = [play(World(w), policy, options.rounds) for w in range(options.worlds)]
        mean = np.mean(curves, axis=0)
        uniform = uniform or float(mean[-1])
        share = 100 * mean[-1] / uniform
        print(f"| {policy} | {mean[len(mean) // 4 - 1]:.0f} | {mean[-1]:.0f} | {share:.0f} % |")
    cover = np.mean([lift_coverage(World(100 + w), options.rounds) for w in range(options.worlds)])
    print(f"\n90 % intervals of the lift hold the truth in {100 * float(cover):.1f} %")
    values = value_coverage(max(100, options.tests // 3), 2000, 7)
    print("95 % intervals of a policy's value hold the truth in", values)
    stopping_table(options.tests, options.events)


def stopping_table(tests: int, events: int) -> None:
    """Errors of the stopping rule where all are equal, and its power for a lift of 30 %."""
    print("\n| served | candidates | false winners | one 30 % better: named | median events |")
    print("|---|---|---|---|---|")
    for policy in ("even", "90/10", "97.5/2.5", "thompson"):
        for arms in (2, 3, 4, 6):
            false, _, _ = error_rates([0.05] * arms, policy, tests, events, 1)
            rates = [0.05] * (arms - 1) + [0.065]
            wrong, true, needed = error_rates(rates, policy, tests // 20, 4 * events, 2)
            print(
                f"| {policy} | {arms} | {100 * max(false, wrong):.1f} % | {100 * true:.0f} % |"
                f" {needed:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
