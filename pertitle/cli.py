"""The command line: parse, call the library, draw its events, set the exit code.

Exit codes: 0 all well; 1 at least one title failed; 2 wrong usage; 3 a program is missing or
lacks a capability; 130 interrupted.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pertitle
from pertitle.cli_clicks import add_clicks, joined
from pertitle.cli_models import add_corpus, add_evaluate, add_train
from pertitle.cli_options import (
    add_encode_options,
    add_general,
    add_ladder_options,
    add_thumbnail_count,
    options_of,
    whole,
    write_json_file,
)
from pertitle.errors import Cancelled, PertitleError, ToolError, UsageError
from pertitle.events import Event
from pertitle.records import Options

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_TOOL, EXIT_INTERRUPTED = 0, 1, 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = build_parser()
    arguments = parser.parse_args(joined(list(sys.argv[1:] if argv is None else argv)))
    try:
        return int(arguments.handler(arguments))
    except UsageError as error:
        return _complain(error, EXIT_USAGE)
    except ToolError as error:
        return _complain(error, EXIT_TOOL)
    except Cancelled:
        return EXIT_INTERRUPTED
    except PertitleError as error:
        return _complain(error, EXIT_FAILED)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away, e.g. `| head`
        sys.stderr.close()
        return EXIT_OK


def _complain(error: Exception, code: int) -> int:
    print(f"pertitle: {error}", file=sys.stderr)
    return code


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; docs/cli.md is generated from it."""
    parser = argparse.ArgumentParser(
        prog="pertitle",
        description="Content-aware per-title encoding: every video gets its own adaptive ladder,"
        " verified, packaged for HLS and DASH, with thumbnails and a report.",
        epilog="Exit codes: 0 all well, 1 a title failed, 2 wrong usage, 3 a program is missing"
        " or lacks a capability, 130 interrupted.",
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_analyze(commands)
    _add_plan(commands)
    _add_encode(commands)
    _add_thumbs(commands)
    add_clicks(commands)
    add_corpus(commands)
    add_train(commands)
    add_evaluate(commands)
    _add_compare(commands)
    _add_cache(commands)
    _add_doctor(commands)
    return parser


class _Version(argparse.Action):
    """Print the versions of pertitle and ffmpeg; asked only when wanted."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print versions and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from pertitle.tools import find_toolbox

        try:
            ffmpeg = find_toolbox().version
        except ToolError as error:
            ffmpeg = str(error)
        parser.exit(0, f"pertitle {pertitle.__version__}, ffmpeg {ffmpeg}\n")


# --- commands -------------------------------------------------------------------------------


def _add_run(commands: Any) -> None:
    parser = commands.add_parser(
        "run",
        help="deliver per-title ladders of files and folders",
        description="Analyse, plan, encode, verify and package every video. Run the same command"
        " again to continue after an interruption: finished titles are not touched.",
    )
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="file, folder or glob pattern")
    parser.add_argument("-o", "--out", required=True, type=Path, help="output folder")
    parser.add_argument("--jobs", type=whole(1), help="titles at a time (default: by cores)")
    parser.add_argument("--keep-work", action="store_true", help="keep intermediate files")
    parser.add_argument(
        "--preview",
        type=Path,
        metavar="HLS_JS",
        help="add a page that plays the package with this hls.min.js (`npm install hls.js`)",
    )
    parser.add_argument("--events", type=Path, metavar="FILE", help="append events as JSON lines")
    add_ladder_options(parser)
    add_encode_options(parser)
    add_general(parser)
    parser.set_defaults(handler=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pertitle import pipeline, terminal
    from pertitle.event_log import EventLog
    from pertitle.serial import to_json
    from pertitle.work import Stop

    stop = Stop()
    _stop_on_signals(stop)
    options = options_of(arguments)
    view = terminal.view_for(arguments.quiet, arguments.verbose)
    with ExitStack() as stack:
        handlers = [stack.enter_context(view).handle]
        if arguments.events:
            handlers.append(stack.enter_context(EventLog(arguments.events)).handle)

        def everyone(event: Event) -> None:
            for handle in handlers:
                handle(event)

        try:
            batch = pipeline.run_batch(
                arguments.videos,
                arguments.out,
                options,
                on_event=everyone,
                stop=stop,
                jobs=arguments.jobs,
                keep_work=arguments.keep_work,
            )
        except Cancelled:
            view.say("Stopped. Run the same command again to continue where it left off.")
            raise
    if arguments.json:
        write_json_file(arguments.json, to_json(batch))
    return EXIT_OK if batch.ok else EXIT_FAILED


def _add_analyze(commands: Any) -> None:
    parser = commands.add_parser(
        "analyze",
        help="measure complexity, shots and defects of a video",
        description="Measure a video without encoding anything. docs/features.md explains each"
        " figure.",
    )
    parser.add_argument("video", type=Path, metavar="VIDEO")
    add_general(parser)
    parser.set_defaults(handler=_analyze)


def _analyze(arguments: argparse.Namespace) -> int:
    from pertitle import planning, terminal
    from pertitle.serial import to_json

    analysis = planning.analyse_title(arguments.video, Options(ffmpeg=arguments.ffmpeg))
    if arguments.json:
        write_json_file(arguments.json, {"version": 1, **to_json(analysis)})
    if not arguments.quiet and arguments.json != "-":
        terminal.print_analysis(analysis)
    return EXIT_OK


def _add_plan(commands: Any) -> None:
    parser = commands.add_parser(
        "plan",
        help="predict and probe a ladder without delivering it",
        description="Predict the rate-quality curves of a video, spend a few probe encodes where"
        " the prediction is unsure, and print the ladder.",
    )
    parser.add_argument("video", type=Path, metavar="VIDEO")
    add_ladder_options(parser)
    add_encode_options(parser)
    add_general(parser)
    parser.set_defaults(handler=_plan)


def _plan(arguments: argparse.Namespace) -> int:
    from pertitle import planning, terminal
    from pertitle.plan_file import plan_document

    options = options_of(arguments)
    view = terminal.view_for(arguments.quiet or arguments.json == "-", arguments.verbose)
    with view:
        plan = planning.plan_title(arguments.video, options, on_event=view.handle)
    if arguments.json:
        write_json_file(arguments.json, plan_document(plan, options))
    if not arguments.quiet and arguments.json != "-":
        terminal.print_plan(plan)
    return EXIT_OK


def _add_encode(commands: Any) -> None:
    parser = commands.add_parser(
        "encode",
        help="deliver a plan",
        description="Encode, verify and package the ladder of a plan file from `pertitle plan"
        " --json`. The source is found at the path in the plan unless --source names another.",
    )
    parser.add_argument("plan", type=Path, metavar="PLAN")
    parser.add_argument("-o", "--out", required=True, type=Path, help="output folder")
    parser.add_argument("--source", type=Path, help="the video, if it moved since the plan")
    parser.add_argument("--keep-work", action="store_true", help="keep intermediate files")
    add_thumbnail_count(parser)
    add_general(parser)
    parser.set_defaults(handler=_encode)


def _encode(arguments: argparse.Namespace) -> int:
    from pertitle import pipeline, terminal
    from pertitle.serial import to_json
    from pertitle.work import Stop

    stop = Stop()
    _stop_on_signals(stop)
    view = terminal.view_for(arguments.quiet, arguments.verbose)
    with view:
        batch = pipeline.encode_plan(
            arguments.plan,
            arguments.out,
            source=arguments.source,
            ffmpeg=arguments.ffmpeg,
            threads=arguments.threads,
            thumbnails=arguments.thumbnails,
            on_event=view.handle,
            stop=stop,
            keep_work=arguments.keep_work,
        )
    if arguments.json:
        write_json_file(arguments.json, to_json(batch))
    return EXIT_OK if batch.ok else EXIT_FAILED


def _add_thumbs(commands: Any) -> None:
    parser = commands.add_parser(
        "thumbs",
        help="pick candidate thumbnails of a video",
        description="Pick a handful of distinct, sharp, well exposed frames and write them as"
        " JPEG and WebP.",
    )
    parser.add_argument("video", type=Path, metavar="VIDEO")
    parser.add_argument("-o", "--out", required=True, type=Path, help="folder to write into")
    add_thumbnail_count(parser)
    add_general(parser)
    parser.set_defaults(handler=_thumbs)


def _thumbs(arguments: argparse.Namespace) -> int:
    from pertitle import planning, terminal
    from pertitle.serial import to_json

    options = Options(ffmpeg=arguments.ffmpeg, thumbnails=arguments.thumbnails)
    thumbnails = planning.thumbnails_of(arguments.video, arguments.out, options)
    if arguments.json:
        write_json_file(arguments.json, {"version": 1, "thumbnails": to_json(thumbnails)})
    if not arguments.quiet and arguments.json != "-":
        terminal.print_thumbnails(thumbnails)
    return EXIT_OK


def _add_compare(commands: Any) -> None:
    parser = commands.add_parser(
        "compare",
        help="compare two plans or delivered titles",
        description="BD-rate and rungs of two ladders of one title. A and B are plan files,"
        " result files or title folders.",
    )
    parser.add_argument("first", type=Path, metavar="A")
    parser.add_argument("second", type=Path, metavar="B")
    add_general(parser)
    parser.set_defaults(handler=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    from pertitle import compare, terminal
    from pertitle.serial import to_json

    sides = compare.read_side(arguments.first), compare.read_side(arguments.second)
    comparison = compare.compare_ladders(*sides)
    if arguments.json:
        write_json_file(arguments.json, {"version": 1, **to_json(comparison)})
    if not arguments.quiet and arguments.json != "-":
        terminal.print_comparison(comparison)
    return EXIT_OK


def _add_cache(commands: Any) -> None:
    parser = commands.add_parser(
        "cache",
        help="show or prune the cache of measurements",
        description="Analyses and probe encodes are kept in PERTITLE_CACHE, or in the user's"
        " cache folder, and shared by all runs.",
    )
    parser.add_argument("action", choices=("info", "prune"))
    parser.add_argument("--max-mb", type=whole(0), default=256, help="prune to this (default 256)")
    add_general(parser)
    parser.set_defaults(handler=_cache)


def _cache(arguments: argparse.Namespace) -> int:
    from pertitle.cache import Cache, default_folder
    from pertitle.serial import to_json

    cache = Cache(default_folder())
    removed = cache.prune(arguments.max_mb << 20) if arguments.action == "prune" else 0
    info = cache.info()
    if arguments.json:
        write_json_file(arguments.json, {"version": 1, "removed": removed, **to_json(info)})
    if not arguments.quiet and arguments.json != "-":
        print(
            f"{info.folder}: {info.entries} entries, {info.bytes / 1e6:.1f} MB, {removed} removed"
        )
    return EXIT_OK


def _add_doctor(commands: Any) -> None:
    parser = commands.add_parser(
        "doctor",
        help="check ffmpeg, encoders, quality models and the packager",
        description="Print what was found and how to mend what is missing.",
    )
    add_general(parser)
    parser.set_defaults(handler=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    from pertitle import terminal
    from pertitle.serial import to_json
    from pertitle.tools import diagnose

    checks = diagnose(arguments.ffmpeg)
    if arguments.json:
        write_json_file(arguments.json, {"version": 1, "checks": to_json(checks)})
    if not arguments.quiet and arguments.json != "-":
        terminal.print_checks(checks)
    return EXIT_OK if all(check.ok for check in checks) else EXIT_TOOL


def _stop_on_signals(stop: Any) -> None:
    """The first Ctrl-C or SIGTERM ends children and unwinds; a second one kills at once."""

    def handler(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        # In a thread of its own: the interrupted code may hold the lock that stopping needs.
        threading.Thread(target=stop.request, daemon=True).start()

    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, handler)


if __name__ == "__main__":
    sys.exit(main())
