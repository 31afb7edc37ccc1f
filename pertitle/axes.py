"""Axes of a plot, whatever it is drawn with: scales and round values. Pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Maps a quantity to pixels, linearly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self._of(self.low), self._of(self.high)
        share = (self._of(value) - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def _of(self, value: float) -> float:
        return math.log2(max(value, 1e-9)) if self.log else value

    def ticks(self, about: int) -> list[float]:
        """Round values inside the range, roughly ``about`` of them."""
        if not self.log:
            step = nice_step((self.high - self.low) / max(1, about))
            first = math.ceil(self.low / step - 1e-9)
            last = math.floor(self.high / step + 1e-9)
            return [round(i * step, 10) for i in range(first, last + 1)]
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
            values = [d * 10.0**p for p in decades for d in digits]
            inside = [v for v in values if self.low * 0.999 <= v <= self.high * 1.001]
            if len(inside) <= about:
                return inside
        return inside


def nice_step(raw: float) -> float:
    """The smallest of 1, 2, 5 × 10^n that is not below ``raw``."""
    power = 10.0 ** math.floor(math.log10(max(raw, 1e-12)))
    return next(power * f for f in (1, 2, 5, 10) if power * f >= raw * (1 - 1e-9))
