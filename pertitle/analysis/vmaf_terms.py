"""A stand-in for VMAF v0.6.1: a cubic in its elementary features.

VMAF is a support-vector regression on six numbers. This cubic was fitted to libvmaf's own logs
(``benchmarks/fit_vmaf_terms.py``); it serves the analysis features alone, every quality that is
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
DETAIL_LOSS = 0.9
"""Of the detail that counts as lost without contrast masking, the share VMAF's ADM also sees."""
_POWERS = [
    combo for degree in (1, 2, 3) for combo in combinations_with_replacement(range(6), degree)
]
WEIGHTS: tuple[float, ...] = (
    45.43, 22.04, -0.3805, 0.5948, 4.459, 9.736, 2.042, 3.817, -3.034, 2.324, 0.3124, -2.516,
    0.6368, -0.6854, 0.688, 1.294, 0.6729, -0.7541, 0.9398, 1.304, 1.645, 1.403, 0.4714,
    0.02857, 0.6606, -1.075, -0.9772, 2.865, 1.519, 0.6472, 0.707, -0.2183, -0.6978, -0.2146,
    1.356, -0.5381, -0.5732, -0.1928, -0.1739, 0.1022, -0.1864, -0.371, -0.2776, -0.4348,
    -0.2845, -0.03261, 0.3326, 0.6263, 0.1861, 0.2779, -1.308, -0.3895, 1.052, 0.4406, -0.8578,
    0.1073, 0.8078, -0.1498, 0.258, 0.116, -0.1356, -0.8809, -0.1274, -0.1403, -0.2429, 0.3716,
    0.867, 0.3384, 0.2584, 0.2126, 0.08405, -0.5092, -0.6601, 0.19, 0.02728, 0.04383, 0.24,
    -0.1669, -0.1118, 0.2839, -0.2956, 0.0766, -0.1386, 1.266,
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
    """Estimated VMAF, 0 to 100, from detail without masking (see ``fidelity``), VIF and motion."""
    masked = 1 - DETAIL_LOSS * (1 - detail)
    terms = design(np.array([masked]), np.asarray(vif)[None, :], np.array([motion]))
    return float(np.clip(terms @ np.array(WEIGHTS), 0, 100)[0])
