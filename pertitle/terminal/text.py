"""Text from outside on a terminal."""

from __future__ import annotations

from rich import markup

from pertitle.errors import printable


def escape(text: str) -> str:
    """The text as rich shows it: neither markup nor a command to the terminal."""
    return markup.escape(printable(text))
