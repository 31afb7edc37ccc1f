"""``pertitle thumbs evaluate``: what the learned ranking would earn, from a log of events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pertitle.clicks import bandit
from pertitle.clicks import estimators as evaluation
from pertitle.clicks import ranking as learning
from pertitle.clicks.bandit import Floats
from pertitle.clicks.database import Store
from pertitle.clicks.estimators import Estimates
from pertitle.clicks.log import read_events
from pertitle.errors import UsageError

POLICIES = ("learned", "learned, exploring", "content score", "uniform")
SHRINK = 50.0
"""Events of the title's mean mixed into a thumbnail's own in the reward model of DR."""


@dataclass(frozen=True)
class EvaluationReport:
    """Estimated reward per impression of several policies.

    Attributes:
        rounds: events used.
        skipped: events of unknown thumbnails, and rows that could not be understood.
        overlap: share of the rounds the model was learned from; above 0 flatters it.
        logged: mean reward of the log itself.
        estimates: one for each of ``POLICIES``.
    """

    rounds: int
    skipped: int
    overlap: float
    logged: float
    estimates: tuple[Estimates, ...]


@dataclass(frozen=True)
class _Log:
    picture: NDArray[np.int64]
    context: NDArray[np.int64]
    keys: tuple[str, ...]
    reward: Floats
    propensity: Floats
    skipped: int
    overlap: float


def evaluate(
    logs: Path, store: Path, *, rounds: int = 1000, level: float = 0.95, seed: int = 0
) -> EvaluationReport:
    """Estimate the policies' values by replay, IPS, SNIPS and DR with bootstrap intervals.

    Args:
        logs: events with propensities that the ranking was *not* learned from.
        rounds: bootstrap resamples.
        level: of the intervals.

    Raises:
        UsageError: no propensities, no support, or no event of a known thumbnail.
        ModelError: the store is damaged.
    """
    with Store(store, create=False) as open_store:
        rows, features = open_store.candidates()
        data = open_store.load_model()
        log = _read(logs, open_store, rows)
    model = bandit.empty_model() if data is None else bandit.load(data)
    pictures = bandit.pictures_of(rows, features)
    # From here on pictures are named by their place in ``order``: title by title, best first.
    place = {row[0]: i for i, row in enumerate(rows)}
    order = np.argsort([place[int(i)] for i in pictures.ids])
    titles = pictures.titles[order]
    estimates = []
    fold = np.random.default_rng(seed).integers(0, 2, len(log.reward))
    predicted = [_reward_model(log, titles, fold != part) for part in (0, 1)]
    seen = np.bincount(log.picture, minlength=len(rows)) > 0
    for policy in POLICIES:
        target = np.zeros(len(log.reward))
        expected = np.zeros(len(log.reward))
        outside = np.zeros(len(log.reward))
        for number, key in enumerate(log.keys):
            here = np.flatnonzero(log.context == number)
            chance = _chances(policy, model, pictures, order, key, seed)
            target[here] = chance[log.picture[here]]
            outside[here] = _by_title(chance * ~seen, titles)[log.picture[here]]
            for part in (0, 1):
                mine = here[fold[here] == part]
                total = _by_title(chance * predicted[part], titles)
                expected[mine] = total[log.picture[mine]]
        evaluation.check_support(log.propensity, target, outside, policy)
        own = np.where(fold == 0, predicted[0][log.picture], predicted[1][log.picture])
        estimates.append(
            evaluation.estimate(
                policy,
                log.reward,
                log.propensity,
                target,
                predicted=own,
                expected=expected,
                rounds=rounds,
                level=level,
                seed=seed,
            )
        )
    return EvaluationReport(
        len(log.reward), log.skipped, log.overlap, float(log.reward.mean()), tuple(estimates)
    )


def _chances(
    policy: str,
    model: bandit.Model,
    pictures: bandit.Pictures,
    order: NDArray[np.int64],
    key: str,
    seed: int,
) -> Floats:
    """Each picture's chance of being shown within its title."""
    titles = pictures.titles[order]
    even: Floats = 1 / np.bincount(titles)[titles]
    if policy == "uniform":
        return even
    if policy == "content score":
        first = np.concatenate([[True], np.diff(titles) != 0])
        return first.astype(np.float64)
    choice = learning.choose(
        model,
        pictures,
        order,
        key,
        explore=learning.EXPLORE,
        rng=np.random.default_rng(seed),
    )
    if policy == "learned, exploring":
        return choice.propensity
    starts = np.flatnonzero(np.concatenate([[True], np.diff(titles) != 0]))
    sizes = np.diff([*starts, len(titles)])
    top = np.repeat(np.maximum.reduceat(choice.mean, starts), sizes)
    wins = (choice.mean >= top).astype(np.float64)
    shares: Floats = wins / np.repeat(np.add.reduceat(wins, starts), sizes)
    return shares


def _by_title(values: Floats, titles: NDArray[np.int64]) -> Floats:
    """The sum over the title, for each of its pictures."""
    total: Floats = np.bincount(titles, values).astype(np.float64)[titles]
    return total


def _reward_model(log: _Log, titles: NDArray[np.int64], use: NDArray[np.bool_]) -> Floats:
    """Mean reward of each picture on part of the log, drawn towards its title's mean."""
    count = np.bincount(log.picture[use], minlength=len(titles)).astype(np.float64)
    total = np.bincount(log.picture[use], log.reward[use], minlength=len(titles)).astype(float)
    overall = total.sum() / max(1.0, count.sum())
    mean = (_by_title(total, titles) + overall) / (_by_title(count, titles) + 1)
    shrunk: Floats = (total + SHRINK * mean) / (count + SHRINK)
    return shrunk


def _read(path: Path, store: Store, rows: list[tuple[int, str, str]]) -> _Log:
    place = {row[0]: i for i, row in enumerate(rows)}
    keys: dict[str, int] = {}
    picture: list[int] = []
    context: list[int] = []
    reward: list[float] = []
    propensity: list[float] = []
    skipped = known = 0
    repeats: Counter[bytes] = Counter()
    without = 0
    for batch in read_events(path):
        for event in batch:
            at = None if event is None else place.get(store.find(event.title, event.thumbnail))
            if event is None or at is None:
                skipped += 1
                continue
            if event.propensity is None:
                without += 1
                continue
            known += store.has_event(event, repeats)
            picture.append(at)
            context.append(keys.setdefault(event.context, len(keys)))
            reward.append(event.reward)
            propensity.append(event.propensity)
    if without:
        raise UsageError(
            f"{path.name}: {without} of {without + len(reward)} events have no propensity, and"
            " without one nothing can be said of another policy"
        )
    if not reward:
        raise UsageError(f"{path.name} holds no event of a thumbnail the store knows")
    return _Log(
        np.array(picture, dtype=np.int64),
        np.array(context, dtype=np.int64),
        tuple(keys),
        np.array(reward),
        np.array(propensity),
        skipped,
        known / len(reward),
    )
