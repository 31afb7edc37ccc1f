"""Thumbnails: candidates a person would pick, and a ranking that learns from clicks."""

from pertitle.encoder.thumbnails.making import find_candidates, make_thumbnails
from pertitle.encoder.thumbnails.renditions import SHAPES, Shape

__all__ = ["SHAPES", "Shape", "find_candidates", "make_thumbnails"]
