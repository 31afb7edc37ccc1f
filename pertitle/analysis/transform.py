"""Block cosine transforms of pictures, and what they would cost to code."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@lru_cache(maxsize=4)
def dct_matrix(size: int) -> Floats:
    """The orthonormal DCT-II of that size as a matrix: ``D @ x`` transforms a column."""
    k, n = np.mgrid[0:size, 0:size].astype(np.float64)
    matrix = np.cos(np.pi * (2 * n + 1) * k / (2 * size)) * np.sqrt(2 / size)
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix, np.float32)


@lru_cache(maxsize=1)
def _forward() -> Floats:
    d = dct_matrix(8)
    return np.ascontiguousarray(np.kron(d, d).T)


@lru_cache(maxsize=1)
def _backward() -> Floats:
    return np.ascontiguousarray(_forward().T)


def block_rows(height: int, width: int, limit: int) -> NDArray[np.intp]:
    """Indices of picture lines that form evenly spread rows of macroblocks (16 lines), about
    ``limit`` 8×8 blocks at most, so that the cost of a measurement does not grow with the
    picture. A picture of fewer than 16 lines is one row of blocks."""
    if height < 16:
        return np.arange(8)
    rows = height // 16
    keep = max(1, min(rows, limit // max(1, 2 * (width // 8))))
    chosen = np.unique(np.linspace(0, rows - 1, keep).round().astype(np.intp))
    return (chosen[:, None] * 16 + np.arange(16)).ravel()


def blocks(lines: Floats) -> Floats:
    """Cut lines (8n, w) into 8×8 blocks, shape (blocks, 64); a ragged right edge is dropped."""
    height, width = lines.shape
    columns = width // 8
    cut = lines[:, : columns * 8].reshape(height // 8, 8, columns, 8)
    return np.ascontiguousarray(cut.transpose(0, 2, 1, 3)).reshape(-1, 64)


def unblocks(pixels: Floats, height: int, width: int) -> Floats:
    """Inverse of :func:`blocks` for a picture whose sides are multiples of 8."""
    cut = pixels.reshape(height // 8, width // 8, 8, 8).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(cut).reshape(height, width)


def product(rows: Floats, matrix: Floats) -> Floats:
    """``rows @ matrix`` in pieces too small for BLAS to spread over threads.

    On a machine whose cores encode meanwhile, threads that wait for one another cost more than
    they bring; the result no longer depends on their number either.
    """
    chunk = max(1, 262144 // matrix.size)
    whole = len(rows) // chunk * chunk
    result = np.empty((len(rows), matrix.shape[1]), np.float32)
    np.matmul(
        rows[:whole].reshape(-1, chunk, rows.shape[1]),
        matrix,
        out=result[:whole].reshape(-1, chunk, matrix.shape[1]),
    )
    np.matmul(rows[whole:], matrix, out=result[whole:])
    return result


def transform(pixels: Floats) -> Floats:
    """8×8 orthonormal DCT of blocks of shape (n, 64)."""
    return product(pixels, _forward())


def untransform(coefficients: Floats) -> Floats:
    """Inverse of :func:`transform`."""
    return product(coefficients, _backward())


def quantisation_step(qp: Floats) -> Floats:
    """H.264's quantiser step for a QP, in luma levels of an orthonormal transform: it doubles
    every 6 QP and is 1 at QP 4 (ITU-T H.264, 8.5.9)."""
    return np.exp2((np.asarray(qp, np.float32) - 4) / 6)


def bits(coefficients: Floats, steps: Floats) -> float:
    """Estimated bits of quantised blocks.

    Half of log2(1 + (c / q)²) a coefficient: the rate of a Gaussian component at distortion q²
    (Cover and Thomas, Elements of Information Theory, 10.3), smooth down to zero.

    Args:
        coefficients: shape (blocks, 64).
        steps: quantiser step of each block.
    """
    scaled = coefficients * (1 / steps)[:, None]
    np.multiply(scaled, scaled, out=scaled)
    np.log1p(scaled, out=scaled)
    return float(scaled.sum(dtype=np.float64)) * 0.5 / float(np.log(2))


def quantised(coefficients: Floats, steps: Floats) -> Floats:
    """Coefficients after quantisation with the dead zone of an intra encoder (rounding 1/3)."""
    each = steps[:, None]
    levels = np.floor(np.abs(coefficients) / each + np.float32(1 / 3))
    return np.asarray(np.sign(coefficients) * levels * each, np.float32)
