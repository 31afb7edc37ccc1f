"""Damaged files through ``analyze`` and ``plan``: each ends in a result or in one clear line.

::

    python -m benchmarks.robustness.fuzz_campaign --files 500 --json fuzz.json
    python -m benchmarks.robustness.fuzz_campaign --files 12 --seed 7

Small files of six containers are made, then damaged: flipped bits, a cut end, a stretch of random
bytes, a stretch left out or doubled, and numbers in headers set to extremes. Every damaged file
is analysed; every fourth is planned too (without probes). A *crash* is an internal error or a
child killed by a signal other than our limits; a *hang* is a file that takes longer than the
limit. After every file the campaign looks for children, temporary folders and open files that
were left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pertitle.analysis.analysing import analyse
from pertitle.delivery.planning import plan_title
from pertitle.errors import PertitleError, SourceError
from pertitle.options import LadderOptions, Options
from pertitle.system.isolation import isolated
from pertitle.system.tools import Toolbox, find_toolbox

KINDS = {
    "mp4": ("-c:v", "libx264", "-c:a", "aac"),
    "mkv": ("-c:v", "libx265", "-x265-params", "log-level=none", "-c:a", "flac"),
    "webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"),
    "avi": ("-c:v", "mpeg4", "-c:a", "libmp3lame"),
    "ts": ("-c:v", "libx264", "-c:a", "aac"),
    "mov": ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le"),
}
LIMIT_SECONDS = 120.0
HEADER = 4096
EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@dataclass
class Findings:
    """What became of the files."""

    files: int = 0
    planned: int = 0
    outcomes: dict[str, dict[str, int]] = field(default_factory=dict)
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    largest_child_mb: float = 0.0
    messages: dict[str, int] = field(default_factory=dict)


def make_sources(toolbox: Toolbox, folder: Path) -> dict[str, bytes]:
    """A small file of each container, with sound."""
    made = {}
    for kind, options in KINDS.items():
        path = folder / f"source.{kind}"
        toolbox.runner.run(
            [toolbox.ffmpeg, "-v", "error", "-y", "-f", "lavfi", "-i",
             "testsrc2=s=96x64:r=12:d=1.5", "-f", "lavfi", "-i", "sine=d=1.5", *options, str(path)]
        )  # fmt: skip
        made[kind] = path.read_bytes()
    return made


def damaged(data: bytes, dice: random.Random) -> tuple[str, bytes]:
    """One of six kinds of damage."""
    copy = bytearray(data)
    how = dice.choice(("bits", "cut", "noise", "gap", "double", "header"))
    place = dice.randrange(len(copy))
    length = dice.randrange(1, max(2, len(copy) // 8))
    if how == "bits":
        for _ in range(dice.choice((1, 8, 64, 512))):
            copy[dice.randrange(len(copy))] ^= 1 << dice.randrange(8)
    elif how == "cut":
        del copy[place:]
    elif how == "noise":
        copy[place : place + length] = dice.randbytes(length)
    elif how == "gap":
        del copy[place : place + length]
    elif how == "double":
        copy[place:place] = copy[place : place + length]
    else:
        for _ in range(dice.choice((1, 4, 16))):
            # Boxes are at the start of some files and at the end of others.
            start = dice.choice((0, max(0, len(copy) - HEADER)))
            spot = start + dice.randrange(min(HEADER, len(copy)) - 4)
            copy[spot : spot + 4] = dice.choice(EXTREMES).to_bytes(4, "big")
    return how, bytes(copy)


def mutants(sources: dict[str, bytes], count: int, seed: int) -> Iterator[tuple[str, str, bytes]]:
    """Container, kind of damage, and content, for each of ``count`` files."""
    kinds = list(sources)
    for number in range(count):
        dice = random.Random(f"{seed}-{number}")
        kind = kinds[number % len(kinds)]
        how, data = damaged(sources[kind], dice)
        yield kind, how, data


def campaign(count: int, seed: int, scratch: Path, report: Path | None = None) -> Findings:
    """Send damaged files through analysis and planning; ``report`` is kept up to date."""
    found = Findings()
    toolbox = find_toolbox()
    sources = make_sources(toolbox, scratch)
    tempfile.tempdir = str(scratch / "tmp")  # what is left behind is seen
    Path(tempfile.tempdir).mkdir()
    options = Options(ladder=LadderOptions(max_probes=0), cache=False)
    before = _open_files(), set(_children())
    for number, (kind, how, data) in enumerate(mutants(sources, count, seed)):
        path = scratch / f"mutant.{kind}"
        path.write_bytes(data)
        name = f"{number} {kind} {how}"
        began = time.monotonic()
        outcome = "analysed"
        try:
            isolated(
                toolbox, analyse, {"path_or_source": path}, name=path.name, seconds=LIMIT_SECONDS
            )
            if number % 4 == 0:
                found.planned += 1
                plan_title(path, options)
        except SourceError as error:
            outcome = "refused"
            text = str(error).replace(path.name, "FILE")
            if "did not end within" in text:
                outcome = "hang"
                found.hangs.append(name)
            elif "crashed (signal" in text:
                outcome = "crash"
                found.crashes.append(f"{name}: {text}")
            text = "".join("N" if c.isdigit() else c for c in text)
            found.messages[text] = found.messages.get(text, 0) + 1
        except PertitleError as error:
            outcome = "crash"
            found.crashes.append(f"{name}: {type(error).__name__}: {error}")
        found.files += 1
        found.slowest_seconds = max(found.slowest_seconds, time.monotonic() - began)
        row = found.outcomes.setdefault(how, {})
        row[outcome] = row.get(outcome, 0) + 1
        found.leaks += [f"{name}: {leak}" for leak in _leaks(before)]
        found.largest_child_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        if report is not None:
            report.write_text(json.dumps(asdict(found), indent=1) + "\n")
    return found


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def _children() -> list[str]:
    tasks = Path("/proc/self/task").glob("*/children")
    return [pid for task in tasks for pid in task.read_text().split()]


def _leaks(before: tuple[int, set[str]]) -> list[str]:
    leaks = [f"left {p.name}" for p in Path(tempfile.gettempdir()).iterdir()]
    leaks += [f"child {pid}" for pid in _children() if pid not in before[1]]
    if _open_files() > before[0]:
        leaks.append("an open file")
    return leaks


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pertitle-fuzz-") as folder:
        findings = campaign(options.files, options.seed, Path(folder), options.json)
    print(json.dumps(asdict(findings), indent=1))
    raise SystemExit(1 if findings.crashes or findings.hangs or findings.leaks else 0)


if __name__ == "__main__":
    main()
