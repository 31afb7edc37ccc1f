"""The few parts a plot is made of: frame, ticks, paths. Pure functions, SVG out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pertitle.axes import Scale
from pertitle.report.markup import Markup, join, number, tag

Point = tuple[float, float]


@dataclass(frozen=True)
class Frame:
    """The area of a plot: outer size, margins (top, right, bottom, left), and its two scales."""

    width: float
    height: float
    x: Scale
    y: Scale

    @property
    def left(self) -> float:
        return self.x.start

    @property
    def right(self) -> float:
        return self.x.end

    @property
    def top(self) -> float:
        return self.y.end

    @property
    def bottom(self) -> float:
        return self.y.start

    def place(self, point: Point) -> Point:
        """Pixels of a (x, y) value."""
        return self.x(point[0]), self.y(point[1])


def frame(
    width: float,
    height: float,
    x: tuple[float, float],
    y: tuple[float, float],
    *,
    margins: tuple[float, float, float, float],
    log_x: bool = False,
    log_y: bool = False,
) -> Frame:
    """A plot area for values in the ranges ``x`` and ``y``; a range of no width is widened."""
    top, right, bottom, left = margins
    return Frame(
        width,
        height,
        Scale(*_wide(x, log_x), left, width - right, log_x),
        Scale(*_wide(y, log_y), height - bottom, top, log_y),
    )


def _wide(bounds: tuple[float, float], log: bool) -> tuple[float, float]:
    low, high = bounds
    if high > low:
        return bounds
    return (low / 2, max(low, 1e-6) * 2) if log else (low - 1, low + 1)


def line(points: Sequence[Point]) -> str:
    """Path data through points in pixels, thinned where it would not show."""
    kept = thin(points)
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in kept) if kept else ""


def area(upper: Sequence[Point], lower: Sequence[Point]) -> str:
    """Path data of the region between two lines with the same horizontal run."""
    if not upper or not lower:
        return ""
    return line(upper) + "L" + line(list(reversed(lower)))[1:] + "Z"


def thin(points: Sequence[Point], tolerance: float = 0.15) -> list[Point]:
    """Drop points that lie within ``tolerance`` pixels of the line kept without them.

    Ramer, "An iterative procedure for the polygonal approximation of plane curves", 1972.
    """
    if len(points) < 3:
        return list(points)
    keep = {0, len(points) - 1}
    todo = [(0, len(points) - 1)]
    while todo:
        first, last = todo.pop()
        worst, place = 0.0, -1
        for i in range(first + 1, last):
            away = _distance(points[i], points[first], points[last])
            if away > worst:
                worst, place = away, i
        if worst > tolerance:
            keep.add(place)
            todo += [(first, place), (place, last)]
    return [points[i] for i in sorted(keep)]


def _distance(point: Point, start: Point, end: Point) -> float:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    if length < 1e-9:
        return math.hypot(point[0] - start[0], point[1] - start[1])
    return abs(dx * (point[1] - start[1]) - dy * (point[0] - start[0])) / length


def axes(
    area: Frame,
    *,
    x_title: str,
    y_title: str,
    x_ticks: Iterable[tuple[float, str]],
    y_ticks: Iterable[tuple[float, str]],
) -> Markup:
    """Grid lines, tick labels and titles."""
    parts = []
    for value, label in y_ticks:
        y = area.y(value)
        parts.append(tag("line", x1=area.left, x2=area.right, y1=y, y2=y, class_="grid"))
        parts.append(tag("text", label, x=area.left - 6, y=y + 3.5, class_="tick end"))
    for value, label in x_ticks:
        x = area.x(value)
        parts.append(tag("line", x1=x, x2=x, y1=area.top, y2=area.bottom, class_="grid"))
        if label:
            parts.append(tag("text", label, x=x, y=area.bottom + 15, class_="tick mid"))
    if x_title:
        middle = (area.left + area.right) / 2
        parts.append(tag("text", x_title, x=middle, y=area.height - 4.0, class_="name mid"))
    if y_title:
        parts.append(tag("text", y_title, x=area.left, y=area.top - 8, class_="name"))
    return join(parts)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move label positions apart until neighbours are ``gap`` pixels from one another.

    The order is kept; labels stay between ``low`` and ``high`` if they fit at all.
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = [places[i] for i in order]
    for i in range(len(moved)):
        moved[i] = max(moved[i], low if i == 0 else moved[i - 1] + gap)
    for i in reversed(range(len(moved))):
        ceiling = high if i == len(moved) - 1 else moved[i + 1] - gap
        moved[i] = min(moved[i], ceiling)
    result = [0.0] * len(places)
    for slot, i in enumerate(order):
        result[i] = moved[slot]
    return result
