"""How near to the asked quality the default job's rungs come, and for how many encodes.

Delivers some clips of a folder with default options and prints, a line a clip and in all, the
share of rungs whose measured VMAF is within a point of the asked one, and the full encodes spent
a rung. Clips are drawn by a seed from those that are small and short enough; run again with the
same output folder it continues::

    python -m benchmarks.delivery.verified_rungs CLIPS_FOLDER -o OUT
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import pertitle
from pertitle.analysis.probe import probe
from pertitle.errors import SourceError
from pertitle.records import Source
from pertitle.results import Rendition, TitleResult
from pertitle.storage.inputs import find_titles

NEAR = 1.0


def small(path: Path, lines: int, seconds: float) -> bool:
    try:
        source: Source = probe(path)
    except SourceError:
        return False
    return source.size.height <= lines and 1.0 <= source.duration <= seconds


def line(name: str, renditions: list[Rendition], probes: int) -> str:
    found = [abs(r.verification.vmaf - r.rung.vmaf) for r in renditions]
    near = sum(miss <= NEAR for miss in found)
    encodes = sum(r.attempts for r in renditions)
    return (
        f"{name[:40]:40} {len(found):5} {100 * near / len(found):8.1f} %"
        f" {sum(found) / len(found):6.2f} {max(found):6.2f}"
        f" {encodes / len(found):8.2f} {probes:7}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", type=int, default=720, help="tallest clip")
    parser.add_argument("--seconds", type=float, default=6.0, help="longest clip")
    chosen = parser.parse_args()
    paths = sorted(title.path for title in find_titles([chosen.folder], chosen.out))
    random.Random(chosen.seed).shuffle(paths)
    clips: list[Path] = []
    for path in paths:
        if len(clips) < chosen.clips and small(path, chosen.lines, chosen.seconds):
            clips.append(path)
    print(f"{'clip':40} {'rungs':>5} {'within 1':>10} {'mean':>6} {'worst':>6}"
          f" {'encodes':>8} {'probes':>7}")  # fmt: skip
    done: list[TitleResult] = []
    for path in clips:
        batch = pertitle.run([path], chosen.out, pertitle.Options(thumbnails=0, cache=False))
        for failure in batch.failures:
            print(f"{failure.name[:40]:40} {failure.message}", flush=True)
        for title in batch.titles:
            done.append(title)
            print(line(title.name, list(title.renditions), title.plan.probes), flush=True)
    everything = [rendition for title in done for rendition in title.renditions]
    if everything:
        probes = sum(title.plan.probes for title in done)
        print(line(f"{len(done)} clips", everything, probes))


if __name__ == "__main__":
    main()
