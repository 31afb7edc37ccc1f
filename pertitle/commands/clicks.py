"""``pertitle thumbs learn | rank | test | evaluate``: thumbnails ranked by what viewers click."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pertitle.commands.arguments import add_general, write_json_file
from pertitle.errors import UsageError

NAMES = ("learn", "rank", "test", "evaluate")


def joined(argv: list[str]) -> list[str]:
    """``thumbs learn …`` as one command word; a video named like a step needs a ``./``."""
    if len(argv) > 1 and argv[0] == "thumbs" and argv[1] in NAMES:
        return [f"thumbs {argv[1]}", *argv[2:]]
    return argv


def add(commands: Any) -> None:
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
    from pertitle.clicks.ranking import learn

    report = learn(arguments.events, arguments.store, thumbnails=arguments.thumbnails)
    return _show(arguments, report, _learned)


def _rank(arguments: argparse.Namespace) -> int:
    from pertitle.clicks.ranking import rank

    context = {}
    for item in arguments.context:
        name, separator, value = item.partition("=")
        if not separator:
            raise UsageError(f"--context takes NAME=VALUE, not {item!r}")
        context[name] = value
    rankings = rank(
        arguments.store, titles=arguments.titles or None, context=context, seed=arguments.seed
    )
    return _show(arguments, {"rankings": rankings}, _ranked)


def _test(arguments: argparse.Namespace) -> int:
    from pertitle.clicks.ranking import judge_test

    verdict = judge_test(arguments.store, arguments.title, alpha=arguments.alpha)
    return _show(arguments, verdict, _judged)


def _evaluate(arguments: argparse.Namespace) -> int:
    from pertitle.clicks.offpolicy import evaluate

    return _show(arguments, evaluate(arguments.logs, arguments.store), _valued)


def _show(arguments: argparse.Namespace, result: object, draw: Callable[[Any], None]) -> int:
    """JSON where asked for; a table for people."""
    from pertitle.serial import to_json

    if arguments.json:
        write_json_file(arguments.json, {"version": 1, **to_json(result)})
    if not arguments.quiet and arguments.json != "-":
        draw(result)
    return 0


def _learned(report: Any) -> None:
    """What became of the events: nothing is dropped without being counted."""
    parts = (
        (
            ("read", report.read, "new, duplicate and malformed ones together"),
            ("new", report.added, "kept"),
            ("duplicate", report.duplicates, "in the store already"),
            ("malformed", report.malformed, "not kept: no value, or one without sense"),
        ),
        (
            ("new but late", report.late, "older than the store's newest; learned from"),
            ("new, skewed clock", report.skewed, "in the future or before 2005; kept undated"),
            ("new, unknown picture", report.unknown, "kept until the thumbnail is registered"),
        ),
        (
            ("set aside as bots", report.bots, "in the store, not learned from"),
            ("learned from", report.learned, "of all there are in the store"),
        ),
    )
    _table(
        ("events", "count", "what becomes of them"),
        [[(name, f"{count:,}", fate) for name, count, fate in part] for part in parts],
        f"{report.thumbnails:,} thumbnails of {report.titles:,} titles, {report.seconds:.1f} s",
    )


def _ranked(result: Any) -> None:
    rankings = result["rankings"]
    for ranking in rankings:
        rows = [
            (
                one.thumbnail,
                f"{one.lift:+.1%}",
                f"{one.low:+.1%} to {one.high:+.1%}",
                f"{one.propensity:.3f}",
                "shown" if one.thumbnail == ranking.shown else "",
            )
            for one in ranking.candidates
        ]
        columns = ("thumbnail", "expected lift", "90 % interval", "propensity", "drawn")
        where = f" where {ranking.context}" if ranking.context else ""
        learned = f"learned from {ranking.events:,} events" if ranking.events else "content scores"
        _table(columns, [rows], f"{learned}{where}", title=ranking.title)


def _judged(verdict: Any) -> None:
    said = {
        "winner": f"winner: {verdict.leader} beats every other candidate",
        "preferred": f"preferred: {verdict.leader} beats the title's first candidate",
        "none": f"none: {verdict.leader or 'no candidate'} leads, and not surely",
    }[verdict.outcome]
    beaten = f"; surely beaten: {', '.join(verdict.beaten)}" if verdict.beaten else ""
    print(f"{said}{beaten} ({verdict.events:,} events, alpha {verdict.alpha:g})")


def _valued(report: Any) -> None:
    def estimate(one: Any) -> str:
        return f"{one.value:.4g} ({one.low:.4g} to {one.high:.4g})" if one is not None else ""

    rows = [
        (one.policy, *map(estimate, (one.replay, one.ips, one.snips, one.dr)),
         f"{one.effective:,.0f}")
        for one in report.estimates
    ]  # fmt: skip
    _table(
        ("policy", "replay", "IPS", "SNIPS", "doubly robust", "effective rounds"),
        [rows],
        f"reward per impression, 95 % intervals; the log's own mean is {report.logged:.4g};"
        f" {report.rounds:,} events, {report.skipped:,} passed over,"
        f" {report.overlap:.0%} of them learned from",
    )


def _table(
    columns: Sequence[str], parts: Sequence[Sequence[Sequence[str]]], below: str, title: str = ""
) -> None:
    """Print parts of a table with a line between them, and a line below."""
    from rich.console import Console
    from rich.table import Table

    from pertitle.terminal.text import escape

    table = Table(title=escape(title) or None, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column == "count" else "left")
    for part in parts:
        for row in part:
            table.add_row(*map(escape, row))
        table.add_section()
    console = Console()
    console.print(table)
    console.print(below, markup=False, highlight=False)
