"""Sources named by URLs: ``s3://``, ``https://`` and whatever else fsspec knows.

Nobody but pertitle itself talks to a store: decoders and encoders see local files. A source is
fetched into the work folder of its title. Needs the extra ``pertitle[s3]``.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from pertitle.errors import PertitleError, StoreError, ToolError, UsageError
from pertitle.serial import sync_file
from pertitle.storage.workspace import digest_of_samples

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_LOGIN = re.compile(r"://(?:[^/?#]*@|[^/@:?#]*:(?!\d+/)[^@?#]*@)")
"""User and password of a URL; keys of S3 have slashes in them."""
_ANY_LOGIN = re.compile(r"://[^/@\s:]*:[^/@\s]*@")
_SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|ACCESS_KEY|API_KEY")
_SECRET_LEAST = 4
"""Characters of the shortest secret looked for: shorter ones would blot out words."""
_LOCAL = ("file", "local")
WEB = ("http", "https")


def is_url(text: str) -> bool:
    """Whether an input or output folder is an address of a store and not a local path."""
    found = _URL.match(text)
    return found is not None and found[1].lower() not in _LOCAL


def local_path(text: str) -> Path:
    """The path of what is no URL of a store: ``file:///films`` is ``/films``."""
    return Path(_URL.sub("", text, count=1))


def shown(url: str) -> str:
    """A URL without what may be secret in it: a password, the signature of a web address."""
    url = _LOGIN.sub("://", url)
    if scheme_of(url) in WEB:
        return re.split(r"[?#]", url)[0]
    return re.split(r"[?#][^/?#]*=", url)[0]  # "?" alone is a pattern


def secrets_of(url: str) -> set[str]:
    """What may be secret in a URL, each part as it is and as it is quoted or decoded.

    Login and password, and the query and fragment of a web address with the values in them.
    """
    found = set()
    if login := _LOGIN.search(url):
        whole, (user, _, password) = login[0][3:-1], login[0][3:-1].partition(":")
        found |= {whole, password, user if len(user) >= 2 * _SECRET_LEAST else ""}
    if len(kept := shown(url)) < len(plain := _LOGIN.sub("://", url)):
        rest = plain[len(kept) + 1 :]
        found |= {rest, *(re.split(r"[?#&;]", rest))}
        found |= {part.partition("=")[2] for part in re.split(r"[?#&;]", rest)}
    found |= {unquote(part) for part in found}
    found |= {quote(part, safe="") for part in found} | {quote(part) for part in found}
    return found


def scrubbed(text: str, *urls: str) -> str:
    """Text without what is secret in URLs or in the environment, whoever wrote it.

    Stores' own errors repeat an address, or a part of it, in whatever form they like.
    """
    for url in urls:
        text = text.replace(url, shown(url)) if url else text
    secret = {part for url in urls for part in secrets_of(url)}
    secret |= {
        value
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and len(value) >= 2 * _SECRET_LEAST
    }
    for part in sorted(secret, key=len, reverse=True):
        if len(part) >= _SECRET_LEAST:
            text = text.replace(part, "***")
    return _ANY_LOGIN.sub("://", text)


def path_of(url: str) -> Path:
    """Folders and file name of a URL, to name its title by; nothing lies there."""
    return Path(_URL.sub("", shown(url), count=1))


def scheme_of(url: str) -> str:
    found = _URL.match(url)
    return found[1].lower() if found else ""


@contextmanager
def at(url: str) -> Iterator[tuple[Any, str]]:
    """The file system and path of a URL; what goes wrong with it becomes one line.

    Raises:
        ToolError: a package for this kind of store is missing.
        UsageError: there is no such kind of store.
        StoreError: it refused or was not reached.
    """
    try:
        core = importlib.import_module("fsspec.core")
    except ImportError as error:
        raise ToolError(f"{scheme_of(url)}:// needs fsspec: pip install 'pertitle[s3]'") from error
    try:
        files, path = core.url_to_fs(url)
    except ImportError as error:
        needed = f"{scheme_of(url)}:// needs another package: pip install 'pertitle[s3]'"
        raise ToolError(f"{needed} ({scrubbed(str(error), url)})") from error
    except ValueError as error:
        raise UsageError(f"{shown(url)}: {scrubbed(str(error), url)}") from None
    try:
        yield files, str(path)
    except PertitleError:
        raise
    except Exception as error:  # every kind of store raises errors of its own
        # The store's own error stays out of tracebacks too: it may hold what is secret.
        raise StoreError(f"{shown(url)}: {_reason(error, url)}") from None


