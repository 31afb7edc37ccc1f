"""The shipped models and the analysis they are fed with belong together."""

from __future__ import annotations

from fractions import Fraction
from importlib.resources import files

import pytest

from pertitle.analysis.registry import REGISTRY
from pertitle.ladder.coordinates import TitleContext
from pertitle.ladder.library import load_model
from pertitle.records import FULL_HD, Size

MODELS = sorted(
    entry.name.removesuffix(".npz")
    for entry in (files("pertitle") / "ladder" / "models").iterdir()
    if entry.name.endswith(".npz")
)


def test_there_is_a_model_for_h264() -> None:
    assert "h264" in MODELS


@pytest.mark.parametrize("codec", MODELS)
def test_every_feature_a_model_asks_for_is_measured(codec: str) -> None:
    model = load_model(codec)
    title = TitleContext({}, Size(1280, 720), Fraction(25), FULL_HD, codec)
    known = set(REGISTRY) | set(title.geometry())
    assert set(model.regression.scaler.names) <= known
