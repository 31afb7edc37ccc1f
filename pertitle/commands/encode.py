"""``pertitle encode``: deliver a plan file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pertitle.commands.arguments import (
    add_general,
    write_json_file,
)
from pertitle.commands.delivering import add_nice, add_out, folders_of, how_to_resume
from pertitle.commands.output_arguments import add_output_options, outputs_of
from pertitle.commands.parser import EXIT_FAILED, EXIT_OK, examples, stop_on_signals
from pertitle.options import Options


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "encode",
        help="deliver a plan",
        description="Encode, verify and package the ladder of a plan file from `pertitle plan"
        " --json`. The source is found at the path in the plan unless --source names another.",
        epilog=examples(
            "pertitle plan film.mp4 --json plan.json", "pertitle encode plan.json -o out"
        ),
    )
    parser.add_argument("plan", type=Path, metavar="PLAN", help="a plan file")
    add_out(parser)
    parser.add_argument("--source", type=Path, help="the video, if it moved since the plan")
    parser.add_argument("--keep-work", action="store_true", help="keep intermediate files")
    add_nice(parser)
    add_output_options(parser)
    add_general(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    from pertitle.delivery import batch as pipeline
    from pertitle.results import RESULT_VERSION
    from pertitle.serial import to_json
    from pertitle.system.stop import Stop
    from pertitle.terminal.view import view_for

    stop = Stop()
    stop_on_signals(stop)
    view = view_for(arguments.quiet, arguments.verbose)
    with view, how_to_resume(view):
        batch = pipeline.encode_plan(
            arguments.plan,
            arguments.out,
            source=arguments.source,
            chosen=Options(
                ffmpeg=arguments.ffmpeg,
                threads=arguments.threads,
                nice=arguments.nice,
                **folders_of(arguments),
                **outputs_of(arguments),
            ),
            on_event=view.handle,
            stop=stop,
            keep_work=arguments.keep_work,
        )
    if arguments.json:
        write_json_file(arguments.json, {"version": RESULT_VERSION, **to_json(batch)})
    return EXIT_OK if batch.ok else EXIT_FAILED
