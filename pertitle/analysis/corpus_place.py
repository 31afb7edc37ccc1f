"""Where a title's features sit among those of the clips the shipped models were trained on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from pertitle.analysis.registry import REGISTRY


@dataclass(frozen=True)
class Placed:
    """One feature: its value, what it is, and where it sits in the corpus.

    Attributes:
        share: share of the corpus's clips below the value, 0 to 1; None if the corpus does not
            know the feature.
    """

    name: str
    value: float
    unit: str
    meaning: str
    reference: str
    share: float | None


def place_features(features: Mapping[str, float]) -> list[Placed]:
    """Every feature of a title, beside the corpus."""
    known = corpus().quantiles
    placed = []
    for name, value in features.items():
        entry = REGISTRY.get(name)
        ok = name in known and math.isfinite(value)
        placed.append(
            Placed(
                name,
                value,
                entry.unit if entry else "",
                entry.meaning if entry else "",
                entry.reference if entry else "",
                share_below(known[name], value) if ok else None,
            )
        )
    return placed


def standing_out(placed: Sequence[Placed], count: int = 8) -> list[Placed]:
    """The features furthest from the corpus's median, most unusual first."""
    known = [entry for entry in placed if entry.share is not None]
    return sorted(known, key=lambda entry: -abs((entry.share or 0.0) - 0.5))[:count]


@dataclass(frozen=True)
class Corpus:
    """How many clips there were, and quantiles of each feature at equal steps."""

    clips: int
    quantiles: dict[str, list[float]]


@cache
def corpus() -> Corpus:
    """The corpus as shipped; tools/feature_quantiles.py writes it."""
    text = resources.files(__package__).joinpath("corpus.json")
    return Corpus(**json.loads(text.read_text(encoding="utf-8")))


def share_below(quantiles: Sequence[float], value: float) -> float:
    """Share of the corpus below a value, 0 to 1, from its quantiles at equal steps.

    A value that many clips share is placed in the middle of them.
    """
    levels = np.linspace(0.0, 1.0, len(quantiles))
    equal = np.flatnonzero(np.asarray(quantiles) == value)
    if len(equal):
        return float(levels[equal].mean())
    return float(np.interp(value, quantiles, levels))
