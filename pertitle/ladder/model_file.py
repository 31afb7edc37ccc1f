"""Model files: plain arrays and a JSON text in one npz, read without executing anything."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pertitle.errors import ModelError
from pertitle.ladder.coordinates import Axes
from pertitle.ladder.regression import Expert, Regression, Scaler
from pertitle.ladder.surface import Noise, SurfaceModel

SCHEMA = 2
"""Changes when the meaning of a stored array changes."""
_MAX_BYTES = 16 * 1024 * 1024
_EXPERTS = 2
_ARRAYS = (
    "mean",
    "directions",
    "covariance",
    "centre",
    "spread",
    "points",
    "offset",
    *(f"{part}{i}" for i in range(_EXPERTS) for part in ("weights", "settings", "coefficients")),
)


def versions() -> dict[str, str]:
    """Libraries whose numerics made a model."""
    return {name: version(name) for name in ("numpy", "scipy", "scikit-learn")}


def write(path: Path, model: SurfaceModel) -> None:
    """Write a model; the bytes depend on nothing but the model."""
    r = model.regression
    arrays = {
        "mean": model.mean,
        "directions": model.directions,
        "covariance": model.covariance,
        "centre": r.scaler.centre,
        "spread": r.scaler.spread,
        "points": r.points,
        "offset": r.offset,
    }
    for i, expert in enumerate(r.experts):
        arrays[f"weights{i}"] = expert.weights
        arrays[f"settings{i}"] = expert.settings
        arrays[f"coefficients{i}"] = expert.coefficients
    stored = {name: np.ascontiguousarray(a, dtype="<f4") for name, a in arrays.items()}
    axes = model.axes
    head = {
        "schema": SCHEMA,
        "codec": model.codec,
        "preset": model.preset,
        "quality_model": model.quality_model,
        "axes": {
            "octaves": axes.octaves,
            "crfs": axes.crfs,
            "centre": axes.centre,
            "u_length": axes.u_length,
            "t_length": axes.t_length,
            "native": axes.native,
        },
        "features": r.scaler.names,
        "untold": model.interpolation,
        "noise": [model.noise.rate, model.noise.vmaf],
        "tails": model.tails,
        "meta": dict(model.meta),
        "versions": versions(),
        "digest": _digest(stored),
    }
    text = json.dumps(head, indent=1, sort_keys=True).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        _put(archive, "model.json", text)
        for name in _ARRAYS:
            buffer = io.BytesIO()
            np.save(buffer, stored[name], allow_pickle=False)
            _put(archive, f"{name}.npy", buffer.getvalue())


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(info, data)


def _digest(arrays: dict[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in _ARRAYS:
        digest.update(name.encode())
        digest.update(str(arrays[name].shape).encode())
        digest.update(np.ascontiguousarray(arrays[name], dtype="<f4").tobytes())
    return digest.hexdigest()


def read(path: Path) -> SurfaceModel:
    """Load and check a model.

    Raises:
        ModelError: missing, damaged, of another schema, or made with a library of another major
            version.
    """
    try:
        head, arrays = _unpack(path)
    except OSError as error:
        raise ModelError(f"cannot read model {path}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, RecursionError) as error:
        raise ModelError(f"model {path.name} is damaged: {error}") from error
    if not isinstance(head, dict) or head.get("schema") != SCHEMA:
        found = head.get("schema") if isinstance(head, dict) else None
        raise ModelError(f"model {path.name} has schema {found}, this version reads {SCHEMA}")
    if head.get("digest") != _digest(arrays):
        raise ModelError(f"model {path.name} is damaged: its fingerprint does not match")
    try:
        _check_versions(path, head["versions"])
        a = head["axes"]
        axes = Axes(
            tuple(map(float, a["octaves"])),
            tuple(map(float, a["crfs"])),
            *(float(a[key]) for key in ("centre", "u_length", "t_length", "native")),
        )
        wide = {name: array.astype(np.float64) for name, array in arrays.items()}
        scaler = Scaler(tuple(map(str, head["features"])), wide["centre"], wide["spread"])
        experts = tuple(
            Expert(wide[f"weights{i}"], wide[f"settings{i}"], wide[f"coefficients{i}"])
            for i in range(_EXPERTS)
        )
        regression = Regression(scaler, wide["points"], wide["offset"], experts)
        rate, quality = map(float, head["untold"])
        model = SurfaceModel(
            codec=str(head["codec"]),
            preset=str(head["preset"]),
            quality_model=str(head["quality_model"]),
            axes=axes,
            mean=wide["mean"],
            directions=wide["directions"],
            regression=regression,
            covariance=wide["covariance"],
            interpolation=(rate, quality),
            noise=Noise(*map(float, head["noise"])),
            tails=float(head["tails"]),
            meta={str(k): str(v) for k, v in head["meta"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"model {path.name} is damaged: field {error}") from error
    _check_shapes(path, model)
    return model


def _unpack(path: Path) -> tuple[Any, dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        if sum(item.file_size for item in archive.infolist()) > _MAX_BYTES:
            raise ValueError("too large")
        head = json.loads(archive.read("model.json"))
        arrays = {}
        for name in _ARRAYS:
            array = np.load(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)
            if array.dtype != np.dtype("<f4"):
                raise ValueError(f"{name} is not an array of numbers")
            arrays[name] = array
    return head, arrays


def _check_versions(path: Path, made_with: dict[str, str]) -> None:
    for name, now in versions().items():
        then = str(made_with[name])
        if then.split(".", maxsplit=1)[0] != now.split(".", maxsplit=1)[0]:
            raise ModelError(
                f"model {path.name} was trained with {name} {then}, this is {now}: train it again"
            )


def _check_shapes(path: Path, model: SurfaceModel) -> None:
    size, count = model.axes.size, model.directions.shape[-1]
    r = model.regression
    features, titles = len(r.scaler.names), len(r.points)
    # "inf" is legal in spread alone: it switches off a feature that never varied.
    finite = [model.mean, model.directions, model.covariance, r.points, r.offset]
    finite += [a for e in r.experts for a in (e.weights, e.settings, e.coefficients)]
    sane = (
        model.mean.shape == (size,)
        and model.directions.shape == (size, count)
        and model.covariance.shape == (size, size)
        and r.scaler.centre.shape == r.scaler.spread.shape == (features,)
        and r.points.shape == (titles, features)
        and all(
            e.weights.shape == (count, features)
            and e.settings.shape == (count, 3)
            and e.coefficients.shape == (titles, count)
            for e in r.experts
        )
        and r.offset.shape == (count,)
        and all(np.isfinite(array).all() for array in finite)
        and all(map(math.isfinite, (*model.interpolation, model.noise.rate, model.noise.vmaf)))
        and model.tails > 2.0
    )
    if not sane:
        raise ModelError(f"model {path.name} is damaged: its arrays do not fit together")
