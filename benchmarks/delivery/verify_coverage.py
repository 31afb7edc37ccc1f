"""Does the 95 % interval of sampled verification hold the real mean 95 times of 100?

``score`` encodes titles at a few (height, CRF) and stores VMAF of every frame. ``replay`` draws the
verifier's frames many times from the stored scores, with the real code of
``pertitle.encoder.sampling``, and counts how often the interval holds the mean of all frames, how
wide it is and how many frames it looked at; with ``--half-width`` for an interval of that width,
else until it is sure whether the rendition is within a point of a target near its mean::

    python -m benchmarks.delivery.verify_coverage score SCORES.npz TITLE.mp4 [TITLE.mp4 ...]
    python -m benchmarks.delivery.verify_coverage score SCORES.npz --join NAME SHOT.mp4 SHOT.mp4 ...
    python -m benchmarks.delivery.verify_coverage replay SCORES.npz

``cost`` tells what VMAF v1, XPSNR and CAMBI add to the processor time of comparing every frame, on
twelve frames and on all, at a 1080p display::

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
from pertitle.codecs import codec_named
from pertitle.encoder.prober import rung_size
from pertitle.encoder.renditions import encode_renditions
from pertitle.encoder.sampling import Design, Estimate, Question, error_of, estimate
from pertitle.encoder.verification import HALF_WIDTH, Verifier
from pertitle.options import VerifyOptions
from pertitle.records import FULL_HD, Analysis, Rung, Size
from pertitle.system.tools import Toolbox, find_toolbox

POINTS = ((360, 20.0), (360, 26.0), (270, 27.0), (216, 28.0), (180, 30.0), (144, 32.0))
DISPLAY = Size(640, 360)
"""Small, so that all frames of long titles can be had: what matters here is how scores vary."""
MODEL = "vmaf_v0.6.1"
REPLAYS = 400
MISSED = 0.7
"""Standard deviation of how far rungs lie from their targets, VMAF points; the tolerance is 1."""
NEIGHBOUR_LOOK = 2
"""How far another rung of the same title was looked at before."""


def measure(toolbox: Toolbox, title: Analysis, name: str) -> dict[str, NDArray[np.float64]]:
    """Frame scores of a title at every point, by name."""
    codec = codec_named("h264")
    found = {}
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
    """The shots cut together at 640x360 and 24 frames a second."""
    inputs: list[str] = []
    chains = []
    for i, shot in enumerate(shots):
        inputs += ["-i", f"file:{shot}"]
        chains.append(
            f"[{i}:v:0]fps=24,scale=640:360:force_original_aspect_ratio=increase,"
            f"crop=640:360,setsar=1,format=yuv420p[v{i}]"
        )
    names = "".join(f"[v{i}]" for i in range(len(shots)))
    graph = ";".join([*chains, f"{names}concat=n={len(shots)}:v=1[v]"])
    toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-y", *inputs, "-filter_complex", graph, "-map", "[v]",
         "-c:v", "libx264", "-preset", "veryfast", "-crf", "10", f"file:{target}"]
    )  # fmt: skip
    return analyse(target)


def verified(
    scores: NDArray[np.float64],
    question: Question,
    seed: int,
    other: tuple[NDArray[np.float64], int] | None = None,
) -> tuple[Estimate, int]:
    """What the verifier would say of these scores, and the frames it would look at.

    Args:
        other: scores of another rendition that was looked at up to this look.
    """
    design = Design(len(scores), seed=seed)

    def seen(series: NDArray[np.float64], look: int) -> NDArray[np.float64]:
        return series[[span.first for span in design.look(look)]]

    look = told = 0
    while look < design.looks:
        beside = None
        if other is not None and look < other[1] < design.looks:
            beside = seen(other[0], look), seen(other[0], other[1])
        found = estimate(design, seen(scores, look), error_of(told), beside)
        if question.answered(found):
            return found, len(design.look(look))
        told += 1
        after = question.next_look(look, found)
        look = after if look == design.looks - 1 else min(after, design.looks - 1)
    mean = float(scores.mean())
    return Estimate(mean, mean, mean), len(scores)


def replay(table: Path, half_width: float | None) -> None:
    """Print coverage, width and cost of every stored rendition, and over all of them."""
    held_all = sampled_all = 0
    titles: dict[str, tuple[int, int, int]] = {}
    with np.load(table) as stored:
        data = {name: stored[name] for name in stored.files if not name.endswith("/cuts")}
    print(f"{'rendition':44} {'frames':>6} {'held':>6} {'+-':>5} {'looked at':>9} {'exact':>6}")
    for name, scores in data.items():
        title = name.partition("/")[0]
        mean = float(scores.mean())
        neighbour = next((s for n, s in data.items() if n.startswith(f"{title}/") and n != name),
                         None)  # fmt: skip
        other = None if neighbour is None else (neighbour, NEIGHBOUR_LOOK)
        results = []
        for seed in range(REPLAYS):
            target = mean + MISSED * float(np.random.default_rng(seed).standard_normal())
            question = Question(HALF_WIDTH, target, 1.0)
            if half_width is not None:
                question = Question(half_width)
            results.append(verified(scores, question, seed, other))
        sampled = [(e, n) for e, n in results if n < len(scores)]
        held = sum(e.low - 1e-9 <= mean <= e.high + 1e-9 for e, _ in sampled)
        known = titles.get(title, (0, 0, 0))
        titles[title] = (known[0] + held, known[1] + len(sampled), known[2] + len(results))
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
    second.add_argument("--half-width", type=float)
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
    data: dict[str, NDArray[np.float64]] = {}
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
    compact = {name: scores.astype(np.float32) for name, scores in data.items()}
    np.savez_compressed(options.table, **compact)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
