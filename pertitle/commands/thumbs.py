"""``pertitle thumbs``: candidate thumbnails of a video."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pertitle.commands.arguments import (
    add_general,
    write_json_file,
)
from pertitle.commands.output_arguments import add_thumbnail_options, thumbnails_of
from pertitle.commands.parser import EXIT_OK, examples
from pertitle.options import Options


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "thumbs",
        help="pick candidate thumbnails of a video",
        description="Pick a handful of distinct, sharp, well exposed frames and write them in the"
        " shapes and formats that are needed.",
        epilog=examples(
            "pertitle thumbs film.mp4 -o thumbnails",
            "pertitle thumbs film.mp4 -o posters --thumbnail-shapes 2x3 --thumbnail-formats avif",
        ),
    )
    parser.add_argument("video", type=Path, metavar="VIDEO", help="a video file")
    parser.add_argument("-o", "--out", required=True, type=Path, help="folder to write into")
    add_thumbnail_options(parser)
    add_general(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    from pertitle.delivery import planning
    from pertitle.serial import to_json
    from pertitle.terminal import tables as terminal

    options = Options(ffmpeg=arguments.ffmpeg, **thumbnails_of(arguments))
    thumbnails = planning.thumbnails_of(arguments.video, arguments.out, options)
    if arguments.json:
        write_json_file(arguments.json, {"version": 1, "thumbnails": to_json(thumbnails)})
    if not arguments.quiet and arguments.json != "-":
        terminal.print_thumbnails(thumbnails)
    return EXIT_OK
