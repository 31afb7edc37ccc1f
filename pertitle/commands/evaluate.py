"""``pertitle evaluate``: cross-validate the model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pertitle.codecs import CODECS
from pertitle.commands.arguments import add_general, probe_counts, whole, write_json_file


def add(commands: Any) -> None:
    """``pertitle evaluate``."""
    parser = commands.add_parser(
        "evaluate",
        help="cross-validate the model on a corpus table",
        description="Replay planning on measured tables with sources held out, and print the"
        " loss against the exhaustive hull, errors, interval coverage and savings.",
    )
    parser.add_argument("table", type=Path, metavar="TABLE")
    parser.add_argument("--features", type=Path, required=True, metavar="FILE")
    parser.add_argument("--codec", action="append", choices=tuple(CODECS), help="default h264")
    parser.add_argument("--probes", type=probe_counts, default=(0, 1, 2, 4, 8), metavar="N,N,...")
    parser.add_argument("--folds", type=whole(2), default=5, metavar="N", help="default 5")
    parser.add_argument(
        "--seed", type=whole(0), default=0, metavar="N",
        help="assign sources to the folds at random; 0, the default, goes by their sizes",
    )  # fmt: skip
    parser.add_argument(
        "--train-originals", action="store_true", help="altered clips (--variants) do not train"
    )
    parser.add_argument(
        "--test-variants", action="store_true", help="test altered clips in place of the originals"
    )
    parser.add_argument(
        "--plots", type=Path, metavar="DIR", help="draw loss against probes, and calibration (SVG)"
    )
    add_general(parser)
    parser.set_defaults(handler=run)


def run(arguments: argparse.Namespace) -> int:
    from pertitle.terminal.tables import print_evaluation
    from pertitle.training.evaluation import evaluate

    report = evaluate(
        arguments.table,
        arguments.features,
        codecs=tuple(arguments.codec or ["h264"]),
        probes=arguments.probes,
        folds=arguments.folds,
        seed=arguments.seed,
        train_originals=arguments.train_originals,
        test_variants=arguments.test_variants,
        plots=arguments.plots,
    )
    if arguments.json:
        write_json_file(arguments.json, report)
    if not arguments.quiet and arguments.json != "-":
        print_evaluation(report)
    return 0
