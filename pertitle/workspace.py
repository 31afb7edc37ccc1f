"""A title's folder: what is finished, what is in progress, and who may write.

A title is delivered when ``result.json`` exists and names the key of the present source and
options; it is written last. Everything unfinished lives in the hidden ``.work`` folder beside
it, so that nothing half-written can be taken for a result.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

import pertitle
from pertitle.errors import ModelError, SourceError, UsageError
from pertitle.records import Options, TitleResult
from pertitle.serial import from_json, read_json, sync_folder, to_json, write_json

MARKS = ("result.json", "master.m3u8", "manifest.mpd")
"""Files that make a title look delivered: removed first, ``result.json`` written last."""
FORMAT = 2
"""Changes when results written by an older pertitle may not be kept."""
_SAMPLE_BYTES = 1 << 20


def fingerprint(path: Path) -> str:
    """A digest of a source by size and content samples (start, middle, end; 1 MiB each).

    Raises:
        SourceError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode):  # opening a pipe would wait for a writer
            raise SourceError(f"{path.name} is not a file")
        size = stat.st_size
        digest.update(str(size).encode())
        with path.open("rb") as file:
            for offset in {0, max(0, size // 2), max(0, size - _SAMPLE_BYTES)}:
                file.seek(offset)
                digest.update(file.read(_SAMPLE_BYTES))
    except OSError as error:
        raise SourceError(f"cannot read {path.name}: {error.strerror}") from error
    return digest.hexdigest()


def key_of(*parts: object) -> str:
    """A short digest of everything that a result depends on."""
    text = json.dumps([to_json(part) for part in parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Workspace:
    """The folder of one title inside the output folder."""

    folder: Path

    @property
    def work(self) -> Path:
        return self.folder / ".work"

    def create(self) -> None:
        """Make the folders.

        Raises:
            UsageError: the output folder is not writable.
        """
        try:
            self.work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write to {self.folder}: {error.strerror}") from error

    def finished(self, key: str) -> TitleResult | None:
        """The result if the title was delivered under this key, else None."""
        if not all((self.folder / name).exists() for name in MARKS):
            return None
        try:
            data = read_json(self.folder / "result.json")
            if not isinstance(data, dict) or data.pop("key", None) != key:
                return None
            data.pop("version", None)
            return from_json(TitleResult, data)
        except ModelError:
            return None

    def kept(self, name: str) -> Path:
        """A folder of intermediate files that a later run may use again."""
        folder = self.work / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def staged(self, name: str) -> Path:
        """An empty folder in which a part of the delivery is put together."""
        folder = self.work / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def publish(self, staged: Path, names: list[str]) -> None:
        """Move finished entries of a staged folder into the title's folder."""
        for name in names:
            target = self.folder / name
            if target.is_dir():
                shutil.rmtree(target)
            (staged / name).replace(target)
        sync_folder(self.folder)

    def retract(self) -> None:
        """Take the marks of completion away before any delivered file is replaced."""
        for name in MARKS:
            (self.folder / name).unlink(missing_ok=True)
        sync_folder(self.folder)

    def clear(self) -> None:
        """Remove the intermediate files."""
        shutil.rmtree(self.work, ignore_errors=True)

    def saved_plan(self, key: str) -> Path | None:
        """The plan file made under this key by an interrupted run, or None."""
        path = self.work / f"plan-{key}.json"
        return path if path.exists() else None

    def save_plan(self, key: str, document: dict[str, Any]) -> None:
        write_json(self.work / f"plan-{key}.json", document)


def plan_key(source_fingerprint: str, options: Options, ffmpeg_version: str) -> str:
    """Everything that a plan depends on."""
    model = fingerprint(options.model) if options.model else ""
    basis = (FORMAT, pertitle.__version__, ffmpeg_version, source_fingerprint, model)
    return key_of(*basis, options.ladder, options.encode)


def title_key(source_fingerprint: str, options: Options, ffmpeg_version: str) -> str:
    """Everything that a delivered title depends on."""
    basis = plan_key(source_fingerprint, options, ffmpeg_version)
    return key_of(
        basis, options.verify, options.audio, options.thumbnails, str(options.preview or "")
    )


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the output folder for this process; the lock dies with the process.

    Raises:
        UsageError: another run holds it, or the folder cannot be written.
    """
    import fcntl

    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out / ".pertitle.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UsageError(f"cannot write to the output folder {out}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(f"another run is writing to {out}; wait for it to end") from error
        yield
    finally:
        os.close(handle)
