"""Output folders in a store: titles are put together here and uploaded file by file.

A title is made in a scratch folder of this machine, as on one without a store, and so continues
where a killed run stopped. ``result.json`` is uploaded last: what is half there never counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from joblib import Parallel, delayed

from pertitle.errors import ModelError, StoreError, UsageError
from pertitle.results import BatchResult
from pertitle.serial import MAX_BYTES, parse_json
from pertitle.storage.cache import default_folder
from pertitle.storage.remote import WEB, at, is_url, local_path, scheme_of, shown
from pertitle.storage.workspace import DELIVERED, MARKS, Earlier, Workspace

_UPLOADS = 8
"""Files uploaded side by side: segments are small, and an upload mostly waits for the answer."""
_KINDS = {".mpd": "application/dash+xml", ".m4s": "video/iso.segment", ".vtt": "text/vtt"}
"""Media types that Python does not know by the file's name."""


def destination(out: str | Path, scratch: Path | None) -> tuple[Path, Store | None]:
    """The local folder that titles are put together in, and the store that they go to, if any.

    Args:
        scratch: folder for what goes to a store; None for one in the cache's.

    Raises:
        UsageError: nothing can be written there.
    """
    if not is_url(str(out)):
        return (local_path(out) if isinstance(out, str) else out).absolute(), None
    if scheme_of(str(out)) in WEB:
        raise UsageError(f"{shown(str(out))}: web addresses can only be read")
    url = str(out).rstrip("/")
    # The same folder for the same store, so that a killed run continues. Readable, and unique.
    name = re.sub(r"[^A-Za-z0-9.]+", "_", shown(url))[:80]
    mark = hashlib.sha256(url.encode()).hexdigest()[:8]
    folder = (scratch or default_folder() / "scratch").absolute()
    return folder / f"{name}-{mark}", Store(url)


