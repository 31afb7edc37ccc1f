"""The two passes: cheap samples over the whole title, then the best frame around the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.records import Shot
from pertitle.thumbnails import measures, temporal, terms, text
from pertitle.thumbnails.decoding import SCAN_SIDE, Decoded, FrameReader, Image
from pertitle.thumbnails.faces import Face, FaceDetector
from pertitle.thumbnails.text import Lettering, find_lettering

MAX_SAMPLES = 110
SAMPLES_A_SECOND = 3.0
SHOT_MARGIN = 0.35
"""Seconds at either end of a shot where no sample is taken: dissolves live there."""
WINDOW = 0.35
"""Seconds on each side of a sample in which a better frame is sought …"""
CONTEXT = 0.7
"""… and further seconds that only tell what surrounds it."""
APART_SECONDS = 0.35
"""Two moments of a shot lie at least so far apart."""
MAX_WINDOW_FRAMES = 56
FACE_SAMPLES = 48
"""Samples of the first pass in which faces are looked for."""
CLOSE_LOOKS = 2
"""Sharpest frames of a window that are judged by every term."""
MIDDLE = (960, 544)
REFINED_SIDE = 640


@dataclass(frozen=True)
class Candidate:
    """A judged frame.

    Attributes:
        time: seconds into the title.
        shot: index of the shot it lies in.
        faults: why it may not be shown (``black``, ``flash``, …), strongest first.
        terms: named parts of the score, each 0 to 1.
        faces: in pixels of the shown picture.
        lettering: text found in it.
        signature, bits: descriptors for comparing candidates.
        image: the picture at source resolution after refinement, else small.
    """

    time: float
    shot: int
    faults: tuple[str, ...]
    terms: dict[str, float]
    faces: tuple[Face, ...]
    lettering: Lettering
    signature: NDArray[np.float32]
    bits: NDArray[np.bool_]
    image: Image

    @property
    def score(self) -> float:
        return terms.total(self.terms)


def sample_times(shots: Sequence[Shot], duration: float, *, last: float = 1.0) -> list[float]:
    """Times of the first pass: every shot in proportion to its length, away from its ends.

    Args:
        last: share of the title after which nothing is taken (a spoiler stretch).
    """
    end = duration * last
    wanted = int(min(MAX_SAMPLES, max(4, duration * SAMPLES_A_SECOND)))
    usable = [s for s in shots if s.start < end] or [Shot(0.0, duration)]
    stretches = []
    for shot in usable:
        margin = min(SHOT_MARGIN, shot.duration / 4)
        stretches.append((shot.start + margin, max(shot.start, min(end, shot.end) - margin)))
    spacing = sum(max(0.0, b - a) for a, b in stretches) / wanted
    times: list[float] = []
    debt = 0.0
    for start, stop in stretches:
        # What a shot shorter than the spacing cannot pay is carried to the next one, so that
        # many short shots share samples instead of each taking one.
        debt += max(stop - start, 0.25 * spacing) / max(1e-6, spacing)
        count = int(debt + 0.5)
        debt -= count
        times += [start + (stop - start) * (i + 0.5) / count for i in range(count)]
    return times[: 2 * MAX_SAMPLES] or [min(end, duration) / 2]


def shot_at(shots: Sequence[Shot], time: float) -> int:
    """Index of the shot that holds a time; the last one for times after the end."""
    for index, shot in enumerate(shots):
        if time < shot.end:
            return index
    return max(0, len(shots) - 1)


def first_pass(
    reader: FrameReader,
    shots: Sequence[Shot],
    times: Sequence[float],
    detector: FaceDetector,
    on_progress: Callable[[float], None],
) -> list[Candidate]:
    """Judge samples in small pictures; faces only in the most promising ones."""
    found = []
    for frame in reader.scan(times):
        image = reader.picture(frame, SCAN_SIDE)
        lettering = find_lettering(measures.luma(reader.picture(frame, text.SIDE)))
        found.append(judge(image, frame.time, shot_at(shots, frame.time), lettering))
        on_progress(min(1.0, frame.time / max(1e-6, times[-1])))
    order = sorted(range(len(found)), key=lambda i: (len(found[i].faults), -found[i].score))
    for i in order[:FACE_SAMPLES]:
        if not found[i].faults:
            sample = found[i]
            faces = detector.find(sample.image)
            found[i] = judge(sample.image, sample.time, sample.shot, sample.lettering, faces)
    return representativeness(found)


def judge(
    image: Image,
    time: float,
    shot: int,
    lettering: Lettering,
    faces: tuple[Face, ...] = (),
    *,
    faults: tuple[str, ...] = (),
    extra: dict[str, float] | None = None,
) -> Candidate:
    """Measure a picture by every term that a single picture allows."""
    side = max(image.shape[:2])
    scale = min(1.0, SCAN_SIDE / side)
    small = image if scale == 1 else _resized(image, scale)
    grey = measures.luma(small)
    found = (*faults, *still_faults(grey, lettering))
    values = terms.of_picture(image, small, grey, faces, lettering) | (extra or {})
    return Candidate(
        time,
        shot,
        tuple(dict.fromkeys(found)),
        values,
        faces,
        lettering,
        measures.signature(small),
        measures.hash_bits(grey),
        image,
    )


def still_faults(grey: Image, lettering: Lettering) -> tuple[str, ...]:
    """Faults that one picture shows."""
    faults = []
    if measures.is_black(grey):
        faults.append("black")
    if measures.is_burnt(grey):
        faults.append("flash")
    if float(grey.std()) < 5 or measures.flatness(grey) > 0.93:
        faults.append("empty")
    if lettering.is_credits:
        faults.append("text")
    if measures.blur(grey) > terms.UNUSABLE_BLUR:
        faults.append("blur")
    return tuple(faults)


def representativeness(candidates: list[Candidate]) -> list[Candidate]:
    """Add the term ``typical``: the share of the title's samples that look alike, 1 at most."""
    sound = [c for c in candidates if not c.faults]
    if not sound:
        return candidates
    every = np.stack([c.signature for c in sound])
    near = []
    for candidate in candidates:
        distance = np.linalg.norm(every - candidate.signature, axis=1)
        near.append(float(np.exp(-((distance / 0.25) ** 2)).mean()))
    # A third of the title in one look counts as fully typical; more says little.
    return [
        replace(c, terms=c.terms | {"typical": min(1.0, share / 0.33)})
        for c, share in zip(candidates, near, strict=True)
    ]


