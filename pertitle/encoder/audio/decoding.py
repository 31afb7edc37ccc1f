"""What a sound track holds: silence, one channel twice, or real stereo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from pertitle.errors import DeliveryError
from pertitle.records import AudioStream, Source
from pertitle.system.sources import open_media

SILENCE_PEAK = 10 ** (-66 / 20)
"""Below this peak (-66 dBFS, about half a bit above the dither of 12 bits) nobody hears a track."""
SAME_SIDE = 10 ** (-50 / 20)
"""Channels whose difference is this much weaker than their sum are one channel twice; lossy
coding of dual mono leaves about -60 dB."""
FULL_SCALE = 0.999
CLIPPED_RUN = 3
"""Neighbouring samples at full scale that make a clipped peak."""
CLIPPED_SHARE = 1e-4
"""A track with a larger share of samples at clipped peaks is clipped: loud masters touch full
scale now and then."""
EXCERPT_SECONDS = 5
"""The stretch that stands for a track where its coded quality is measured."""
WHOLE_SECONDS = 900.0
EXCERPTS = 120
"""Longer tracks are listened to in this many excerpts: ten minutes in all."""


@dataclass(frozen=True)
class Sound:
    """Levels over a whole track, 1.0 = full scale.

    Attributes:
        peak: largest sample of any channel.
        middle, side: RMS of half the sum and of half the difference of the first two channels;
            ``side`` is 0 for a mono track.
        loudest: second at which the loudest ``EXCERPT_SECONDS`` begin.
        clipped: peaks cut off at full scale among what was heard.
        clipped_share: share of samples in them.
        changes: channels or sample rate change in mid-stream.
        refused: packets that the decoder refused.
    """

    peak: float
    middle: float
    side: float
    loudest: float = 0.0
    clipped: int = 0
    clipped_share: float = 0.0
    changes: bool = False
    refused: int = 0

    @property
    def is_clipped(self) -> bool:
        return self.clipped_share > CLIPPED_SHARE

    @property
    def silent(self) -> bool:
        return self.peak < SILENCE_PEAK

    @property
    def dual_mono(self) -> bool:
        """Both channels are the same."""
        return self.side <= SAME_SIDE * self.middle


def listen(source: Source, stream: AudioStream) -> Sound:
    """Measure a track: whole, or long ones in excerpts all over.

    A long track that is silent in all excerpts is listened to whole, as it may speak once an hour.

    Raises:
        DeliveryError: nothing of it decodes.
    """
    duration = source.duration
    if duration > WHOLE_SECONDS:
        starts = np.linspace(0, duration - EXCERPT_SECONDS, EXCERPTS)
        sampled = _measure(source, stream, [float(start) for start in starts])
        if sampled is not None and not sampled.silent:
            return sampled
    whole = _measure(source, stream, None)
    if whole is None:
        raise DeliveryError(f"sound track {stream.index} does not decode")
    return whole


class _Meter:
    """Sums over the samples that were heard, and the energy of each second."""

    def __init__(self) -> None:
        self.peak = self.middle = self.side = 0.0
        self.samples = 0
        self.clipped = self.clipped_samples = 0
        self.energy: dict[int, float] = {}
        self.forms: set[tuple[int, int]] = set()
        self.refused = 0

    def add(self, data: NDArray[np.float64], time: float) -> None:
        self.peak = max(self.peak, float(np.abs(data).max(initial=0.0)))
        first, second = data[0], data[min(1, len(data) - 1)]
        self.middle += float(np.square((first + second) / 2).sum())
        self.side += float(np.square((first - second) / 2).sum())
        self.samples += data.shape[1]
        for channel in data:
            cut = np.concatenate([[False], np.abs(channel) >= FULL_SCALE, [False]])
            edges = np.flatnonzero(np.diff(cut.astype(np.int8)))
            lengths = edges[1::2] - edges[::2]
            self.clipped += int((lengths >= CLIPPED_RUN).sum())
            self.clipped_samples += int(lengths[lengths >= CLIPPED_RUN].sum())
        number = max(0, int(time))
        self.energy[number] = self.energy.get(number, 0.0) + float(np.square(data).sum())

    def sound(self) -> Sound:
        energy = np.zeros(max(self.energy) + 1)
        energy[list(self.energy)] = list(self.energy.values())
        excerpts = np.convolve(energy, np.ones(min(EXCERPT_SECONDS, len(energy))), "valid")
        return Sound(
            peak=self.peak,
            middle=(self.middle / self.samples) ** 0.5,
            side=(self.side / self.samples) ** 0.5,
            loudest=float(excerpts.argmax()),
            clipped=self.clipped,
            clipped_share=self.clipped_samples / self.samples,
            changes=len(self.forms) > 1,
            refused=self.refused,
        )


def _measure(source: Source, stream: AudioStream, starts: list[float] | None) -> Sound | None:
    """Levels of the whole track, or of the excerpts from these seconds on; None if unheard."""
    meter = _Meter()
    try:
        with open_media(source.path, source) as container:
            track = container.streams[stream.index]
            clock = (container.start_time or 0) / av.time_base
            # Interleaved: PyAV makes no array of more than eight planes.
            resampler = av.AudioResampler(format="flt")
            for start in [None] if starts is None else starts:
                if start is not None:
                    container.seek(int((start + clock) * av.time_base))
                for frame in _frames(container, track, meter):
                    time = (frame.time or 0.0) - clock
                    if start is not None and time >= start + EXCERPT_SECONDS:
                        break
                    form = len(frame.layout.channels), frame.sample_rate
                    if form not in meter.forms:  # a resampler takes one form alone
                        meter.forms.add(form)
                        resampler = av.AudioResampler(format="flt")
                    for part in resampler.resample(frame):
                        data = part.to_ndarray().reshape(-1, form[0]).T.astype(np.float64)
                        meter.add(np.nan_to_num(data), time)
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise DeliveryError(f"sound track {stream.index} cannot be read: {error}") from error
    return meter.sound() if meter.samples else None


def _frames(container: Any, track: Any, meter: _Meter) -> Iterator[av.AudioFrame]:
    for packet in container.demux(track):
        try:
            decoded = packet.decode()
        except av.error.FFmpegError:  # whatever the reason: the next one may be well
            meter.refused += 1
            continue
        for frame in decoded:
            if isinstance(frame, av.AudioFrame):
                yield frame
