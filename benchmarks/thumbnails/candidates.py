"""Which frames are picked when a title is full of traps, against three simple rivals.

Clips are joined into titles of several shots. Between and inside the shots lie black leaders,
fades, dissolves, white flashes, blurred stretches, credits on black and a crawl over the picture,
each at a known place. The table says how many picks landed on one, and how sharp the picks are
and how good their faces, as percentiles among all sound frames of the same title. With the same
``--work`` folder an interrupted run goes on where it stopped; picks are made anew only when the
code that makes them changed.

Usage::

    python -m benchmarks.thumbnails.candidates CLIPS_FOLDER [--first 0] [--titles 8] [--work FOLDER]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import ffmpeg
import numpy as np
from numpy.typing import NDArray

from pertitle.analysis.probe import probe
from pertitle.encoder import commands
from pertitle.records import Analysis, Shot, Treatment
from pertitle.system.tools import find_toolbox
from pertitle.thumbnails import measures, terms
from pertitle.thumbnails.faces import FaceDetector
from pertitle.thumbnails.making import find_candidates

Frame = NDArray[np.uint8]
WIDTH, HEIGHT, RATE = 1280, 720, 24
CLIPS_A_TITLE = 5
SUFFIXES = {".mp4", ".webm", ".avi", ".mov", ".mpg"}
PICKS = 5


@dataclass(frozen=True)
class Title:
    """A joined title: its file, what is wrong with each frame ("" for nothing), where cuts lie."""

    path: Path
    labels: list[str]
    starts: list[int]


def read_clip(path: Path, seconds: float) -> list[Frame]:
    """Frames at the common rate and size, the sides cropped to fill it."""
    frames: list[Frame] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        first: float | None = None
        for raw in container.decode(stream):
            if raw.time is None:
                continue
            first = raw.time if first is None else first
            image: Frame = raw.to_ndarray(format="bgr24").astype(np.uint8)
            scale = max(WIDTH / image.shape[1], HEIGHT / image.shape[0])
            size = (
                max(WIDTH, round(image.shape[1] * scale)),
                max(HEIGHT, round(image.shape[0] * scale)),
            )
            image = cv2.resize(
                image, size, interpolation=cv2.INTER_AREA if scale < 1 else 1
            ).astype(np.uint8)
            x, y = (size[0] - WIDTH) // 2, (size[1] - HEIGHT) // 2
            picture = image[y : y + HEIGHT, x : x + WIDTH].astype(np.uint8)
            while len(frames) / RATE <= raw.time - first:
                frames.append(picture)
            if len(frames) >= seconds * RATE:
                break
    return frames


NAMES = ("Directed by", "Written by", "Produced by", "Music", "Edited by", "Casting", "Sound")
PEOPLE = ("A. Example", "B. Sample", "C. Placeholder", "D. Nobody", "E. Lorem", "F. Ipsum")


def draw_roll(canvas: Frame, offset: int) -> Frame:
    """White credit lines, rolling upwards with the offset in pixels."""
    for line in range(40):
        y = HEIGHT + line * 52 - offset
        if 20 < y < HEIGHT:
            for x, text in ((300, NAMES[line % 7]), (680, PEOPLE[line % 6])):
                cv2.putText(canvas, text, (x, y), 0, 1.0, (235, 235, 235), 2, cv2.LINE_AA)
    return canvas


def join(clips: list[Path], seed: int) -> tuple[list[Frame], list[str], list[int]]:
    """Frames, labels and first frames of the shots of one title."""
    rng = random.Random(seed)
    frames: list[Frame] = []
    labels: list[str] = []
    starts: list[int] = []

    def add(more: list[Frame], label: str) -> None:
        frames.extend(more)
        labels.extend([label] * len(more))

    black = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    add([black] * 36, "black")
    shots = [read_clip(clip, 5.0) for clip in clips]
    order = ["flash", "blur", "crawl", "clean", "flash"]
    rng.shuffle(order)
    for index, trick in enumerate(order):
        if index not in (2, 4):  # a dissolve leaves no cut
            starts.append(len(frames))
        shot = list(shots[index])
        marks = [""] * len(shot)
        middle = len(shot) // 2
        if trick == "flash":  # white for three frames, then decaying over six
            for k in range(9):
                strength = 1.0 if k < 3 else 1.0 - (k - 2) / 7
                i = min(len(shot) - 1, middle + k)
                shot[i] = cv2.addWeighted(
                    shot[i], 1 - strength, np.full_like(black, 255), strength, 0
                ).astype(np.uint8)
                marks[i] = "flash"
        elif trick == "blur":
            for i in range(middle - 12, min(len(shot), middle + 18)):
                shot[i] = cv2.GaussianBlur(shot[i], (0, 0), 9).astype(np.uint8)
                marks[i] = "blur"
        elif trick == "crawl":
            for i in range(max(0, middle - 15), min(len(shot), middle + 30)):
                shot[i] = draw_roll(shot[i].copy(), 700 + 4 * (i - middle))
                marks[i] = "text"
        # Shots 1 and 3 dissolve into the next one over a second; all else fades over 18 frames.
        for k in range(18):
            ends = [k] if index in (0, 1, 3) else []
            ends += [len(shot) - 1 - k] if index in (0, 2, 4) else []
            for i in ends:
                shot[i] = (shot[i] * ((k + 1) / 19)).astype(np.uint8)
                marks[i] = "fade"
        if index in (1, 3):
            following = shots[index + 1]
            tail = min(24, len(following) // 2, len(shot) // 2)
            for k in range(tail):
                i = len(shot) - tail + k
                share = (k + 1) / (tail + 1)
                shot[i] = cv2.addWeighted(shot[i], 1 - share, following[k], share, 0).astype(
                    np.uint8
                )
                marks[i] = "dissolve"
            shots[index + 1] = following[tail:]
        frames.extend(shot)
        labels.extend(marks)
        if index == 2:
            starts.append(len(frames))
            add([black] * 24, "black")
    starts.append(len(frames))
    add([draw_roll(black.copy(), 60 + 5 * k) for k in range(96)], "text")
    return frames, labels, starts


def write_title(path: Path, frames: list[Frame]) -> None:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": "20", "preset": "veryfast"}
        for image in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def build(clips: list[Path], number: int, folder: Path) -> Title:
    """Join a title's clips, or reuse what an earlier run left in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"title-{number}.mp4"
    facts = folder / f"title-{number}.json"
    if not facts.exists():
        chosen = clips[number * CLIPS_A_TITLE : (number + 1) * CLIPS_A_TITLE]
        frames, labels, starts = join(chosen, number)
        write_title(path, frames)
        facts.write_text(json.dumps({"labels": labels, "starts": starts}))
    known = json.loads(facts.read_text())
    return Title(path, known["labels"], known["starts"])


