"""Learning from events and ranking with what was learned: the functions behind the commands."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pertitle.clicks import bandit, stopping
from pertitle.clicks.bandit import Floats, Model, Pictures
from pertitle.clicks.database import Store, entries_of
from pertitle.clicks.log import read_events
from pertitle.clicks.stopping import Verdict
from pertitle.errors import UsageError

MANIFEST = "thumbnails.json"
BOT_RATE = 60.0
"""Impressions a minute that no person sees."""
DRAWS = 400
"""Posterior draws behind the propensities."""
EXPLORE = 0.05
"""Share of impressions spread evenly over all candidates, so that every one keeps a chance."""


@dataclass(frozen=True)
class LearnReport:
    """What became of the events.

    Attributes:
        read: rows in the files.
        added: events new to the store.
        duplicates: events that were there already.
        malformed: rows that could not be understood; the only ones not kept.
        skewed: added ones dated in the future or before 2005; kept without a date.
        late: added ones older than what was in the store before; learned from all the same.
        unknown: added ones of thumbnails not registered yet; kept until they are.
        bots: events in the store set aside because of their viewer's rate.
        learned: events in the store that the model was learned from.
        titles, thumbnails: registered in the store.
        seconds: wall time.
    """

    read: int
    added: int
    duplicates: int
    malformed: int
    skewed: int
    late: int
    unknown: int
    bots: int
    learned: int
    titles: int
    thumbnails: int
    seconds: float


@dataclass(frozen=True)
class Ranked:
    """A candidate's place.

    Attributes:
        thumbnail: its id in ``thumbnails.json``.
        lift: expected reward relative to the title's average, less 1.
        low, high: 90 % interval of the lift; -1 is no reward at all.
        propensity: probability with which it should be shown first; log it with the event.
    """

    thumbnail: str
    lift: float
    low: float
    high: float
    propensity: float


@dataclass(frozen=True)
class Ranking:
    """The candidates of a title for one context, best expectation first.

    Attributes:
        shown: the candidate drawn, with its propensity, for one impression.
        events: events behind the model; 0 means that content scores alone rank.
    """

    title: str
    context: str
    candidates: tuple[Ranked, ...]
    shown: str
    events: int


def learn(
    events: Sequence[Path],
    store: Path,
    *,
    thumbnails: Sequence[Path] = (),
    bot_rate: float = BOT_RATE,
    now: float | None = None,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> LearnReport:
    """Take in events and learn the ranking anew from all there are.

    Either all files are taken in, or, after an error, nothing of them.

    Args:
        events: CSV, JSONL or Parquet files.
        store: SQLite file; made if missing.
        thumbnails: ``thumbnails.json`` files, or folders that hold one (at any depth), whose
            candidates are registered first.
        bot_rate: events a minute beyond which a viewer is taken for a bot.
        now: seconds since 1970; None for the clock.
        on_progress: called with the rows read so far.

    Raises:
        UsageError: a file is missing or lacks columns.
        ModelError: the store is damaged.
    """
    started = time.monotonic()
    moment = time.time() if now is None else now
    counts: Counter[str] = Counter()
    with Store(store) as open_store:
        for manifest in manifests(thumbnails):
            open_store.register(*entries_of(manifest))
        for path in events:
            repeats: Counter[bytes] = Counter()
            for batch in read_events(path):
                added = open_store.add(batch, moment, repeats=repeats)
                counts.update(vars(added))
                on_progress(counts["read"])
        bots = open_store.mark_bots(bot_rate)
        rows, features = open_store.candidates()
        pictures = bandit.pictures_of(*open_store.everything())
        model = bandit.fit(open_store.cells(), pictures, open_store.contexts())
        open_store.save_model(bandit.dump(model))
        titles = len({row[1] for row in rows})
    return LearnReport(
        **{name: counts[name] for name in
           ("read", "added", "duplicates", "malformed", "skewed", "late", "unknown")},
        bots=bots,
        learned=model.events,
        titles=titles,
        thumbnails=len(features),
        seconds=time.monotonic() - started,
    )  # fmt: skip


def manifests(paths: Sequence[Path]) -> list[Path]:
    """The manifests among and under the paths.

    Raises:
        UsageError: a path holds none.
    """
    found: list[Path] = []
    for path in paths:
        here = sorted(path.rglob(MANIFEST)) if path.is_dir() else [path] * path.is_file()
        if not here:
            raise UsageError(f"no {MANIFEST} at {path}")
        found += here
    return found


def context_key(context: Mapping[str, str]) -> str:
    """A context in the form events have it: columns in order, ``column=value``, joined."""
    return "|".join(f"{name.lower()}={value}" for name, value in sorted(context.items()))


def rank(
    store: Path,
    *,
    titles: Sequence[str] | None = None,
    context: Mapping[str, str] | None = None,
    explore: float = EXPLORE,
    seed: int | None = None,
) -> tuple[Ranking, ...]:
    """Rank the candidates of titles for viewers in a context.

    Without any event the order is that of the content scores.

    Args:
        titles: None for all.
        context: column names and values as in the events, e.g. ``{"segment": "drama"}``.
        explore: share of impressions spread evenly, 0 to 1; the rest follows Thompson sampling.
        seed: of the draws; None for a fresh one each time.

    Raises:
        UsageError: no store, a title without candidates, or a column or value of the context that
            no event had.
        ModelError: the store is damaged.
    """
    if not 0 <= explore <= 1:
        raise UsageError("the share of exploration lies between 0 and 1")
    with Store(store, create=False) as open_store:
        data = open_store.load_model()
        rows, features = open_store.candidates(titles)
    model = bandit.empty_model() if data is None else bandit.load(data)
    if titles is not None:
        missing = sorted(set(titles) - {row[1] for row in rows})
        if missing:
            raise UsageError(f"the store knows no thumbnails of {', '.join(missing)}")
    if not rows:
        return ()
    key = context_key(context or {})
    seen = {level for known in model.contexts for level in known.split("|") if level}
    unseen = sorted({*key.split("|")} - seen - {""})
    if unseen and model.contexts:
        raise UsageError(f"the store has no events where {', '.join(unseen)}")
    pictures = bandit.pictures_of(rows, features)
    names = {row[0]: (row[1], row[2]) for row in rows}
    order = np.lexsort((pictures.ids, pictures.titles))
    rng = np.random.default_rng(seed)
    choice = choose(model, pictures, order, key, explore=explore, rng=rng)
    groups = _groups(pictures.titles[order])
    rankings = []
    for start, stop in groups:
        rows_here = order[start:stop]
        best = np.argsort(-choice.mean[start:stop], kind="stable") + start
        drawn = start + int(rng.choice(stop - start, p=choice.propensity[start:stop]))
        ranked = tuple(
            Ranked(
                names[int(pictures.ids[order[i]])][1],
                float(choice.mean[i]),
                max(-1.0, float(choice.mean[i] - 1.645 * choice.deviation[i])),
                float(choice.mean[i] + 1.645 * choice.deviation[i]),
                float(choice.propensity[i]),
            )
            for i in best
        )
        title = names[int(pictures.ids[rows_here[0]])][0]
        shown = names[int(pictures.ids[order[drawn]])][1]
        rankings.append(Ranking(title, key, ranked, shown, model.events))
    return tuple(rankings)


@dataclass(frozen=True)
class Choice:
    """Expected lift, its deviation, and the chance of being shown, a candidate."""

    mean: Floats
    deviation: Floats
    propensity: Floats


def choose(
    model: Model,
    pictures: Pictures,
    rows: NDArray[np.int64],
    key: str,
    *,
    explore: float,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Choice:
    """Thompson sampling within each title.

    Args:
        rows: indices into ``pictures``, those of a title next to one another.
    """
    belief = bandit.believe(model, pictures, rows, key)
    samples = belief.draw(model, draws, rng)
    groups = _groups(pictures.titles[rows])
    starts = np.array([start for start, _ in groups])
    sizes = np.array([stop - start for start, stop in groups])
    best = np.repeat(np.maximum.reduceat(samples, starts, axis=0), sizes, axis=0)
    wins = (samples >= best).mean(axis=1)
    share = wins / np.repeat(np.add.reduceat(wins, starts), sizes)
    even = 1 / np.repeat(sizes, sizes)
    return Choice(
        belief.mean(model), belief.deviation(model), (1 - explore) * share + explore * even
    )


def _groups(labels: NDArray[np.int64]) -> list[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    return list(pairwise(edges))


def judge_test(store: Path, title: str, *, alpha: float = 0.05) -> Verdict:
    """Whether the running test over a title's candidates has a winner.

    The default that a *preferred* candidate beats is the one with the best content score.

    Raises:
        UsageError: the store knows fewer than two candidates of the title, or its events have no
            propensities.
    """
    with Store(store, create=False) as open_store:
        names, log = open_store.tested(title)
    if len(names) < 2:
        raise UsageError(f"the store knows fewer than two thumbnails of {title}")
    if not len(log.arm):
        raise UsageError(f"a test needs events of {title} with propensities")
    return stopping.decide(names, log, alpha=alpha, default=names[0])
