"""Kill a batch again and again, and compare what it ends with to a run that was left alone.

::

    python -m benchmarks.robustness.kill_campaign --fault kill --times 50 --json kills.json
    python -m benchmarks.robustness.kill_campaign --fault ffmpeg --times 20
    python -m benchmarks.robustness.kill_campaign --fault disk --times 10

``kill``: SIGKILL at a random moment, then the same command again. ``ffmpeg``: an ffmpeg that dies
at random. ``disk``: no file may grow past a random size, as on a full disk. A batch that ends is
compared, its output removed, and the next one begun, until the fault has struck so many times.

Compared are the plans without their wall times, and every delivered file but the records and
pages that tell wall times; of MP4 headers, which hold the time they were made, the length. Encodes
have one thread: x264 under a rate cap is not repeatable with more. A rung is lost if it was
finished when the fault struck and was made again later.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pertitle.system.tools import find_toolbox

CLIPS = 8
OPTIONS = (
    "--heights 180,120 --max-rungs 2 --max-probes 1 --segment-seconds 1 --display 320x180"
    " --vmaf-step 8 --threads 1 --vmaf-tolerance 20 --thumbnails 1 --keep-work --quiet"
).split()
TIMED = {"result.json", "report.html", "plan.json", "batch.json", "index.html", "error.log"}
"""Files that tell wall times; of these only the plans are compared, without their times."""
DYING = """#!/bin/sh
[ $(($(od -An -N2 -tu2 /dev/urandom) % {odds})) -eq 0 ] && exit 137
exec {ffmpeg} "$@"
"""


@dataclass
class Tally:
    """What a campaign saw."""

    fault: str
    struck: int = 0
    runs: int = 0
    batches: int = 0
    rungs_finished: int = 0
    rungs_lost: int = 0
    most_lost_at_once: int = 0
    differences: list[str] = field(default_factory=list)
    wrong_exits: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)


def make_clips(folder: Path, count: int) -> None:
    """Short clips of moving pictures, all different, every other one with sound."""
    toolbox = find_toolbox()
    for number in range(count):
        graph = (
            f"gradients=s=320x180:r=24:d=1.5:speed=0.05:seed={number},"
            f"noise=alls=4:all_seed={number}"
        )
        sound = ["-f", "lavfi", "-i", f"sine=f={300 + 50 * number}:d=1.5"] if number % 2 else []
        toolbox.runner.run(
            [toolbox.ffmpeg, "-v", "error", "-y", "-f", "lavfi", "-i", graph, *sound, "-c:v",
             "libx264", "-crf", "14", "-pix_fmt", "yuv420p", str(folder / f"clip{number}.mp4")]
        )  # fmt: skip


def command(clips: Path, out: Path, ffmpeg: Path | None = None) -> list[str]:
    argv = [sys.executable, "-m", "pertitle.cli", "run", str(clips), "-o", str(out), *OPTIONS]
    return argv if ffmpeg is None else [*argv, "--ffmpeg", str(ffmpeg)]


def start(argv: list[str], cache: Path, file_bytes: int | None = None) -> subprocess.Popen[str]:
    """Begin a run, of which no file may grow past ``file_bytes``."""

    def bound() -> None:
        if file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

    return subprocess.Popen(
        argv,
        env={**os.environ, "PERTITLE_CACHE": str(cache)},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=bound if file_bytes is not None else None,
    )


def finish(child: subprocess.Popen[str], limit: float = 3600) -> tuple[int, str]:
    _, error = child.communicate(timeout=limit)
    return child.returncode, error


def picture_of(out: Path) -> dict[str, str]:
    """What was delivered: a digest of every file, the plans without their wall times."""
    found = {}
    for path in sorted(out.rglob("*")):
        place = path.relative_to(out)
        if not path.is_file() or ".work" in place.parts or path.name == ".pertitle.lock":
            continue
        if path.name == "plan.json":
            content = json.dumps(timeless(json.loads(path.read_text())), sort_keys=True).encode()
        elif path.name in TIMED:
            content = b"there"
        elif path.name == "init.mp4":
            content = str(path.stat().st_size).encode()
        else:
            content = path.read_bytes()
        found[str(place)] = hashlib.sha256(content).hexdigest()
    return found


def _lines_that_differ(first: Path, second: Path) -> str:
    if not (first.exists() and second.exists()):
        return ""
    if first.name == "plan.json":
        plans = (timeless(json.loads(path.read_text())) for path in (first, second))
        before, after = (json.dumps(plan, indent=0).splitlines() for plan in plans)
    elif first.suffix in {".mpd", ".m3u8"}:
        before, after = (path.read_text().splitlines() for path in (first, second))
    else:
        return ""
    lines = difflib.unified_diff(before, after, n=0)
    changed = [line for line in lines if line[:3] not in ("---", "+++")]
    return ": " + " | ".join(changed)[:400]


def timeless(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: timeless(value) for key, value in data.items() if key != "seconds"}
    return [timeless(item) for item in data] if isinstance(data, list) else data


def finished_rungs(out: Path) -> dict[str, int]:
    """Rungs that count as finished, with the inode that tells whether one was made again."""
    found = {}
    for note in out.glob("*/.work/rungs/*.json"):
        path = note.with_suffix(".mp4")
        if path.exists():
            found[str(path.relative_to(out))] = path.stat().st_ino
    return found


def campaign(fault: str, times: int, seed: int, clips: Path, scratch: Path) -> Tally:
    dice = random.Random(seed)
    tally = Tally(fault)
    ffmpeg = find_toolbox().ffmpeg
    reference = scratch / "reference"
    began = time.monotonic()
    code, error = finish(start(command(clips, reference), scratch / "cache-reference"))
    whole = time.monotonic() - began
    if code != 0:
        raise SystemExit(f"the run that was left alone failed: {error}")
    wanted = picture_of(reference)
    print(f"left alone: {whole:.1f} s, {len(wanted)} files", flush=True)
    dying = scratch / "ffmpeg"
    dying.write_text(DYING.format(odds=40, ffmpeg=ffmpeg))
    dying.chmod(0o755)
    while tally.struck < times:
        out, cache = scratch / "out", scratch / "cache"
        known: dict[str, int] = {}
        done = False
        while not done:
            tally.runs += 1
            struck = False
            enough = tally.struck >= times
            if fault == "kill":
                child = start(command(clips, out), cache)
                if not enough:
                    try:
                        child.wait(dice.uniform(0.1, 1.0) * whole * 0.7)
                    except subprocess.TimeoutExpired:
                        child.send_signal(signal.SIGKILL)
                        struck = True
                code, error = finish(child)
            elif fault == "disk":
                size = None if enough or tally.runs % 3 == 0 else dice.randrange(2_000, 400_000)
                code, error = finish(start(command(clips, out), cache, size))
                struck = size is not None and code != 0
            else:
                code, error = finish(start(command(clips, out, None if enough else dying), cache))
                struck = code != 0
            tally.struck += struck
            now = finished_rungs(out)
            again = sum(1 for path, node in known.items() if now.get(path, node) != node)
            tally.rungs_lost += again
            tally.most_lost_at_once = max(tally.most_lost_at_once, again)
            known = now
            done = code == 0
            if not struck and not done:
                tally.wrong_exits.append(f"exit {code}: {error[-200:]}")
                break
            print(
                f"run {tally.runs}: exit {code}, {len(now)} rungs, struck {tally.struck}",
                flush=True,
            )
        tally.batches += 1
        tally.rungs_finished += len(known)
        got = picture_of(out)
        tally.differences += [
            f"batch {tally.batches}: {name}{_lines_that_differ(reference / name, out / name)}"
            for name in sorted({*wanted, *got})
            if wanted.get(name) != got.get(name)
        ]
        tally.leftovers += [str(p.relative_to(out)) for p in out.rglob("*.part*")]
        shutil.rmtree(out)
        shutil.rmtree(cache, ignore_errors=True)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--fault", choices=("kill", "disk", "ffmpeg"), default="kill")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--clips", type=int, default=CLIPS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pertitle-kill-") as folder:
        clips = Path(folder) / "clips"
        clips.mkdir()
        make_clips(clips, options.clips)
        tally = campaign(options.fault, options.times, options.seed, clips, Path(folder))
    print(json.dumps(asdict(tally), indent=1))
    if options.json:
        options.json.write_text(json.dumps(asdict(tally), indent=1) + "\n")
    sys.exit(1 if tally.differences or tally.wrong_exits or tally.rungs_lost else 0)


if __name__ == "__main__":
    main()
