"""A plot for the terminal, two by four dots a character (Unicode braille patterns)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pertitle.axes import Scale

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


@dataclass(frozen=True)
class Line:
    """Points (x, y) joined by a line, or only marked with a character."""

    points: Sequence[tuple[float, float]]
    mark: str = ""


def plot(
    lines: Sequence[Line],
    *,
    width: int = 60,
    height: int = 15,
    x_name: str = "kbit/s",
    y_name: str = "VMAF",
) -> str:
    """Lines over a logarithmic x axis and a linear y axis.

    Args:
        lines: at least one must hold a point; x values are positive.
        width, height: characters of the whole drawing, axes included.

    Returns:
        ``height`` lines of at most ``width`` characters, joined by newlines; empty without a
        point to draw.
    """
    points = [p for line in lines for p in line.points if p[0] > 0]
    columns, rows = width - 5, height - 2
    if not points or columns < 8 or rows < 3:
        return ""
    low_x, high_x = min(x for x, _ in points), max(x for x, _ in points)
    low_y, high_y = min(y for _, y in points), max(y for _, y in points)
    x = Scale(low_x / 1.05, high_x * 1.05, 0, columns * 2 - 1, log=True)
    pad = max(1.0, 0.04 * (high_y - low_y))
    y = Scale(low_y - pad, high_y + pad, rows * 4 - 1, 0)
    cells = [[0] * columns for _ in range(rows)]
    marks: dict[tuple[int, int], str] = {}
    for line in lines:
        placed = [(x(a), y(b)) for a, b in line.points if a > 0]
        if line.mark:
            marks |= {(int(py) // 4, int(px) // 2): line.mark for px, py in placed}
        else:
            for start, end in pairwise(placed):
                _draw(cells, start, end)
    text = []
    labels = {int(y(v)) // 4: f"{v:g}" for v in y.ticks(max(2, rows // 3))}
    for r, row in enumerate(cells):
        drawn = "".join(
            marks.get((r, c)) or (chr(0x2800 + dots) if dots else " ") for c, dots in enumerate(row)
        )
        text.append(f"{labels.get(r, ''):>3} \u2502{drawn}".rstrip())
    text.append("    \u2514" + "\u2500" * columns)
    text.append(_bottom(x, columns, x_name, y_name))
    return "\n".join(text)


def _bottom(x: Scale, columns: int, x_name: str, y_name: str) -> str:
    line = [" "] * (columns + 5)
    end = f"{y_name} / {x_name}"
    room = columns + 5 - len(end) - 1
    for value in x.ticks(max(2, columns // 9)):
        label = f"{value:g}"
        at = 5 + int(x(value)) // 2 - len(label) // 2
        free = all(c == " " for c in line[max(0, at - 1) : at + len(label) + 1])
        if at >= 4 and at + len(label) <= room and free:
            line[at : at + len(label)] = label
    line[room + 1 :] = end
    return "".join(line).rstrip()


def _draw(cells: list[list[int]], start: tuple[float, float], end: tuple[float, float]) -> None:
    steps = max(1, math.ceil(max(abs(end[0] - start[0]), abs(end[1] - start[1]))))
    for i in range(steps + 1):
        column = round(start[0] + (end[0] - start[0]) * i / steps)
        row = round(start[1] + (end[1] - start[1]) * i / steps)
        if 0 <= row // 4 < len(cells) and 0 <= column // 2 < len(cells[0]):
            cells[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
