"""``pertitle cache``: the measurements that are kept between runs."""

from __future__ import annotations

import argparse
from typing import Any

from pertitle.commands.arguments import add_general, whole, write_json_file
from pertitle.commands.parser import EXIT_OK


def add(commands: Any) -> None:
    parser = commands.add_parser(
        "cache",
        help="show or prune the cache of measurements",
        description="Analyses and probe encodes are kept in PERTITLE_CACHE, or in the user's"
        " cache folder, and shared by all runs.",
    )
    parser.add_argument("action", choices=("info", "prune"))
    parser.add_argument("--max-mb", type=whole(0), default=256, help="prune to this (default 256)")
    add_general(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
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
