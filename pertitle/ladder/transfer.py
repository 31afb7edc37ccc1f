"""What titles measured in another codec tell of the one a model is for.

Codecs agree on which titles are hard: a title's surface in one codec predicts its surface in
another far better than its features do. Titles that both codecs were measured on teach that
relation; the others then give their expected scores to the regression from features, which so
learns from more titles than the codec's own table holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pertitle.ladder.regression import left_out

Array = NDArray[np.float64]

MIN_COMMON = 8
"""Fewer titles measured in both codecs say too little of how the two relate."""
_RIDGES = tuple(10.0**k for k in range(-2, 5))


def transfer_scores(
    names: Sequence[str],
    scores: Array,
    others: Sequence[str],
    groups: Sequence[str],
    guesses: Array,
    other_scores: Array,
) -> tuple[list[int], Array]:
    """Scores of titles that only the other codec was measured on.

    The two codecs' surfaces are taken to deviate alike from their means, up to a ridge regression
    of what is left on the other codec's scores; its penalty is the one with the least
    leave-one-group-out error.

    Args:
        names, scores: the codec's own titles and their principal scores, titles × scores.
        others, groups: the other codec's titles and their sources.
        guesses: others × scores, if both codecs' surfaces deviated alike.
        other_scores: others × their own scores.

    Returns:
        Which of ``others`` are used, and their expected scores; none if the two have too few titles
        in common.
    """
    own = {name: i for i, name in enumerate(names)}
    common = [i for i, name in enumerate(others) if name in own]
    alone = [i for i, name in enumerate(others) if name not in own]
    if len(common) < MIN_COMMON or not alone:
        return [], np.empty((0, scores.shape[1]))
    x = np.hstack([np.ones((len(others), 1)), other_scores])
    gram = x[common] @ x[common].T
    target = scores[[own[others[i]] for i in common]] - guesses[common]
    index = np.unique([groups[i] for i in common], return_inverse=True)[1]
    members = [np.flatnonzero(index == g) for g in range(index.max() + 1)]
    found = []
    for ridge in _RIDGES:
        inverse = np.asarray(np.linalg.inv(gram + ridge * np.eye(len(common))), np.float64)
        solved = inverse @ target
        loss = float((left_out(inverse, solved, members) ** 2).sum())
        found.append((loss, ridge, solved))
    solved = min(found, key=lambda f: f[:2])[2]
    return alone, guesses[alone] + x[alone] @ x[common].T @ solved
