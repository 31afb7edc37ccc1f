"""A title's folder: what is finished, what is in progress, and who may write.

A title is delivered when ``result.json`` exists and names the key of the present source and
options; it is written last. Everything unfinished lives in the hidden ``.work`` folder beside
it, so that nothing half-written can be taken for a result.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISREG
from typing import Any, TypeVar, cast

from pertitle.errors import FolderError, ModelError, SourceError, UsageError
from pertitle.options import Options
from pertitle.results import TitleResult
from pertitle.serial import (
    TORN,
    from_json,
    read_json,
    sync_folder,
    sync_tree,
    to_json,
    write_json,
)
from pertitle.version import __version__

DELIVERED = ("result.json", "master.m3u8")
"""Files that every delivered title has."""
MARKS = (*DELIVERED, "manifest.mpd")
"""Files that make a title look delivered: removed first, ``result.json`` written last."""
FORMAT = 4
"""Changes when results written by an older pertitle may not be kept."""
MARK = ".pertitle.lock"
"""In every folder that pertitle made: what has it is pertitle's own. It also locks the folder."""
PAGES = ("index.html", "batch.json")
"""Files of an output folder that are about all titles in it."""
_PAGES_LOCK = ".pertitle.pages.lock"
_PAGES_SECONDS = 600.0
_SAMPLE_BYTES = 1 << 20
_INPUTS = "inputs.json"
T = TypeVar("T")


def fingerprint(path: Path, *, whole: bool = False) -> str:
    """A digest of a source by size and content samples (start, middle, end; 1 MiB each).

    Args:
        whole: by all of its content; reading it takes as long as copying it.

    Raises:
        SourceError: the file cannot be read.
    """
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode):  # opening a pipe would wait for a writer
            raise SourceError(f"{path.name} is not a file")
        with path.open("rb") as file:
            if whole:
                return f"{hashlib.file_digest(file, 'sha256').hexdigest()}-whole"

            def read(start: int, end: int) -> bytes:
                file.seek(start)
                return file.read(end - start)

            return digest_of_samples(stat.st_size, read)
    except OSError as error:
        raise SourceError(f"cannot read {path.name}: {error.strerror}") from error


