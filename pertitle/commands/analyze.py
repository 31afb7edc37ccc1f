"""``pertitle analyze``: complexity, shots and defects of a video."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pertitle.commands.arguments import (
    add_general,
    write_json_file,
)
from pertitle.commands.parser import EXIT_OK, examples
from pertitle.options import Options


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "analyze",
        help="measure complexity, shots and defects of a video",
        description="Measure a video without encoding anything. docs/features.md explains each"
        " figure.",
        epilog=examples("pertitle analyze film.mp4", "pertitle analyze film.mp4 --json -"),
    )
    parser.add_argument("video", type=Path, metavar="VIDEO", help="a video file")
    add_general(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    from pertitle.delivery import planning
    from pertitle.serial import to_json
    from pertitle.terminal import tables as terminal

    analysis = planning.analyse_title(arguments.video, Options(ffmpeg=arguments.ffmpeg))
    if arguments.json:
        write_json_file(arguments.json, {"version": 1, **to_json(analysis)})
    if not arguments.quiet and arguments.json != "-":
        terminal.print_analysis(analysis, everything=arguments.verbose)
    return EXIT_OK
