"""Replay the planner on a public table of 196 UHD clips: how good is it for how many encodes?

    python -m benchmarks.planner.reference_replay DIR --probes 0,4,8 --json FILE

``DIR`` holds ``bvi-dvc-x265-medium.csv`` (clip, resolution, QP, size, VMAF) and
``bvi-dvc-features.csv`` (30 features a clip), the data of Telili, Hamidouche, Fezza and Morin,
"Benchmarking Learning-based Bitrate Ladder Prediction Methods for Adaptive Video Streaming"
(2022). Five folds, clips of one source never split; the model of a fold never sees its clips.
Written for each number of measured points: BD-rate loss of the chosen rungs (every 2 VMAF points
from 95 to 30) against the true envelope, mean, median and 95th percentile in per cent; mean
absolute error of the rungs' promised VMAF, points, and bitrate, per cent.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import re
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from sklearn.model_selection import GroupKFold

from pertitle.ladder.coordinates import TitleContext
from pertitle.ladder.surface import TitleTable, fit_surface
from pertitle.records import Size
from pertitle.training.replay import DENSE, replay, summarise
from pertitle.training.scoring import Score, Truth

FRAMES, RATE = 64, Fraction(60)
UHD = Size(3840, 2160)


def load_titles(folder: Path) -> list[TitleTable]:
    """The table as titles, with features; missing feature values are NaN."""
    features: dict[str, dict[str, float]] = {}
    with (folder / "bvi-dvc-features.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            name = line.pop("Video")
            features[name] = {key: float(v) if v else math.nan for key, v in line.items()}
    cells: dict[str, list[tuple[int, float, float, float]]] = {}
    with (folder / "bvi-dvc-x265-medium.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            height = int(line["Resolution"].split("x")[1])
            kbps = float(line["Size (MB)"]) * 8000 / (FRAMES / float(RATE))
            cell = (height, float(line["QP"]), kbps, float(line["VMAF"]))
            cells.setdefault(line["Video"], []).append(cell)
    titles = []
    for name in sorted(cells):
        height, crf, kbps, vmaf = np.array(sorted(cells[name], key=lambda c: (-c[0], c[1]))).T
        titles.append(
            TitleTable(
                name=name,
                group=re.sub(r"-scene-?\d+$", "", name, flags=re.IGNORECASE),
                context=TitleContext(features.get(name, {}), UHD, RATE, UHD, "hevc"),
                heights=height.astype(np.int64),
                crfs=crf,
                kbps=kbps,
                vmaf=vmaf,
            )
        )
    return titles


def run(titles: list[TitleTable], counts: list[int], folds: int = 5) -> dict[str, dict[str, float]]:
    """Summaries by number of measured points."""
    scores: dict[int, list[Score]] = {count: [] for count in counts}
    splits = GroupKFold(folds).split(titles, groups=[t.group for t in titles])
    for fold, (train, test) in enumerate(splits):
        model = fit_surface(
            [titles[i] for i in train], codec="hevc", preset="medium", quality_model="vmaf"
        )
        for i in test:
            done = replay(model, Truth(titles[i]), counts, options=DENSE, crf_step=1.0)
            for count, result in zip(counts, done, strict=True):
                scores[count].append(result.score)
        print(f"fold {fold + 1} of {folds} done", file=sys.stderr, flush=True)
    return {str(count): summarise(scores[count]) for count in counts}


def main(argv: list[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Replay the planner on the public UHD table.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--probes", default="0,4,8", help="numbers of measured points")
    parser.add_argument("--json", type=Path, required=True, metavar="FILE")
    options = parser.parse_args(argv)
    counts = sorted({int(text) for text in options.probes.split(",")})
    started = time.monotonic()
    result = run(load_titles(options.folder), counts)
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for count, row in result.items():
        print(
            f"{count:>2} points: loss {row['loss_mean']:.2f} % mean, {row['loss_median']:.2f} "
            f"median, {row['loss_p95']:.2f} p95; VMAF ±{row['rung_vmaf_mae']:.2f}; "
            f"bitrate ±{row['rung_bitrate_error']:.1f} %"
        )
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
