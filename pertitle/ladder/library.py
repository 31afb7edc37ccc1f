"""Shipped models, one a codec, in ``pertitle/ladder/models``."""

from __future__ import annotations

from pathlib import Path

from pertitle.errors import ModelError
from pertitle.ladder import model_file
from pertitle.ladder.surface import SurfaceModel

MODELS = Path(__file__).parent / "models"


def trained_codec(path: Path) -> str:
    """The codec a model file was trained on.

    Raises:
        ModelError: missing, damaged or of another version.
    """
    return model_file.read(Path(path)).codec


def load_model(codec: str, path: Path | None = None) -> SurfaceModel:
    """The model of a codec, shipped or from a file.

    Raises:
        ModelError: missing, damaged, of another version or of another codec.
    """
    if path is None:
        return model_file.read(MODELS / f"{codec}.npz")
    model = model_file.read(Path(path))
    if model.codec != codec:
        raise ModelError(f"model {Path(path).name} is of codec {model.codec}, not {codec}")
    return model
