"""``pertitle train``: fit a model to a table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pertitle.codecs import CODECS
from pertitle.commands.arguments import add_general


def add(commands: Any) -> None:
    """``pertitle train``."""
    parser = commands.add_parser(
        "train",
        help="fit a model to a corpus table",
        description="Fit the surface model of one codec. The same tables give the same file;"
        " name it with --model in `plan` and `run`.",
    )
    parser.add_argument("table", type=Path, metavar="TABLE", help="from `corpus measure`")
    parser.add_argument("--features", type=Path, required=True, help="from `corpus features`")
    parser.add_argument("--codec", choices=tuple(CODECS), default="h264")
    parser.add_argument("-o", "--out", required=True, type=Path, metavar="MODEL")
    add_general(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    from pertitle.training.fitting import train

    train(arguments.table, arguments.features, arguments.codec, arguments.out)
    if not arguments.quiet:
        print(f"{arguments.out}", file=sys.stderr)
    return 0
