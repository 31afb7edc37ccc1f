"""What finished rungs teach of the others.

A verified rung is a measurement of the whole title, while probes are of its digest: the belief is
widened by how titles differ from their digests, and then conditioned on the rungs.
"""

from __future__ import annotations

from collections.abc import Sequence

from pertitle.ladder.coordinates import TitleContext
from pertitle.ladder.grid import Grid
from pertitle.ladder.plan import candidate_heights, reread, unfamiliar
from pertitle.ladder.surface import SurfaceModel
from pertitle.options import LadderOptions
from pertitle.records import LadderPlan, RatePoint


def learn_from_rungs(
    plan: LadderPlan,
    verified: Sequence[RatePoint],
    *,
    model: SurfaceModel,
    title: TitleContext,
    options: LadderOptions,
    crf_range: tuple[float, float],
    crf_step: float,
) -> LadderPlan:
    """The plan with hull, curves and expected loss as verified rungs let believe; same rungs.

    The result is a pure function of its arguments: pass every verified rung each time, and the
    plan as it was made or as it was returned here, which are the same to it.

    Args:
        plan: of the title; its probes are what was measured before.
        verified: what finished encodes of the whole title measured: height and CRF of the encode,
            average kbit/s of its pictures, mean VMAF. Rungs of half the frame rate do not belong
            here: their VMAF is of other pictures.
        model, title, options, crf_range, crf_step: as the plan was made with.
    """
    inflate, _ = unfamiliar(model, plan.preset, plan.quality_model)
    heights = candidate_heights(options, title.size.height)
    grid = Grid.of(model.axes, title, heights, crf_range, crf_step)
    belief = model.prior(title, inflate=inflate).condition(plan.probes).of_title()
    measured = [(float(p.height), p.crf, p.bitrate_kbps, p.vmaf) for p in verified]
    return reread(plan, belief.condition(measured), grid, options)
