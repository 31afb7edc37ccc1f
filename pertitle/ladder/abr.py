"""A player on made-up or recorded lines: what a ladder is worth once players must guess.

Two rules decide the next segment:

* ``bola``: BOLA-BASIC of Spiteri, Urgaonkar and Sitaraman, "BOLA: Near-Optimal Bitrate Adaptation
  for Online Videos", INFOCOM 2016: the rung that maximises :math:`(V(u_m + g) - b) / S_m`, with
  :math:`u_m = ln(R_m / R_1)`, the buffer *b* and :math:`V` set by the buffer's size;
* ``throughput``: nine tenths of the mean of the last three downloads, and no segment larger than
  half of what the buffer gives time for (dash.js' insufficient-buffer rule, as in Spiteri et al.,
  "From Theory to Practice", MMSys 2018).

Segments are of constant size. Neither rule abandons a download, and both begin with the lowest
rung. All sessions of a ladder are played at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pertitle.ladder.allocation import SOUND_KBPS, shares
from pertitle.options import ViewerClass

Array = NDArray[np.float64]

RULES = ("bola", "throughput")
BUFFER_SECONDS = 25.0
_GAMMA = 5.0
"""BOLA's weight of not stalling against quality, as in Spiteri et al. 2018."""
_SAFETY, _LOW_BUFFER = 0.9, 0.5
_WINDOW = 3
_LEAST_KBPS = 1.0
_DWELL_SECONDS = 60.0
_MEMORY = 0.8
"""Correlation of log bandwidth from one second to the next: 0.78 in the 3G traces and 0.54 in the
4G traces that the shipped audiences are fitted to."""


@dataclass(frozen=True)
class Playback:
    """Means over sessions.

    Attributes:
        quality: VMAF over the segments played.
        switches: a minute of video.
        stalled: share of the session, start-up left out, in which the player waits.
        startup: seconds until the first picture.
        kbps: delivered bitrate, with sound.
    """

    quality: float
    switches: float
    stalled: float
    startup: float
    kbps: float


def make_traces(
    audience: Sequence[ViewerClass], sessions: int, seconds: int, seed: int = 0
) -> Array:
    """Sessions × seconds of bandwidth, kbit/s: a Markov chain whose distribution is the audience's.

    A session stays on one component of its class for a minute in the mean, then draws again; around
    it log bandwidth is a first-order autoregression.
    """
    draw = np.random.default_rng(seed)
    chosen = draw.choice(len(audience), size=sessions, p=shares(audience))
    traces = np.empty((sessions, seconds))
    for row, place in enumerate(chosen):
        lines = audience[place].lines
        share = np.array([line.share for line in lines])
        change = draw.random(seconds) < 1 / _DWELL_SECONDS
        change[0] = True
        pick = draw.choice(len(lines), size=seconds, p=share / share.sum())
        state = pick[np.maximum.accumulate(np.where(change, np.arange(seconds), 0))]
        noise = draw.standard_normal(seconds)
        wave = np.empty(seconds)
        wave[0] = noise[0]
        for t in range(1, seconds):
            wave[t] = _MEMORY * wave[t - 1] + np.sqrt(1 - _MEMORY**2) * noise[t]
        median = np.array([line.median_kbps for line in lines])[state]
        sigma = np.array([line.sigma for line in lines])[state]
        traces[row] = median * np.exp(sigma * wave)
    return traces


