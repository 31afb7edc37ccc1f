"""The embedded store: candidates, every event once, and the learned model, in one SQLite file.

Nothing that was logged is thrown away. Events of thumbnails not yet known wait until they are
registered; those of bots are kept and left out of learning. What is learned is computed from all
events, so their order and lateness do not matter.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from pertitle.clicks.log import Event
from pertitle.clicks.stopping import Log
from pertitle.errors import ModelError, UsageError
from pertitle.thumbnails.terms import NEUTRAL, WEIGHTS

SCHEMA = 1
FEATURES = ("score", *WEIGHTS, "faces", "face_size")
"""Image features by name: the content score, its terms, faces (a quarter each, 1 at most) and
the largest face's share of the picture's height."""

_TABLES = """
CREATE TABLE thumbnail (
    id INTEGER PRIMARY KEY, title TEXT NOT NULL, name TEXT NOT NULL, place INTEGER,
    features BLOB, UNIQUE (title, name));
CREATE TABLE alias (title TEXT, file TEXT, thumbnail INTEGER, PRIMARY KEY (title, file))
    WITHOUT ROWID;
CREATE TABLE context (id INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL);
CREATE TABLE event (
    key INTEGER PRIMARY KEY, time REAL, thumbnail INTEGER, context INTEGER, reward REAL,
    propensity REAL, position INTEGER, viewer INTEGER, bot INTEGER NOT NULL DEFAULT 0);
CREATE TABLE model (id INTEGER PRIMARY KEY CHECK (id = 1), data BLOB NOT NULL);
"""


@dataclass(frozen=True)
class Entry:
    """A candidate to register: its id, its files' names, its features as in ``FEATURES``."""

    name: str
    files: tuple[str, ...]
    features: tuple[float, ...]


@dataclass(frozen=True)
class Added:
    """What became of a batch of events; the last three count among those added."""

    read: int
    added: int
    duplicates: int
    malformed: int
    skewed: int
    late: int
    unknown: int


@dataclass(frozen=True)
class Cells:
    """Events summed by (thumbnail, context, position); arrays of one length.

    ``weight`` is the sum of the events' weights w (capped inverse propensities of mean 1, or 1),
    ``square`` of w², ``reward`` of w·r; ``events`` counts them. ``dispersion`` is Σr²/Σr.
    """

    thumbnail: NDArray[np.int64]
    context: NDArray[np.int64]
    position: NDArray[np.int64]
    weight: NDArray[np.float64]
    square: NDArray[np.float64]
    reward: NDArray[np.float64]
    events: NDArray[np.int64]
    dispersion: float


_CELL_COLUMNS = [
    ("thumbnail", "i8"), ("context", "i8"), ("position", "i8"), ("weight", "f8"),
    ("square", "f8"), ("reward", "f8"), ("events", "i8"),
]  # fmt: skip


