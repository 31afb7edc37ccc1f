"""A stand-in for VMAF v0.6.1: a cubic in its elementary features.

VMAF is a support-vector regression on six numbers. This cubic was fitted to libvmaf's own logs
(``tools/fit_vmaf_terms.py``); it serves the analysis features alone, every quality that is
reported or decided on is measured with libvmaf.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

Floats64 = NDArray[np.float64]

_CENTRE = np.array([0.8, 0.5, 0.65, 0.8, 0.9, 1.0])
_SPREAD = np.array([0.15, 0.25, 0.25, 0.2, 0.15, 2.0])
_LIMIT = 3.0
"""Spreads from the centre beyond which an input counts as there: a cubic must not run away."""
_POWERS = [
    combo for degree in (1, 2, 3) for combo in combinations_with_replacement(range(6), degree)
]
WEIGHTS: tuple[float, ...] = (
    45.71, 22.02, 0.6575, 0.149, 4.147, 9.939, 2.165, 3.919, -2.468, 2.426, 0.1701, -2.514,
    1.126, -1.156, 0.8192, 1.355, 0.6308, -2.253, 1.057, 1.443, 1.984, 2.276, 0.4917, 0.1021,
    1.047, -1.069, -1.394, 2.185, 1.186, 0.9459, 0.4131, -0.3307, -0.4716, -0.8494, 1.039,
    -0.4345, -0.1648, 0.2124, 0.6584, -0.2076, -0.4266, -0.506, -0.2743, -0.475, -0.1911,
    -0.4336, 0.327, 0.9286, 0.2695, -0.2388, -1.383, -0.05443, 1.253, -1.694, -0.7614, 0.2834,
    0.8551, 0.4188, 0.5343, 0.3623, 0.1568, -0.6472, -0.03575, -2.654, -0.4431, 0.07135, 0.5592,
    1.08, -0.01439, 0.00756, 0.1833, -0.7791, -1.186, 2.801, 0.04662, 0.2543, 0.4529, 0.05202,
    -0.1465, 0.6134, -0.3674, 0.05142, -0.9392, 1.225,
)  # fmt: skip
"""Constant, then the terms of :func:`design`."""


def design(detail: Floats64, vif: Floats64, motion: Floats64) -> Floats64:
    """The cubic's terms.

    Args:
        detail: ADM score, shape (n,).
        vif: VIF of four scales, finest first, shape (n, 4).
        motion: VMAF's motion feature, luma levels, shape (n,).

    Returns:
        Shape (n, 84): one, and all products of up to three of the scaled inputs.
    """
    raw = np.column_stack([detail, vif, np.log2(np.maximum(motion, 0) + 0.2)])
    scaled = np.clip((raw - _CENTRE) / _SPREAD, -_LIMIT, _LIMIT)
    columns = [np.ones(len(scaled))]
    columns += [scaled[:, list(combo)].prod(axis=1) for combo in _POWERS]
    return np.column_stack(columns)


def predict_vmaf(detail: float, vif: Floats64, motion: float) -> float:
    """Estimated VMAF, 0 to 100, from ADM's share of detail, VIF at four scales and motion."""
    terms = design(np.array([detail]), np.asarray(vif)[None, :], np.array([motion]))
    return float(np.clip(terms @ np.array(WEIGHTS), 0, 100)[0])
