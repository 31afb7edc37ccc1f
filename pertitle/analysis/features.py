"""The features of a title: their register, and measuring them over windows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pertitle.analysis import motion, spatial
from pertitle.analysis.coding import ToyEncoder, code_picture
from pertitle.analysis.fidelity import Fidelity, Reference, cut, tiles
from pertitle.analysis.frames import Decoder, Picture, Pyramid, decoder, resize
from pertitle.analysis.registry import (
    CODING_CRFS,
    LINES,
    QUALITY_SCALES,
    REGISTRY,
    SCALES,
    aggregates,
)
from pertitle.errors import SourceError
from pertitle.records import FULL_HD, Source, Treatment, Window

GROUPS = 6
"""Groups of pictures measured in a title of one window; of more windows, a share each."""
MAX_GROUPS = 15
THUMB_LINES = 90
FIDELITY_PICTURES = 3
"""Pictures whose fidelity is looked at in a title of one window; of more, one a window."""
FIDELITY_TILES = 7
BPP_FLOOR = 2.0**-9
"""Bits a pixel added before a logarithm: what an empty picture costs an encoder at least."""
# How much better than H.264 the usual encoders of a codec do, as log2 of the bitrate ratio.
CODEC_GAIN = {
    "hevc": 0.6, "vp9": 0.6, "av1": 0.9, "libdav1d": 0.9, "vvc": 1.2, "vp8": -0.2,
    "mpeg4": -0.8, "mpeg2video": -1.2, "mpeg1video": -1.4, "msmpeg4v3": -0.9, "flv": -1.0,
    "h263": -1.0, "mjpeg": -3.5, "prores": -4.0, "dnxhd": -4.0, "theora": -1.0,
}  # fmt: skip


def measure_features(
    source: Source, windows: Sequence[Window], treatment: Treatment
) -> dict[str, float]:
    """Measure every registered feature over windows of a title.

    Args:
        source: the probed file.
        windows: stretches to measure; each carries the same weight.
        treatment: what is done to frames before they are looked at.

    Returns:
        All names of ``registry.FEATURES``, each a finite number.

    Raises:
        SourceError: no picture of the windows can be decoded.
    """
    collected = _Collected(treatment, len(windows))
    with decoder(source) as decode:
        share = max(2, min(GROUPS, MAX_GROUPS // max(1, len(windows))))
        for window in windows:
            collected.add_window(decode, window, treatment, share)
        size = _bits_a_frame(decode)
    if collected.pictures == 0:
        raise SourceError(f"{source.path.name}: no picture can be decoded in the chosen windows")
    values = collected.values()
    values |= source_features(source, treatment, size)
    return finite(values)


def _bits_a_frame(decode: Decoder) -> float:
    return 8.0 * decode.bytes_read / max(1, decode.packets_read)


def source_features(source: Source, treatment: Treatment, bits_a_frame: float) -> dict[str, float]:
    """Features that the file as a whole tells: size, rate, and what its own coding spent."""
    pixels = treatment.size.width * treatment.size.height
    coded = source.video.width * source.video.height
    return {
        "log2_pixels": math.log2(pixels),
        "log2_height": math.log2(treatment.size.height),
        "log2_aspect": math.log2(treatment.size.width / treatment.size.height),
        "log2_fps": math.log2(float(treatment.frame_rate)),
        "source_log2_bpp": math.log2(bits_a_frame / coded + BPP_FLOOR),
        "source_codec_gain": CODEC_GAIN.get(source.video.codec, 0.0),
    }


def finite(values: dict[str, float]) -> dict[str, float]:
    """The registered features in their order, without infinities."""
    return {name: float(np.clip(np.nan_to_num(values[name]), -1e9, 1e9)) for name in REGISTRY}


class _Collected:
    """Everything measured so far, reduced to numbers at once: no picture is kept."""

    def __init__(self, treatment: Treatment, windows: int) -> None:
        self._size = treatment.size
        self._rate = float(treatment.frame_rate)
        self._display = treatment.size.fit(FULL_HD)
        self._single: dict[str, list[float]] = {}
        self._toy = ToyEncoder(self._rate)
        self._fidelity: dict[str, Fidelity] = {}
        self._changes: list[float] = []
        self._black: list[float] = []
        self._shown = 0
        self._shown_a_window = -(-FIDELITY_PICTURES // max(1, windows))
        self._groups = 0
        self._shown_before = 0
        self.pictures = 0

    def add_window(
        self, decode: Decoder, window: Window, treatment: Treatment, groups: int
    ) -> None:
        frames = max(1, round(window.duration * float(treatment.frame_rate)))
        starts = _group_starts(frames, groups)
        self._groups = 0
        self._shown_before = self._shown
        held: dict[int, Picture] = {}
        previous = None
        count = 0
        for index, picture in enumerate(decode.read(window, treatment)):
            count += 1
            thumb = picture.thumbnail(THUMB_LINES).astype(np.float32)
            if previous is not None:
                self._changes.append(float(np.abs(thumb - previous).mean()))
            self._black.append(float((thumb < spatial.BLACK_LUMA).mean() > 0.98))
            previous = thumb
            for start in starts:
                if index - start in (0, 1, 3):
                    held[index] = picture
            if index in (0, 1, 3) and not self._single:
                held[index] = picture  # damaged windows may end before their first group
            if index - 3 in starts:
                self._add_group(held, index - 3, 3)
                held = {i: p for i, p in held.items() if i > index - 3}
        if held and (count < 4 or not self._single):
            first = min(held)
            self._add_group(held, first, max(i for i in held if i <= first + 3) - first)
        self.pictures += count

    def _add_group(self, held: dict[int, Picture], start: int, distance: int) -> None:
        pyramids = {i: Pyramid(held[i].planes[0]) for i in held if start <= i <= start + distance}
        last = pyramids[start + distance]
        group = motion.Group(pyramids[start], pyramids.get(start + 1, last), last)
        values = spatial.measure(held[start], group.anchor) | motion.measure(group, self._display)
        for name, value in values.items():
            self._single.setdefault(name, []).append(value)
        tree = self._toy.add(group)
        # Every second group of a window, until enough of it was seen.
        if self._groups % 2 == 0 and self._shown - self._shown_before < self._shown_a_window:
            self._add_fidelity(group.last, tree)
            self._shown += 1
        self._groups += 1

    def _add_fidelity(self, picture: Pyramid, tree: spatial.Floats) -> None:
        boxes = tiles(self._display, FIDELITY_TILES, self._shown * FIDELITY_TILES)
        reference = [Reference(tile) for tile in cut(picture.at(self._display), boxes)]
        seen: dict[tuple[int, int], str] = {}
        for name, lines, crf in fidelity_names(self._size.height):
            if (lines, crf) in seen:
                self._fidelity[name] = self._fidelity[seen[lines, crf]]
                continue
            seen[lines, crf] = name
            size = self._size.at_height(lines) if lines < self._size.height else self._size
            small = picture.at(size)
            coded = code_picture(small, crf, self._rate, tree) if crf else small
            shown = cut(resize(coded, self._display), boxes)
            sums = self._fidelity.setdefault(name, Fidelity())
            for r, d in zip(reference, shown, strict=True):
                sums.add(r, d)

    def values(self) -> dict[str, float]:
        values: dict[str, float] = {}
        for name, series in self._single.items():
            values |= aggregates(name, np.array(series))
        for scale in SCALES:
            for crf in CODING_CRFS:
                values[f"rate_{scale}_crf{crf}"] = self._toy.rate(scale, crf)
                values[f"key_{scale}_crf{crf}"] = self._toy.key_bits(scale, crf)
            values[f"predicted_share_{scale}"] = self._toy.predicted_share(scale)
        speed = float(np.mean(self._single["vmaf_motion"]))
        for name, _, crf in fidelity_names(self._size.height):
            sums = self._fidelity[name]
            values[f"vmaf_{name}"] = sums.vmaf(speed)
            if not crf:
                values[f"vif_{name}"], values[f"detail_{name}"] = sums.vif, sums.detail
                values[f"loss_{name}"] = sums.psnr
        changes = np.array(self._changes or [0.0])
        values["frozen_share"] = float((changes < 0.02).mean())
        values["change_all"] = float(np.log2(np.mean(np.minimum(changes, 40)) + 0.05))
        values["change_burst"] = float(np.log2(changes.std() / (changes.mean() + 0.1) + 0.05))
        values["black_frames"] = float(np.mean(self._black or [0.0]))
        return values


def _group_starts(frames: int, groups: int) -> set[int]:
    """First frames of evenly spread groups of four."""
    if frames < 4:
        return {0}
    last = frames - 4
    count = min(groups, max(1, frames // 4))
    return {round(last * (i + 0.5) / count) for i in range(count)}


def fidelity_names(height: int) -> list[tuple[str, int, int]]:
    """(name, lines, CRF or 0) of every degradation looked at; none is above the source."""
    names = [(h, min(int(h), height), 0) for h in LINES]
    names.append(("half", max(2, height // 4 * 2), 0))
    for scale in QUALITY_SCALES:
        lines = height if scale == "native" else min(int(scale), height)
        names += [(f"{scale}_crf{crf}", lines, crf) for crf in CODING_CRFS]
    return names
