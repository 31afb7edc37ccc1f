"""Viewers and what their lines carry: distributions of usable bandwidth, read and shipped.

A class of viewers has a mixture of log-normal *lines*. Samples and histograms become one too: few
are a narrow component each; the sorted weight of many is cut into equal groups, a component each.

The shipped components are fitted to public traces, their shares are assumptions: trace sets say how
lines behave, not how many viewers have which.

* 3G: Riiser et al., "Commute Path Bandwidth Traces from 3G Networks", MMSys 2013;
* 4G: van der Hooft et al., "HTTP/2-Based Adaptive Streaming of HEVC Video over 4G/LTE Networks",
  IEEE Communications Letters 2016;
* fixed: the HD set of Spiteri et al., "From Theory to Practice", MMSys 2018, which swings between
  a slow and a fast state.

``python -m benchmarks.planner.audience_ladders fit DIR`` prints the fits.
"""

from __future__ import annotations

import csv
import io
import math
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from pertitle.errors import UsageError
from pertitle.options import Lines, ViewerClass

Array = NDArray[np.float64]

_3G = Lines(0.10, 640, 1.31)
_4G = Lines(0.90, 25_000, 0.77)
_SLOW, _FAST = Lines(0.34, 1_490, 0.47), Lines(0.66, 24_100, 0.28)
AUDIENCES: dict[str, tuple[ViewerClass, ...]] = {
    "mobile": (ViewerClass("mobile", 1.0, (_3G, _4G)),),
    "fixed": (ViewerClass("fixed", 1.0, (_SLOW, _FAST)),),
    "mixed": (
        ViewerClass("mobile", 0.5, (_3G, _4G)),
        ViewerClass("fixed", 0.5, (_SLOW, _FAST)),
    ),
}
"""Shipped audiences. Nine in ten mobile viewers on 4G, and half of the mixed viewers mobile, are
assumptions."""

_GROUPS = 64
_NARROW = 0.02
"""Deviation of a single sample's component."""
_LEAST_KBPS = 1.0
"""A sample without any throughput is taken as this."""
_MAX_BYTES = 64 * 1024 * 1024
_PHONE = (1.70674692, 1.72643844, -0.00705305)
"""libvmaf's ``score_transform`` of vmaf_v0.6.1 (its ``enable_transform``, the phone model)."""


def phone_vmaf(vmaf: ArrayLike) -> Array:
    """VMAF as on a phone: libvmaf's transform, never below the score, at most 100.

    libvmaf transforms frame by frame; here a mean is transformed, which reads up to a point high
    where frames differ much, the transform being concave.
    """
    score = np.asarray(vmaf, dtype=np.float64)
    a, b, c = _PHONE
    return np.minimum(np.maximum(score, a + b * score + c * score**2), 100.0)


def seen(viewers: ViewerClass, vmaf: ArrayLike) -> Array:
    """Quality as a class of viewers sees it."""
    return phone_vmaf(vmaf) if viewers.phone else np.asarray(vmaf, dtype=np.float64)


def below(viewers: ViewerClass, kbps: ArrayLike) -> Array:
    """Share of the class whose bandwidth is less than each bitrate: the distribution function."""
    rate = np.log(np.maximum(np.asarray(kbps, dtype=np.float64), 1e-9))
    total = sum(line.share for line in viewers.lines)
    parts = [
        line.share / total * ndtr((rate - math.log(line.median_kbps)) / line.sigma)
        for line in viewers.lines
    ]
    return np.asarray(np.sum(parts, axis=0), dtype=np.float64)


