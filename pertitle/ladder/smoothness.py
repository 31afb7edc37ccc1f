"""What the learned covariance is shrunk towards: smooth correlation at the data's own variances.

Surfaces vary far more where VMAF saturates than in the middle, so a stationary covariance fits
badly; a stationary *correlation* between rescaled nodes fits well, and a handful of titles' worth
of it makes the sample covariance usable.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pertitle.ladder.coordinates import Axes

Array = NDArray[np.float64]

_U_LENGTH, _U_LEVEL = 1.0, 1.0
"""Octaves over which heights lose sight of each other, and the share that never does."""
_T_LENGTH, _T_LEVEL = 1.0, 2.0
"""The same along CRF, in tens."""
_NATIVE = 0.02
"""What the native picture, which no scaler touched, does not share with the others."""
_DOUBT = (0.05, 0.1)
"""How far a title's native picture may lie from what the smaller ones let expect beyond what the
measured titles showed: log2 bits, and logit quality. Without it a few dozen titles that agree
make the belief so sure that the native picture is never probed."""
_DIGEST = (0.09, 0.06)
"""How far a long title lies from its digest: standard deviations of log2 bits and logit quality
(`benchmarks/planner/digest_error.py`)."""
_DIGEST_LEVEL = 0.8
"""Share of that variance which all heights and CRFs have in common."""
_ROUGH = 3e-4
"""Relative variance of each node by itself."""


def smooth_correlation(axes: Axes) -> Array:
    """Correlation of one output's nodes."""
    u = np.repeat(np.array(axes.octaves), len(axes.crfs))
    t = np.tile((np.array(axes.crfs) - axes.centre) / 10.0, len(axes.octaves))
    along_u = np.exp(-0.5 * ((u[:, None] - u[None, :]) / _U_LENGTH) ** 2)
    along_t = np.exp(-0.5 * ((t[:, None] - t[None, :]) / _T_LENGTH) ** 2)
    native = np.repeat(np.arange(len(axes.octaves)) == 0, len(axes.crfs))
    along_u = along_u * np.where(native[:, None] == native[None, :], 1.0, 1.0 - _NATIVE)
    both = (_U_LEVEL + along_u) / (_U_LEVEL + 1) * (_T_LEVEL + along_t) / (_T_LEVEL + 1)
    return np.asarray((both + _ROUGH * np.eye(len(u))) / (1 + _ROUGH))


def native_doubt(axes: Axes) -> Array:
    """Covariance of an offset common to all native nodes of an output (:data:`_DOUBT`)."""
    native = np.repeat(np.arange(len(axes.octaves)) == 0, len(axes.crfs)).astype(np.float64)
    return np.kron(np.diag(np.square(_DOUBT)), np.outer(native, native))


def digest_error(axes: Axes) -> Array:
    """Covariance of the difference of a title from its digest, for a title far longer than it.

    Hard and easy shots are missing at all heights and CRFs alike; a smaller part varies.
    """
    varied = smooth_correlation(axes)
    both = _DIGEST_LEVEL + (1 - _DIGEST_LEVEL) * varied
    return np.asarray(np.kron(np.diag(np.square(_DIGEST)), both))


def smoothed(axes: Axes, scatter: Array, titles: float) -> Array:
    """Both outputs' covariance with the smooth correlation and the scatter's variances.

    Args:
        scatter: sum over titles of the expected outer products of latent deviations.
        titles: their number.
    """
    sample = scatter / titles
    deviation = np.sqrt(np.diag(sample))
    half = len(deviation) // 2
    unit = sample / np.outer(deviation, deviation)
    between = float(np.trace(unit[:half, half:])) / half
    outputs = np.array([[1.0, between], [between, 1.0]])
    return np.asarray(np.outer(deviation, deviation) * np.kron(outputs, smooth_correlation(axes)))