def digest_of_samples(size: int, read: Callable[[int, int], bytes]) -> str:
    """The digest of a file by its size and samples, whichever way its bytes are read.

    Args:
        read: the bytes from one place up to another.
    """
    digest = hashlib.sha256(str(size).encode())
    for offset in {0, max(0, size // 2), max(0, size - _SAMPLE_BYTES)}:
        digest.update(read(offset, min(size, offset + _SAMPLE_BYTES)))
    return digest.hexdigest()


def key_of(*parts: object) -> str:
    """A short digest of everything that a result depends on."""
    text = json.dumps([to_json(part) for part in parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Earlier:
    """A delivered title and the inputs it was made from."""

    result: TitleResult
    inputs: dict[str, Any]

    @classmethod
    def of(cls, data: Any, name: str) -> Earlier | None:
        """From the content of ``result.json``; None if it tells no inputs.

        Args:
            name: of the title's folder, whatever the file says.

        Raises:
            ModelError: it is not a result, or names files outside of the folder.
        """
        inputs = data.pop("inputs", None) if isinstance(data, dict) else None
        if not isinstance(inputs, dict):
            return None
        data.pop("version", None)
        result = from_json(TitleResult, data)
        package = result.package
        if not {package.hls_master, package.dash_manifest} <= {"", *MARKS}:
            raise ModelError(f"{name}: a package of other files than pertitle writes")
        return cls(replace(result, name=name), inputs)

    @property
    def marks(self) -> tuple[str, ...]:
        """Those of :data:`MARKS` that the title has."""
        package = self.result.package
        return tuple(filter(None, ("result.json", package.hls_master, package.dash_manifest)))


def _listing(folder: Path) -> dict[str, int]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_size for path in files}


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder that may be gone by now."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Workspace:
    """The folder of one title inside the output folder."""

    folder: Path

    @property
    def work(self) -> Path:
        return self.folder / ".work"

    def earlier(self) -> Earlier | None:
        """What an earlier run delivered here, whole, or None."""
        try:
            found = Earlier.of(read_json(self.folder / "result.json"), self.folder.name)
        except ModelError:
            return None
        if found is None or not all((self.folder / name).exists() for name in found.marks):
            return None
        return found

    def begun(self) -> dict[str, Any] | None:
        """The inputs of a run that was interrupted here, or None."""
        try:
            inputs = read_json(self.work / _INPUTS)
        except ModelError:
            return None
        return inputs if isinstance(inputs, dict) else None

    def begin(self, inputs: dict[str, Any]) -> None:
        """Make the folders and say what this run depends on.

        Raises:
            UsageError: the output folder is not writable.
        """
        try:
            # What is written and removed below stays below, whoever put a link there.
            for path in (self.work, *(self.work.iterdir() if self.work.is_dir() else ())):
                if path.is_symlink():
                    path.unlink()
            self.work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write to {self.folder}: {error.strerror}") from error
        remove_torn(self.folder)
        write_json(self.work / _INPUTS, inputs)

    def remember(self, name: str, key: str, kind: Any, make: Callable[[Path], T]) -> T:
        """The result of a step that an interrupted run finished, or of doing it now.

        The step's files lie in the folder ``name`` of the intermediate files. Its note, written
        when they are on the disk, lists them: a file that is missing or of another size makes the
        step be done again.

        Args:
            key: digest of what the step depends on.
            kind: type of the result, made of records.
            make: does the step in the folder it is given, which is empty.
        """
        folder = self.work / name

        def whole(noted: Any) -> bool:
            return bool(noted["files"] == _listing(folder))

        def step() -> tuple[T, dict[str, Any]]:
            result = make(self.staged(name))
            sync_tree(folder)
            return result, {"files": _listing(folder)}

        return self._noted(name, key, kind, step, whole)

    def note(self, name: str, key: str, kind: Any, make: Callable[[], T]) -> T:
        """The same for a step that leaves no files."""
        return self._noted(name, key, kind, lambda: (make(), {}), lambda noted: True)

    def _noted(
        self,
        name: str,
        key: str,
        kind: Any,
        make: Callable[[], tuple[T, dict[str, Any]]],
        whole: Callable[[Any], bool],
    ) -> T:
        note = self.kept("notes") / f"{name}.json"
        with contextlib.suppress(ModelError, KeyError, TypeError):
            noted = read_json(note)
            if noted["key"] == key and whole(noted):
                return cast(T, from_json(kind, noted["result"], name))
        note.unlink(missing_ok=True)
        result, more = make()
        data = to_json(result)
        write_json(note, {"key": key, **more, "result": data})
        return cast(T, from_json(kind, data, name))  # to the digit what a later run will read

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
            if target.is_symlink():  # the link goes, what it leads to is not ours
                target.unlink()
            elif target.is_dir():
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

    def rungs(self) -> set[str]:
        """Names of the encoded rungs that are kept."""
        return {path.name for path in (self.work / "rungs").glob("*.mp4")}

    def settle(self, *, keep_rungs: bool) -> None:
        """Remove the intermediate files of a delivered title.

        Args:
            keep_rungs: but for the plan and the encodes that this run made or used: another run
                with other sound or packaging needs no other ones.
        """
        begun = self.work / _INPUTS
        if not keep_rungs or not begun.exists():
            self.clear()
            return
        since = begun.stat().st_mtime_ns
        for path in list(self.work.iterdir()):
            if path.name in ("rungs", "notes") or path.match("plan-*.json"):
                continue
            _remove(path)
        for path in (self.work / "notes").glob("*"):
            if not path.match("verified-*.json"):
                path.unlink(missing_ok=True)
        for path in (self.work / "rungs").glob("*"):
            note = path.with_suffix(".json")  # touched when its rung is used
            if not note.exists() or note.stat().st_mtime_ns < since:
                _remove(path)  # a killed encode leaves a folder of its passes

    def withdraw(self) -> None:
        """Remove all but the intermediate files."""
        for path in self.folder.iterdir():
            if path.name in (self.work.name, MARK):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def saved_plan(self, key: str) -> Path | None:
        """The plan file made under this key by an interrupted run, or None."""
        path = self.work / f"plan-{key}.json"
        return path if path.exists() else None

    def save_plan(self, key: str, document: dict[str, Any]) -> None:
        write_json(self.work / f"plan-{key}.json", document)


def inputs_of(source: str, options: Options, ffmpeg_version: str) -> dict[str, Any]:
    """Everything that a delivered title depends on, by name.

    Args:
        source: the source's :func:`fingerprint`.
    """
    inputs: dict[str, Any] = {
        "source": source,
        "pertitle": f"{__version__}, format {FORMAT}",
        "ffmpeg": ffmpeg_version,
        "model": fingerprint(options.model) if options.model else None,
        "thumbnails": options.thumbnails,
        "bif": options.bif,
        "preview": fingerprint(options.preview) if options.preview else None,
    }
    for part in ("ladder", "encode", "verify", "audio", "pictures"):
        named = to_json(getattr(options, part))
        inputs |= {f"{part}.{name}": value for name, value in named.items()}
    return inputs


def plan_key(inputs: dict[str, Any]) -> str:
    """A digest of what a plan depends on."""
    names = {"source", "pertitle", "ffmpeg", "model"}
    planned = {k for k in inputs if k.startswith(("ladder.", "encode."))} - _PACKAGING
    return key_of({k: v for k, v in inputs.items() if k in names | planned})


_PACKAGING = {"encode.segments", "encode.single_file", "encode.drop_dominated"}
"""Of the encode options, those that no plan depends on."""


def changes(before: dict[str, Any], now: dict[str, Any]) -> dict[str, str]:
    """What differs between two titles' inputs: a phrase for people by name."""
    told = {}
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        # Digests tell people nothing, nor do long lists.
        short = all(len(str(value)) <= 20 for value in (old, new))
        plain = name.rpartition(".")[2]
        told[name] = f"{plain} {old} → {new}" if short and name != "source" else plain
    return told


def is_locked(out: Path) -> bool:
    """Whether a run works in an output folder, or in a title's, at this moment."""
    import fcntl

    try:
        with (out / MARK).open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def remove_torn(folder: Path) -> None:
    """Remove what a killed run was just writing; only for who holds the lock."""
    for path in folder.glob(TORN):
        path.unlink(missing_ok=True)


def made_here(folder: Path) -> bool:
    """Whether a title's folder is pertitle's own, or free to become so."""
    if not folder.exists() or (folder / MARK).is_file():
        return True
    names = {path.name for path in folder.iterdir()}
    if names <= {"error.log", ".work"}:  # empty, or left by a run from before there were marks
        return True
    try:
        record = read_json(folder / "result.json")
    except ModelError:
        return (folder / ".work" / _INPUTS).is_file()
    return isinstance(record, dict) and {"inputs", "renditions"} <= record.keys()


@contextmanager
def held(folder: Path, *, force: bool = False) -> Iterator[None]:
    """Hold a title's folder for this process, and mark it as pertitle's.

    Args:
        force: take over a folder that pertitle did not make.

    Raises:
        FolderError: it is not pertitle's, a link, or another run works on the title.
        UsageError: it cannot be written.
    """
    import fcntl

    if folder.is_symlink():
        raise FolderError(f"{folder} is a link; pertitle writes and removes nothing through links")
    with contextlib.ExitStack() as stack:
        try:
            if not force and not made_here(folder):
                raise FolderError(
                    f"{folder} was not made by pertitle and is left alone; choose another output"
                    " folder, or --force"
                )
            handle = stack.enter_context(_open(folder))
        except OSError as error:
            raise UsageError(f"cannot write to {folder}: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderError(
                f"another run is at work on {folder.name}; wait for it to end"
            ) from error
        yield


@contextmanager
def _open(folder: Path, name: str = MARK) -> Iterator[int]:
    """A file of locks in a folder, which is made; never one that a link leads to."""
    folder.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(folder / name, flags, 0o666)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def present(out: Path, *, force: bool = False) -> Iterator[None]:
    """Be at work in an output folder, beside other runs; the mark dies with the process.

    Args:
        force: pages there that pertitle did not write may be overwritten.

    Raises:
        FolderError: such pages are there.
        UsageError: the folder cannot be written.
    """
    import fcntl

    foreign = [name for name in PAGES if (out / name).exists() or (out / name).is_symlink()]
    if foreign and not (out / MARK).is_file() and not force:
        raise FolderError(
            f"{out / foreign[0]} was not made by pertitle and would be overwritten;"
            " choose another output folder, or --force"
        )
    with contextlib.ExitStack() as stack:
        try:
            handle = stack.enter_context(_open(out))
        except OSError as error:
            where = f"the output folder {out}"
            raise UsageError(f"cannot write to {where}: {error.strerror}") from error
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield


@contextmanager
def pages_of(out: Path) -> Iterator[None]:
    """Be the one who writes the pages of an output folder; waits for others, which are quick.

    Raises:
        FolderError: another run held them for minutes.
    """
    import fcntl

    with _open(out, _PAGES_LOCK) as handle:
        until = time.monotonic() + _PAGES_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > until:
                    raise FolderError(f"another run holds the pages of {out}") from error
                time.sleep(0.1)
        remove_torn(out)
        yield
