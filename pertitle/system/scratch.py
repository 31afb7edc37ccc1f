"""Folders for what lasts as long as a call; those of a killed process are found and removed."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "pertitle-"
_FRESH_SECONDS = 60.0
"""Younger folders may be of a process that has not locked its folder yet."""


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """An empty folder of this user alone, removed in the end.

    It is locked, by the kernel, while this process lives.

    Args:
        parent: where; None for the system's folder of temporary files.
    """
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent) as name:
        handle = _hold(Path(name))
        try:
            yield Path(name)
        finally:
            if handle is not None:
                os.close(handle)


def sweep(parent: Path | None = None) -> int:
    """Remove the folders that killed processes of this user left; returns how many."""
    removed = 0
    for path in Path(parent or tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            found = path.lstat()
            ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
            private = stat.S_IMODE(found.st_mode) == 0o700  # as tempfile makes them
            if not (ours and private and time.time() - found.st_mtime > _FRESH_SECONDS):
                continue
            if not (path / MARK).exists():
                continue
            handle = _hold(path)
            if handle is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(handle)
                removed += 1
    return removed


MARK = ".pertitle-scratch"
"""In every such folder: others may give theirs a like name."""


def _hold(folder: Path) -> int | None:
    """Lock a folder's mark; None if another process holds it, or the system cannot lock."""
    import fcntl

    handle = os.open(folder / MARK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