def _reason(error: BaseException, url: str) -> str:
    """What went wrong, without what is secret in the URL."""
    # Of a web address everything is a file that is not found, and the cause says more.
    cause = error.__cause__ if scheme_of(url) in WEB and error.__cause__ else error
    if status := getattr(cause, "status", None):
        return f"the server answers {status}"
    if isinstance(cause, FileNotFoundError):
        return "there is no such file or bucket"
    if isinstance(cause, PermissionError):
        return "access is denied"
    reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return scrubbed(str(reason), url)


def videos_at(url: str, wanted: Callable[[str], bool], out: str = "") -> dict[str, int]:
    """The sources that a URL names, in a stable order, with their sizes.

    A folder or glob pattern yields the files whose names are wanted, none of them hidden or inside
    ``out``. Anything else is a file, and so is what cannot be looked at: its title tells why.

    Raises:
        UsageError: nothing was found, or the output folder is itself an input.
    """
    if scheme_of(url) in WEB:  # no folders there, and "?" is not a pattern
        return {url: _size(url)}
    try:
        with at(url) as (files, path):
            files.invalidate_cache()
            whole = str(files.unstrip_protocol(path)).rstrip("/")
            if has_magic(path) and not files.exists(path):
                found, missing = files.glob(path, detail=True), f"nothing matches {shown(url)}"
                named_by_user = whole.rpartition("/")[0]
            elif files.isdir(path):
                if whole == out:
                    raise UsageError(f"the output folder {out} is also an input; choose another -o")
                found, missing = files.find(path, detail=True), f"no videos in {shown(url)}"
                named_by_user = whole
            else:
                return {whole: _size(url)}
            listing = {str(files.unstrip_protocol(name)): info for name, info in found.items()}
    except StoreError:
        return {url: 0}
    videos = {
        name: int(info.get("size") or 0)
        for name, info in sorted(listing.items())
        if info["type"] == "file"
        and wanted(name)
        and "/." not in name[len(named_by_user) :]
        and not (out and name.startswith(f"{out}/"))
    }
    if not videos:
        raise UsageError(missing)
    return videos


def _size(url: str) -> int:
    """Bytes of a file; 0 if it cannot be told, which the title itself will report."""
    try:
        return _Remote.of(url).bytes
    except StoreError:
        return 0


@dataclass(frozen=True)
class _Remote:
    """A file of a store as it is now: its size, and marks that change with its content."""

    bytes: int
    version: str

    @classmethod
    def of(cls, url: str) -> _Remote:
        with at(url) as (files, path):
            files.invalidate_cache()
            info = files.info(path)
            if info.get("type", "file") != "file":
                raise StoreError(f"{shown(url)} is not a file")
            if info.get("size") is None:
                raise StoreError(f"{shown(url)}: the server does not tell its size")
            marks = ("ETag", "etag", "md5Hash", "Last-Modified", "LastModified", "mtime", "created")
            version = [str(info[mark]) for mark in marks if mark in info]
            return cls(int(info["size"]), "|".join([str(info["size"]), *version]))


def version_of(url: str) -> str:
    """Text that changes when the file at a URL does.

    Raises:
        StoreError: it cannot be looked at.
    """
    return _Remote.of(url).version


def fingerprint_of(url: str, *, whole: bool = False) -> str:
    """The :func:`pertitle.storage.workspace.fingerprint` that the file would have on this machine.

    Raises:
        StoreError: it cannot be read.
    """
    size = _Remote.of(url).bytes
    with at(url) as (files, path):
        if whole:
            with files.open(path, "rb") as file:
                return f"{hashlib.file_digest(file, 'sha256').hexdigest()}-whole"

        def read(start: int, end: int) -> bytes:
            part: bytes = files.cat_file(path, start=start, end=end)
            if len(part) != end - start:
                raise StoreError(f"{shown(url)}: the server does not send parts of files")
            return part

        return digest_of_samples(size, read)


def fetch(url: str, target: Path, on_progress: Callable[[float], None]) -> None:
    """Copy the file at a URL to this machine and check that it is whole and still the same.

    Args:
        on_progress: told the share that is there, 0 to 1; what it raises ends the copying.

    Raises:
        StoreError: it cannot be read, or was changed meanwhile.
    """
    before = _Remote.of(url)

    def told(size: int | None, value: int, **_: object) -> None:
        on_progress(min(1.0, value / size) if size else 0.0)

    with at(url) as (files, path):
        callbacks = importlib.import_module("fsspec.callbacks")
        files.get_file(path, str(target), callback=callbacks.Callback(hooks={"told": told}))
    if target.stat().st_size != before.bytes or _Remote.of(url) != before:
        raise StoreError(f"{shown(url)} was cut off or changed while it was fetched")
    sync_file(target)