class Store:
    """An open store; use it as a context manager. Made if the file does not exist.

    Raises:
        ModelError: the file is no such store, or of another version.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        if not create and not path.exists():
            raise UsageError(f"no thumbnail store at {path}; `pertitle thumbs learn` makes one")
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA cache_size = -200000")
            self._db.execute("PRAGMA synchronous = NORMAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            empty = not self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            if empty:
                self._db.executescript(_TABLES + f"PRAGMA user_version = {SCHEMA};")
            elif version != SCHEMA:
                raise ModelError(f"{path} is no thumbnail store of version {SCHEMA}")
        except sqlite3.Error as error:
            raise ModelError(f"{path} is no thumbnail store: {error}") from error
        self._write = create
        self._ids: dict[tuple[str, str], int] = {}
        self._contexts: dict[str, int] = {}
        self._known: set[int] = set()
        self._newest: float | None = None

    def __enter__(self) -> Store:
        self._db.execute("BEGIN IMMEDIATE" if self._write else "BEGIN")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.execute("ROLLBACK" if kind else "COMMIT")
        self._db.close()

    def register(self, title: str, entries: Sequence[Entry]) -> None:
        """Add or replace the candidates of a title, best first."""
        self._db.execute("UPDATE thumbnail SET place = NULL WHERE title = ?", (title,))
        self._db.execute("DELETE FROM alias WHERE title = ?", (title,))
        for place, entry in enumerate(entries):
            if len(entry.features) != len(FEATURES):
                raise UsageError(f"{title}/{entry.name}: {len(FEATURES)} features are needed")
            blob = np.asarray(entry.features, dtype="<f4").tobytes()
            self._db.execute(
                "INSERT INTO thumbnail (title, name, place, features) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (title, name) DO UPDATE SET place = excluded.place,"
                " features = excluded.features",
                (title, entry.name, place, blob),
            )
            number = self._db.execute(
                "SELECT id FROM thumbnail WHERE title = ? AND name = ?", (title, entry.name)
            ).fetchone()[0]
            self._db.executemany(
                "INSERT OR REPLACE INTO alias VALUES (?, ?, ?)",
                [(title, file, number) for file in entry.files],
            )
            # Events may have arrived under a file's name before it was known whose it is.
            for file in entry.files:
                self._adopt(title, file, number)

    def _adopt(self, title: str, file: str, number: int) -> None:
        row = self._db.execute(
            "SELECT id FROM thumbnail WHERE title = ? AND name = ? AND features IS NULL",
            (title, file),
        ).fetchone()
        if row is not None:
            self._db.execute("UPDATE event SET thumbnail = ? WHERE thumbnail = ?", (number, row[0]))
            self._db.execute("DELETE FROM thumbnail WHERE id = ?", (row[0],))

    def add(self, batch: Iterable[Event | None], now: float, *, repeats: Counter[bytes]) -> Added:
        """Insert events that are not there yet.

        Args:
            now: seconds since 1970; events more than a day ahead of it, or before 2005, have a
                skewed clock: they are counted and kept without a date.
            repeats: identical rows seen so far in this file. Rows without an event id that agree
                in everything are told apart by their number within the file, so that reading a
                file twice adds nothing and two viewers' equal rows both count.
        """
        read = malformed = 0
        if self._newest is None:
            self._newest = self._db.execute("SELECT MAX(time) FROM event").fetchone()[0] or 0.0
        rows: dict[int, tuple[object, ...]] = {}
        kinds: dict[int, tuple[bool, bool, bool]] = {}
        for event in batch:
            read += 1
            if event is None:
                malformed += 1
                continue
            key = _key(event, repeats)
            if key in rows:
                continue
            off = event.time > now + 86400 or event.time < 1104537600
            moment = None if off else event.time
            number = self._thumbnail(event.title, event.thumbnail)
            behind = moment is not None and moment < self._newest
            kinds[key] = (off, behind, number not in self._known)
            rows[key] = (
                key,
                moment,
                number,
                self._context(event.context),
                event.reward,
                event.propensity,
                event.position,
                _hash64(event.viewer.encode()) if event.viewer else None,
            )
        known = self._db.execute(
            "SELECT key FROM event WHERE key IN (SELECT value FROM json_each(?))",
            (json.dumps(list(rows)),),
        )
        for (key,) in known.fetchall():
            del rows[key], kinds[key]
        self._db.executemany(
            "INSERT INTO event"
            " (key, time, thumbnail, context, reward, propensity, position, viewer)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows.values(),
        )
        skewed, late, unknown = (sum(kind[i] for kind in kinds.values()) for i in range(3))
        duplicates = read - malformed - len(rows)
        return Added(read, len(rows), duplicates, malformed, skewed, late, unknown)

    def _thumbnail(self, title: str, name: str) -> int:
        number = self._ids.get((title, name))
        if number is None:
            row = self._db.execute(
                "SELECT id, features IS NOT NULL FROM thumbnail WHERE title = ? AND name = ?"
                " UNION ALL SELECT thumbnail, 1 FROM alias WHERE title = ? AND file = ?",
                (title, name, title, name),
            ).fetchone()
            if row is None:
                cursor = self._db.execute(
                    "INSERT INTO thumbnail (title, name) VALUES (?, ?)", (title, name)
                )
                row = (cursor.lastrowid, 0)
            number = int(row[0])
            self._ids[title, name] = number
            if row[1]:
                self._known.add(number)
        return number

    def _context(self, key: str) -> int:
        number = self._contexts.get(key)
        if number is None:
            self._db.execute("INSERT OR IGNORE INTO context (key) VALUES (?)", (key,))
            row = self._db.execute("SELECT id FROM context WHERE key = ?", (key,)).fetchone()
            number = self._contexts[key] = int(row[0])
        return number

    def mark_bots(self, per_minute: float) -> int:
        """Set aside all events of viewers that ever exceed a rate; returns how many events."""
        self._db.execute("UPDATE event SET bot = 0 WHERE bot = 1")
        self._db.execute(
            "UPDATE event SET bot = 1 WHERE viewer IN (SELECT viewer FROM event"
            " WHERE viewer IS NOT NULL AND time IS NOT NULL"
            " GROUP BY viewer, CAST(time / 60 AS INTEGER) HAVING COUNT(*) > ?)",
            (per_minute,),
        )
        return int(self._db.execute("SELECT COUNT(*) FROM event WHERE bot = 1").fetchone()[0])

    def cells(self, *, cap: float = 20.0) -> Cells:
        """All events of known thumbnails and of people, summed.

        Args:
            cap: largest inverse propensity relative to the mean one.
        """
        known = "FROM event JOIN thumbnail ON thumbnail.id = event.thumbnail"
        known += " WHERE bot = 0 AND features IS NOT NULL"
        mean, squares, rewards = self._db.execute(
            f"SELECT AVG(1.0 / propensity), SUM(reward * reward), SUM(reward) {known}"
        ).fetchone()
        # Events without a propensity weigh as much as the average one with it.
        weight = f"MIN({cap}, COALESCE(1.0 / propensity / {mean or 1.0!r}, 1.0))"
        rows = self._db.execute(
            f"SELECT event.thumbnail, context, position, SUM({weight}),"
            f" SUM({weight} * {weight}), SUM({weight} * reward), COUNT(*) {known}"
            " GROUP BY event.thumbnail, context, position"
            " ORDER BY event.thumbnail, context, position"
        )
        # Read row by row: as Python objects a million rows would take half a gigabyte.
        table = np.fromiter(rows, dtype=_CELL_COLUMNS)
        return Cells(
            table["thumbnail"],
            table["context"],
            table["position"],
            table["weight"],
            table["square"],
            table["reward"],
            table["events"],
            float(squares / rewards) if rewards else 1.0,
        )

    def tested(self, title: str) -> tuple[list[str], Log]:
        """For a test over a title's candidates: their names by place, and its events with
        propensities by time, those without a date first."""
        found = "title = ? AND features IS NOT NULL AND place IS NOT NULL"
        names = self._db.execute(
            f"SELECT id, name FROM thumbnail WHERE {found} ORDER BY place", (title,)
        )
        places = {number: (place, name) for place, (number, name) in enumerate(names)}
        rows = self._db.execute(
            "SELECT thumbnail, reward, propensity FROM event WHERE bot = 0 AND propensity > 0"
            f" AND thumbnail IN (SELECT id FROM thumbnail WHERE {found}) ORDER BY time, key",
            (title,),
        )
        table = np.fromiter(
            ((places[number][0], reward, propensity) for number, reward, propensity in rows),
            dtype=[("arm", "i8"), ("reward", "f8"), ("propensity", "f8")],
        )
        log = Log(table["arm"], table["reward"], table["propensity"])
        return [name for _, name in places.values()], log

    def candidates(
        self, titles: Sequence[str] | None = None
    ) -> tuple[list[tuple[int, str, str]], NDArray[np.float64]]:
        """Registered candidates (id, title, name) by title and place, and their features."""
        wanted = "features IS NOT NULL AND place IS NOT NULL"
        rows = self._db.execute(
            f"SELECT id, title, name, features FROM thumbnail WHERE {wanted} ORDER BY title, place"
        ).fetchall()
        if titles is not None:
            chosen = set(titles)
            rows = [row for row in rows if row[1] in chosen]
        features = np.frombuffer(b"".join(row[3] for row in rows), dtype="<f4")
        return (
            [(row[0], row[1], row[2]) for row in rows],
            features.reshape(-1, len(FEATURES)).astype(np.float64),
        )

    def everything(self) -> tuple[list[tuple[int, str, str]], NDArray[np.float64]]:
        """As :meth:`candidates`, with those that a later run of their title replaced: their
        events still teach what the features are worth."""
        rows = self._db.execute(
            "SELECT id, title, name, features FROM thumbnail WHERE features IS NOT NULL"
        ).fetchall()
        features = np.frombuffer(b"".join(row[3] for row in rows), dtype="<f4")
        return (
            [(row[0], row[1], row[2]) for row in rows],
            features.reshape(-1, len(FEATURES)).astype(np.float64),
        )

    def find(self, title: str, name: str) -> int:
        """Number of a registered thumbnail by its id or one of its files; -1 if unknown."""
        number = self._ids.get((title, name))
        if number is None:
            row = self._db.execute(
                "SELECT id FROM thumbnail WHERE title = ? AND name = ? AND features IS NOT NULL"
                " UNION ALL SELECT thumbnail FROM alias WHERE title = ? AND file = ?",
                (title, name, title, name),
            ).fetchone()
            number = self._ids[title, name] = -1 if row is None else int(row[0])
        return number

    def contexts(self) -> dict[int, str]:
        """Context keys by number."""
        return dict(self._db.execute("SELECT id, key FROM context").fetchall())

    def has_event(self, event: Event, repeats: Counter[bytes]) -> bool:
        """Whether this event was learned from."""
        key = _key(event, repeats)
        return self._db.execute("SELECT 1 FROM event WHERE key = ?", (key,)).fetchone() is not None

    def save_model(self, data: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO model VALUES (1, ?)", (data,))

    def load_model(self) -> bytes | None:
        row = self._db.execute("SELECT data FROM model").fetchone()
        return None if row is None else bytes(row[0])


def _hash64(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big", signed=True)


def _key(event: Event, repeats: Counter[bytes]) -> int:
    if event.event:
        return _hash64(f"id\0{event.event}".encode())
    text = f"{event.time!r}\0{event.title}\0{event.thumbnail}\0{event.context}\0{event.reward!r}"
    data = f"{text}\0{event.position}\0{event.viewer}".encode()
    if event.viewer:  # a person does not see the same picture twice in one moment
        return _hash64(data)
    row = blake2b(data, digest_size=16).digest()
    repeats[row] += 1
    return _hash64(row + repeats[row].to_bytes(4, "big"))


def entries_of(manifest: Path) -> tuple[str, list[Entry]]:
    """Title and candidates of a ``thumbnails.json``.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        data = json.loads(manifest.read_text(encoding="utf-8"))
        height = max(1, int(data["size"][1]))
        entries = []
        for item in data["thumbnails"]:
            faces = item["faces"]
            tallest = max((face[3] for face in faces), default=0) / height
            values = {"score": item["score"], **item["terms"]}
            values |= {"faces": min(1.0, len(faces) / 4), "face_size": min(1.0, tallest)}
            files = [file for names in item["files"].values() for file in names]
            features = tuple(float(values.get(name, NEUTRAL)) for name in FEATURES)
            entries.append(Entry(str(item["id"]), tuple(files), features))
        return str(data["title"]), entries
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise UsageError(f"cannot read candidates from {manifest}: {error}") from error
