"""Where a title's features sit among those the model was trained on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pertitle.analysis.registry import REGISTRY
from pertitle.errors import ModelError
from pertitle.ladder import load_model


@dataclass(frozen=True)
class Placed:
    """One feature: its value, what it is, and how far it is from the corpus.

    Attributes:
        deviation: distance from the corpus median in spreads (half the width of the middle
            68 %), negative below it; None if the corpus is unknown.
    """

    name: str
    value: float
    unit: str
    meaning: str
    reference: str
    deviation: float | None


def place_features(features: Mapping[str, float], codec: str) -> list[Placed]:
    """Every feature of a title, beside the corpus of the codec's shipped model if there is one."""
    corpus = _corpus(codec)
    placed = []
    for name, value in features.items():
        known = REGISTRY.get(name)
        centre, spread = corpus.get(name, (0.0, math.inf))
        ok = math.isfinite(spread) and spread > 0 and math.isfinite(value)
        placed.append(
            Placed(
                name,
                value,
                known.unit if known else "",
                known.meaning if known else "",
                known.reference if known else "",
                (value - centre) / spread if ok else None,
            )
        )
    return placed


def _corpus(codec: str) -> dict[str, tuple[float, float]]:
    try:
        scaler = load_model(codec).regression.scaler
    except ModelError:
        return {}
    rows = zip(scaler.names, scaler.centre, scaler.spread, strict=True)
    return {name: (float(centre), float(spread)) for name, centre, spread in rows}


def share_below(deviation: float) -> float:
    """Share of the corpus below a deviation, 0 to 1, as if the corpus were Gaussian."""
    return 0.5 * (1 + math.erf(deviation / math.sqrt(2)))
