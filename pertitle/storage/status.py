"""What has become of the titles in an output folder: read from its files, nothing is changed."""

from __future__ import annotations

from pathlib import Path

from pertitle.errors import UsageError
from pertitle.results import OutStatus, TitleStatus
from pertitle.storage.workspace import DELIVERED, is_locked


def status_of(out: Path) -> OutStatus:
    """Look through an output folder.

    Raises:
        UsageError: it is not one.
    """
    if not (out / ".pertitle.lock").exists():
        raise UsageError(f"{out} is not an output folder of pertitle")
    folders = sorted(path for path in out.iterdir() if path.is_dir())
    found = [status for folder in folders if (status := _title(folder)) is not None]
    return OutStatus(out, is_locked(out), tuple(found))


def _title(folder: Path) -> TitleStatus | None:
    log = folder / "error.log"
    if all((folder / name).exists() for name in DELIVERED):
        return TitleStatus(folder.name, "delivered")
    if log.exists():
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        return TitleStatus(folder.name, "failed", lines[1] if len(lines) > 1 else "")
    if (folder / ".work").exists():
        rungs = len(list((folder / ".work/rungs").glob("*.json")))
        return TitleStatus(folder.name, "unfinished", rungs=rungs)
    return None
