"""Reading what viewers were shown and did: CSV, JSON lines or Parquet.

Columns (names in any case):

================  =================================================================================
``time``          ISO 8601, or seconds or milliseconds since 1970
``title``         title name, as in ``thumbnails.json``
``thumbnail``     candidate id or the name of any of its files
``reward``        1 or 0 for a click, or any amount not below 0; ``click`` and ``watch_minutes``
                  are taken for it
``propensity``    probability with which this thumbnail was chosen for this viewer, if known
``position``      place on the page, from 1, if known
``viewer``        anonymous viewer id, if known: needed to tell bots and repeated deliveries
``event``         unique id of the event, if there is one
anything else     context: every distinct value is a level, e.g. ``segment``, ``device``
================  =================================================================================
"""

from __future__ import annotations

import csv
import importlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from pertitle.errors import UsageError

BATCH = 20_000
REWARDS = ("reward", "click", "watch_minutes")
KNOWN = frozenset({"time", "title", "thumbnail", "propensity", "position", "viewer", "event"})
REQUIRED = ("time", "title", "thumbnail")
MAX_TEXT = 200
"""Longest name or context value kept."""


@dataclass(frozen=True, slots=True)
class Event:
    """One impression and what came of it.

    Attributes:
        time: seconds since 1970, UTC.
        context: ``column=value`` pairs in order of the columns, joined by ``|``.
        propensity: 0 < p ≤ 1, or None.
        position: from 1; 1 where the log has none.
        viewer, event: "" where the log has none.
    """

    time: float
    title: str
    thumbnail: str
    context: str
    reward: float
    propensity: float | None
    position: int
    viewer: str
    event: str


def read_events(path: Path) -> Iterator[list[Event | None]]:
    """Batches of events in the file's order; None stands for a row that cannot be understood.

    Raises:
        UsageError: the file cannot be read, has another ending than .csv, .jsonl, .ndjson or
            .parquet, or lacks a column; or Parquet is asked for and pyarrow is not installed.
    """
    if not path.is_file():
        raise UsageError(f"no events file at {path}")
    kind = path.suffix.lower()
    try:
        if kind == ".csv":
            yield from _from_csv(path)
        elif kind in (".jsonl", ".ndjson"):
            yield from _from_jsonl(path)
        elif kind == ".parquet":
            yield from _from_parquet(path)
        else:
            raise UsageError(f"{path.name}: events come as .csv, .jsonl or .parquet")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"cannot read {path.name}: {error}") from error


@dataclass(frozen=True)
class Layout:
    """Which column of a table holds what."""

    places: dict[str, int]
    reward: int
    context: tuple[tuple[str, int], ...]


def layout_of(columns: list[str], name: str) -> Layout:
    """Raises: UsageError: a needed column is missing."""
    lower = [str(column).strip().lower() for column in columns]
    places = {column: lower.index(column) for column in KNOWN if column in lower}
    missing = [column for column in REQUIRED if column not in places]
    rewards = [lower.index(column) for column in REWARDS if column in lower]
    if not rewards:
        missing.append("reward (or click, watch_minutes)")
    if missing:
        raise UsageError(f"{name} lacks the column {', '.join(missing)}")
    context = tuple(
        sorted((column, i) for i, column in enumerate(lower) if column not in {*KNOWN, *REWARDS})
    )
    return Layout(places, rewards[0], context)


def parse(row: list[Any], layout: Layout) -> Event | None:
    """An event, or None if a value is missing or makes no sense."""
    places = layout.places
    try:
        title = str(row[places["title"]]).strip()
        thumbnail = str(row[places["thumbnail"]]).strip()
        raw = row[layout.reward]
        reward = 0.0 if raw in ("", None) else float(raw)
        propensity = _optional(row, places, "propensity")
        position = _optional(row, places, "position")
        if not title or not thumbnail or not 0 <= reward < 1e9:
            return None
        if propensity is not None and not 0 < propensity <= 1:
            return None
        return Event(
            parse_time(row[places["time"]]),
            title[:MAX_TEXT],
            thumbnail[:MAX_TEXT],
            "|".join([f"{name}={str(row[i]).strip()[:MAX_TEXT]}" for name, i in layout.context]),
            reward,
            propensity,
            1 if position is None or position < 1 else int(min(position, 1000)),
            str(row[places["viewer"]]) if "viewer" in places else "",
            str(row[places["event"]]) if "event" in places else "",
        )
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _optional(row: list[Any], places: Mapping[str, int], name: str) -> float | None:
    if name not in places:
        return None
    value = row[places[name]]
    if value in ("", None):
        return None
    number = float(value)
    return None if math.isnan(number) else number


def parse_time(value: Any) -> float:
    """Seconds since 1970 from ISO 8601 text, a datetime, seconds or milliseconds.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    try:
        number = float(value)
    except ValueError:
        moment = datetime.fromisoformat(str(value).strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(number):
        raise ValueError("not a time")
    return number / 1000 if number > 1e11 else number


def _from_csv(path: Path) -> Iterator[list[Event | None]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        header = next(reader, None)
        if header is None:
            raise UsageError(f"{path.name} is empty")
        layout = layout_of(header, path.name)
        while rows := list(islice(reader, BATCH)):
            yield [parse(row, layout) for row in rows]


def _from_jsonl(path: Path) -> Iterator[list[Event | None]]:
    layouts: dict[tuple[str, ...], Layout] = {}
    with path.open(encoding="utf-8-sig") as file:
        while lines := list(islice(file, BATCH)):
            batch: list[Event | None] = []
            for line in lines:
                if not line.strip():
                    continue
                try:
                    record = json.loads(line)
                except ValueError:
                    record = None
                if not isinstance(record, dict):
                    batch.append(None)
                    continue
                columns = tuple(record)
                if columns not in layouts:
                    layouts[columns] = layout_of(list(columns), path.name)
                batch.append(parse(list(record.values()), layouts[columns]))
            yield batch


def _from_parquet(path: Path) -> Iterator[list[Event | None]]:
    try:
        pyarrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise UsageError(
            "Parquet events need pyarrow: `pip install pyarrow`, or write CSV or JSONL"
        ) from None
    try:
        file = parquet.ParquetFile(path)
        layout = layout_of(file.schema_arrow.names, path.name)
        for batch in file.iter_batches(batch_size=BATCH):
            columns = [column.to_pylist() for column in batch.columns]
            rows = zip(*columns, strict=True)
            yield [parse(list(row), layout) for row in rows]
    except pyarrow.ArrowException as error:
        line = str(error).splitlines()[0]
        raise UsageError(f"cannot read {path.name}: {line}") from error
