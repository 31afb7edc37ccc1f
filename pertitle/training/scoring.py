"""How good a ladder is against the exhaustively measured grid of its title.

*BD-rate loss* is the Bjøntegaard bitrate difference (see :mod:`.bdrate`) of the chosen rungs' true
(bitrate, VMAF) against the true upper envelope over all heights. True values between measured CRFs
are interpolated (PCHIP) in the measured grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from pertitle.ladder.bdrate import bd_rate, envelope
from pertitle.ladder.surface import TitleTable
from pertitle.records import Probe, Rung

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """One title's ladder against the truth.

    Attributes:
        loss: BD-rate loss, per cent.
        top_overpay: bitrate of the top rung over the cheapest of all heights at its VMAF, per cent.
        vmaf_error: mean absolute error of the rungs' promised VMAF, points.
        vmaf_missed: share of rungs whose promised VMAF is more than a point off.
        rate_error: mean absolute relative error of their promised bitrate, per cent.
        vmaf_ratios, rate_ratios: of each rung, how many half widths of its 90 % interval the truth
            lies from the promise; at most 1 means that the interval holds it.
        rungs: number of rungs.
    """

    loss: float
    top_overpay: float
    vmaf_error: float
    vmaf_missed: float
    rate_error: float
    vmaf_ratios: tuple[float, ...]
    rate_ratios: tuple[float, ...]
    rungs: int

    @property
    def vmaf_covered(self) -> float:
        """Share of rungs whose VMAF interval holds the truth."""
        return float(np.mean(np.array(self.vmaf_ratios) <= 1)) if self.vmaf_ratios else np.nan

    @property
    def rate_covered(self) -> float:
        """Share of rungs whose bitrate interval holds the truth."""
        return float(np.mean(np.array(self.rate_ratios) <= 1)) if self.rate_ratios else np.nan


class Truth:
    """The measured grid of one title as curves."""

    def __init__(self, table: TitleTable) -> None:
        """Heights with fewer than two CRFs are no curves and are left out."""
        self.table = table
        self.heights: tuple[int, ...] = ()
        self._curves: dict[int, tuple[float, float, PchipInterpolator, PchipInterpolator]] = {}
        rows_rate, rows_vmaf = [], []
        for height in sorted({int(h) for h in table.heights}, reverse=True):
            pick = table.heights == height
            crf, index = np.unique(table.crfs[pick], return_index=True)
            if len(crf) < 2:
                continue
            rate, vmaf = np.log2(table.kbps[pick][index]), table.vmaf[pick][index]
            curves = PchipInterpolator(crf, rate), PchipInterpolator(crf, vmaf)
            self._curves[height] = (float(crf[0]), float(crf[-1]), *curves)
            fine = np.linspace(crf[0], crf[-1], 121)
            rows_rate.append(2 ** curves[0](fine))
            rows_vmaf.append(curves[1](fine))
            self.heights += (height,)
        self.rates, self.values = np.array(rows_rate), np.array(rows_vmaf)
        self.hull = envelope(self.rates, self.values)

    @property
    def crf_range(self) -> tuple[float, float]:
        """Lowest and highest measured CRF of any height."""
        return (
            min(c[0] for c in self._curves.values()),
            max(c[1] for c in self._curves.values()),
        )

    def at(self, height: int, crf: float) -> tuple[float, float]:
        """True (kbit/s, VMAF); a CRF outside the measured ones is read at their end."""
        low, high, rate, vmaf = self._curves[height]
        inside = min(max(crf, low), high)
        return float(2 ** rate(inside)), float(vmaf(inside))

    def measure(self, height: int, crf: float) -> Probe:
        """A probe as the title's encode would have given it."""
        kbps, vmaf = self.at(height, crf)
        return Probe(height, crf, kbps, vmaf, 0.0)

    def loss(self, points: Sequence[tuple[float, float]]) -> float:
        """BD-rate loss, per cent, of rungs whose true (kbit/s, VMAF) are given.

        A ladder without a common VMAF range with the envelope (a single rung) is compared rung
        by rung at equal VMAF.
        """
        rate, vmaf = zip(*points, strict=True)
        found = bd_rate(self.hull, (rate, vmaf))
        if found is not None:
            return found
        hull_rate, hull_vmaf = np.log2(self.hull[0]), self.hull[1]
        above = [np.log2(r) - np.interp(v, hull_vmaf, hull_rate) for r, v in points]
        return float((2 ** np.mean(above) - 1) * 100)

    def overpay(self, kbps: float, vmaf: float) -> float:
        """Bitrate over the cheapest of all heights at a VMAF, per cent."""
        cheapest = [
            np.interp(-vmaf, -np.minimum.accumulate(values), np.log2(rates))
            for rates, values in zip(self.rates, self.values, strict=True)
            if values.max() >= vmaf - 1e-6
        ]
        return float((kbps / 2 ** min(cheapest, default=np.log2(kbps)) - 1) * 100)

    def score(self, rungs: Sequence[Rung]) -> Score:
        """Judge planned rungs."""
        true = [self.at(self._height(r), r.crf) for r in rungs]
        rate = np.array([t[0] for t in true])
        vmaf = np.array([t[1] for t in true])
        promised = np.array([r.vmaf for r in rungs])
        kbps = np.array([r.bitrate_kbps for r in rungs])
        return Score(
            loss=self.loss(true),
            top_overpay=self.overpay(*true[0]),
            vmaf_error=float(np.abs(promised - vmaf).mean()),
            vmaf_missed=float((np.abs(promised - vmaf) > 1.0).mean()),
            rate_error=float(np.abs(kbps / rate - 1).mean() * 100),
            vmaf_ratios=tuple(
                _ratio(v, r.vmaf_low, r.vmaf, r.vmaf_high) for r, v in zip(rungs, vmaf, strict=True)
            ),
            rate_ratios=tuple(
                _ratio(
                    np.log(v), *np.log([r.bitrate_low_kbps, r.bitrate_kbps, r.bitrate_high_kbps])
                )
                for r, v in zip(rungs, rate, strict=True)
            ),
            rungs=len(rungs),
        )

    def _height(self, rung: Rung) -> int:
        """The table's height of a rung, whose own may have been rounded to even lines."""
        return min(self.heights, key=lambda h: abs(h - rung.height))


def _ratio(true: float, low: float, middle: float, high: float) -> float:
    half = (high - middle) if true > middle else (middle - low)
    return float(abs(true - middle) / max(half, 1e-12))
