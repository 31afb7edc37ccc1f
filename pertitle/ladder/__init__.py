"""The ladder: a Gaussian surface over (height, CRF), conditioned on probes, read as rungs."""

from pertitle.ladder.coordinates import TitleContext
from pertitle.ladder.library import load_model, trained_codec
from pertitle.ladder.plan import plan_ladder
from pertitle.ladder.posterior import Posterior, Prediction
from pertitle.ladder.surface import SurfaceModel, TitleTable, fit_surface

__all__ = [
    "Posterior",
    "Prediction",
    "SurfaceModel",
    "TitleContext",
    "TitleTable",
    "fit_surface",
    "load_model",
    "plan_ladder",
    "trained_codec",
]
