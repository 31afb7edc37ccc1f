"""When a batch will be done, from its events alone.

A title's work is taken as proportional to its pictures: those of the digest, which are probed, and
all of them, which are delivered, each at the source's size and at the display where VMAF looks. Of
titles not looked at yet only the files' sizes are known. How far a title is follows from shares of
the stages; both the shares and the seconds a unit of work takes are learned from what the batch has
done so far. What is left is put onto the workers in order, as the batch will do.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from pertitle import events
from pertitle.records import FULL_HD, Analysis

SHARES = {
    "analysis": 0.06, "probing": 0.30, "encoding": 0.18, "verification": 0.30, "audio": 0.02,
    "packaging": 0.02, "thumbnails": 0.12,
}  # fmt: skip
"""Shares of a title's time before any title of the batch is done."""
DISPLAY_PIXELS = FULL_HD.width * FULL_HD.height
PRIOR_TITLES = 1.0
"""How many finished titles the given shares count for."""


def work_of(analysis: Analysis) -> float:
    """Picture elements that delivering a title looks at, roughly."""
    treatment = analysis.treatment
    pixels = treatment.size.width * treatment.size.height + DISPLAY_PIXELS
    seconds = analysis.source.duration + sum(window.duration for window in analysis.digest)
    return pixels * seconds * float(treatment.frame_rate)


def _factor(size: float, usual: float) -> float:
    """How much more work a file of this size is than a usual one.

    Bitrates of sources differ as much as their lengths, so a size tells half of it.
    """
    return min(4.0, max(0.25, (size / usual) ** 0.5)) if size > 0 and usual > 0 else 1.0


@dataclass
class Progress:
    """Where one title is: its stage, how far in it, and how far in the title (0 to 1)."""

    started: float | None = None
    ended: float | None = None
    stage: str = ""
    total: float = 0.0
    done: float = 0.0
    duration: float = 0.0
    bytes: int = 0
    work: float | None = None
    share: float = 0.0
    seen: set[str] = field(default_factory=set)

    @property
    def active(self) -> bool:
        return self.started is not None and self.ended is None


class Estimate:
    """Progress, throughput and remaining time of a batch; fed with events and their times."""

    def __init__(self) -> None:
        self.titles: dict[str, Progress] = {}
        self._began = 0.0
        self._workers = 1
        self._spent: list[dict[str, float]] = []
        self._reached = 0.0

    def handle(self, event: events.Event, now: float) -> None:
        """Take in an event that happened at ``now`` (seconds on any one clock)."""
        match event:
            case events.BatchStarted(titles, sizes):
                self._began = now
                self.titles = {name: Progress() for name in titles}
                for name, size in zip(titles, sizes, strict=False):
                    self.titles[name].bytes = size
            case events.StageStarted(title, stage, total, _):
                entry = self._entry(title)
                entry.started = now if entry.started is None else entry.started
                entry.stage, entry.total, entry.done = stage, total, 0.0
                entry.seen.add(stage)
                self._workers = max(self._workers, sum(e.active for e in self.titles.values()))
            case events.StageProgress(title, _, done, _):
                entry = self._entry(title)
                entry.done = done
            case events.Analysed(title, analysis):
                entry = self._entry(title)
                entry.work, entry.duration = work_of(analysis), analysis.source.duration
            case events.TitleSkipped(title):
                self.titles.pop(title, None)
                return
            case events.TitleFailed(title, _):
                self._end(title, now)
            case events.TitleDone(title, result):
                self._end(title, now)
                self._spent.append(result.seconds)
            case _:
                return
        for entry in self.titles.values():
            if entry.active:
                entry.share = max(entry.share, self._share(entry))
        works = self._works()
        done = sum(works[name] * entry.share for name, entry in self.titles.items())
        self._reached = max(self._reached, done / (sum(works.values()) or 1.0))

    def _entry(self, title: str) -> Progress:
        return self.titles.setdefault(title, Progress())

    def _end(self, title: str, now: float) -> None:
        entry = self._entry(title)
        entry.started = now if entry.started is None else entry.started
        entry.ended, entry.share = now, 1.0

    def _shares(self) -> dict[str, float]:
        sums = {stage: PRIOR_TITLES * share for stage, share in SHARES.items()}
        for spent in self._spent:
            total = sum(spent.values()) or 1.0
            for stage, seconds in spent.items():
                sums[stage] = sums.get(stage, 0.0) + seconds / total
        return {stage: value / sum(sums.values()) for stage, value in sums.items()}

    def _share(self, entry: Progress) -> float:
        if entry.ended is not None:
            return 1.0
        shares = self._shares()
        before = sum(shares.get(stage, 0.0) for stage in entry.seen - {entry.stage})
        inside = min(1.0, entry.done / entry.total) if entry.total else 0.0
        return min(0.99, before + shares.get(entry.stage, 0.0) * inside)

    def _works(self) -> dict[str, float]:
        """Work of every title; where it is not looked at yet, from its file's size."""
        known = [entry for entry in self.titles.values() if entry.work is not None]
        mean = sum(entry.work or 0.0 for entry in known) / len(known) if known else 1.0
        size = sum(entry.bytes for entry in known) / len(known) if known else 0.0
        return {
            name: mean * _factor(entry.bytes, size) if entry.work is None else entry.work
            for name, entry in self.titles.items()
        }

    @property
    def share(self) -> float:
        """How much of the batch's work is done, 0 to 1; it waits where titles turn out longer."""
        return self._reached if self.titles else 0.0

    def speed(self, now: float) -> float:
        """Seconds of video delivered a second of the batch, counting what is half done by half."""
        elapsed = now - self._began
        done = sum(entry.duration * entry.share for entry in self.titles.values())
        return done / elapsed if elapsed > 0 else 0.0

    def remaining(self, now: float) -> float | None:
        """Seconds until the batch is done; None while nothing is known."""
        works = self._works()
        busy = sum(
            (now if entry.ended is None else entry.ended) - entry.started
            for entry in self.titles.values()
            if entry.started is not None
        )
        done = sum(works[name] * entry.share for name, entry in self.titles.items())
        if busy <= 0 or done <= 0:
            return None
        pace = busy / done
        left = [
            (entry.active, (1 - entry.share) * works[name] * pace)
            for name, entry in self.titles.items()
            if entry.ended is None
        ]
        workers = [seconds for active, seconds in left if active]
        workers += [0.0] * (self._workers - len(workers))
        heapq.heapify(workers)
        for active, seconds in left:
            if not active:
                heapq.heapreplace(workers, workers[0] + seconds)
        return max(workers)
