"""``pertitle compare``: two plans or delivered titles."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pertitle.commands.arguments import (
    add_general,
    codecs,
    viewers,
    whole,
    write_json_file,
)
from pertitle.commands.parser import EXIT_OK, examples


def add(commands: Any) -> None:
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
    parser.add_argument(
        "--audience", metavar="A",
        help="also play both to these viewers: mobile, fixed, mixed, or a .csv or .toml file",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=whole(0), default=0, metavar="N", help="of the viewers' lines (default 0)"
    )
    add_general(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    from pertitle.ladder import comparison as compare
    from pertitle.ladder.viewing import view
    from pertitle.serial import to_json
    from pertitle.terminal import tables as terminal

    wanted = arguments.codec or (None,)
    first = compare.read_side(arguments.first, wanted[0])
    second = compare.read_side(arguments.second, wanted[-1])
    comparison = compare.compare_ladders(first, second)
    audience = viewers(arguments.audience)
    sides = (first, second) if audience else ()
    viewing = [view(side, audience, arguments.seed) for side in sides]
    if arguments.json:
        record = {"version": 1, **to_json(comparison)}
        write_json_file(arguments.json, {**record, "viewing": to_json(viewing)})
    if not arguments.quiet and arguments.json != "-":
        terminal.print_comparison(comparison)
        if viewing:
            terminal.print_viewing(viewing)
    return EXIT_OK
