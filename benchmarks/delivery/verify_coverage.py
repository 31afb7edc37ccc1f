"""Does the 95 % interval of sampled verification hold the real mean 95 times of 100?

``score`` encodes titles at a few (height, CRF) and stores VMAF of every frame with the title's
cuts. ``replay`` draws the verifier's windows many times from the stored scores, with the real
code of ``pertitle.encoder.sampling``, and counts how often the interval holds the mean of all
frames, how wide it is and how many frames it looked at::

    python -m benchmarks.delivery.verify_coverage score SCORES.npz TITLE.mp4 [TITLE.mp4 ...]
    python -m benchmarks.delivery.verify_coverage score SCORES.npz --join NAME SHOT.mp4 SHOT.mp4 ...
    python -m benchmarks.delivery.verify_coverage replay SCORES.npz

``cost`` tells what VMAF v1, XPSNR and CAMBI add to the processor time of verification, on about a
fifth of the frames and on all, at a 1080p display::

    python -m benchmarks.delivery.verify_coverage cost TITLE.mp4
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pertitle.analysis.analysing import analyse
from pertitle.analysis.probe import probe
from pertitle.codecs import codec_named
from pertitle.encoder.prober import rung_size
from pertitle.encoder.renditions import encode_renditions
from pertitle.encoder.sampling import FIRST_ROUNDS, Design, Estimate, estimate, rounds_needed
from pertitle.encoder.verification import Verifier
from pertitle.options import VerifyOptions
from pertitle.records import FULL_HD, Analysis, Rung, Shot, Size
from pertitle.system.tools import Toolbox, find_toolbox

POINTS = ((720, 24.0), (540, 30.0), (360, 28.0))
DISPLAY = Size(640, 360)
"""Small, so that all frames of long titles can be had: what matters here is how scores vary."""
MODEL = "vmaf_v0.6.1"
REPLAYS = 400


def measure(
    toolbox: Toolbox, title: Analysis, name: str
) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
    """Frame scores of a title at every point, and its cuts in frames, by name."""
    codec = codec_named("h264")
    rate = title.treatment.frame_rate
    found: dict[str, NDArray[np.float64] | NDArray[np.int64]] = {
        f"{name}/cuts": np.array([round(shot.start * rate) for shot in title.shots][1:])
    }
    rungs = []
    for height, crf in POINTS:
        if height <= title.treatment.size.height:
            size = rung_size(title, height)
            rungs.append(Rung(size.width, size.height, crf, 1e5, 80, 80, 80, 1e5, 1e5))
    with tempfile.TemporaryDirectory(prefix="pertitle-") as scratch:
        encoded = encode_renditions(
            toolbox, title, rungs, codec=codec, preset="veryfast", segment_seconds=4,
            vbv_ratio=1, folder=Path(scratch),
        )  # fmt: skip
        with Verifier(
            toolbox, title, codec=codec, quality_model=MODEL, display=DISPLAY,
            scratch=Path(scratch),
        ) as verifier:  # fmt: skip
            for one in encoded:
                scores = verifier.frame_scores(one.path)
                found[f"{name}/{one.rung.height}p crf{one.rung.crf:g}"] = scores
    return found


def joined(toolbox: Toolbox, shots: Sequence[Path], target: Path) -> Analysis:
    """The shots cut together at 1280x720 and 25 frames a second, with the real cuts."""
    inputs: list[str] = []
    chains = []
    for i, shot in enumerate(shots):
        inputs += ["-i", f"file:{shot}"]
        chains.append(
            f"[{i}:v:0]fps=25,scale=1280:720:force_original_aspect_ratio=increase,"
            f"crop=1280:720,setsar=1,format=yuv420p[v{i}]"
        )
    names = "".join(f"[v{i}]" for i in range(len(shots)))
    graph = ";".join([*chains, f"{names}concat=n={len(shots)}:v=1[v]"])
    toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-y", *inputs, "-filter_complex", graph, "-map", "[v]",
         "-c:v", "libx264", "-preset", "veryfast", "-crf", "10", f"file:{target}"]
    )  # fmt: skip
    title = analyse(target)
    starts, place = [], 0.0
    for shot in shots:
        starts.append(place)
        place += probe(shot).duration
    ends = [*starts[1:], title.source.duration]
    return replace(title, shots=tuple(Shot(a, b) for a, b in zip(starts, ends, strict=True)))


def verified(scores: NDArray[np.float64], cuts: Sequence[int], half_width: float, seed: int) -> (
    tuple[Estimate, int]
):  # fmt: skip
    """What the verifier would say of these scores, and the frames it would look at."""
    frames = len(scores)
    mean = float(scores.mean())
    exact = Estimate(mean, mean, mean)
    design = Design(frames, cuts, seed=seed)
    if design.exact_is_cheaper(FIRST_ROUNDS):
        return exact, frames

    def rows(count: int) -> list[list[float]]:
        return [
            [float(scores[s.first : s.end].mean()) for s in design.round(i)] for i in range(count)
        ]

    found = estimate(design, rows(FIRST_ROUNDS))
    needed = rounds_needed(FIRST_ROUNDS, found.half_width, half_width)
    if design.exact_is_cheaper(needed):
        return exact, frames
    looked_at = sum(span.frames for i in range(needed) for span in design.round(i))
    return estimate(design, rows(needed)), looked_at


def replay(table: Path, half_width: float) -> None:
    """Print coverage, width and cost of every stored rendition, and over all of them."""
    held_all = sampled_all = 0
    titles: dict[str, tuple[int, int, int]] = {}
    with np.load(table) as stored:
        data = {name: stored[name] for name in stored.files}
    print(f"{'rendition':44} {'frames':>6} {'held':>6} {'+-':>5} {'looked at':>9} {'exact':>6}")
    for name, scores in data.items():
        if name.endswith("/cuts"):
            continue
        cuts = data[name.partition("/")[0] + "/cuts"].tolist()
        results = [verified(scores, cuts, half_width, seed) for seed in range(REPLAYS)]
        mean = scores.mean()
        sampled = [(e, n) for e, n in results if n < len(scores)]
        held = sum(e.low - 1e-9 <= mean <= e.high + 1e-9 for e, _ in sampled)
        known = titles.get(name.partition("/")[0], (0, 0, 0))
        titles[name.partition("/")[0]] = (
            known[0] + held, known[1] + len(sampled), known[2] + len(results)
        )  # fmt: skip
        held_all += held
        sampled_all += len(sampled)
        share = f"{100 * held / len(sampled):.1f}" if sampled else "-"
        width = np.mean([e.half_width for e, _ in results])
        cost = np.mean([n for _, n in results])
        print(
            f"{name[-44:]:44} {len(scores):6} {share:>6} {width:5.2f} {cost:9.0f}"
            f" {100 * (1 - len(sampled) / len(results)):5.0f}%"
        )
    print(f"\n{'title':44} {'sampled':>7} {'held':>6} {'of all':>7}")
    for name, (held, drawn, replays) in titles.items():
        share = f"{100 * held / drawn:.1f}" if drawn else "-"
        everything = 100 * (held + replays - drawn) / replays
        print(f"{name[-44:]:44} {drawn:7} {share:>6} {everything:7.1f}")
    if sampled_all:
        print(f"\nheld in {100 * held_all / sampled_all:.1f} % of {sampled_all} sampled replays")


def cost(toolbox: Toolbox, title: Analysis) -> None:
    """Print processor seconds of comparing every frame of a title with and without the extras."""
    codec = codec_named("h264")
    size = rung_size(title, min(540, title.treatment.size.height))
    rung = Rung(size.width, size.height, 28, 1e5, 80, 80, 80, 1e5, 1e5)
    with tempfile.TemporaryDirectory(prefix="pertitle-") as scratch:
        (encoded,) = encode_renditions(
            toolbox, title, [rung], codec=codec, preset="veryfast", segment_seconds=4,
            vbv_ratio=1, folder=Path(scratch),
        )  # fmt: skip
        with Verifier(
            replace(toolbox, threads=1), title, codec=codec, quality_model=MODEL,
            display=FULL_HD, scratch=Path(scratch),
        ) as verifier:  # fmt: skip
            every = VerifyOptions(all_frames=True)
            ways: dict[str, Callable[[], object]] = {
                "VMAF alone": lambda: verifier.frame_scores(encoded.path),
                "as usual": lambda: verifier.verify(encoded.path, every),
                "--full-quality": lambda: verifier.verify(
                    encoded.path, replace(every, full_quality=True)
                ),
            }
            alone = 0.0
            for name, way in ways.items():
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                way()
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                alone = alone or spent
                print(f"{name:16} {spent:6.1f} s  {100 * (spent / alone - 1):+5.0f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("score")
    first.add_argument("table", type=Path)
    first.add_argument("videos", type=Path, nargs="+")
    first.add_argument("--join", metavar="NAME", help="cut the videos together as one title")
    second = commands.add_parser("replay")
    second.add_argument("table", type=Path)
    second.add_argument("--half-width", type=float, default=0.5)
    third = commands.add_parser("cost")
    third.add_argument("video", type=Path)
    options = parser.parse_args()
    if options.command == "replay":
        replay(options.table, options.half_width)
        return
    toolbox = find_toolbox()
    if options.command == "cost":
        cost(toolbox, analyse(options.video))
        return
    data: dict[str, NDArray[np.float64] | NDArray[np.int64]] = {}
    if options.table.exists():
        with np.load(options.table) as stored:
            data = {name: stored[name] for name in stored.files}
    if options.join:
        with tempfile.TemporaryDirectory(prefix="pertitle-") as scratch:
            title = joined(toolbox, options.videos, Path(scratch, "joined.mkv"))
            data |= measure(toolbox, title, options.join)
    else:
        for video in options.videos:
            data |= measure(toolbox, analyse(video), video.stem)
    compact = {n: a.astype(np.float32 if a.dtype.kind == "f" else np.int32) for n, a in
               data.items()}  # fmt: skip
    np.savez_compressed(options.table, **compact)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
