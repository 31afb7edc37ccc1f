"""Commands about what is there: status, cache, doctor, completion."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pertitle.commands.arguments import add_general, whole, write_json_file
from pertitle.commands.parser import EXIT_FAILED, EXIT_OK, EXIT_TOOL, examples


def add_status(commands: Any) -> None:
    parser = commands.add_parser(
        "status",
        help="tell what has become of the titles in an output folder",
        description="List delivered, failed and unfinished titles, and whether a run is at work."
        " Exit code 0 if all are delivered, 1 if not.",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="output folder of `pertitle run`")
    add_general(parser)
    parser.set_defaults(handler=_status)


def _status(arguments: argparse.Namespace) -> int:
    from pertitle.errors import printable
    from pertitle.serial import to_json
    from pertitle.storage.status import status_of

    status = status_of(arguments.out)
    if arguments.json:
        write_json_file(arguments.json, {"version": 1, **to_json(status)})
    if not arguments.quiet and arguments.json != "-":
        for title in status.titles:
            kept = f", {title.rungs} rungs kept" if title.rungs else ""
            told = f": {title.message}" if title.message else kept
            print(printable(f"{title.state:<11} {title.name}{told}"))
        counts = ", ".join(
            f"{status.count(state)} {state}" for state in ("delivered", "failed", "unfinished")
        )
        print(f"{counts}; {'a run is at work' if status.running else 'no run is at work'}")
    return EXIT_OK if status.count("delivered") == len(status.titles) else EXIT_FAILED


def add_cache(commands: Any) -> None:
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
    from pertitle.serial import to_json
    from pertitle.storage.cache import Cache, default_folder

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


def add_doctor(commands: Any) -> None:
    parser = commands.add_parser(
        "doctor",
        help="check ffmpeg, encoders, quality models and the packager",
        description="Print what was found and how to mend what is missing.",
    )
    add_general(parser)
    parser.set_defaults(handler=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    from pertitle.serial import to_json
    from pertitle.system.tools import diagnose
    from pertitle.terminal import tables as terminal

    checks = diagnose(arguments.ffmpeg)
    if arguments.json:
        write_json_file(arguments.json, {"version": 1, "checks": to_json(checks)})
    if not arguments.quiet and arguments.json != "-":
        terminal.print_checks(checks)
    return EXIT_OK if all(check.ok for check in checks) else EXIT_TOOL


def add_completion(commands: Any, build_parser: Callable[..., argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "completion",
        help="print a completion script for a shell",
        description="Print a script that completes commands, options and files in a shell.",
        epilog=examples(
            "pertitle completion bash > ~/.local/share/bash-completion/completions/pertitle",
            'pertitle completion zsh > "${fpath[1]}/_pertitle"',
        ),
    )
    parser.add_argument(
        "shell", choices=("bash", "zsh", "tcsh"), metavar="SHELL", help="bash, zsh or tcsh"
    )
    parser.set_defaults(handler=_completion, parser=build_parser)


def _completion(arguments: argparse.Namespace) -> int:
    import shtab

    # A command of two words is no word that a shell can complete.
    print(shtab.complete(arguments.parser(two_words=False), arguments.shell))
    return EXIT_OK
