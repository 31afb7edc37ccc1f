"""What a sound track holds: silence, one channel twice, or real stereo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np

from pertitle.errors import DeliveryError
from pertitle.records import AudioStream

SILENCE_PEAK = 10 ** (-66 / 20)
"""Below this peak (-66 dBFS, about half a bit above the dither of 12 bits) nobody hears a track."""
SAME_SIDE = 10 ** (-50 / 20)
"""Channels whose difference is this much weaker than their sum are one channel twice; lossy
coding of dual mono leaves about -60 dB."""
EXCERPT_SECONDS = 5
"""The stretch that stands for a track where its coded quality is measured."""


@dataclass(frozen=True)
class Sound:
    """Levels over a whole track, 1.0 = full scale.

    Attributes:
        peak: largest sample of any channel.
        middle, side: RMS of half the sum and of half the difference of the first two channels;
            ``side`` is 0 for a mono track.
        loudest: second at which the loudest ``EXCERPT_SECONDS`` begin.
    """

    peak: float
    middle: float
    side: float
    loudest: float = 0.0

    @property
    def silent(self) -> bool:
        return self.peak < SILENCE_PEAK

    @property
    def dual_mono(self) -> bool:
        """Both channels are the same."""
        return self.side <= SAME_SIDE * self.middle


def listen(path: Path, stream: AudioStream) -> Sound:
    """Decode a track and measure it.

    Raises:
        DeliveryError: nothing of it decodes.
    """
    peak = total_middle = total_side = 0.0
    samples = 0
    energy: list[float] = []  # of each second
    try:
        with av.open(
            f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        ) as container:
            track = container.streams[stream.index]
            resampler = av.AudioResampler(format="fltp")
            for packet in container.demux(track):
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    continue
                for frame in frames:
                    if not isinstance(frame, av.AudioFrame):
                        continue
                    for part in resampler.resample(frame):
                        data = np.nan_to_num(part.to_ndarray().astype(np.float64))
                        peak = max(peak, float(np.abs(data).max(initial=0.0)))
                        first, second = data[0], data[min(1, len(data) - 1)]
                        total_middle += float(np.square((first + second) / 2).sum())
                        total_side += float(np.square((first - second) / 2).sum())
                        second_number = samples // max(1, stream.sample_rate)
                        energy += [0.0] * (second_number + 1 - len(energy))
                        energy[second_number] += float(np.square(data).sum())
                        samples += data.shape[1]
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise DeliveryError(f"sound track {stream.index} cannot be read: {error}") from error
    if samples == 0:
        raise DeliveryError(f"sound track {stream.index} does not decode")
    excerpts = np.convolve(energy, np.ones(min(EXCERPT_SECONDS, len(energy))), "valid")
    return Sound(
        peak=peak,
        middle=(total_middle / samples) ** 0.5,
        side=(total_side / samples) ** 0.5,
        loudest=float(excerpts.argmax()),
    )
