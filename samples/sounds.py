"""The sound of the sample clips, made from nothing: stereo float arrays of shape (samples, 2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, sosfilt

Sound = NDArray[np.float64]

RATE = 48000


def _band(noise: Sound, low: float, high: float) -> Sound:
    filtered = sosfilt(butter(2, [low, high], "bandpass", fs=RATE, output="sos"), noise)
    return np.asarray(filtered, dtype=np.float64)


def _decay(length: int, seconds: float) -> Sound:
    return np.asarray(np.exp(-np.arange(length) / (RATE * seconds)), dtype=np.float64)


def _place(track: Sound, start: float, sound: Sound) -> None:
    at = int(start * RATE)
    end = min(len(track), at + len(sound))
    if at < end:
        track[at:end] += sound[: end - at]


def _finish(left: Sound, right: Sound, peak: float) -> Sound:
    stereo = np.stack([left, right], axis=1)
    fade = min(len(stereo), RATE // 10)
    stereo[:fade] *= np.linspace(0, 1, fade)[:, None]
    stereo[-fade:] *= np.linspace(1, 0, fade)[:, None]
    return np.asarray(stereo * (peak / np.abs(stereo).max()), dtype=np.float64)


def _pluck(frequency: float, seconds: float, rng: np.random.Generator) -> Sound:
    """A plucked string (Karplus and Strong, 1983), as a filter: y[n] = x[n] + mean of the loop."""
    period = max(2, round(RATE / frequency))
    burst = np.zeros(int(seconds * RATE))
    burst[:period] = rng.uniform(-1, 1, period)
    loop = np.zeros(period + 2)
    loop[0], loop[period], loop[period + 1] = 1.0, -0.498, -0.498
    return np.asarray(lfilter([1.0], loop, burst), dtype=np.float64)


def music(seconds: float, seed: int) -> Sound:
    """A slow pad of chords under plucked strings."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    left, right = np.zeros_like(t), np.zeros_like(t)
    chords = (
        (146.8, 220.0, 293.7, 370.0),
        (123.5, 185.0, 293.7, 440.0),
        (98.0, 196.0, 246.9, 392.0),
    )
    length = seconds / len(chords)
    for index, chord in enumerate(chords):
        here = np.clip(1 - np.abs(t - (index + 0.5) * length) / (0.62 * length), 0, 1) ** 0.6
        for number, tone in enumerate(chord):
            swell = 0.16 * here * (1 + 0.2 * np.sin(2 * np.pi * (0.3 + 0.1 * number) * t))
            left += swell * np.sin(2 * np.pi * tone * 0.999 * t + number)
            right += swell * np.sin(2 * np.pi * tone * 1.001 * t + 2 * number)
        for step in range(4):
            note = 2 * chord[(step * 2 + index) % 4]
            pluck = 0.3 * _pluck(note, 1.6, rng)
            _place(left if step % 2 else right, index * length + step * length / 4, pluck)
            _place(
                right if step % 2 else left, index * length + step * length / 4 + 0.01, pluck / 2
            )
    return _finish(left, right, 0.6)


def stadium(seconds: float, seed: int) -> Sound:
    """Drums over a roaring crowd."""
    rng = np.random.default_rng(seed)
    size = int(seconds * RATE)
    t = np.arange(size) / RATE
    tracks = []
    drums = np.zeros(size)
    beat = 0.4
    for number in range(int(seconds / beat) + 1):
        span = np.arange(int(0.35 * RATE)) / RATE
        kick = np.sin(2 * np.pi * (48 * span + 10 * (1 - np.exp(-span * 30)))) * _decay(
            len(span), 0.09
        )
        _place(drums, number * beat, kick)
        snare = _band(rng.standard_normal(len(span)), 900, 7000) * _decay(len(span), 0.05)
        _place(drums, number * beat + beat / 2, 0.5 * snare)
        for quarter in range(4):
            hat = rng.standard_normal(2400) * _decay(2400, 0.008)
            _place(drums, number * beat + quarter * beat / 4, 0.08 * hat)
    for side in (0, 1):
        crowd = _band(rng.standard_normal(size), 300, 2500)
        crowd *= 0.25 * (0.6 + 0.4 * np.sin(2 * np.pi * (0.21 + 0.05 * side) * t + side))
        tracks.append(crowd + drums)
    return _finish(tracks[0], tracks[1], 0.7)


# First three formants, Hz (Peterson and Barney, 1952, men).
_VOWELS = {
    "a": (730, 1090, 2440), "e": (530, 1840, 2480), "i": (270, 2290, 3010),
    "o": (570, 840, 2410), "u": (300, 870, 2240),
}  # fmt: skip


def _syllable(vowel: str, pitch: float, seconds: float, rng: np.random.Generator) -> Sound:
    """A voiced vowel after a breath of noise: a pulse train through three resonators."""
    span = np.arange(int(seconds * RATE)) / RATE
    phase = np.cumsum(pitch * (1 + 0.06 * np.sin(np.pi * span / seconds))) / RATE
    sound = np.diff(np.floor(phase), prepend=0.0) + 0.004 * rng.standard_normal(len(span))
    for formant in _VOWELS[vowel]:
        radius = np.exp(-np.pi * 90 / RATE)
        poles = [1.0, -2 * radius * np.cos(2 * np.pi * formant / RATE), radius * radius]
        sound = lfilter([1 - radius], poles, sound)
    sound = np.asarray(sound, dtype=np.float64)
    sound *= np.sin(np.pi * np.clip(span / seconds, 0, 1)) ** 0.5 / np.abs(sound).max()
    onset = _band(rng.standard_normal(1800), 2500, 7000) * _decay(1800, 0.012)
    sound[: len(onset)] += 0.15 * onset[: len(sound)]
    return sound


def whisper_in_rain(seconds: float, seed: int) -> Sound:
    """Rain, the hum of a street, and a voice that speaks no language."""
    rng = np.random.default_rng(seed)
    size = int(seconds * RATE)
    t = np.arange(size) / RATE
    voice = np.zeros(size)
    at = 0.5
    while at < seconds - 0.6:
        for _ in range(int(rng.integers(2, 5))):
            length = float(rng.uniform(0.11, 0.24))
            vowel = "aeiou"[int(rng.integers(5))]
            _place(voice, at, _syllable(vowel, float(rng.uniform(96, 128)), length, rng))
            at += length
        at += float(rng.uniform(0.12, 0.4))
    hum = 0.05 * np.sin(2 * np.pi * 50 * t) + 0.02 * np.sin(2 * np.pi * 150 * t)
    sides = []
    for _ in range(2):
        rain = 0.05 * _band(rng.standard_normal(size), 1500, 9000)
        drops = np.zeros(size)
        for place in rng.uniform(0, seconds, 160):
            tone = rng.uniform(900, 3500)
            span = np.arange(900) / RATE
            drop = np.sin(2 * np.pi * tone * span) * _decay(900, 0.004)
            _place(drops, float(place), rng.uniform(0.02, 0.14) * drop)
        sides.append(rain + drops + hum + 0.5 * voice)
    return _finish(sides[0], sides[1], 0.5)
