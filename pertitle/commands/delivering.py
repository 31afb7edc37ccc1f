"""What the commands that deliver share."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pertitle.commands.arguments import (
    whole,
)
from pertitle.errors import Cancelled


def add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--out", required=True, help="output folder, also s3://bucket/folder")
    parser.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        help="where titles for an s3:// output are made (default: in the cache folder)",
    )


def add_nice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--nice", type=whole(0), default=0, metavar="N", help="nice level added to all encodes"
    )


@contextmanager
def how_to_resume(view: Any) -> Iterator[None]:
    try:
        yield
    except Cancelled:
        view.say("Stopped. Run the same command again to continue where it left off.")
        raise
