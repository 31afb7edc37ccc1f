"""Writes the quantiles of the corpus's features that reports place a title among.

    python -m tools.feature_quantiles

From corpus/features.csv into pertitle/analysis/corpus.json: of every feature, the
values at 0, 5, 10 ... 100 per cent of the clips as they are.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pertitle.training.features_table import read_features_table

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "corpus/features.csv"
TARGET = ROOT / "pertitle/analysis/corpus.json"
LEVELS = np.linspace(0, 1, 21)


def quantiles() -> str:
    """The content of the file."""
    known = read_features_table(SOURCE).items()
    rows = [values for (_, variant), values in known if variant == "base"]
    table = {
        name: [float(f"{v:.4g}") for v in np.quantile([row[name] for row in rows], LEVELS)]
        for name in rows[0]
    }
    lines = ",\n".join(
        f" {json.dumps(name)}: {json.dumps(values)}" for name, values in table.items()
    )
    return f'{{"clips": {len(rows)}, "quantiles": {{\n{lines}\n}}}}\n'


if __name__ == "__main__":
    TARGET.write_text(quantiles(), encoding="utf-8")
