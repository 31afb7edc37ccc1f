"""The whole path from a file to its rungs, judged on the file's brute-force table.

The clip is analysed, probed and planned as `pertitle plan` does it, with the default options; the
rungs' true points are read off the table::

    python -m benchmarks.planner.against_table CLIP.mp4 --table TABLE.csv --json FILE

``TABLE.csv`` has the columns ``clip``, ``codec``, ``height``, ``crf``, ``kbps`` and ``vmaf``, and
the heights that a plan may choose. Printed: loss and overpay of the top rung against the table's
hull, what the plan expected and the bound it gave, the probes. A rung outside the measured CRFs is
read at their end.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np

import pertitle
from pertitle.codecs import codec_named
from pertitle.delivery.planning import title_context
from pertitle.ladder.surface import TitleTable
from pertitle.options import LadderOptions, Options
from pertitle.records import TitlePlan
from pertitle.training.scoring import Truth


def truth_of(clip: Path, table: Path, planned: TitlePlan, options: Options) -> Truth:
    """The clip's rows of the table."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["clip"] == clip.name]
    if not rows:
        sys.exit(f"{table} has no rows of {clip.name}")

    def column(name: str) -> np.ndarray:
        return np.array([float(row[name]) for row in rows])

    context = title_context(planned.analysis, options, codec_named("h264"))
    heights = column("height").astype(np.int64)
    return Truth(
        TitleTable(clip.name, clip.name, context, heights, *map(column, ("crf", "kbps", "vmaf")))
    )


def judge(clip: Path, table: Path, probes: int) -> dict[str, object]:
    """Plan a clip and compare its rungs with the table."""
    options = Options(ladder=LadderOptions(max_probes=probes), cache=False)
    planned = pertitle.plan(clip, options)
    ladder = planned.ladder
    truth = truth_of(clip, table, planned, options)
    score = truth.score(ladder.rungs)
    top = ladder.rungs[0]
    return {
        "clip": clip.name,
        "loss": score.loss,
        "top_overpay": score.top_overpay,
        "expected_loss": ladder.expected_loss,
        "loss_bound": ladder.loss_bound,
        "vmaf_error": score.vmaf_error,
        "top": [top.height, top.crf, top.bitrate_kbps, top.vmaf],
        "probes": [(p.height, p.crf, p.bitrate_kbps, p.vmaf) for p in ladder.probes],
    }


def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Judge plans of clips on brute-force tables.")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--table", type=Path, required=True, metavar="FILE")
    parser.add_argument("--probes", type=int, default=LadderOptions().max_probes)
    parser.add_argument("--json", type=Path, metavar="FILE")
    chosen = parser.parse_args(argv)
    found = []
    for clip in chosen.clips:
        row = judge(clip, chosen.table, chosen.probes)
        found.append(row)
        print(
            f"{row['clip']}: loss {row['loss']:.2f} %, top overpays {row['top_overpay']:.1f} %,"
            f" expected {row['expected_loss']:.2f} %, at most {row['loss_bound']:.1f} %;"
            f" top {row['top']}, probes {row['probes']}",
            flush=True,
        )
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
