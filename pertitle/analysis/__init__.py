"""What a title is, and how hard it is to code."""

from pertitle.analysis.features import measure_features
from pertitle.analysis.probe import probe
from pertitle.analysis.registry import REGISTRY, Feature

__all__ = ["REGISTRY", "Feature", "measure_features", "probe"]
