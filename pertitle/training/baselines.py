"""What others do, played by the same rules: fixed ladder, uniform probing, regression trees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression
from sklearn.ensemble import ExtraTreesRegressor

from pertitle.ladder.bdrate import bd_rate
from pertitle.ladder.decision import Curves
from pertitle.ladder.fixed import APPLE, HEIGHT_TOLERANCE
from pertitle.ladder.rungs import choose_rungs
from pertitle.ladder.surface import TitleTable
from pertitle.training.replay import options_for
from pertitle.training.scoring import Score, Truth

Array = NDArray[np.float64]


def fixed_points(truth: Truth, codec: str) -> list[tuple[float, float]]:
    """True (kbit/s, VMAF) of the fixed ladder's rungs; those above the source are left out.

    A rung with more bits than the best measured encode of its height is read at that encode
    (which flatters the fixed ladder); one with fewer than the worst is left out. AV1 is judged by
    the rungs of HEVC.
    """
    ladder = APPLE["h264" if codec == "h264" else "hevc"]
    points = []
    native = truth.heights[0]
    for lines, kbps in ladder:
        height = min(truth.heights, key=lambda h: abs(h - lines))
        if (
            lines > native
            or height not in truth.heights
            or abs(height - lines) > HEIGHT_TOLERANCE * lines
        ):
            continue
        row = truth.heights.index(height)
        rate, vmaf = truth.rates[row][::-1], truth.values[row][::-1]
        if kbps < rate[0]:
            continue
        capped = min(kbps, float(rate[-1]))
        points.append((capped, float(np.interp(np.log2(capped), np.log2(rate), vmaf))))
    return points


def savings(
    truth: Truth, fixed: Sequence[tuple[float, float]], rungs: Sequence[tuple[float, float]]
) -> tuple[float, float] | None:
    """Bitrate saved over the fixed ladder at equal VMAF, per cent: by the hull and by the rungs.

    Both are taken over the VMAF range common to all three; None if there is none.
    """
    if len(fixed) < 2 or len(rungs) < 2:
        return None
    low = max(min(v for _, v in points) for points in (fixed, rungs))
    high = min(max(v for _, v in points) for points in (fixed, rungs))
    hull_rate, hull_vmaf = truth.hull
    inside = (hull_vmaf >= low) & (hull_vmaf <= high)
    if inside.sum() < 2:
        return None
    anchor = tuple(zip(*fixed, strict=True))
    by_hull = bd_rate((anchor[0], anchor[1]), (hull_rate[inside], hull_vmaf[inside]))
    ours = tuple(zip(*rungs, strict=True))
    by_rungs = bd_rate((anchor[0], anchor[1]), (ours[0], ours[1]))
    return None if by_hull is None or by_rungs is None else (-by_hull, -by_rungs)


def uniform_probing(truth: Truth, per_height: int = 3) -> tuple[Score, int]:
    """A few evenly spread CRFs at every height, interpolated, isotonic, read as a hull.

    Returns:
        The score of its rungs, and the encodes it cost.
    """
    low, high = truth.crf_range
    at = np.linspace(low + 0.1 * (high - low), high - 0.1 * (high - low), per_height)
    grid = np.linspace(low, high, round((high - low) / 0.5) + 1)
    rates, values = [], []
    for height in truth.heights:
        measured = np.array([truth.at(height, c) for c in at])
        rate = _extend(at, np.log2(measured[:, 0]), grid)
        vmaf = np.clip(_extend(at, measured[:, 1], grid), 0.0, 100.0)
        rates.append(isotonic_regression(rate, increasing=False).x)
        values.append(isotonic_regression(vmaf, increasing=False).x)
    curves = Curves(truth.heights, grid, np.array(rates), np.array(values))
    return score_curves(truth, curves), per_height * len(truth.heights)


def _extend(x: Array, y: Array, grid: Array) -> Array:
    """PCHIP inside the measured range, straight lines beyond it."""
    curve = PchipInterpolator(x, y)
    slopes = curve.derivative()
    out = curve(np.clip(grid, x[0], x[-1]))
    out = out + np.minimum(0, grid - x[0]) * float(slopes(x[0]))
    return np.asarray(out + np.maximum(0, grid - x[-1]) * float(slopes(x[-1])))


def score_curves(truth: Truth, curves: Curves) -> Score:
    """Score of the rungs read off some expected surface without intervals."""
    choice = choose_rungs(curves, options_for(truth), 1.0)
    true = [truth.at(curves.heights[s.row], s.crf) for s in choice.steps]
    return _plain_score(
        truth, true, [2**s.rate for s in choice.steps], [s.vmaf for s in choice.steps]
    )


def _plain_score(
    truth: Truth, true: Sequence[tuple[float, float]], kbps: Sequence[float], vmaf: Sequence[float]
) -> Score:
    rate = np.array([t[0] for t in true])
    value = np.array([t[1] for t in true])
    return Score(
        loss=truth.loss(true),
        top_overpay=truth.overpay(*true[0]),
        vmaf_error=float(np.abs(np.array(vmaf) - value).mean()),
        vmaf_missed=float((np.abs(np.array(vmaf) - value) > 1.0).mean()),
        rate_error=float(np.abs(np.array(kbps) / rate - 1).mean() * 100),
        vmaf_ratios=(),
        rate_ratios=(),
        rungs=len(true),
    )


class TreeBaseline:
    """ExtraTrees from features, bitrate and height to VMAF, as in Telili et al. (2022).

    At each wanted VMAF it takes the height that is predicted to reach it with least bitrate. There
    is no CRF in it: rungs are (height, bitrate).
    """

    def __init__(self, titles: Sequence[TitleTable]) -> None:
        """Fit on the titles' cells."""
        every = [{**t.context.features, **t.context.geometry()} for t in titles]
        self.names = tuple(sorted({name for row in every for name in row}))
        rows = [
            np.column_stack([np.tile(self._row(t), (len(t.crfs), 1)), self._cells(t)])
            for t in titles
        ]
        self.trees = ExtraTreesRegressor(200, min_samples_leaf=2, random_state=0, n_jobs=1)
        self.trees.fit(np.vstack(rows), np.concatenate([t.vmaf for t in titles]))

    def _row(self, title: TitleTable) -> Array:
        features = {**title.context.features, **title.context.geometry()}
        row = np.array([float(features.get(name, np.nan)) for name in self.names])
        return np.where(np.isfinite(row), row, -1.0)

    @staticmethod
    def _cells(title: TitleTable) -> Array:
        octaves = np.log2(title.heights / title.context.size.height)
        return np.column_stack([np.log2(title.kbps), np.log2(title.heights), octaves])

    def score(self, truth: Truth) -> Score:
        """Score of the rungs it would choose; its bitrates are exact by construction."""
        title = truth.table
        low, high = float(truth.rates.min()), float(truth.rates.max())
        rates = np.geomspace(low, high, 160)
        row = self._row(title)
        native = title.context.size.height
        curves = []
        for height in truth.heights:
            cells = np.column_stack(
                [
                    np.tile(row, (len(rates), 1)),
                    np.log2(rates),
                    np.full(len(rates), np.log2(height)),
                    np.full(len(rates), np.log2(height / native)),
                ]
            )
            curves.append(isotonic_regression(self.trees.predict(cells)).x)
        predicted = np.array(curves)
        true, kbps, vmaf = [], [], []
        top = min(95.0, float(predicted.max()))
        # A title that it believes to be poor throughout still gets a rung.
        for target in np.arange(top, min(30.0, top - 1.0), -2.0):
            cost = [rates[np.argmax(c >= target)] if c.max() >= target else np.inf for c in curves]
            pick = int(np.argmin(cost))
            at_rate, at_vmaf = truth.rates[pick][::-1], truth.values[pick][::-1]
            real = float(np.clip(cost[pick], at_rate[0], at_rate[-1]))
            true.append((real, float(np.interp(np.log2(real), np.log2(at_rate), at_vmaf))))
            kbps.append(real)
            vmaf.append(float(target))
        return _plain_score(truth, true, kbps, vmaf)
