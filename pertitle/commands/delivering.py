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
    parser.add_argument(
        "--force",
        action="store_true",
        help="write over pages and into titles' folders that pertitle did not make",
    )
    parser.add_argument(
        "--drop-rungs",
        action="store_true",
        help="do not keep encoded rungs of delivered titles (they take the space of the video once"
        " more, and spare a run with other sound or packaging all encodes)",
    )
    parser.add_argument(
        "--machine-paths",
        action="store_true",
        help="write full paths of this machine into the records and pages that are published",
    )


def folders_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fields of :class:`pertitle.Options` about where and how a title is left."""
    return {
        "scratch": arguments.scratch,
        "force": arguments.force,
        "keep_rungs": not arguments.drop_rungs,
        "machine_paths": arguments.machine_paths,
    }


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
