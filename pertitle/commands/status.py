"""``pertitle status``: what has become of the titles in an output folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pertitle.commands.arguments import add_general, write_json_file
from pertitle.commands.parser import EXIT_FAILED, EXIT_OK


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "status",
        help="tell what has become of the titles in an output folder",
        description="List delivered, failed and unfinished titles, and whether a run is at work."
        " Exit code 0 if all are delivered, 1 if not.",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="output folder of `pertitle run`")
    add_general(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
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
