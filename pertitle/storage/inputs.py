"""Turning what the user names (files, folders, globs, URLs) into titles of unique names."""

from __future__ import annotations

import glob  # Path.glob takes no absolute pattern
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pertitle.errors import SourceError, UsageError
from pertitle.storage.remote import is_url, local_path, path_of, videos_at
from pertitle.storage.workspace import MARK

VIDEO_SUFFIXES = frozenset(
    ".3gp .apng .asf .avi .dv .f4v .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv"
    " .ts .vob .webm .wmv .y4m".split()
)
RESERVED = frozenset({"index.html", "batch.json"})
"""Names that an output folder has for its own pages."""
MAX_NAME = 120
"""Bytes of a title's folder name; leaves room for suffixes under the usual limit of 255."""


@dataclass(frozen=True)
class Title:
    """One input: its path and the name of its folder in the output.

    Attributes:
        url: where the source is fetched from; empty for a file, which is at ``path``.
        bytes: size of what is at the URL, as far as known.
    """

    name: str
    path: Path
    url: str = ""
    bytes: int = 0


def find_titles(inputs: Iterable[str | Path], out: Path, out_url: str = "") -> tuple[Title, ...]:
    """Expand files, folders (searched recursively) and glob patterns, in a stable order.

    A file that is named outright is always a title, whatever its suffix; folders and globs
    yield files with a video suffix. Nothing inside ``out`` is taken, nor a link in a folder that
    leads out of it.

    Args:
        out_url: output folder in a store, as its listings spell it.

    Raises:
        UsageError: an input matches nothing, or the output folder is itself an input.
        ToolError: a package for a kind of URL is missing.
    """
    out = _resolved(out)
    found: dict[object, Title] = {}
    for item in inputs:
        text = str(item)
        if is_url(text):
            for url, size in videos_at(text, _is_video, out_url).items():
                found.setdefault(url, Title("", path_of(url), url, size))
            continue
        path = local_path(text)
        text = str(path)
        if path.is_dir():
            if path.resolve() == out:
                raise UsageError(f"the output folder {out} is also an input; choose another -o")
            matches = _videos_in(path, out)
            if not matches:
                raise UsageError(f"no videos in folder {text}")
        elif glob.has_magic(text) and not path.exists():
            matches = [
                Path(name)
                for name in sorted(glob.glob(text, recursive=True))  # noqa: PTH207
                if _is_video(name) and Path(name).is_file()
            ]
            root = _plain_part(text)
            matches = [p for p in matches if _inside(p, root) and not _is_output(p, out)]
            if not matches:
                raise UsageError(f"nothing matches {text}")
        else:
            matches = [path]  # a missing file is reported with its title, the batch goes on
        for match in matches:
            found.setdefault(_resolved(match), Title("", match.absolute()))
    return _named(found.values())


def _resolved(path: Path) -> Path:
    """Where a path leads; itself if that is to itself."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path.absolute()


def _plain_part(pattern: str) -> Path:
    """The folder that a pattern starts from, before its first wildcard."""
    plain: list[str] = []
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        plain.append(part)
    return _resolved(Path(*plain))


def _inside(path: Path, root: Path) -> bool:
    """Whether a file is in a folder and no link leads out of that."""
    return _resolved(path).is_relative_to(root)


def _is_output(path: Path, out: Path) -> bool:
    """Whether a file is part of what pertitle delivered to the output folder."""
    place = _resolved(path)
    if not place.is_relative_to(out):
        return False
    between = [folder for folder in place.parents if folder != out and folder.is_relative_to(out)]
    return any((folder / MARK).exists() for folder in between)


def refuse_output(path: Path, out: Path) -> None:
    """Refuse what pertitle delivered itself as a source.

    Raises:
        SourceError: it is that.
    """
    if _is_output(path, _resolved(out)):
        raise SourceError(f"{path.name} lies in a title's folder of the output folder")


def _is_video(name: str) -> bool:
    return Path(name).suffix.lower() in VIDEO_SUFFIXES


def _videos_in(folder: Path, out: Path) -> list[Path]:
    root = _resolved(folder)
    videos = []
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and _resolved(here / name) != out
        )
        for name in sorted(files):
            path = here / name
            if not _is_video(name) or name.startswith("."):
                continue
            if path.is_symlink() and not _inside(path, root):
                continue
            if path.is_symlink() and _resolved(path).is_relative_to(out):
                continue
            videos.append(path)
    return videos


def title_of(path: Path) -> Title:
    """The title of one file."""
    return _named([Title("", path)])[0]


def _named(found: Iterable[Title]) -> tuple[Title, ...]:
    found = list(found)
    stems = [folder_name(title.path.stem) for title in found]
    # Two inputs of one name differ by suffix or folder: the first keeps the plain name only if
    # it is alone, otherwise each says where it came from, so that order does not matter.
    counts = Counter(stem.casefold() for stem in stems)
    taken = set(RESERVED)
    titles = []
    for title, stem in zip(found, stems, strict=True):
        name = stem
        if counts[stem.casefold()] > 1:
            name = folder_name(f"{title.path.parent.name}_{title.path.name}")
        base, number = name, 2
        while name.casefold() in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name.casefold())
        titles.append(replace(title, name=name))
    return tuple(titles)


def folder_name(stem: str) -> str:
    """A safe folder name that still reads like the title.

    Control characters, marks that turn the direction of the text, separators and characters that
    URLs or Windows reject become ``_``; a leading dot or dash is dropped, so that the folder is
    neither hidden nor an option.
    """
    text = unicodedata.normalize("NFC", stem.encode("utf-8", "replace").decode("utf-8"))
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069/\\:*?\"<>|%#&']", "_", text)
    text = re.sub(r"\s+", " ", text).strip(" ").lstrip(".-").rstrip(". ")
    encoded = text.encode("utf-8")[:MAX_NAME].decode("utf-8", "ignore")
    return encoded or "title"