@dataclass(frozen=True)
class Store:
    """An output folder in a store.

    Attributes:
        url: its address, without a slash at the end.
    """

    url: str

    @property
    def canonical(self) -> str:
        """The address as listings spell it."""
        with at(self.url) as (files, path):
            return str(files.unstrip_protocol(path)).rstrip("/")

    def check(self) -> None:
        """Write and remove a file: better told now than after hours of encoding.

        Raises:
            ToolError, UsageError, StoreError: the folder cannot be used.
        """
        with tempfile.NamedTemporaryFile(prefix="pertitle-") as file:
            self._put(Path(file.name), ".pertitle")
        self._remove(".pertitle")

    def earlier(self, name: str) -> Earlier | None:
        """What an earlier run delivered of a title, or None.

        Raises:
            StoreError: it cannot be looked at.
        """
        text = self._read(f"{name}/result.json")
        if text is None:
            return None
        try:
            found = Earlier.of(parse_json(text, "result.json"), name)
        except ModelError:
            return None
        with at(self.url) as (files, path):
            if found and all(files.exists(f"{path}/{name}/{mark}") for mark in found.marks):
                return found
        return None

    def upload(
        self, space: Workspace, check: Callable[[], None], on_progress: Callable[[float], None]
    ) -> None:
        """Upload a finished title, unless it is there already; goes on where a run was killed.

        What was sent is noted in the title's work folder. The store's listing must show every
        file in its full size before the manifests, and last ``result.json``, are sent.

        Args:
            check: raises where the run is to stop.
            on_progress: told the share of the files that arrived.

        Raises:
            StoreError: it cannot be written, or not everything arrived.
        """
        folder, name = space.folder, space.folder.name
        result = (folder / "result.json").read_bytes()
        apart = {folder / name for name in (*MARKS, "error.log")}
        parts = [path for path in _published(folder) if path not in apart]
        marks = [mark for mark in reversed(MARKS) if (folder / mark).exists()]
        note = space.kept("notes") / f"sent-{hashlib.sha256(result).hexdigest()[:16]}"
        sent = set(note.read_text("utf-8").splitlines()) if note.exists() else set()

        def put(path: Path) -> None:
            inside = path.relative_to(folder).as_posix()
            if inside not in sent:
                check()
                self._put(path, f"{name}/{inside}")
                with note.open("a", encoding="utf-8") as log:
                    log.write(f"{inside}\n")

        if self._read(f"{name}/result.json") == result:
            return
        if set(DELIVERED) <= set(marks) and not sent:  # not for other thumbnails alone
            for mark in MARKS:
                self._remove(f"{name}/{mark}")
        arrived = Parallel(_UPLOADS, backend="threading", return_as="generator_unordered")(
            delayed(put)(path) for path in parts
        )
        for count, _ in enumerate(arrived, 1):
            on_progress(count / len(parts))
        try:
            self._compare(folder, parts)
        except StoreError:
            note.unlink(missing_ok=True)
            raise
        for mark in marks:
            self._put(folder / mark, f"{name}/{mark}")

    def _compare(self, folder: Path, parts: list[Path]) -> None:
        """Check that parts of a title arrived; remove what an earlier delivery had beside them."""
        wanted = {path.relative_to(folder).as_posix(): path.stat().st_size for path in parts}
        kept = {path.name for path in folder.iterdir() if path.is_dir()}
        with at(f"{self.url}/{folder.name}") as (files, root):
            files.invalidate_cache()
            listing = files.find(root, detail=True)
        start = len(root.rstrip("/")) + 1
        there = {path[start:]: info["size"] for path, info in listing.items()}
        for inside, size in wanted.items():
            if there.get(inside) != size:
                raise StoreError(f"{shown(self.url)}/{folder.name}/{inside} did not arrive whole")
        for inside in there.keys() - wanted.keys():
            if inside.partition("/")[0] in kept or inside == "error.log":
                self._remove(f"{folder.name}/{inside}")

    def tell(self, log: Path) -> None:
        """Upload what is known of a failure, if that can be done: the store may be what failed."""
        with contextlib.suppress(StoreError, OSError):
            self._put(log, f"{log.parent.name}/{log.name}")

    @contextmanager
    def pictures(self, batch: BatchResult) -> Iterator[None]:
        """Have the titles' main thumbnails here for a while: the page of the batch shows them."""
        fetched = []
        for title in batch.titles:
            for picture in title.thumbnails[:1]:
                if Path(title.name).name != title.name:  # it came out of a file in the store
                    continue
                inside = f"{title.name}/thumbnails/{Path(picture.file).name}"
                target = batch.out / inside
                if not target.exists():
                    fetched.append(target)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with contextlib.suppress(StoreError), at(self.url) as (files, path):
                        files.get_file(f"{path}/{inside}", str(target))
        yield
        for target in fetched:
            target.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # with --keep-work there is more in them
                target.parent.rmdir()
                target.parent.parent.rmdir()

    def told(self) -> object:
        """What ``batch.json`` in the store holds, or None."""
        text = self._read("batch.json")
        try:
            return None if text is None else parse_json(text, "batch.json")
        except ModelError:
            return None

    def put_pages(self, folder: Path, names: tuple[str, ...]) -> None:
        """Upload files of the batch as a whole.

        Raises:
            StoreError: they cannot be written.
        """
        for name in names:
            self._put(folder / name, name)

    def _put(self, file: Path, inside: str) -> None:
        with at(f"{self.url}/{inside}") as (files, path):
            kind = _KINDS.get(file.suffix) if scheme_of(self.url) == "s3" else None
            files.put_file(str(file), path, **({"ContentType": kind} if kind else {}))

    def _read(self, inside: str) -> bytes | None:
        """A small file, or None if it is not there."""
        with at(f"{self.url}/{inside}") as (files, path), contextlib.suppress(FileNotFoundError):
            files.invalidate_cache()
            if files.info(path)["size"] <= MAX_BYTES:
                return bytes(files.cat_file(path))
        return None

    def _remove(self, inside: str) -> None:
        with at(f"{self.url}/{inside}") as (files, path), contextlib.suppress(FileNotFoundError):
            files.rm_file(path)


def _published(folder: Path) -> list[Path]:
    """The files of a title, without what is hidden."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