def analysis_of(title: Title) -> Analysis:
    """One shot: the thumbnails must not depend on shot detection to avoid the traps."""
    source = probe(title.path)
    shots = (Shot(0.0, source.duration),)
    treatment = Treatment(Fraction(RATE), source.size)
    return Analysis(source, treatment, shots, (), {}, (), 0.0)


def ours(title: Title) -> list[int]:
    found = find_candidates(analysis_of(title), count=PICKS)
    return [round(c.time * RATE) for c in found]


def filter_thumbnail(title: Title) -> list[int]:
    """ffmpeg's ``thumbnail``: the frame nearest the mean histogram, of the whole and of fifths."""
    box = find_toolbox()
    picks = []
    for batch in (len(title.labels), -(-len(title.labels) // PICKS)):
        with tempfile.TemporaryDirectory() as scratch:
            video = commands.open_input(title.path).video
            video = video.filter("scale", 320, -2).filter("thumbnail", n=batch)
            # The frame's own time survives as the file's time stamp in milliseconds.
            out = ffmpeg.output(
                video, f"file:{scratch}/%d.png", fps_mode="passthrough", frame_pts=1, f="image2",
                enc_time_base="1/24",
            )  # fmt: skip
            box.runner.run(commands.finish(box.ffmpeg, out))
            picks.append(sorted(int(p.stem) for p in Path(scratch).glob("*.png")))
    return [picks[0][0], *picks[1]]


def middles(title: Title) -> list[int]:
    n = len(title.labels)
    return [n // 2, *((2 * k + 1) * n // (2 * PICKS) for k in range(PICKS))]


def every_frame(title: Title) -> Iterator[tuple[int, Frame]]:
    with av.open(str(title.path)) as container:
        for index, raw in enumerate(container.decode(video=0)):
            yield index, raw.to_ndarray(format="bgr24").astype(np.uint8)


@dataclass(frozen=True)
class Ruler:
    """Sharpness (variance of the Laplacian) and face quality of a title's frames."""

    sharpness: dict[int, float]
    faces: dict[int, float]


def measure(title: Title, picks: set[int]) -> Ruler:
    """Every twelfth frame and all picks."""
    detector = FaceDetector()
    sharp: dict[int, float] = {}
    faces: dict[int, float] = {}
    for index, image in every_frame(title):
        if index % 12 and index not in picks:
            continue
        sharp[index] = float(cv2.Laplacian(measures.luma(image), cv2.CV_32F).var())
        small = cv2.resize(image, (480, 270), interpolation=cv2.INTER_AREA).astype(np.uint8)
        found = detector.find(small)
        faces[index] = max((terms.face_quality(small, face) for face in found), default=0.0)
    return Ruler(sharp, faces)


def percentile(values: dict[int, float], labels: list[str], pick: int) -> float:
    """Rank among the sound frames; equals count half, so that 50 is a random one's on average."""
    sound = np.array([v for i, v in values.items() if not labels[i]])
    below, equal = sound < values[pick], sound == values[pick]
    return float(np.mean(below) + np.mean(equal) / 2) * 100


Method = Callable[[Title], list[int]]


def code_mark() -> str:
    """A digest of the code that picks and judges."""
    digest = hashlib.sha256()
    for path in sorted(Path(measures.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def remembered(place: Path, mark: str, make: Callable[[], Any]) -> Any:
    """What an earlier run found under the same mark, or what ``make`` finds now."""
    if place.exists() and (known := json.loads(place.read_text()))["mark"] == mark:
        return known["value"]
    value = make()
    unfinished = place.with_suffix(".part")
    unfinished.write_text(json.dumps({"mark": mark, "value": value}))
    unfinished.replace(place)
    return value


def ruler_of(title: Title, picks: set[int], mark: str) -> Ruler:
    place = title.path.with_suffix(".ruler.json")
    value = remembered(place, f"{mark} {sorted(picks)}", lambda: asdict(measure(title, picks)))
    # JSON has no numbers as keys.
    return Ruler(*({int(i): v for i, v in value[k].items()} for k in ("sharpness", "faces")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("clips", type=Path)
    parser.add_argument("--titles", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="8: none the rules were tuned on")
    parser.add_argument("--ours-only", action="store_true", help="leave the rivals out")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir(), "thumb-titles"))
    options = parser.parse_args()
    clips = sorted(p for p in options.clips.iterdir() if p.suffix in SUFFIXES)
    random.Random(11).shuffle(clips)
    if (options.first + options.titles) * CLIPS_A_TITLE > len(clips):
        parser.error(f"{len(clips)} clips make {len(clips) // CLIPS_A_TITLE} titles")
    rivals: dict[str, Method] = {
        "ours": lambda title: (lambda picked: [picked[0], *picked])(ours(title)),
        "ffmpeg thumbnail": filter_thumbnail,
        "middle": middles,
    }
    if options.ours_only:
        rivals = {name: method for name, method in rivals.items() if name == "ours"}
    picks: dict[str, list[list[int]]] = {name: [] for name in rivals}
    mark = code_mark()
    titles, rulers = [], []
    for number in range(options.first, options.first + options.titles):
        title = build(clips, number, options.work)
        titles.append(title)
        for name, method in rivals.items():
            place = title.path.with_suffix(f".{name.split()[0]}.json")
            own = mark if name == "ours" else ""
            found = remembered(place, own, partial(method, title))
            chosen = [min(max(0, i), len(title.labels) - 1) for i in found]
            picks[name].append(chosen)
            bad = [(i, title.labels[i]) for i in chosen[1:] if title.labels[i]]
            print(title.path.name, name, chosen, "DEFECT" if bad else "", bad, flush=True)
        rulers.append(ruler_of(title, {i for rows in picks.values() for i in rows[-1]}, mark))
    shares = [np.mean([bool(label) for label in t.labels]) for t in titles]
    print(f"\nrandom frame: {100 * float(np.mean(shares)):.1f} % on a defect; percentiles 50\n")
    print("| method | top-1 on defect | top-5 on defect | picks | sharpness pct | face pct |")
    print("|---|---|---|---|---|---|")
    for name, rows in picks.items():
        top1 = [bool(t.labels[r[0]]) for t, r in zip(titles, rows, strict=True)]
        top5 = [bool(t.labels[i]) for t, r in zip(titles, rows, strict=True) for i in r[1:]]
        sharp, faces = [], []
        for title, ruler, row in zip(titles, rulers, rows, strict=True):
            sharp += [percentile(ruler.sharpness, title.labels, i) for i in row[1:]]
            if max(v for i, v in ruler.faces.items() if not title.labels[i]) > 0.4:
                faces += [percentile(ruler.faces, title.labels, i) for i in row[1:]]
        print(
            f"| {name} | {sum(top1)}/{len(top1)} | {sum(top5)}/{len(top5)} |"
            f" {len(top5)} | {np.mean(sharp):.0f} | {np.mean(faces):.0f} |"
        )


if __name__ == "__main__":
    main()
