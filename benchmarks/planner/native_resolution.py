"""How often an upscale is recognised, and how often a clean clip is taken for one.

Eight pictures from the middle of each clip are looked at as they are, and upscaled to 1.5, 2 and
2.25 times their lines with the kernels that are common (bicubic, Lanczos, bilinear), coded with
x264 as an upscaled master would be. What the analysis says of each is written to a file of JSON
lines, so that a run can go on where it stopped; ``report`` prints hit and false rates::

    python -m benchmarks.planner.native_resolution measure LINES.jsonl CLIP [CLIP ...]
    python -m benchmarks.planner.native_resolution report LINES.jsonl
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path

from pertitle.analysis.defects import native_lines
from pertitle.analysis.features import measure_features
from pertitle.analysis.probe import probe
from pertitle.errors import PertitleError
from pertitle.records import Treatment, Window
from pertitle.system.tools import Toolbox, find_toolbox

WAYS = (("as it is", 1.0, ""), ("bicubic", 1.5, "bicubic"), ("Lanczos", 2.0, "lanczos"),
        ("bilinear", 2.25, "bilinear"))  # fmt: skip
PICTURES = 8
MAX_LINES = 1440
KEPT = ("vmaf_", "loss_", "si_mean", "spectrum_", "rolloff", "high_share", "noise", "blockiness",
        "log2_height")  # fmt: skip


def measure(toolbox: Toolbox, clip: Path, table: Path) -> None:
    """Append what the analysis sees of a clip in every way it is not yet known in."""
    known = set()
    if table.exists():
        with table.open() as rows_of:
            known = {(row["clip"], row["way"]) for row in map(json.loads, rows_of)}
    source = probe(clip)
    for way, factor, kernel in WAYS:
        lines = round(source.size.height * factor / 2) * 2
        if (clip.name, way) in known or lines > MAX_LINES:
            continue
        with tempfile.TemporaryDirectory(prefix="pertitle-") as scratch:
            path = Path(scratch, "clip.mkv")
            filters = "null" if not kernel else f"scale=-2:{lines}:flags={kernel}"
            quality = ("-qp", "0", "-preset", "ultrafast") if not kernel else (
                "-crf", "17", "-preset", "veryfast")  # fmt: skip
            toolbox.runner.run(
                [toolbox.ffmpeg, "-v", "error", "-ss", f"{source.duration / 2:.3f}",
                 "-i", f"file:{clip}", "-frames:v", str(PICTURES), "-an", "-vf", filters,
                 "-c:v", "libx264", *quality, "-pix_fmt", "yuv420p", f"file:{path}"]
            )  # fmt: skip
            seen = probe(path)
            rate = seen.video.frame_rate
            features = measure_features(
                seen, [Window(0.0, 4 / float(rate))], Treatment(rate, seen.size)
            )
        row = {"clip": clip.name, "way": way, "true": source.size.height,
               "lines": seen.size.height}  # fmt: skip
        row |= {name: value for name, value in features.items() if name.startswith(KEPT)}
        with table.open("a") as file:
            file.write(json.dumps(row) + "\n")


def report(table: Path) -> None:
    """Print how many pictures of each kind are taken for upscales, and by how much."""
    found: dict[str, list[tuple[int, int, int | None]]] = defaultdict(list)
    with table.open() as rows_of:
        for row in map(json.loads, rows_of):
            said = native_lines(row["lines"], row)
            found[row["way"]].append((row["true"], row["lines"], said))
    print(f"{'pictures':24} {'clips':>5} {'capped':>7} {'below the true lines':>21}")
    for way, factor, _ in WAYS:
        rows = found[way]
        if rows:
            capped = sum(said is not None for _, _, said in rows)
            low = sum(said is not None and said < 0.95 * true for true, _, said in rows)
            name = way if factor == 1 else f"{way}, × {factor:g}"
            print(f"{name:24} {len(rows):5} {capped:7} {low:21}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("measure")
    first.add_argument("table", type=Path)
    first.add_argument("clips", type=Path, nargs="+")
    second = commands.add_parser("report")
    second.add_argument("table", type=Path)
    options = parser.parse_args()
    if options.command == "report":
        report(options.table)
        return
    toolbox = find_toolbox()
    for clip in options.clips:
        try:
            measure(toolbox, clip, options.table)
        except PertitleError as error:
            print(f"{clip.name}: {error}")


if __name__ == "__main__":
    main()
