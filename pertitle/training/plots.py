"""Figures of an evaluation as SVG text: loss against probes, and calibration of intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

import numpy as np
from scipy.special import ndtri

_WIDTH, _HEIGHT, _LEFT, _TOP = 560, 340, 56, 34
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - 150, _HEIGHT - _TOP - 46
_COLOURS = ("#0b6e99", "#b3541e", "#4d7c0f", "#7e3f8f", "#5b5b5b")
LEVELS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)

Line = Sequence[tuple[float, float]]


def calibration(ratios: Sequence[float]) -> list[tuple[float, float]]:
    """(nominal, observed) coverage of narrower and wider intervals than the promised 90 %.

    Args:
        ratios: distance of the truth in half widths of the 90 % interval.
    """
    half = float(ndtri(0.95))
    found = np.asarray(ratios)
    return [(p, float(np.mean(found <= ndtri(0.5 + p / 2) / half))) for p in LEVELS]


def chart(
    title: str,
    x_label: str,
    y_label: str,
    lines: Mapping[str, Line],
    *,
    top: float | None = None,
) -> str:
    """A line chart from (0, 0), as a standalone SVG document."""
    points = [p for line in lines.values() for p in line]
    right = max(p[0] for p in points) or 1.0
    highest = top if top is not None else 1.1 * max(p[1] for p in points) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        height = _PLOT_HEIGHT * (1 - min(y, highest) / highest)
        return _LEFT + _PLOT_WIDTH * x / right, _TOP + height

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        _text(_LEFT, 20, title, "start", "bold"),
    ]
    for i in range(5):
        value = highest * i / 4
        y = place(0, value)[1]
        parts.append(
            f'<line x1="{_LEFT}" x2="{_LEFT + _PLOT_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" '
            'stroke="#ddd"/>'
        )
        parts.append(_text(_LEFT - 6, y + 4, f"{value:.3g}", "end"))
    ticks = sorted({p[0] for p in points})
    parts += [_text(place(x, 0)[0], _TOP + _PLOT_HEIGHT + 16, f"{x:g}", "middle") for x in ticks]
    parts.append(_text(_LEFT + _PLOT_WIDTH / 2, _HEIGHT - 8, x_label, "middle"))
    parts.append(
        f'<text transform="translate(14 {_TOP + _PLOT_HEIGHT / 2:.0f}) rotate(-90)" '
        f'text-anchor="middle">{escape(y_label)}</text>'
    )
    for i, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[i % len(_COLOURS)]
        path = " ".join("{:.1f},{:.1f}".format(*place(*p)) for p in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for p in line:
            x, y = place(*p)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
        y = _TOP + 14 + 20 * i
        parts.append(
            f'<rect x="{_LEFT + _PLOT_WIDTH + 14}" y="{y - 9}" width="10" height="10" '
            f'fill="{colour}"/>'
        )
        parts.append(_text(_LEFT + _PLOT_WIDTH + 30, y, name, "start"))
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, text: str, anchor: str, weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="#222">{escape(text)}</text>'
    )