def lines_of(kbps: ArrayLike, weights: ArrayLike) -> tuple[Lines, ...]:
    """Samples of bandwidth as narrow log-normal components.

    Args:
        kbps: at least one sample, 0 or more.
        weights: how much each counts, above 0.
    """
    value = np.log(np.maximum(np.asarray(kbps, dtype=np.float64), _LEAST_KBPS))
    weight = np.asarray(weights, dtype=np.float64)
    order = np.argsort(value, kind="stable")
    value, weight = value[order], weight[order] / weight.sum()
    if len(value) <= _GROUPS:
        return tuple(
            Lines(float(w), math.exp(v), _NARROW) for v, w in zip(value, weight, strict=True)
        )
    ends = np.cumsum(weight)
    groups = np.linspace(0.0, 1.0, _GROUPS + 1)
    lines = []
    for low, high in pairwise(groups):
        # A sample that lies across a border belongs to both groups, in part.
        part = np.clip(np.minimum(ends, high) - np.maximum(ends - weight, low), 0.0, None)
        mean = float(np.average(value, weights=part))
        spread = math.sqrt(float(np.average((value - mean) ** 2, weights=part)))
        lines.append(Lines(float(high - low), math.exp(mean), max(spread, _NARROW)))
    return tuple(lines)


def read_audience(name: str) -> tuple[ViewerClass, ...]:
    """A shipped audience by name, or one from a file.

    A CSV file has a column ``kbps`` and perhaps ``weight`` (viewers, seconds or a share): samples,
    a player's throughput log, or a histogram by the middle of its bins. A TOML file has tables
    ``[[class]]`` with ``name``, ``share``, ``bandwidth`` (a shipped name or a CSV file beside it)
    and perhaps ``screen = "phone"``.

    Raises:
        UsageError: neither; names what is wrong with the file.
    """
    if name in AUDIENCES:
        return AUDIENCES[name]
    path = Path(name)
    if path.suffix.lower() == ".toml":
        return _read_classes(path)
    if path.suffix.lower() == ".csv":
        return (ViewerClass(path.stem, 1.0, _read_samples(path)),)
    raise UsageError(f"an audience is {', '.join(AUDIENCES)}, or a .csv or .toml file, not {name}")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError(f"{path} is too large: {_MAX_BYTES >> 20} MiB at most")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the audience {path}: {error}") from error


def _read_samples(path: Path) -> tuple[Lines, ...]:
    reader = csv.DictReader(io.StringIO(_text(path)))
    if "kbps" not in (reader.fieldnames or ()):
        raise UsageError(f"{path} has no column kbps")
    kbps, weights = [], []
    for row in reader:
        try:
            value, weight = float(row["kbps"]), float(row.get("weight") or 1.0)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{path}, line {reader.line_num}: not a number") from error
        if not (0 <= value < 1e9 and 0 <= weight < 1e15):
            raise UsageError(f"{path}, line {reader.line_num}: bandwidth or weight out of range")
        if weight > 0:
            kbps.append(value)
            weights.append(weight)
    if not kbps:
        raise UsageError(f"{path} holds no sample")
    return lines_of(kbps, weights)


def _read_classes(path: Path) -> tuple[ViewerClass, ...]:
    try:
        tables = tomllib.loads(_text(path)).get("class")
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}") from error
    if not isinstance(tables, list) or not tables:
        raise UsageError(f"{path} has no table [[class]]")
    return tuple(_read_class(path, table) for table in tables)


def _read_class(path: Path, table: Any) -> ViewerClass:
    known = {"name", "share", "bandwidth", "screen"}
    if not isinstance(table, dict) or not {"share", "bandwidth"} <= set(table) <= known:
        raise UsageError(f"{path}: a class has share, bandwidth and perhaps name and screen")
    share, screen, bandwidth = table["share"], table.get("screen", "default"), table["bandwidth"]
    if isinstance(share, bool) or not isinstance(share, int | float):
        raise UsageError(f"{path}: a share is a number, not {share!r}")
    if screen not in ("default", "phone"):
        raise UsageError(f"{path}: a screen is default or phone, not {screen!r}")
    if bandwidth in AUDIENCES:
        parts = AUDIENCES[bandwidth]
        lines = tuple(
            Lines(viewers.share * line.share, line.median_kbps, line.sigma)
            for viewers in parts
            for line in viewers.lines
        )
    else:
        lines = _read_samples(path.parent / str(bandwidth))
    name = str(table.get("name", bandwidth))
    return ViewerClass(name, float(share), lines, phone=screen == "phone")
