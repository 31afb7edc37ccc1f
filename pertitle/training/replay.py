"""Planning replayed on measured grids: no encode, the table answers the probes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pertitle.errors import LadderError
from pertitle.ladder.grid import Grid
from pertitle.ladder.plan import candidate_heights, finish_plan, next_probe
from pertitle.ladder.surface import SurfaceModel
from pertitle.options import LadderOptions
from pertitle.records import LadderPlan, Probe
from pertitle.training.scoring import Score, Truth

DENSE = LadderOptions(
    top_vmaf=95.0, min_vmaf=30.0, vmaf_step=2.0, min_ratio=1.0001, max_ratio=1e6, max_rungs=60
)
"""Rungs every 2 VMAF points. BD-rate interpolates between rungs; at the delivered ladder's 6 points
that alone reads as 0.1 to 0.2 % of loss even for a perfectly known surface, at 2 as nothing."""


@dataclass(frozen=True)
class Replay:
    """One title planned after some number of probes.

    Attributes:
        probes: measured points used.
        plan: the ladder.
        score: against the truth.
        price: pixels encoded by the probes, in native frames.
    """

    probes: int
    plan: LadderPlan
    score: Score
    price: float


def options_for(truth: Truth, options: LadderOptions = DENSE) -> LadderOptions:
    """The options with the heights that the title's table holds."""
    return replace(options, heights=truth.heights)


def replay(
    model: SurfaceModel,
    truth: Truth,
    counts: Sequence[int],
    *,
    options: LadderOptions = DENSE,
    crf_step: float = 1.0,
    stop: bool = False,
) -> list[Replay]:
    """Plan one title with each number of probes; the probes of a smaller number come first.

    Args:
        counts: numbers of probes, ascending.
        stop: end probing as the planner would; otherwise every probe is made.

    Returns:
        One entry a count; after an early stop the last belief answers the rest.
    """
    title = truth.table.context
    options = options_for(truth, options)
    heights = candidate_heights(options, title.size.height)
    grid = Grid.of(model.axes, title, heights, truth.crf_range, crf_step)
    eager = options if stop else replace(options, tolerance=1e-9)
    belief = model.prior(title)
    probes: list[Probe] = []
    out: list[Replay] = []
    for count in sorted(set(counts)):
        while len(probes) < count:
            cell = next_probe(belief, grid, eager, probes)
            if cell is None:
                break
            probes.append(truth.measure(*cell))
            belief = belief.condition(probes[-1])
        try:
            plan = finish_plan(
                belief,
                grid,
                options,
                probes,
                preset=model.preset,
                quality_model=model.quality_model,
                display=title.display,
            )
        except LadderError as error:
            plan = error.best  # type: ignore[assignment]
        native = title.size.width * title.size.height
        sizes = [title.rung_size(p.height) for p in probes]
        price = sum(s.width * s.height for s in sizes) / native
        out.append(Replay(len(probes), plan, truth.score(plan.rungs), price))
    return out


def summarise(scores: Sequence[Score]) -> dict[str, float]:
    """Means over titles, in per cent and VMAF points."""
    loss = np.array([s.loss for s in scores])
    return {
        "loss_mean": float(loss.mean()),
        "loss_median": float(np.median(loss)),
        "loss_p95": float(np.percentile(loss, 95)),
        "loss_max": float(loss.max()),
        "top_overpay_mean": float(np.mean([s.top_overpay for s in scores])),
        "top_overpay_max": float(np.max([s.top_overpay for s in scores])),
        "rung_vmaf_mae": float(np.mean([s.vmaf_error for s in scores])),
        "rung_vmaf_missed": float(np.mean([s.vmaf_missed for s in scores])),
        "rung_bitrate_error": float(np.mean([s.rate_error for s in scores])),
        "vmaf_coverage": float(np.mean([s.vmaf_covered for s in scores])),
        "bitrate_coverage": float(np.mean([s.rate_covered for s in scores])),
        "titles": float(len(scores)),
    }
