"""Commands about one title that deliver nothing: analyze, plan, thumbs, compare."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pertitle.commands.arguments import (
    add_encode_options,
    add_general,
    add_ladder_options,
    codecs,
    options_of,
    write_json_file,
)
from pertitle.commands.output_arguments import add_thumbnail_options, thumbnails_of
from pertitle.commands.parser import EXIT_OK, examples
from pertitle.options import Options


def add_analyze(commands: Any) -> None:
    parser = commands.add_parser(
        "analyze",
        help="measure complexity, shots and defects of a video",
        description="Measure a video without encoding anything. docs/features.md explains each"
        " figure.",
        epilog=examples("pertitle analyze film.mp4", "pertitle analyze film.mp4 --json -"),
    )
    parser.add_argument("video", type=Path, metavar="VIDEO", help="a video file")
    add_general(parser)
    parser.set_defaults(handler=_analyze)


def _analyze(arguments: argparse.Namespace) -> int:
    from pertitle.delivery import planning
    from pertitle.serial import to_json
    from pertitle.terminal import tables as terminal

    analysis = planning.analyse_title(arguments.video, Options(ffmpeg=arguments.ffmpeg))
    if arguments.json:
        write_json_file(arguments.json, {"version": 1, **to_json(analysis)})
    if not arguments.quiet and arguments.json != "-":
        terminal.print_analysis(analysis, everything=arguments.verbose)
    return EXIT_OK


def add_plan(commands: Any) -> None:
    parser = commands.add_parser(
        "plan",
        help="predict and probe a ladder without delivering it",
        description="Predict the rate-quality curves of a video, spend a few probe encodes where"
        " the prediction is unsure, and print the ladder.",
        epilog=examples(
            "pertitle plan film.mp4",
            "pertitle plan film.mp4 --max-probes 0        predict only, in seconds",
            "pertitle plan film.mp4 --json plan.json      for `pertitle encode`",
        ),
    )
    parser.add_argument("video", type=Path, metavar="VIDEO", help="a video file")
    add_ladder_options(parser)
    add_encode_options(parser)
    add_general(parser)
    parser.set_defaults(handler=_plan)


def _plan(arguments: argparse.Namespace) -> int:
    from pertitle.delivery import planning
    from pertitle.storage.plan_file import plan_document
    from pertitle.terminal import tables as terminal
    from pertitle.terminal.view import view_for

    options = options_of(arguments)
    view = view_for(arguments.quiet or arguments.json == "-", arguments.verbose)
    with view:
        plan = planning.plan_title(arguments.video, options, on_event=view.handle)
    if arguments.json:
        write_json_file(arguments.json, plan_document(plan, options))
    if not arguments.quiet and arguments.json != "-":
        terminal.print_plan(plan)
    return EXIT_OK


def add_thumbs(commands: Any) -> None:
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
    parser.set_defaults(handler=_thumbs)


def _thumbs(arguments: argparse.Namespace) -> int:
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


def add_compare(commands: Any) -> None:
    parser = commands.add_parser(
        "compare",
        help="compare two plans or delivered titles",
        description="BD-rate and rungs of two ladders of one title. A and B are plan files,"
        " result files or title folders.",
        epilog=examples("pertitle compare out/film plan.json"),
    )
    parser.add_argument("first", type=Path, metavar="A", help="plan, result or folder")
    parser.add_argument("second", type=Path, metavar="B", help="plan, result or folder")
    parser.add_argument(
        "-c",
        "--codec",
        type=codecs,
        metavar="C[,C]",
        help="ladder to compare, or A's and B's (default: the codec of widest reach)",
    )
    add_general(parser)
    parser.set_defaults(handler=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    from pertitle.ladder import comparison as compare
    from pertitle.serial import to_json
    from pertitle.terminal import tables as terminal

    wanted = arguments.codec or (None,)
    first = compare.read_side(arguments.first, wanted[0])
    second = compare.read_side(arguments.second, wanted[-1])
    comparison = compare.compare_ladders(first, second)
    if arguments.json:
        write_json_file(arguments.json, {"version": 1, **to_json(comparison)})
    if not arguments.quiet and arguments.json != "-":
        terminal.print_comparison(comparison)
    return EXIT_OK