def refine(
    reader: FrameReader,
    shots: Sequence[Shot],
    sample: Candidate,
    detector: FaceDetector,
    taken: Sequence[float],
) -> Candidate:
    """The best frame around a sample, judged at source resolution with its neighbours.

    Args:
        taken: times already found, near which a frame is taken only if there is no other.
    """
    shot = shots[sample.shot] if shots else Shot(0.0, sample.time + 1)
    low, high = max(0.0, sample.time - WINDOW), sample.time + WINDOW
    frames = reader.window(max(0.0, low - CONTEXT), high + CONTEXT, limit=MAX_WINDOW_FRAMES)
    if not frames:
        return replace(sample, faults=(*sample.faults, "unreadable"))
    small = [reader.grey(f, SCAN_SIDE // 2) for f in frames]
    tiny = np.stack([temporal.shrink(s) for s in small])
    times = [f.time for f in frames]
    faults = temporal_faults(tiny, times, sample.time)
    inside = [
        i
        for i, t in enumerate(times)
        if low <= t <= high and shot.start + 1.5 / reader.rate <= t < shot.end - 1.5 / reader.rate
    ] or [int(np.argmin([abs(t - sample.time) for t in times]))]
    inside = [i for i in inside if is_apart(times[i], taken)] or inside
    clean = [i for i in inside if not faults[i] and not measures.is_black(small[i])] or inside
    return _best_of(reader, frames, clean, tiny, faults, sample, detector)


def is_apart(time: float, others: Sequence[float]) -> bool:
    """Whether a moment is another one than each of the others."""
    return all(abs(time - other) >= APART_SECONDS for other in others)


def temporal_faults(
    tiny: NDArray[np.float32], times: Sequence[float], around: float
) -> list[tuple[str, ...]]:
    """Faults of each frame that its neighbours show."""
    flash = temporal.widened(temporal.flashes(tiny, times), times)
    blend = temporal.widened(temporal.transitions(tiny, times), times)
    breaks = np.cumsum(temporal.cuts(tiny))
    own = breaks[int(np.argmin([abs(t - around) for t in times]))]
    return [
        tuple(
            name
            for name, hit in (
                ("flash", flash[i]),
                ("transition", blend[i]),
                ("cut", breaks[i] != own),
            )
            if hit
        )
        for i in range(len(times))
    ]


def _best_of(
    reader: FrameReader,
    frames: Sequence[Decoded],
    chosen: Sequence[int],
    tiny: NDArray[np.float32],
    faults: Sequence[tuple[str, ...]],
    sample: Candidate,
    detector: FaceDetector,
) -> Candidate:
    crispness = [measures.detail(reader.grey(frames[i], REFINED_SIDE)) for i in chosen]
    order = sorted(range(len(chosen)), key=lambda k: -crispness[k])
    movement = temporal.motion(tiny)
    best: Candidate | None = None
    # Sharp frames lie next to one another; a close look at every second one sees more.
    for k in spread(order, chosen, CLOSE_LOOKS):
        i = chosen[k]
        image = reader.picture(frames[i])
        side = max(image.shape[:2])
        scale = min(1.0, REFINED_SIDE / side)
        faces = tuple(f.scaled(1 / scale) for f in detector.find(_resized(image, scale)))
        extra = {
            "steady": terms.steadiness(float(movement[i])),
            "clean": terms.cleanness(_middle(measures.luma(image))),
            "typical": sample.terms.get("typical", 0.5),
        }
        lettering = find_lettering(measures.luma(image))
        looked = judge(
            image, frames[i].time, sample.shot, lettering, faces, faults=faults[i], extra=extra
        )
        if best is None or (-len(looked.faults), looked.score) > (-len(best.faults), best.score):
            best = looked
    assert best is not None
    return best


def spread(order: Sequence[int], chosen: Sequence[int], count: int) -> list[int]:
    """The first ``count`` entries of ``order`` whose frames are not next to one another."""
    picked: list[int] = []
    for k in order:
        if all(abs(chosen[k] - chosen[p]) > 1 for p in picked):
            picked.append(k)
        if len(picked) == count:
            break
    return picked


def _resized(image: Image, scale: float) -> Image:
    if scale >= 1:
        return image
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(
        np.uint8
    )


def _middle(grey: Image) -> Image:
    """The middle of a large picture, on its 8×8 grid: artefacts show everywhere alike."""
    height, width = grey.shape
    top = max(0, (height - MIDDLE[1]) // 16 * 8)
    left = max(0, (width - MIDDLE[0]) // 16 * 8)
    return grey[top : top + MIDDLE[1], left : left + MIDDLE[0]]
