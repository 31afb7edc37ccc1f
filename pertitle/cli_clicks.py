"""``pertitle thumbs learn | rank | test | evaluate``: thumbnails ranked by what viewers click."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pertitle.cli_options import add_general, write_json_file
from pertitle.errors import UsageError

NAMES = ("learn", "rank", "test", "evaluate")


def joined(argv: list[str]) -> list[str]:
    """``thumbs learn …`` as one command word; a video named like a step needs a ``./``."""
    if len(argv) > 1 and argv[0] == "thumbs" and argv[1] in NAMES:
        return [f"thumbs {argv[1]}", *argv[2:]]
    return argv


def add_clicks(commands: Any) -> None:
    """Register the four commands."""
    learn = _command(commands, "learn", "take in click events and learn the ranking", _learn)
    learn.add_argument("events", nargs="+", type=Path, metavar="EVENTS", help="CSV, JSONL, Parquet")
    learn.add_argument(
        "--thumbnails",
        nargs="+",
        type=Path,
        default=(),
        metavar="PATH",
        help="thumbnails.json files, or folders that hold them, to register first",
    )
    rank = _command(commands, "rank", "rank candidates of titles for viewers in a context", _rank)
    rank.add_argument("titles", nargs="*", metavar="TITLE", help="default: all")
    rank.add_argument(
        "--context", nargs="*", default=(), metavar="NAME=VALUE", help="e.g. segment=drama"
    )
    rank.add_argument("--seed", type=int, metavar="N", help="of the draws; default: fresh")
    test = _command(commands, "test", "whether the test over a title has a winner", _test)
    test.add_argument("title", metavar="TITLE")
    test.add_argument("--alpha", type=float, default=0.05, help="error rate (default 0.05)")
    evaluate = _command(
        commands, "evaluate", "value of the ranking on logs it never saw", _evaluate
    )
    evaluate.add_argument("logs", type=Path, metavar="LOGS", help="events with propensities")


def _command(commands: Any, name: str, what: str, handler: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        f"thumbs {name}", help=what, description=f"{what[0].upper()}{what[1:]}."
    )
    parser.add_argument(
        "--store", type=Path, default=Path("clicks.sqlite"), help="default clicks.sqlite"
    )
    add_general(parser)
    parser.set_defaults(handler=handler)
    return parser


def _learn(arguments: argparse.Namespace) -> int:
    from pertitle.encoder.thumbnails.ranking import learn

    report = learn(arguments.events, arguments.store, thumbnails=arguments.thumbnails)
    return _show(arguments, report, _learned)


def _rank(arguments: argparse.Namespace) -> int:
    from pertitle.encoder.thumbnails.ranking import rank

    context = {}
    for item in arguments.context:
        name, separator, value = item.partition("=")
        if not separator:
            raise UsageError(f"--context takes NAME=VALUE, not {item!r}")
        context[name] = value
    rankings = rank(
        arguments.store, titles=arguments.titles or None, context=context, seed=arguments.seed
    )
    return _show(arguments, {"rankings": rankings})


def _test(arguments: argparse.Namespace) -> int:
    from pertitle.encoder.thumbnails.ranking import judge_test

    if not 0 < arguments.alpha < 1:
        raise UsageError("--alpha lies between 0 and 1")
    return _show(arguments, judge_test(arguments.store, arguments.title, alpha=arguments.alpha))


def _evaluate(arguments: argparse.Namespace) -> int:
    from pertitle.encoder.thumbnails.ranking import evaluate

    return _show(arguments, evaluate(arguments.logs, arguments.store))


def _learned(report: Any) -> None:
    """What became of the events, as a table: nothing is dropped without being counted."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("events")
    table.add_column("count", justify="right")
    table.add_column("what becomes of them")
    parts = (
        (
            ("read", report.read, "new, duplicate and malformed ones together"),
            ("new", report.added, "kept"),
            ("duplicate", report.duplicates, "in the store already"),
            ("malformed", report.malformed, "not kept: no value, or one without sense"),
        ),
        (
            ("new but late", report.late, "older than the store's newest; learned from"),
            ("new, skewed clock", report.skewed, "in the future or before 2005; dated now"),
            ("new, unknown picture", report.unknown, "kept until the thumbnail is registered"),
        ),
        (
            ("set aside as bots", report.bots, "in the store, not learned from"),
            ("learned from", report.learned, "of all there are in the store"),
        ),
    )
    for part in parts:
        for name, count, fate in part:
            table.add_row(name, f"{count:,}", fate)
        table.add_section()
    console = Console()
    console.print(table)
    console.print(
        f"{report.thumbnails:,} thumbnails of {report.titles:,} titles, {report.seconds:.1f} s"
    )


def _show(
    arguments: argparse.Namespace, result: object, draw: Callable[[Any], None] | None = None
) -> int:
    """JSON where asked for; for people a drawing, or the same fields as an indented list."""
    from pertitle.serial import to_json

    data = to_json(result)
    if arguments.json:
        write_json_file(arguments.json, {"version": 1, **data})
    if not arguments.quiet and arguments.json != "-":
        if draw is not None:
            draw(result)
        else:
            print("\n".join(_lines(data)))
    return 0


def _lines(data: Any, indent: str = "") -> list[str]:
    lines: list[str] = []
    for name, value in data.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                lines += [f"{indent}{name.removesuffix('s')}:", *_lines(item, indent + "  ")]
        elif isinstance(value, dict):
            lines += [f"{indent}{name}:", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name}: {value}")
    return lines
