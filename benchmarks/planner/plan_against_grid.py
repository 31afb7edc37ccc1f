"""A planned ladder against the exhaustive grid of the same digest: cost and loss.

    python -m benchmarks.planner.plan_against_grid VIDEO... --codec h264 --json FILE

For each title the planner runs as it would for a user (analysis, prediction, probes). Then every
height is encoded at every CRF of the corpus grid, measured like a probe, and the plan is judged
by those points: BD-rate loss of its rungs against the true envelope, error of the VMAF and bitrate
promised for them. Time is CPU time of this process and its children, so that other work on the
machine does not count.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

import pertitle
from pertitle.codecs import codec_named
from pertitle.delivery.planning import title_context
from pertitle.encoder.prober import DigestProber
from pertitle.ladder.plan import candidate_heights
from pertitle.ladder.surface import TitleTable
from pertitle.records import Probe
from pertitle.system.tools import find_toolbox
from pertitle.training.scoring import Truth


def cpu_seconds() -> float:
    """CPU time of this process and its finished children."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(w) for w in who]
    return sum(u.ru_utime + u.ru_stime for u in used)


def examine(path: Path, codec_name: str) -> dict[str, float | str | int]:
    """Plan one title, measure its grid, compare."""
    codec = codec_named(codec_name)
    options = pertitle.Options(cache=False)
    options = replace(options, encode=replace(options.encode, codecs=(codec_name,)))
    started = cpu_seconds()
    plan = pertitle.plan(path, options)
    planned = cpu_seconds()
    analysis, ladder = plan.analysis, plan.ladder
    heights = candidate_heights(options.ladder, analysis.treatment.size.height)
    points: list[Probe] = []
    with tempfile.TemporaryDirectory(prefix="pertitle-grid-") as name:
        prober = DigestProber(
            find_toolbox(),
            analysis,
            codec=codec,
            preset=None,
            quality_model=ladder.quality_model,
            display=ladder.display,
            segment_seconds=options.encode.segment_seconds,
            scratch=Path(name),
        )
        with prober:
            for height in heights:
                points += [prober.measure(height, crf) for crf in codec.corpus_crfs]
    exhaustive = cpu_seconds() - planned
    truth = Truth(
        TitleTable(
            name=path.name,
            group=path.name,
            context=title_context(analysis, options, codec),
            heights=np.array([p.height for p in points]),
            crfs=np.array([p.crf for p in points]),
            kbps=np.array([p.bitrate_kbps for p in points]),
            vmaf=np.array([p.vmaf for p in points]),
        )
    )
    score = truth.score(ladder.rungs)
    return {
        "title": path.name,
        "height": analysis.treatment.size.height,
        "probes": len(ladder.probes),
        "grid": len(points),
        "rungs": score.rungs,
        "loss": round(score.loss, 3),
        "expected_loss": round(ladder.expected_loss, 3),
        "vmaf_mae": round(score.vmaf_error, 3),
        "bitrate_error": round(score.rate_error, 2),
        "plan_cpu_seconds": round(planned - started, 1),
        "grid_cpu_seconds": round(exhaustive, 1),
        "share": round((planned - started) / exhaustive, 4),
    }


def main(argv: list[str] | None = None) -> int:
    """Run from the command line; titles already in the JSON file are kept."""
    parser = argparse.ArgumentParser(description="Plans against the exhaustive grid.")
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO")
    parser.add_argument("--codec", default="h264")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args(argv)
    rows = json.loads(arguments.json.read_text()) if arguments.json.exists() else []
    known = {row["title"] for row in rows}
    for path in arguments.videos:
        if path.name in known:
            continue
        rows.append(examine(path, arguments.codec))
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
        print(rows[-1], flush=True)
    for key in ("loss", "vmaf_mae", "bitrate_error", "probes", "share"):
        print(f"{key}: mean {np.mean([float(row[key]) for row in rows]):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