class _Lines:
    """Cumulative bits of every trace, repeated for ever."""

    def __init__(self, traces: Array) -> None:
        bits = np.maximum(traces, _LEAST_KBPS)
        zero = np.zeros((len(bits), 1))
        self.cumulative = np.hstack([zero, np.cumsum(bits, axis=1)])
        self.length = float(bits.shape[1])
        self.total = self.cumulative[:, -1]
        # One rising axis for all sessions, so that one call finds the place in each.
        self.offset = np.arange(len(bits)) * (float(self.total.max()) + 1.0)
        self.axis = (self.cumulative + self.offset[:, None]).ravel()
        self.times = np.tile(np.arange(bits.shape[1] + 1.0), len(bits))
        self.rows = np.arange(len(bits))

    def bits_at(self, when: Array) -> Array:
        turns, inside = np.divmod(when, self.length)
        second = np.minimum(inside.astype(np.int64), int(self.length) - 1)
        low = self.cumulative[self.rows, second]
        high = self.cumulative[self.rows, second + 1]
        return np.asarray(turns * self.total + low + (inside - second) * (high - low))

    def arrival(self, when: Array, kilobits: Array) -> Array:
        """When a download of so many kilobits that begins at ``when`` is complete."""
        turns, inside = np.divmod(self.bits_at(when) + kilobits, self.total)
        return np.asarray(
            turns * self.length + np.interp(inside + self.offset, self.axis, self.times)
        )


def play(
    kbps: Sequence[float],
    vmaf: Sequence[float],
    traces: Array,
    *,
    rule: str,
    seconds: float = 180.0,
    segment: float = 4.0,
) -> Playback:
    """Play a ladder over traces.

    Args:
        kbps, vmaf: of the rungs, without sound; in any order.
        traces: sessions × seconds, kbit/s.
        rule: one of :data:`RULES`.
        seconds: of video that each session plays.

    Raises:
        ValueError: no such rule.
    """
    if rule not in RULES:
        raise ValueError(f"no such rule: {rule}")
    order = np.argsort(kbps)
    rate = np.asarray(kbps, dtype=np.float64)[order] + SOUND_KBPS
    quality = np.asarray(vmaf, dtype=np.float64)[order]
    lines = _Lines(traces)
    sessions, count = len(traces), max(1, round(seconds / segment))
    now, buffer = np.zeros(sessions), np.zeros(sessions)
    stalled, startup = np.zeros(sessions), np.zeros(sessions)
    last = np.full(sessions, -1)
    switches, seen, sent = np.zeros(sessions), np.zeros(sessions), np.zeros(sessions)
    recent: list[Array] = []
    for index in range(count):
        # A full buffer waits until a segment has room.
        wait = np.maximum(0.0, buffer + segment - BUFFER_SECONDS)
        now, buffer = now + wait, buffer - wait
        if index == 0:
            pick = np.zeros(sessions, dtype=np.int64)
        elif rule == "bola":
            pick = _bola(rate, buffer, segment)
        else:
            pick = _throughput(rate, buffer, segment, recent)
        size = rate[pick] * segment
        done = lines.arrival(now, size)
        took = np.maximum(done - now, 1e-6)
        recent = [*recent, size / took][-_WINDOW:]
        if index == 0:
            startup = took
        else:
            stalled += np.maximum(0.0, took - buffer)
            switches += pick != last
        buffer = np.maximum(0.0, buffer - took) + segment
        now, last = done, pick
        seen += quality[pick]
        sent += rate[pick]
    video = count * segment
    return Playback(
        quality=float((seen / count).mean()),
        switches=float(switches.mean() / video * 60),
        stalled=float((stalled / (stalled + video)).mean()),
        startup=float(np.median(startup)),
        kbps=float((sent / count).mean()),
    )


def _bola(rate: Array, buffer: Array, segment: float) -> NDArray[np.int64]:
    utility = np.log(rate / rate[0])
    weight = (BUFFER_SECONDS - segment) / (utility[-1] + _GAMMA)
    score = (weight * (utility + _GAMMA) - buffer[:, None]) / rate
    return np.asarray(np.argmax(score, axis=1), dtype=np.int64)


def _throughput(
    rate: Array, buffer: Array, segment: float, recent: Sequence[Array]
) -> NDArray[np.int64]:
    line = np.mean(recent, axis=0)
    within = np.minimum(_SAFETY * line, _LOW_BUFFER * buffer * line / segment)
    carried = np.searchsorted(rate, within, side="right") - 1
    return np.asarray(np.maximum(carried, 0), dtype=np.int64)
