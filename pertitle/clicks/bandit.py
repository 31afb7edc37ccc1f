"""The click model: a Bayesian linear mixed model of lift over image features × context.

An event's expected reward is *base × (1 + lift)*. The base is title × context × position, fitted
multiplicatively, which takes popularity and position bias out: a picture gains nothing from
standing on a popular title or at the top of the page. The lift of thumbnail j in context c is

    lift = φ(x_j, c)·w + u_j + u_jc

with image features x_j (centred within the title) crossed with the context's levels, a weight
vector w shared by all titles, and deviations u that only clicks on j itself can tell. All parts
are Gaussian, so the posterior has a closed form (Lindley and Smith 1972), one Cholesky factor of
w and a few numbers a thumbnail; Thompson sampling draws from it (Agrawal and Goyal, ICML 2013).

Before any click the posterior mean is proportional to the content score.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pertitle.clicks.database import FEATURES, Cells
from pertitle.errors import ModelError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FORMAT = 1
MAX_LEVELS = 60
"""Context levels with weights of their own; the rarest beyond that share the common weights."""
SCORE_LIFT = 0.8
"""Prior mean: lift of a picture whose content score is 1 over one whose score is 0."""
WEIGHT_SD, CROSS_SD = 0.35, 0.25
"""Prior standard deviations of the common weights and of those of a context level."""
PICTURE_SD, CELL_SD = 0.12, 0.06
"""Prior standard deviations of u_j and u_jc."""
BASE_ROUNDS = 12


@dataclass(frozen=True)
class Pictures:
    """The registered candidates, in order of ``ids``: title number, centred features."""

    ids: Ints
    titles: Ints
    features: Floats


def pictures_of(rows: Sequence[tuple[int, str, str]], features: Floats) -> Pictures:
    """Candidates with features centred within each title, sorted by id."""
    names = {name: i for i, name in enumerate(dict.fromkeys(row[1] for row in rows))}
    titles = np.array([names[row[1]] for row in rows], dtype=np.int64)
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    if len(rows):
        counts = np.bincount(titles, minlength=len(names))
        sums = np.stack(
            [np.bincount(titles, column, minlength=len(names)) for column in features.T], axis=1
        )
        features = features - (sums / counts[:, None])[titles]
    order = np.argsort(ids)
    return Pictures(ids[order], titles[order], features[order])


@dataclass(frozen=True)
class Model:
    """The posterior.

    Attributes:
        levels: context levels (``column=value``) with weights of their own.
        mean: of the weights; ``root`` @ standard normals has their posterior covariance.
        ids: thumbnails with events, ascending.
        spread: for each, the posterior variance of u_j given w.
        pull, tilt: for each, E[u_j | w] = spread · (pull − tilt·w); tilt is sparse.
        cell_picture, cell_context: (index into ``ids``, context number) of each cell, sorted.
        cell_lift, cell_noise: observed lift of the cell and its variance.
        contexts: numbers of the contexts by key.
        events: events learned from.
    """

    levels: tuple[str, ...]
    mean: Floats
    root: Floats
    ids: Ints
    spread: Floats
    pull: Floats
    tilt: sparse.csr_array
    cell_picture: Ints
    cell_context: Ints
    cell_lift: Floats
    cell_noise: Floats
    contexts: dict[str, int]
    events: int


def design(features: Floats, levels: Sequence[str], keys: Sequence[str]) -> sparse.csr_array:
    """Rows φ: the features, and again in the columns of each of the context's levels.

    Args:
        features: n × k.
        keys: n context keys, ``column=value`` joined by ``|``.
    """
    count, width = features.shape
    place = {level: i for i, level in enumerate(levels)}
    cache = {
        key: [0, *(place[part] + 1 for part in key.split("|") if part in place)]
        for key in set(keys)
    }
    blocks = [cache[key] for key in keys]
    sizes = np.array([len(block) for block in blocks], dtype=np.int64)
    flat = np.concatenate([np.array(block) for block in blocks]) if count else np.zeros(0)
    columns = (flat[:, None] * width + np.arange(width)).ravel().astype(np.int32)
    values = np.repeat(features, sizes, axis=0).ravel()
    starts = np.concatenate([[0], np.cumsum(sizes * width)]).astype(np.int32)
    return sparse.csr_array((values, columns, starts), shape=(count, width * (len(levels) + 1)))


def prior(levels: Sequence[str]) -> tuple[Floats, Floats]:
    """Mean and variances of the weights before any event."""
    width = len(FEATURES)
    mean = np.zeros(width * (len(levels) + 1))
    mean[FEATURES.index("score")] = SCORE_LIFT
    deviations = np.full(len(mean), CROSS_SD)
    deviations[:width] = WEIGHT_SD
    return mean, deviations**2


def base_rates(cells: Cells, titles: Ints) -> Floats:
    """Expected reward of each cell from its title, context and position alone.

    Poisson regression with multiplicative factors, fitted by iterative scaling (Deming and
    Stephan 1940). Titles without any reward get that of a tenth of an average event, so that
    their lift is defined.
    """
    factors = []
    for labels in (titles, cells.context, cells.position):
        _, index = np.unique(labels, return_inverse=True)
        factors.append(index)
    # Above 0 also before the first click.
    overall = max(1e-9, cells.reward.sum() / max(1e-9, cells.weight.sum()))
    rates = np.full(len(titles), overall)
    for _ in range(BASE_ROUNDS):
        for index in factors:
            seen = np.bincount(index, cells.reward)
            expected = np.bincount(index, cells.weight * rates)
            # A little of the average keeps a factor seen a few times near 1.
            prior_reward = 10 * overall
            rates = rates * ((seen + prior_reward) / (expected + prior_reward))[index]
    return rates


def frequent_levels(cells: Cells, contexts: dict[int, str]) -> tuple[str, ...]:
    """The context levels with most events, of columns with more than one level."""
    counts: dict[str, float] = {}
    events = np.bincount(cells.context, cells.events)
    for number in np.flatnonzero(events):
        for part in contexts[int(number)].split("|"):
            if part:
                counts[part] = counts.get(part, 0.0) + float(events[number])
    columns: dict[str, int] = {}
    for part in counts:
        name = part.split("=", 1)[0]
        columns[name] = columns.get(name, 0) + 1
    several = [part for part in counts if columns[part.split("=", 1)[0]] > 1]
    return tuple(sorted(sorted(several, key=lambda part: -counts[part])[:MAX_LEVELS]))


def fit(cells: Cells, pictures: Pictures, contexts: dict[int, str]) -> Model:
    """The posterior given all events.

    Args:
        cells: events summed; every thumbnail in it is among ``pictures``.
        contexts: keys by number.
    """
    levels = frequent_levels(cells, contexts)
    mean, variance = prior(levels)
    numbers = {key: number for number, key in contexts.items()}
    at = np.searchsorted(pictures.ids, cells.thumbnail)
    rates = base_rates(cells, pictures.titles[at]) if len(at) else np.zeros(0)
    # Positions are summed away: what they do is in the base.
    pairs, group = np.unique(np.column_stack([at, cells.context]), axis=0, return_inverse=True)
    group = group.ravel()
    size = len(pairs)
    expected = np.bincount(group, cells.weight * rates, minlength=size)
    reward = np.bincount(group, cells.reward, minlength=size)
    square = np.bincount(group, cells.square * rates, minlength=size)
    lift = reward / np.maximum(expected, 1e-12) - 1
    noise = cells.dispersion * square / np.maximum(expected, 1e-12) ** 2
    picture = pairs[:, 0].astype(np.int64)
    rows = design(pictures.features[picture], levels, [contexts[int(c)] for c in pairs[:, 1]])
    seen, local = np.unique(picture, return_inverse=True)
    local = local.ravel()
    precision = 1 / (noise + CELL_SD**2)
    weight = np.bincount(local, precision, minlength=len(seen))
    gather = sparse.csr_array((precision, (local, np.arange(size))), shape=(len(seen), size))
    tilt = sparse.csr_array(gather @ rows)
    pull: Floats = np.bincount(local, precision * lift, minlength=len(seen)).astype(np.float64)
    spread = 1 / (1 / PICTURE_SD**2 + weight)
    # Sums over blocks C⁻¹ = D − D11ᵀD·spread (Woodbury).
    scaled = sparse.diags_array(precision) @ rows
    shared = sparse.diags_array(spread) @ tilt
    information = (rows.T @ scaled - tilt.T @ shared).toarray()
    target = rows.T @ (precision * lift) - tilt.T @ (spread * pull)
    information[np.diag_indices(len(mean))] += 1 / variance
    chol = np.linalg.cholesky(information)
    half = np.linalg.solve(chol, target + mean / variance)
    return Model(
        levels=levels,
        mean=np.linalg.solve(chol.T, half),
        root=np.linalg.inv(chol).T,
        ids=pictures.ids[seen],
        spread=spread,
        pull=pull,
        tilt=tilt,
        cell_picture=local.astype(np.int64),
        cell_context=pairs[:, 1].astype(np.int64),
        cell_lift=lift,
        cell_noise=noise,
        contexts=numbers,
        events=int(cells.events.sum()),
    )


@dataclass(frozen=True)
class Belief:
    """What the model believes of thumbnails in one context: lift = const + slope·w + noise."""

    const: Floats
    slope: sparse.csr_array
    variance: Floats

    def mean(self, model: Model) -> Floats:
        """Expected lift."""
        value: Floats = self.const + self.slope @ model.mean
        return value

    def deviation(self, model: Model) -> Floats:
        """Standard deviation of the lift."""
        spread = self.slope @ model.root
        value: Floats = np.sqrt((spread**2).sum(axis=1) + self.variance)
        return value

    def draw(self, model: Model, count: int, rng: np.random.Generator) -> Floats:
        """Samples of the lift, thumbnails × ``count``."""
        weights = model.mean[:, None] + model.root @ rng.standard_normal((len(model.mean), count))
        noise = rng.standard_normal((len(self.const), count)) * np.sqrt(self.variance)[:, None]
        value: Floats = self.const[:, None] + self.slope @ weights + noise
        return value


def believe(model: Model, pictures: Pictures, rows: Ints, key: str) -> Belief:
    """The belief over some pictures in a context.

    Args:
        rows: indices into ``pictures``.
        key: the context's key; it need not have been seen.
    """
    phi = design(pictures.features[rows], model.levels, [key] * len(rows))
    count = len(rows)
    at = np.searchsorted(model.ids, pictures.ids[rows])
    at = np.minimum(at, max(0, len(model.ids) - 1))
    known = model.ids[at] == pictures.ids[rows] if len(model.ids) else np.zeros(count, bool)
    spread = np.full(count, PICTURE_SD**2)
    pull = np.zeros(count)
    spread[known] = model.spread[at[known]]
    pull[known] = model.pull[at[known]]
    share = np.zeros(count)
    lift = np.zeros(count)
    number = model.contexts.get(key)
    if number is not None and len(model.ids):
        here = np.flatnonzero(model.cell_context == number)
        cell = np.full(len(model.ids), -1)
        cell[model.cell_picture[here]] = here
        found = np.where(known, cell[at], -1)
        with_cell = found >= 0
        noise = model.cell_noise[found[with_cell]]
        share[with_cell] = CELL_SD**2 / (CELL_SD**2 + noise)
        lift[with_cell] = model.cell_lift[found[with_cell]]
    slope = phi
    if len(model.ids):
        tilt = sparse.diags_array(np.where(known, spread, 0.0)) @ model.tilt[at]
        slope = phi - tilt
    rest = 1 - share
    return Belief(
        const=share * lift + rest * spread * pull,
        slope=sparse.csr_array(sparse.diags_array(rest) @ slope),
        variance=rest**2 * spread + CELL_SD**2 * rest,
    )


def empty_model() -> Model:
    """The prior, for a store without events."""
    none = np.zeros(0)
    whole = np.zeros(0, dtype=np.int64)
    mean, variance = prior(())
    return Model(
        (), mean, np.diag(np.sqrt(variance)), whole, none, none,
        sparse.csr_array((0, len(mean))), whole, whole, none, none, {}, 0,
    )  # fmt: skip


def dump(model: Model) -> bytes:
    """The model as plain arrays (npz without pickled objects)."""
    buffer = io.BytesIO()
    keys = sorted(model.contexts, key=model.contexts.__getitem__)
    np.savez(
        buffer,
        format=np.array(FORMAT),
        features=np.array(FEATURES, dtype=np.str_),
        levels=np.array(model.levels, dtype=np.str_),
        mean=model.mean,
        root=model.root,
        ids=model.ids,
        spread=model.spread,
        pull=model.pull,
        tilt_data=model.tilt.data,
        tilt_indices=model.tilt.indices,
        tilt_indptr=model.tilt.indptr,
        cell_picture=model.cell_picture,
        cell_context=model.cell_context,
        cell_lift=model.cell_lift,
        cell_noise=model.cell_noise,
        context_keys=np.array(keys, dtype=np.str_),
        context_numbers=np.array([model.contexts[key] for key in keys], dtype=np.int64),
        events=np.array(model.events),
    )
    return buffer.getvalue()


def load(data: bytes) -> Model:
    """Read what :func:`dump` wrote.

    Raises:
        ModelError: damaged, or of another version or feature set.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            if int(arrays["format"]) != FORMAT or tuple(arrays["features"]) != FEATURES:
                raise ModelError("the learned ranking is of another version; learn again")
            mean = arrays["mean"]
            ids = arrays["ids"]
            keys = [str(key) for key in arrays["context_keys"]]
            tilt = (arrays["tilt_data"], arrays["tilt_indices"], arrays["tilt_indptr"])
            return Model(
                levels=tuple(str(level) for level in arrays["levels"]),
                mean=mean,
                root=arrays["root"],
                ids=ids,
                spread=arrays["spread"],
                pull=arrays["pull"],
                tilt=sparse.csr_array(tilt, shape=(len(ids), len(mean))),
                cell_picture=arrays["cell_picture"],
                cell_context=arrays["cell_context"],
                cell_lift=arrays["cell_lift"],
                cell_noise=arrays["cell_noise"],
                contexts=dict(zip(keys, map(int, arrays["context_numbers"]), strict=True)),
                events=int(arrays["events"]),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"the learned ranking is damaged: {error}") from error
