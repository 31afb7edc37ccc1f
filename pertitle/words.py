"""Figures as people read them."""

from __future__ import annotations

import math

GB_PER_THOUSAND_HOURS = 1000 * 3600 * 1000 / 8 / 1e9
"""Gigabytes that a thousand hours of one kbit/s make: 0.45."""


def grouped(value: float) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{value:,.0f}".replace(",", "\u00a0")


def kbps(value: float) -> str:
    """A bitrate with three or four significant figures: ``487 kbit/s``, ``4 180 kbit/s``."""
    return f"{grouped(value)} kbit/s"


def vmaf(value: float) -> str:
    """A VMAF score with one decimal."""
    return f"{value:.1f}"


def signed(value: float, digits: int = 1) -> str:
    """A difference with its sign; a true minus, and no sign on zero."""
    shown = f"{abs(value):.{digits}f}"
    if float(shown) == 0:
        return shown
    return ("\u2212" if value < 0 else "+") + shown


def percent(value: float, digits: int = 0) -> str:
    """A share in per cent given in per cent."""
    return f"{value:.{digits}f}\u00a0%"


def times(spent: float, length: float) -> str:
    """What work took, in multiples of the time that the title plays: ``1.35``."""
    return f"{spent / length:.2f}" if length > 0 else ""


def seconds(value: float) -> str:
    """A span of time: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``1 h 05 min``."""
    if not math.isfinite(value) or value < 0:
        return "unknown"
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    whole = round(value / 60)
    return f"{whole // 60} h {whole % 60:02d} min"


def clock(value: float, *, whole: bool = False) -> str:
    """A place in the title: ``0:03.2``, ``1:02:03``; ``whole`` leaves the tenths out."""
    tenths = round(value * 10)
    minutes, rest = divmod(tenths, 600)
    if minutes >= 60:
        return f"{minutes // 60}:{minutes % 60:02d}:{rest // 10:02d}"
    if whole:
        return f"{minutes}:{rest // 10:02d}"
    return f"{minutes}:{rest / 10:04.1f}"


def size(count: float) -> str:
    """An amount of bytes in decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def thousand_hours(rate: float) -> float:
    """Gigabytes that a thousand hours of watching at this bitrate (kbit/s) transfer."""
    return rate * GB_PER_THOUSAND_HOURS


def count(amount: int, singular: str, plural: str | None = None) -> str:
    """An amount and its noun."""
    return f"{grouped(amount)} {singular if amount == 1 else plural or singular + 's'}"


CODEC_NAMES = {"h264": "H.264", "hevc": "HEVC", "av1": "AV1"}


def codec(name: str) -> str:
    """The codec's proper name."""
    return CODEC_NAMES.get(name, name)
