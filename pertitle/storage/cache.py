"""A cache of measurements that outlives runs: analyses and probe encodes.

One small JSON file an entry, named by a digest of everything the measurement depends on. Writing
is atomic and reading tolerant, so runs may share the folder; the oldest entries go first when it
grows over its bound.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pertitle.errors import ModelError
from pertitle.serial import TORN, read_json, write_json

VARIABLE = "PERTITLE_CACHE"
_TORN_SECONDS = 3600
MAX_BYTES = 256 * 1024 * 1024


def default_folder() -> Path:
    """``PERTITLE_CACHE``, or ``pertitle`` in the user's cache folder (XDG Base Directory)."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pertitle"


@dataclass(frozen=True)
class CacheInfo:
    """Where the cache is and what it holds."""

    folder: Path
    entries: int
    bytes: int


@dataclass(frozen=True)
class Cache:
    """The cache in a folder; with None it keeps nothing."""

    folder: Path | None

    def get(self, key: str) -> Any | None:
        """What was stored under the key, or None; a damaged entry is none."""
        if self.folder is None:
            return None
        path = self._path(self.folder, key)
        try:
            data = read_json(path)
            os.utime(path)  # the oldest use goes first, not the oldest measurement
        except (ModelError, OSError):
            return None
        return data

    def put(self, key: str, data: object) -> None:
        """Store; a cache that cannot be written is no reason to fail."""
        if self.folder is None:
            return
        path = self._path(self.folder, key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, data)
        except OSError:
            return

    @staticmethod
    def _path(folder: Path, key: str) -> Path:
        return folder / key[:2] / f"{key}.json"

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        for path in self.folder.glob("??/*.json") if self.folder else ():
            try:
                stat = path.stat()
            except OSError:  # another run pruned it meanwhile
                continue
            yield stat.st_mtime, stat.st_size, path

    def _remove_torn(self) -> None:
        """Remove what runs that were killed long ago were just writing."""
        for path in self.folder.glob(f"??/{TORN}") if self.folder else ():
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _TORN_SECONDS:
                    path.unlink()

    def info(self) -> CacheInfo:
        """Count entries and bytes."""
        sizes = [size for _, size, _ in self._entries()]
        return CacheInfo(self.folder or Path(), len(sizes), sum(sizes))

    def prune(self, max_bytes: int = MAX_BYTES) -> int:
        """Remove the entries used longest ago until the rest fits; returns how many went."""
        self._remove_torn()
        entries = sorted(self._entries())
        total = sum(size for _, size, _ in entries)
        removed = 0
        for _, size, path in entries:
            if total <= max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size
            removed += 1
        return removed
