from __future__ import annotations

import pytest

from pertitle.ladder.surface import SurfaceModel, TitleTable, fit_surface
from tests.ladder.synthetic import make_titles


@pytest.fixture(scope="session")
def titles() -> list[TitleTable]:
    return make_titles(36)


@pytest.fixture(scope="session")
def model(titles: list[TitleTable]) -> SurfaceModel:
    return fit_surface(titles, codec="h264", preset="medium", quality_model="vmaf_v0.6.1")
