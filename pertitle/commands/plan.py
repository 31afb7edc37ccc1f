"""``pertitle plan``: predict and probe a ladder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pertitle.commands.arguments import (
    add_encode_options,
    add_general,
    add_ladder_options,
    options_of,
    write_json_file,
)
from pertitle.commands.parser import EXIT_OK, examples


def add(commands: Any) -> None:
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
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
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
