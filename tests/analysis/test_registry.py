"""The documentation of the features is the register's own."""

from __future__ import annotations

from pathlib import Path

import pertitle
from tools.feature_table import markdown_table

DOCS = Path(pertitle.__file__).parents[1] / "docs" / "features.md"


def test_documented_features_are_the_registered_ones() -> None:
    assert markdown_table() in DOCS.read_text(encoding="utf-8")
