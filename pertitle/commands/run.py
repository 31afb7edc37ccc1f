"""``pertitle run``: deliver titles."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from pertitle.commands.arguments import (
    add_encode_options,
    add_general,
    add_ladder_options,
    options_of,
    whole,
    write_json_file,
)
from pertitle.commands.delivering import add_nice, add_out, folders_of, how_to_resume
from pertitle.commands.output_arguments import add_output_options, outputs_of
from pertitle.commands.parser import EXIT_FAILED, EXIT_OK, examples, stop_on_signals
from pertitle.errors import printable
from pertitle.events import Event


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "run",
        help="deliver per-title ladders of files and folders",
        description="Analyse, plan, encode, verify and package every video. Run the same command"
        " again to continue after an interruption: finished titles are not touched.",
        epilog=examples(
            "pertitle run film.mp4 -o out",
            "pertitle run 'films/*.mov' -o out -j 2 --use premium",
            "pertitle run films/ -o out --max-kbps 6000 --json - > batch.json",
            "pertitle run s3://bucket/films -o s3://bucket/out",
        ),
    )
    parser.add_argument(
        "videos", nargs="+", metavar="VIDEO", help="file, folder or glob pattern, also s3://..."
    )
    add_out(parser)
    parser.add_argument("-j", "--jobs", type=whole(1), help="titles at a time (default: by cores)")
    parser.add_argument("--keep-work", action="store_true", help="keep intermediate files")
    parser.add_argument(
        "--preview",
        type=Path,
        metavar="HLS_JS",
        help="add a page that plays the package with this hls.min.js (`npm install hls.js`)",
    )
    parser.add_argument(
        "--full-digest",
        action="store_true",
        help="tell sources apart by all of their bytes (slow), not by size and samples",
    )
    add_nice(parser)
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="deliver on a Dask cluster, e.g. tcp://10.0.0.1:8786 (`pip install 'pertitle[dask]'`)",
    )
    parser.add_argument("--events", type=Path, metavar="FILE", help="append events as JSON lines")
    add_ladder_options(parser)
    add_encode_options(parser)
    add_output_options(parser)
    add_general(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    from pertitle.delivery import batch as pipeline
    from pertitle.results import RESULT_VERSION
    from pertitle.serial import to_json
    from pertitle.storage.event_log import EventLog
    from pertitle.system.stop import Stop
    from pertitle.terminal.view import view_for

    stop = Stop()
    stop_on_signals(stop)
    options = replace(
        options_of(arguments),
        **outputs_of(arguments),
        nice=arguments.nice,
        whole_digest=arguments.full_digest,
        **folders_of(arguments),
    )
    view = view_for(arguments.quiet, arguments.verbose)
    with ExitStack() as stack:
        handlers = [stack.enter_context(view).handle]
        log = stack.enter_context(EventLog(arguments.events)) if arguments.events else None
        if log:
            handlers.append(log.handle)

        def everyone(event: Event) -> None:
            for handle in handlers:
                handle(event)

        with how_to_resume(view):
            batch = pipeline.run_batch(
                arguments.videos,
                arguments.out,
                options,
                on_event=everyone,
                stop=stop,
                jobs=arguments.jobs,
                keep_work=arguments.keep_work,
                scheduler=arguments.scheduler,
            )
        if log and log.lost:
            view.say(f"Events are missing in {printable(str(arguments.events))}: {log.lost}")
    if arguments.json:
        write_json_file(arguments.json, {"version": RESULT_VERSION, **to_json(batch)})
    return EXIT_OK if batch.ok and not (log and log.lost) else EXIT_FAILED
