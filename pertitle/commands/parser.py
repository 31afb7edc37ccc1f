"""What all commands share: exit codes, help that reads like a manual page, stopping by signal."""

from __future__ import annotations

import argparse
import signal
import textwrap
import threading
from typing import Any, NoReturn

from pertitle.errors import UsageError

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_TOOL, EXIT_INTERRUPTED = 0, 1, 2, 3, 130


class Formatter(argparse.HelpFormatter):
    """Wraps paragraphs to the terminal; indented lines, such as examples, stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        parts = []
        for block in text.strip().split("\n\n"):
            if block.startswith(" ") or "\n  " in block:
                parts.append(textwrap.indent(block, indent))
            else:
                parts.append(textwrap.fill(block, width, initial_indent=indent))
        return "\n\n".join(parts)


class Parser(argparse.ArgumentParser):
    """A parser of the command line; options are written out in full.

    Abbreviated options would change their meaning when a new option is added.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        settings.setdefault("formatter_class", Formatter)
        settings.setdefault("allow_abbrev", False)
        super().__init__(*args, **settings)

    def error(self, message: str) -> NoReturn:
        """One line, as for every other mistake; the options are a ``--help`` away."""
        raise UsageError(f"{message}; see {self.prog} --help")


def examples(*lines: str) -> str:
    """An epilog of commands to copy."""
    return "\n".join(["examples:", *(f"  {line}" for line in lines)])


def stop_on_signals(stop: Any) -> None:
    """The first Ctrl-C or SIGTERM ends children and unwinds; a second one kills at once."""

    def handler(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        # In a thread of its own: the interrupted code may hold the lock that stopping needs.
        threading.Thread(target=stop.request, daemon=True).start()

    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, handler)
