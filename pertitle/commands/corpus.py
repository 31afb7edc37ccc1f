"""``pertitle corpus``: tables of clips, measured by brute force."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pertitle.codecs import CODECS
from pertitle.commands.arguments import add_general, whole


def add(commands: Any) -> None:
    """``pertitle corpus measure`` and ``pertitle corpus features``."""
    corpus = commands.add_parser(
        "corpus",
        help="measure clips by brute force, for training and evaluation",
        description="Brute-force tables of clips. Interrupted runs continue with the next clip;"
        " any prefix of a table is usable. An index.csv with the columns file and group beside"
        " the clips keeps clips of one origin together.",
    )
    steps = corpus.add_subparsers(title="tables", metavar="TABLE", required=True)
    measure = steps.add_parser(
        "measure",
        help="bitrate and VMAF of every height and CRF",
        description="Encode a window of every clip at all heights and CRFs, and measure bitrate"
        " and VMAF. Appends to the table what it lacks.",
    )
    _add_clips(measure)
    measure.add_argument(
        "--codec",
        action="append",
        choices=tuple(CODECS),
        help="may be given several times; the codecs of a clip come one after another"
        " (default h264)",
    )
    measure.set_defaults(handler=_measure)
    features = steps.add_parser(
        "features",
        help="complexity features of every clip",
        description="Measure the same window's features. Appends to the table what it lacks.",
    )
    _add_clips(features)
    features.set_defaults(handler=_features)


def _add_clips(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clips", nargs="+", metavar="CLIP", help="file, folder or glob pattern")
    parser.add_argument("-o", "--out", required=True, type=Path, metavar="TABLE")
    parser.add_argument(
        "--variants",
        action="store_true",
        help="measure each clip in one altered form (grain, denoised, softened, sped up,"
        " at twice the frame rate, cut into shots)",
    )
    parser.add_argument("--jobs", type=whole(1), default=2, help="clips at a time (default 2)")
    add_general(parser)


def _jobs(arguments: argparse.Namespace, codecs: list[str]) -> list[Any]:
    from pertitle.storage.inputs import find_titles
    from pertitle.training.corpus import jobs_for

    titles = find_titles(arguments.clips, arguments.out.absolute().parent / ".none")
    return jobs_for([t.path for t in titles], codecs, variants=arguments.variants)


def _reporter(quiet: bool, total: int) -> Callable[[Any, float, str], None]:
    done = 0

    def report(job: Any, seconds: float, error: str) -> None:
        nonlocal done
        done += 1
        if error or not quiet:
            what = f"{job.clip.name} {job.variant} {job.codec}"
            print(f"[{done}/{total}] {what}: {error or f'{seconds:.1f} s'}", file=sys.stderr)

    return report


def _measure(arguments: argparse.Namespace) -> int:
    from pertitle.system.tools import find_toolbox
    from pertitle.training.corpus import measure_table

    jobs = _jobs(arguments, arguments.codec or ["h264"])
    failed = measure_table(
        find_toolbox(arguments.ffmpeg, threads=1),
        jobs,
        arguments.out,
        workers=arguments.jobs,
        on_done=_reporter(arguments.quiet, len(jobs)),
    )
    return 1 if failed else 0


def _features(arguments: argparse.Namespace) -> int:
    from pertitle.system.tools import find_toolbox
    from pertitle.training.features_table import measure_features_table

    jobs = _jobs(arguments, ["h264"])
    failed = measure_features_table(
        find_toolbox(arguments.ffmpeg, threads=1),
        jobs,
        arguments.out,
        on_done=_reporter(arguments.quiet, len(jobs)),
    )
    return 1 if failed else 0
