"""From a measured table and clip features to a model file."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pertitle.encoder.quality import Bits
from pertitle.errors import ModelError
from pertitle.ladder import model_file
from pertitle.ladder.coordinates import TitleContext
from pertitle.ladder.surface import SurfaceModel, TitleTable, fit_surface
from pertitle.records import FULL_HD, Size
from pertitle.training.corpus import MODEL, Row, read_table

Features = Mapping[tuple[str, str], Mapping[str, float]]
"""Named numbers by (clip, variant)."""
KEYFRAME_SECONDS = 4.0
"""Bitrates of a table are stated for one keyframe every so often, as delivery has them."""
MIN_TITLES = 6
MIN_CELLS = 6


def read_features(path: Path | str) -> dict[tuple[str, str], dict[str, float]]:
    """Clip features from a CSV with ``clip`` and ``variant`` columns; other text is ignored.

    Raises:
        ModelError: the file cannot be read or lacks those columns.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            columns = tuple(reader.fieldnames or ())
            if "clip" not in columns or "variant" not in columns:
                raise ModelError(f"{path} is not a feature table: no clip and variant columns")
            lines = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelError(f"cannot read features {path}: {error}") from error
    numeric = [
        c for c in columns if c not in ("clip", "variant") and any(_number(r[c]) for r in lines)
    ]
    return {
        (line["clip"], line["variant"]): {c: _value(line[c]) for c in numeric} for line in lines
    }


def _value(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _number(text: str | None) -> bool:
    return math.isfinite(_value(text))


def titles_of(rows: Sequence[Row], features: Features, codec: str) -> list[TitleTable]:
    """The measured grids of one codec, in order of clip and variant.

    Of rows measured twice the last counts. Titles with too few cells to show a surface and
    non-finite rows are left out.
    """
    cells: dict[tuple[str, str], dict[tuple[int, float], Row]] = {}
    for row in rows:
        sane = row.bytes > 0 and math.isfinite(row.vmaf) and math.isfinite(row.crf)
        if row.codec == codec and sane and row.source_height > 0 and row.frame_rate > 0:
            cells.setdefault((row.clip, row.variant), {})[row.height, row.crf] = row
    titles = []
    for key in sorted(cells):
        grid = [cells[key][cell] for cell in sorted(cells[key], key=lambda c: (-c[0], c[1]))]
        if len(grid) < MIN_CELLS:
            continue
        first = grid[0]
        size = Size(first.source_width, first.source_height)
        context = TitleContext(
            features.get(key, {}), size, first.frame_rate, size.fit(FULL_HD), codec
        )
        titles.append(
            TitleTable(
                name="/".join(key),
                group=first.group,
                context=context,
                heights=np.array([r.height for r in grid]),
                crfs=np.array([r.crf for r in grid]),
                kbps=np.array([bitrate_kbps(r) for r in grid]),
                vmaf=np.array([r.vmaf for r in grid]),
            )
        )
    return titles


def bitrate_kbps(row: Row) -> float:
    """A row's bitrate with one keyframe every :data:`KEYFRAME_SECONDS`."""
    bits = Bits(row.frames, 1, row.bytes, row.key_bytes)
    gop = max(1, round(KEYFRAME_SECONDS * row.frame_rate))
    return bits.bitrate_kbps(row.frame_rate, gop=gop)


def train(table: Path | str, features: Path | str | None, codec: str, out: Path) -> SurfaceModel:
    """Fit a codec's model and write it. The same inputs give the same file.

    Args:
        table: as ``pertitle corpus measure`` writes it.
        features: feature table, or None to predict from geometry alone.

    Raises:
        ModelError: unreadable tables, or too few titles.
    """
    rows = read_table(table)
    known = read_features(features) if features is not None else {}
    titles = titles_of(rows, known, codec)
    model = train_titles(titles, rows, codec, relatives=relatives_of(titles, rows, known))
    out.parent.mkdir(parents=True, exist_ok=True)
    model_file.write(out, model)
    return model


def relatives_of(
    titles: Sequence[TitleTable], rows: Sequence[Row], features: Features
) -> list[TitleTable]:
    """The titles in the codec that was measured on most others than these; none if none was."""
    own = {title.name for title in titles}
    best: list[TitleTable] = []
    most = 0
    for codec in sorted({row.codec for row in rows}):
        table = titles_of(rows, features, codec)
        others = sum(title.name not in own for title in table)
        if others > most:
            best, most = table, others
    return best


def train_titles(
    titles: Sequence[TitleTable],
    rows: Sequence[Row],
    codec: str,
    *,
    relatives: Sequence[TitleTable] = (),
    feature_names: Sequence[str] | None = None,
) -> SurfaceModel:
    """Fit a codec's model to the titles.

    Args:
        rows: the table, for preset and builds.
        relatives: titles in another codec to learn from (see :mod:`pertitle.ladder.transfer`).
        feature_names: features to use; None for all, empty for the bare mean surface.

    Raises:
        ModelError: fewer than :data:`MIN_TITLES` titles or one group only.
    """
    if len(titles) < MIN_TITLES or len({t.group for t in titles}) < 3:
        raise ModelError(
            f"{len(titles)} titles of {codec} in the table; training needs {MIN_TITLES} from "
            "3 sources"
        )
    of_codec = [row for row in rows if row.codec == codec]
    builds = sorted({row.build for row in of_codec})
    return fit_surface(
        titles,
        codec=codec,
        preset=of_codec[0].preset,
        quality_model=MODEL,
        feature_names=feature_names,
        relatives=relatives,
        meta={
            "titles": str(len(titles)),
            "groups": str(len({t.group for t in titles})),
            "builds": ", ".join(builds),
            "fingerprint": fingerprint([*titles, *relatives]),
        },
    )


def fingerprint(titles: Sequence[TitleTable]) -> str:
    """SHA-256 of everything a model is trained on."""
    digest = hashlib.sha256()
    for title in titles:
        digest.update(f"{title.name}|{title.group}|{title.context.size}".encode())
        digest.update(repr(sorted(title.context.features.items())).encode())
        for array in (title.heights, title.crfs, title.kbps, title.vmaf):
            digest.update(np.asarray(array, dtype=np.float64).tobytes())
    return digest.hexdigest()
