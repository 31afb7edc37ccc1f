"""What a title is, and how hard it is to code."""

from pertitle.analysis.analysing import analyse
from pertitle.analysis.features import measure_features
from pertitle.analysis.probe import probe
from pertitle.analysis.registry import REGISTRY, Feature

__all__ = ["REGISTRY", "Feature", "analyse", "measure_features", "probe"]
