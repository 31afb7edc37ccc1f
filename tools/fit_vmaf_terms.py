"""Fit the cubic that stands in for VMAF in the analysis features.

Reads libvmaf JSON logs (``log_fmt=json`` with model ``vmaf_v0.6.1``) of any encodes and prints
the coefficients for ``pertitle/analysis/vmaf_terms.py`` with the error of the fit on logs left
out::

    python -m tools.fit_vmaf_terms logs/*.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from pertitle.analysis.vmaf_terms import design

ANCHOR_WEIGHT = 4
TERMS = ("adm2", "vif_scale0", "vif_scale1", "vif_scale2", "vif_scale3", "motion2")


def read_log(path: Path) -> list[list[float]]:
    """Rows of the six elementary features and the score, frames at the ends of the scale left out
    (VMAF clips there)."""
    rows = []
    for frame in json.loads(path.read_text())["frames"]:
        metrics = frame["metrics"]
        terms = [next(v for k, v in metrics.items() if term in k) for term in TERMS]
        if 0 < metrics["vmaf"] < 100:
            rows.append([*terms, metrics["vmaf"]])
    return rows


# What VMAF v0.6.1 gives a picture compared with itself, by motion, and one that lost everything;
# hardly any encode comes near these ends, and the cubic must not run away there.
ANCHORS = [
    *(
        [1, 1, 1, 1, 1, motion, score]
        for motion, score in ((0, 97.4), (1, 99), (4, 100), (15, 100))
    ),
    *([0.99, 0.93, 0.99, 1, 1, motion, score] for motion, score in ((0, 95.5), (2, 98), (8, 100))),
    *([0.4, 0, 0, 0.05, 0.1, motion, 0] for motion in (0, 2, 15)),
]


def fit(rows: np.ndarray, ridge: float = 1.0) -> np.ndarray:
    """Ridge regression of the score on the cubic's terms."""
    rows = np.concatenate([rows, np.repeat(np.array(ANCHORS, float), ANCHOR_WEIGHT, axis=0)])
    matrix = design(rows[:, 0], rows[:, 1:5], rows[:, 5])
    weight = ridge * np.eye(matrix.shape[1])
    weight[0, 0] = 0
    solution: np.ndarray = np.linalg.solve(matrix.T @ matrix + weight, matrix.T @ rows[:, 6])
    return solution


def main() -> None:
    logs = [np.array(rows) for rows in (read_log(Path(p)) for p in sys.argv[1:]) if rows]
    if not logs:
        raise SystemExit("no usable logs given")
    errors = []
    for fold in range(10):
        held = logs[fold::10]
        rest = [log for i, log in enumerate(logs) if i % 10 != fold]
        if held and rest:
            weights = fit(np.concatenate(rest))
            test = np.concatenate(held)
            errors.append(
                np.abs(design(test[:, 0], test[:, 1:5], test[:, 5]) @ weights - test[:, 6])
            )
    frames = np.concatenate(logs)
    print(f"# {len(frames)} frames of {len(logs)} encodes", end="")
    print(f"; mean absolute error on encodes left out {np.concatenate(errors).mean():.2f}")
    print(", ".join(f"{c:.4g}" for c in fit(frames)))


if __name__ == "__main__":
    main()
