"""``pertitle doctor``: what was found, and how to mend what is missing."""

from __future__ import annotations

import argparse
from typing import Any

from pertitle.commands.arguments import add_general, write_json_file
from pertitle.commands.parser import EXIT_OK, EXIT_TOOL


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "doctor",
        help="check ffmpeg, encoders, quality models and the packager",
        description="Print what was found and how to mend what is missing.",
    )
    add_general(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    from pertitle.serial import to_json
    from pertitle.system.tools import diagnose
    from pertitle.terminal import tables as terminal

    checks = diagnose(arguments.ffmpeg)
    if arguments.json:
        write_json_file(arguments.json, {"version": 1, "checks": to_json(checks)})
    if not arguments.quiet and arguments.json != "-":
        terminal.print_checks(checks)
    return EXIT_OK if all(check.ok for check in checks) else EXIT_TOOL
