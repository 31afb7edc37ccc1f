"""What is published tells nothing of the machine it was made on: no folder of it."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_ANY = re.compile(r"(?:(?<![\w.:/<%-])|(?<=\bfile:))/(?:[\w.+@%~-]+/)+")
"""A folder, written from the root, without spaces: what no list of folders knows of."""


def without_folders(data: Any, folders: Iterable[Path]) -> Any:
    """JSON data whose texts name files by what is below the folders, or by their names alone.

    Args:
        folders: of the machine; those of the system and of this program are added.
    """
    return _each(data, _pattern(folders))


def text_without_folders(text: str, folders: Iterable[Path]) -> str:
    """The same for one text."""
    return _clean(text, _pattern(folders))


def _pattern(folders: Iterable[Path]) -> re.Pattern[str]:
    known = {Path(tempfile.gettempdir()), Path.home(), Path.cwd(), Path(sys.prefix)}
    known |= {folder.absolute() for folder in folders}
    names = sorted((str(folder) for folder in known if len(folder.parts) > 1), key=len)
    listed = "|".join(re.escape(name) for name in reversed(names))
    return re.compile(rf"(?<![\w./-])(?:{listed})/")


def _clean(text: str, pattern: re.Pattern[str]) -> str:
    return _ANY.sub("", pattern.sub("", text)) if "/" in text else text


def _each(data: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(data, str):
        return _clean(data, pattern)
    if isinstance(data, dict):
        return {key: _each(value, pattern) for key, value in data.items()}
    if isinstance(data, list):
        return [_each(item, pattern) for item in data]
    return data
