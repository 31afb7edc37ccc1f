"""What to encode next for a rung that missed its aim: a quality, or an average bitrate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pertitle.codecs import Codec
from pertitle.delivery.constraints import SLACK
from pertitle.encoder.renditions import EncodedRung
from pertitle.encoder.verification import Measured
from pertitle.options import EncodeOptions
from pertitle.records import LadderPlan, RatePoint, Rung
from pertitle.results import Verification

MAX_ATTEMPTS = 3
"""Encodes of a rung: the planned one and at most two corrections."""
MAX_CAPPED_ATTEMPTS = 6
"""Encodes of a rung that takes more than the highest bitrate allowed."""
BELOW_CAP = 0.97
"""Share of the highest bitrate that such a rung is brought to."""
RATE_TOLERANCE = 0.05
"""An average bitrate that is asked for is held within this share of it."""
RESPONSE = (0.4, 2.5)
"""A rung may answer a change of CRF by this much less or more than its plan believes."""


class Aim(Enum):
    """What the encodes of a title are brought onto."""

    QUALITY = "the VMAF of the plan"
    RATE = "the average bitrate of the plan"
    SIZE = "at most the average bitrate of the plan"

    @classmethod
    def of(cls, encode: EncodeOptions) -> Aim:
        """The aim that the options state."""
        if encode.target_size is not None:
            return cls.SIZE
        return cls.RATE if encode.rate_control == "abr" else cls.QUALITY


@dataclass
class Track:
    """A rung on its way to its aim: the best attempt so far, and what each CRF lacked.

    Attributes:
        tolerance: VMAF points.
        floor: VMAF that the worst window should have.
        most_kbps: average bitrate that no encode may exceed; None for no bound.
        measured: what each attempt came to.
        encode_seconds, verify_seconds: wall time of all attempts.
        lacked: by CRF in the order they were tried, what the encode fell short of its aim by:
            VMAF points or, of a bitrate, octaves. Below 0 it was better, or larger, than wanted.
    """

    target: Rung
    tolerance: float
    floor: float | None = None
    aim: Aim = Aim.QUALITY
    attempts: int = 0
    lacked: dict[float, float] = field(default_factory=dict)
    best: tuple[EncodedRung, Verification] | None = None
    next: Rung | None = None
    measured: list[RatePoint] = field(default_factory=list)
    encode_seconds: float = 0.0
    verify_seconds: float = 0.0
    most_kbps: float | None = None

    def add(self, encoded: EncodedRung, measured: Measured) -> None:
        """Count an attempt, and keep it if it is the best so far."""
        check = measured.verification
        self.attempts += 1
        self.encode_seconds += encoded.seconds
        self.verify_seconds += measured.seconds
        rung = encoded.rung
        self.measured.append(RatePoint(rung.height, rung.crf, encoded.average_kbps, check.vmaf))
        self.lacked[encoded.rung.crf] = self.shortfall(encoded, check)
        if self.best is None or self._miss(encoded, check) < self._miss(*self.best):
            self.best = encoded, check

    def shortfall(self, encoded: EncodedRung, check: Verification) -> float:
        """What an attempt lacks, in units of ``lacked``."""
        if self.aim is Aim.QUALITY:
            return self.wanted(check)
        return math.log2(self.target.bitrate_kbps / encoded.average_kbps)

    def _miss(self, encoded: EncodedRung, check: Verification) -> tuple[float, float]:
        lacked = self.shortfall(encoded, check)
        return self._over(encoded), -lacked if self.aim is Aim.SIZE else abs(lacked)

    def _over(self, encoded: EncodedRung) -> float:
        """Octaves above the highest bitrate allowed, 0 for none."""
        if self.most_kbps is None:
            return 0.0
        return max(0.0, math.log2(encoded.average_kbps / self.most_kbps))

    @property
    def over_cap(self) -> bool:
        """Even the best attempt takes more than the highest bitrate allowed."""
        return self.best is not None and self._over(self.best[0]) > 0

    def wanted(self, check: Verification) -> float:
        """VMAF points by which the rung should be better (or, below 0, may be worse)."""
        wanted = self.target.vmaf - check.vmaf
        if self.floor is not None and self.floor < self.target.vmaf:
            # A tolerance above the floor, so that what is on target is not below it.
            wanted = max(wanted, self.floor + self.tolerance - check.worst)
        return wanted

    @property
    def on_target(self) -> bool:
        """The quality is what was planned, whatever the aim."""
        return self.best is not None and abs(self.wanted(self.best[1])) <= self.tolerance

    @property
    def rate_held(self) -> bool:
        """The average bitrate is what was planned, to within its tolerance."""
        if self.best is None:
            return False
        share = self.best[0].average_kbps / self.target.bitrate_kbps
        return abs(share - 1) <= RATE_TOLERANCE

    @property
    def done(self) -> bool:
        """The best attempt is as good as was asked for."""
        if self.over_cap:
            return False
        if self.aim is Aim.QUALITY or self.best is None:
            return self.on_target
        if self.aim is Aim.RATE:
            return self.rate_held
        return self.best[0].average_kbps <= SLACK * self.target.bitrate_kbps


def correction(track: Track, ladder: LadderPlan, codec: Codec) -> Rung | None:
    """The rung to try next, or None if the best attempt stands."""
    most = MAX_CAPPED_ATTEMPTS if track.over_cap else MAX_ATTEMPTS
    if track.attempts >= most or track.best is None or track.done:
        return None
    encoded, check = track.best
    rung = encoded.rung
    if track.over_cap and track.most_kbps is not None:
        return _below_cap(track, encoded, BELOW_CAP * track.most_kbps, ladder, codec)
    if track.aim is not Aim.QUALITY and codec.two_pass:
        share = track.target.bitrate_kbps / encoded.average_kbps
        return replace(rung, bitrate_kbps=rung.bitrate_kbps * share)
    if track.aim is Aim.SIZE:
        share = track.target.bitrate_kbps / encoded.average_kbps
        highest = codec.crf_range[1]
        return replace(rung, crf=min(crf_at_share(ladder, rung, share, codec.crf_step), highest))
    crf = crf_between(track.lacked, codec.crf_step)
    if crf is None:
        quantity = "vmaf" if track.aim is Aim.QUALITY else "bitrate_kbps"
        response = measured_response(ladder, rung.height, quantity, track.lacked)
        crf = corrected_crf(
            ladder,
            rung,
            wanted=track.shortfall(encoded, check) / response,
            crf_range=codec.crf_range,
            crf_step=codec.crf_step,
            quantity=quantity,
        )
    if crf in track.lacked:
        return None
    if track.aim is Aim.RATE:
        return replace(rung, crf=crf)
    expected = 2 ** read_curve(ladder, rung.height, "bitrate_kbps", crf)
    before = 2 ** read_curve(ladder, rung.height, "bitrate_kbps", rung.crf)
    kbps = encoded.average_kbps * expected / max(before, 1e-9)
    if track.most_kbps is not None and kbps > track.most_kbps:
        return None  # better would be over the bitrate that is allowed
    return replace(track.target, crf=crf, bitrate_kbps=kbps)


def _below_cap(
    track: Track, encoded: EncodedRung, kbps: float, ladder: LadderPlan, codec: Codec
) -> Rung | None:
    """The rung at a lower bitrate; None where the encoder has none left to give."""
    rung, share = encoded.rung, kbps / encoded.average_kbps
    if track.aim is not Aim.QUALITY and codec.two_pass:
        return replace(rung, bitrate_kbps=rung.bitrate_kbps * share)
    # Every attempt that was still over asks for more than the plan's curve says.
    steps = codec.crf_step * 2 ** (track.attempts - 1)
    crf = max(crf_at_share(ladder, rung, share, codec.crf_step), rung.crf + steps)
    crf = min(round(crf, 4), codec.crf_range[1])
    return None if crf in track.lacked else replace(rung, crf=crf, bitrate_kbps=kbps)


def at_half_rate(ladder: LadderPlan, codec: Codec, frame_rate: Fraction) -> LadderPlan:
    """The ladder with its curves where they are believed to lie for every other picture.

    Args:
        frame_rate: of all pictures.
    """
    shift = codec.half_rate_crf(frame_rate)
    curves = tuple(replace(point, crf=point.crf + shift) for point in ladder.curves)
    return replace(ladder, curves=curves)


def crf_between(lacked: Mapping[float, float], crf_step: float) -> float | None:
    """The CRF where nothing is lacking, between attempts that lie on both sides of it.

    Args:
        lacked: what each tried CRF fell short by; below 0 it was better than wanted.

    Returns:
        A CRF on the encoder's step, or None while all attempts lie on one side.
    """
    good = max((crf for crf, points in lacked.items() if points < 0), default=None)
    poor = min((crf for crf, points in lacked.items() if points > 0), default=None)
    if good is None or poor is None or good >= poor:
        return None
    share = lacked[good] / (lacked[good] - lacked[poor])
    wanted = good + share * (poor - good)
    if poor - good > 1.5 * crf_step:  # there is a step that was not tried
        wanted = min(max(wanted, good + crf_step), poor - crf_step)
    return round(round(wanted / crf_step) * crf_step, 4)


def measured_response(
    ladder: LadderPlan, height: int, quantity: str, lacked: Mapping[float, float]
) -> float:
    """How much the two last attempts differed, in the difference that the plan's curve has there.

    1 until there are two; titles of half the frame rate, or with a shot that decides the worst
    window, answer otherwise than the plan's curve, which is of all frames and their mean.
    """
    if len(lacked) < 2:
        return 1.0
    first, last = list(lacked)[-2:]
    believed = read_curve(ladder, height, quantity, last) - read_curve(
        ladder, height, quantity, first
    )
    measured = lacked[first] - lacked[last]
    if abs(believed) < 1e-6 or measured / believed <= 0:
        return 1.0
    return float(np.clip(measured / believed, *RESPONSE))


def corrected_crf(
    ladder: LadderPlan,
    rung: Rung,
    *,
    wanted: float,
    crf_range: tuple[float, float],
    crf_step: float,
    quantity: str = "vmaf",
) -> float:
    """The CRF that should change a rung's VMAF by ``wanted`` points, or its bitrate by octaves.

    The plan's curve of that height gives the slope; the measured rendition its level.

    Args:
        quantity: ``vmaf`` or ``bitrate_kbps``.
    """
    low, high = crf_range
    grid = np.linspace(low, high, round((high - low) / crf_step) + 1)
    crfs, values = _curve(ladder, rung.height, quantity)
    if not len(crfs):
        return rung.crf
    curve = np.interp(grid, crfs, values)
    now = float(np.interp(rung.crf, grid, curve))
    best = int(np.argmin(np.abs(curve - (now + wanted)) + 1e-6 * np.abs(grid - rung.crf)))
    return round(float(grid[best]), 4)


def crf_at_share(ladder: LadderPlan, rung: Rung, share: float, crf_step: float) -> float:
    """The CRF, at least a step higher, that should bring a rung to a share of its bitrate."""
    low = rung.crf + crf_step
    crfs, _ = _curve(ladder, rung.height, "bitrate_kbps")
    if not len(crfs):
        return round(low, 4)
    steps = np.arange(low, max(low, crfs[-1]) + crf_step, crf_step)
    wanted = read_curve(ladder, rung.height, "bitrate_kbps", rung.crf) + math.log2(share) + 1e-6
    small = [c for c in steps if read_curve(ladder, rung.height, "bitrate_kbps", c) <= wanted]
    return round(float(small[0] if small else steps[-1]), 4)


def replanned(
    ladder: LadderPlan,
    rung: Rung,
    *,
    room: float,
    crf_range: tuple[float, float],
    crf_step: float,
) -> Rung:
    """A rung at the CRF that brings it to its VMAF by the plan's curves.

    Args:
        room: VMAF points that it may miss it by as it is, so that small changes of the belief do
            not bring neighbours out of order.
    """
    if not any(point.height == rung.height for point in ladder.curves):
        return rung
    wanted = rung.vmaf - read_curve(ladder, rung.height, "vmaf", rung.crf)
    if abs(wanted) <= room:
        return rung
    crf = corrected_crf(ladder, rung, wanted=wanted, crf_range=crf_range, crf_step=crf_step)
    kbps = 2 ** read_curve(ladder, rung.height, "bitrate_kbps", crf)
    return replace(rung, crf=crf, bitrate_kbps=kbps)


def read_curve(ladder: LadderPlan, height: int, quantity: str, crf: float) -> float:
    """VMAF or log2 bitrate that the plan believes of a height at a CRF; 0 if it has no curve."""
    crfs, values = _curve(ladder, height, quantity)
    return float(np.interp(crf, crfs, values)) if len(crfs) else 0.0


def _curve(
    ladder: LadderPlan, height: int, quantity: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """CRFs and values of a height's curve; bitrates as logarithms to the base of 2."""
    points = sorted((p for p in ladder.curves if p.height == height), key=lambda p: p.crf)
    values = np.array([getattr(p, quantity) for p in points], dtype=np.float64)
    if quantity == "bitrate_kbps":
        values = np.log2(np.maximum(1e-6, values))
    return np.array([p.crf for p in points], dtype=np.float64), values
