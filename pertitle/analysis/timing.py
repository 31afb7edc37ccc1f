"""Frame rate, evenness, duration and frame count of a picture track, from its timestamps."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error

HEAD_PACKETS = 600
"""Packets read at the start of a title; a shorter track is read whole."""
TAIL_PACKETS = 3000
MAX_UNKNOWN_PACKETS = 2_000_000
"""Packets read of a track whose header tells no duration (11 hours at 50 frames a second)."""
FASTEST_USUAL = 120
"""Bursts of frames faster than this are damage, not a rate."""
REORDER_DEPTH = 16
"""Most frames that decoding order and display order lie apart (ITU-T H.264, A.3.1)."""


@dataclass(frozen=True)
class Timing:
    """What the timestamps of a picture track tell.

    Attributes:
        rate: average frames a second, snapped to a broadcast rate if within 0.02 %; of a variable
            track the rate at which most of its frames come, so that none of those is lost.
        variable: more than 2 % of the frames are off the even grid by over a quarter frame.
        duration: seconds from the first shown frame to the end of the last.
        frames: shown frames, None if they were not counted.
        lead: seconds of packets before the first picture that decodes.
        pulled_down: pictures are shown for two and three fields in turn.
    """

    rate: Fraction
    variable: bool
    duration: float
    frames: int | None
    lead: float = 0.0
    pulled_down: bool = False


@dataclass
class _Stamps:
    """Presentation times of the packets of one reading, seconds, in coding order."""

    times: list[float]
    ended: bool


def read_timing(container: Any, stream: Any, first: float | None = None) -> Timing:
    """Time a track from its first packets, and from all of them if it is short or undeclared.

    Args:
        first: time of the first picture that decodes, seconds; what is before it shows nothing.
    """
    declared = _declared(container, stream)
    limit = MAX_UNKNOWN_PACKETS if declared is None else HEAD_PACKETS
    _rewind(container, stream)
    head = _read(container, stream, limit)
    times = sorted(head.times)
    tick = float(stream.time_base)
    lead = 0.0
    # By a picture or so the first may also come late: those before an open group of pictures.
    step = times[1] - times[0] if len(times) > 1 else 0.0
    if first is not None and times and first > times[0] + 1.5 * step + tick:
        lead = first - times[0]
        times = [time for time in times if time >= first - tick]
    steps = [b - a for a, b in itertools.pairwise(times) if b > a]
    rate = _average_rate(stream, steps)
    frame = float(1 / rate)
    uneven = sum(abs(step - frame) > 0.25 * frame for step in steps)
    variable = uneven > 0.02 * len(steps) and uneven > 2
    pulled_down = variable and is_pulled_down(steps)
    if pulled_down:
        rate, frame, variable = FILM, float(1 / FILM), False
    elif variable:
        rate = _usual_rate(rate, steps)
        frame = float(1 / rate)
    if head.ended or declared is None:
        length = _shown_seconds(times, frame, variable)
        return Timing(rate, variable, round(length, 6), len(times) or None, lead, pulled_down)
    end = _readable_end(container, stream, declared, frame)
    counted = stream.frames if abs(end - declared) < 2 * frame and stream.frames else None
    counted = None if lead else counted
    return Timing(rate, variable, round(max(end - lead, frame), 6), counted, lead, pulled_down)


def _shown_seconds(times: list[float], frame: float, variable: bool) -> float:
    """Length of a wholly read track.

    A cut without re-encoding can leave the last reference frame behind without the frames it is
    shown after. Players end such a track after as many frame times as it has frames; holes
    elsewhere are real time.
    """
    if not times:
        return frame
    length = times[-1] - times[0] + frame
    if variable:
        return length
    tail = times[-REORDER_DEPTH:]
    holes = sum(max(0.0, b - a - frame) for a, b in itertools.pairwise(tail) if b - a > 1.5 * frame)
    return max(frame, length - holes)


def _readable_end(container: Any, stream: Any, declared: float, frame: float) -> float:
    """Where the data really ends: headers of torn or joined files tell other lengths."""
    start = _start(stream)
    last = _last_after(container, stream, max(0.0, declared - 4.0) + start)
    if last is not None:
        end = last - start + frame
        # Up to a second of difference is rounding and reordering; the header is then exact.
        return declared if abs(end - declared) < max(1.0, 2 * frame) else end
    low, high = 0.0, declared
    while high - low > max(1.0, declared / 4000):
        middle = (low + high) / 2
        found = _last_after(container, stream, middle + start, packets=50)
        low, high = (max(middle, found - start), high) if found is not None else (low, middle)
    return low


def last_time(container: Any, stream: Any, when: float) -> float:
    """End of the last packet of a track that is found when reading on from ``when``; else 0."""
    base = stream.time_base
    try:
        container.seek(int(when / base), stream=stream, backward=True)
        packets = itertools.islice(_packets(container, stream), MAX_UNKNOWN_PACKETS)
        ends = (float((packet.pts + (packet.duration or 0)) * base) for packet in packets)
        return max(ends, default=0.0)
    except av.error.FFmpegError:
        return 0.0


def _last_after(
    container: Any, stream: Any, when: float, packets: int = TAIL_PACKETS
) -> float | None:
    """Time of the last packet found when reading on from ``when``; None if nothing is there."""
    try:
        container.seek(int(when / stream.time_base), stream=stream, backward=True)
    except av.error.FFmpegError:
        return None
    stamps = _read(container, stream, packets)
    later = [time for time in stamps.times if time >= when - 1.0]
    return max(later) if later else None


def _read(container: Any, stream: Any, limit: int) -> _Stamps:
    base = stream.time_base
    times: list[float] = []
    try:
        packets = itertools.islice(_packets(container, stream), limit)
        times.extend(float(packet.pts * base) for packet in packets)
    except av.error.FFmpegError:
        return _Stamps(times, ended=True)  # a torn tail ends the track
    return _Stamps(times, ended=len(times) < limit)


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """Packets that lead to a shown frame: those cut away by an edit list are marked discard."""
    for packet in container.demux(stream):
        if packet.pts is not None and packet.size and not packet.is_discard:
            yield packet


def _rewind(container: Any, stream: Any) -> None:
    try:
        container.seek(0)
    except av.error.FFmpegError:
        container.seek(stream.start_time or 0, stream=stream)


def _start(stream: Any) -> float:
    return float(stream.start_time * stream.time_base) if stream.start_time else 0.0


def _declared(container: Any, stream: Any) -> float | None:
    if stream.duration and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    if container.duration and container.duration > 0:
        return float(container.duration) / av.time_base
    return None


def _average_rate(stream: Any, steps: list[float]) -> Fraction:
    """The header's rate, unless the pictures' own times tell another one."""
    header = stream.average_rate
    usable = header is not None and 0 < header <= 1000
    own = _own_rate(steps, float(stream.time_base))
    if own is None:
        return _tidy(Fraction(header)) if usable else Fraction(25)
    rate, doubt = own
    if usable and abs(float(header) / rate - 1) <= max(HEADER_DOUBT, 1.5 * doubt):
        return _tidy(Fraction(header))
    near = min((*SLOW_RATES, *STANDARD_RATES), key=lambda known: abs(rate / float(known) - 1))
    if abs(rate / float(near) - 1) <= max(0.0005, doubt):
        return near
    return Fraction(rate).limit_denominator(1001)


def _own_rate(steps: list[float], tick: float) -> tuple[float, float] | None:
    """The rate of the usual steps between pictures, and the share it may be off by rounding.

    None without steps, or where most are unlike their median: then there is no one rate.
    """
    if not steps:
        return None
    middle = statistics.median(steps)
    usual = [step for step in steps if abs(step - middle) <= max(0.25 * middle, 1.01 * tick)]
    if len(usual) < 0.8 * len(steps) or middle > SLOWEST:
        return None
    return len(usual) / sum(usual), tick / sum(usual)


def is_pulled_down(steps: list[float]) -> bool:
    """Whether pictures are shown for two and three fields in turn: film in 60 Hz video, whose
    repeat flags ask for it (ISO/IEC 13818-2, ``repeat_first_field``)."""
    fields = [step * 60000 / 1001 for step in steps]
    threes = sum(abs(count - 3) < 0.2 for count in fields)
    twos = sum(abs(count - 2) < 0.2 for count in fields)
    return twos + threes >= 0.95 * len(steps) and 0.4 <= threes / len(steps) <= 0.6


def _usual_rate(average: Fraction, steps: list[float]) -> Fraction:
    usual = 1 / statistics.median(steps)
    nearest = min(STANDARD_RATES, key=lambda standard: abs(usual / float(standard) - 1))
    # Time stamps in milliseconds are as coarse as 2 %.
    close = abs(usual / float(nearest) - 1) < 0.02
    rate = nearest if close else _tidy(Fraction(usual).limit_denominator(100_000))
    return rate if average < rate <= FASTEST_USUAL else average


SLOWEST = 60.0
"""Seconds between pictures beyond which there is no rate to speak of."""
HEADER_DOUBT = 0.002
"""Share by which a header's rate may miss that of the pictures' own times."""
FILM = Fraction(24000, 1001)
SLOW_RATES = (Fraction(5), Fraction(10), Fraction(12), Fraction(15), Fraction(20))
STANDARD_RATES = (
    Fraction(24000, 1001), Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30),
    Fraction(48), Fraction(50), Fraction(60000, 1001), Fraction(60), Fraction(100),
    Fraction(120000, 1001), Fraction(120),
)  # fmt: skip
"""Frame rates of broadcast and cinema."""


def _tidy(rate: Fraction) -> Fraction:
    """Snap to a broadcast rate within 0.02 %, else to a rate of small terms."""
    for common in STANDARD_RATES:
        if abs(rate / common - 1) < Fraction(1, 5000):
            return common
    return rate.limit_denominator(1001)
