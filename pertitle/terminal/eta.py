"""When a batch will be done, from its events alone.

Of a title in work the seconds that are left are put together from its stages. Encoding and
verification are counted in rungs of a codec: those planned, and those that corrections will encode
again, taken as a constant share of each round. What a rung takes is measured as soon as one codec
did some; a codec not begun yet takes more or less as its probes did. The other stages take shares
of a title's time, learned from the batch's finished titles. Titles not begun take as long for
their work as the others: their pictures or, where these are not known, the sizes of their files.
What is left is put onto the workers in order, as the batch will do.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field

from pertitle import events
from pertitle.records import FULL_HD, Analysis
from pertitle.results import Stage

SHARES = {
    Stage.ANALYSIS: 0.06, Stage.PROBING: 0.30, Stage.ENCODING: 0.18, Stage.VERIFICATION: 0.30,
    Stage.AUDIO: 0.02, Stage.PACKAGING: 0.02, Stage.THUMBNAILS: 0.12,
}  # fmt: skip
"""Shares of the time of a title of one codec before any title of the batch is done."""
BY_CODEC = (Stage.PROBING, Stage.ENCODING, Stage.VERIFICATION)
RUNGS = (Stage.ENCODING, Stage.VERIFICATION)
"""Stages counted in rungs."""
CORRECTED, CORRECTED_OF = 1.0, 10.0
"""Prior of the rungs that are encoded again: so many of so many."""
OWN_FROM = 0.3
"""How much of a title is done when its own pace alone counts."""
LEAST_LEFT = 0.1
"""Of what a stage was thought to take, while it is not over."""
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
    """Where one title is: its stage, how far in it, and how far in the title (0 to 1).

    Attributes:
        began: when the present stage did.
        probes: seconds of each probe, by codec in the order of the work.
        planned: rungs by codec, in the order in which they are encoded.
        begun: rungs whose encoding began, by codec; more than planned by those corrected.
        rungs, spent: rungs done in ``RUNGS`` and the seconds of all stages, by stage and codec.
    """

    started: float | None = None
    ended: float | None = None
    stage: Stage | None = None
    codec: str = ""
    began: float = 0.0
    total: float = 0.0
    done: float = 0.0
    duration: float = 0.0
    bytes: int = 0
    work: float | None = None
    share: float = 0.0
    probes: dict[str, list[float]] = field(default_factory=dict)
    planned: dict[str, int] = field(default_factory=dict)
    begun: dict[str, float] = field(default_factory=dict)
    rungs: dict[tuple[Stage, str], float] = field(default_factory=dict)
    spent: dict[tuple[Stage, str], float] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        return self.started is not None and self.ended is None

    @property
    def inside(self) -> float:
        """How much of the present stage is done."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    def close(self, now: float) -> None:
        """Book the stage that ends."""
        if self.stage is not None:
            place = self.stage, self.codec
            self.spent[place] = self.spent.get(place, 0.0) + now - self.began
            if self.stage in RUNGS:
                self.rungs[place] = self.rungs.get(place, 0.0) + self.total

    def probe_seconds(self, codec: str) -> float:
        """What a codec's probes took on average; as long for all where there were none."""
        found = self.probes.get(codec)
        return sum(found) / len(found) if found else 1.0

    def seconds_in(self, stage: Stage, now: float) -> float:
        """Seconds of a stage so far, all codecs together."""
        present = now - self.began if stage is self.stage else 0.0
        return present + sum(spent for (one, _), spent in self.spent.items() if one is stage)


class Estimate:
    """Progress, throughput and remaining time of a batch; fed with events and their times."""

    def __init__(self) -> None:
        self.titles: dict[str, Progress] = {}
        self._began = 0.0
        self._workers = 1
        self._codecs = 1
        self._spent: list[dict[str, float]] = []
        self._reached = 0.0

    def handle(self, event: events.Event, now: float) -> None:
        """Take in an event that happened at ``now`` (seconds on any one clock)."""
        match event:
            case events.BatchStarted(titles, sizes, codecs):
                self._began, self._codecs = now, max(1, len(codecs))
                self.titles = {name: Progress() for name in titles}
                for name, size in zip(titles, sizes, strict=False):
                    self.titles[name].bytes = size
            case events.StageStarted(title, stage, total, _, codec):
                entry = self._entry(title)
                entry.started = now if entry.started is None else entry.started
                entry.close(now)
                entry.stage, entry.codec, entry.began = stage, codec, now
                entry.total, entry.done = total, 0.0
                if stage is Stage.ENCODING:
                    entry.begun[codec] = entry.begun.get(codec, 0.0) + total
                self._workers = max(self._workers, sum(e.active for e in self.titles.values()))
            case events.StageProgress(title, _, done, _):
                entry = self._entry(title)
                entry.done = done
            case events.Analysed(title, analysis):
                entry = self._entry(title)
                entry.work, entry.duration = work_of(analysis), analysis.source.duration
            case events.Probed(title, probe, codec):
                entry = self._entry(title)
                entry.probes.setdefault(codec, []).append(probe.seconds)
                if entry.stage is Stage.PROBING:
                    entry.done = max(entry.done, float(sum(map(len, entry.probes.values()))))
            case events.Planned(title, ladder):
                self._entry(title).planned[ladder.codec] = len(ladder.rungs)
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
                entry.share = max(entry.share, min(0.99, self._fraction(entry, now)))
        works = self._works()
        done = sum(works[name] * entry.share for name, entry in self.titles.items())
        self._reached = max(self._reached, done / (sum(works.values()) or 1.0))

    def _entry(self, title: str) -> Progress:
        return self.titles.setdefault(title, Progress())

    def _end(self, title: str, now: float) -> None:
        entry = self._entry(title)
        entry.started = now if entry.started is None else entry.started
        entry.ended, entry.share = now, 1.0

    def _shares(self) -> dict[Stage, float]:
        counts = {s: share * (self._codecs if s in BY_CODEC else 1) for s, share in SHARES.items()}
        sums = {s: PRIOR_TITLES * count / sum(counts.values()) for s, count in counts.items()}
        for spent in self._spent:
            total = sum(spent.values()) or 1.0
            for stage, seconds in spent.items():
                sums[Stage(stage)] = sums.get(Stage(stage), 0.0) + seconds / total
        return {stage: value / sum(sums.values()) for stage, value in sums.items()}

    def _corrected(self) -> float:
        """Share of a round's rungs that the next one encodes again."""
        again, of = CORRECTED, CORRECTED_OF
        for entry in self.titles.values():
            for codec, begun in entry.begun.items():
                again += max(0.0, begun - entry.planned.get(codec, begun))
                of += begun
        return min(0.8, again / of)

    def _fraction(self, entry: Progress, now: float) -> float:
        """How far a title is in time."""
        if entry.ended is not None:
            return 1.0
        left = self._left(entry, now)
        gone = now - entry.started if entry.started is not None else 0.0
        return gone / (gone + left) if left is not None and gone > 0 else 0.0

    def _blended(self, entry: Progress, usual: float, now: float) -> float:
        """Seconds left of a title; while little of it is done, as titles of its work take."""
        left = self._left(entry, now)
        if entry.started is None or left is None:
            return usual
        weight = min(1.0, self._fraction(entry, now) / OWN_FROM)
        return weight * left + (1 - weight) * max(0.0, usual - (now - entry.started))

    def _left(self, entry: Progress, now: float) -> float | None:
        """Seconds left of a title in work; None while nothing is known of them."""
        shares, stage = self._shares(), entry.stage
        if stage is None:
            return None
        order = list(Stage)
        rest = {s: part for s, part in shares.items() if order.index(s) > order.index(stage)}
        after = [s for s in rest if s not in RUNGS]
        # Seconds of a whole share of 1, from the stages that are over or well begun.
        past = [s for s in shares if order.index(s) < order.index(stage) and s not in RUNGS]
        seconds = sum(entry.seconds_in(s, now) for s in past)
        known = sum(shares[s] for s in past if entry.seconds_in(s, now) > 0)
        rungs = self._rungs_left(entry, now) if stage in RUNGS or entry.planned else None
        if rungs is not None and order.index(stage) >= order.index(Stage.ENCODING):
            spent = sum(entry.seconds_in(s, now) for s in RUNGS)
            if spent + rungs > 0:
                seconds, known = seconds + spent + rungs, known + sum(shares[s] for s in RUNGS)
        if stage not in RUNGS and entry.inside > 0:
            seconds += now - entry.began
            known += shares.get(stage, 0.0) * entry.inside
        first = shares.get(Stage.ANALYSIS, 0.0)
        if known > 2 * first:  # there is better to go by: how long analysis takes tells least
            seconds -= entry.seconds_in(Stage.ANALYSIS, now)
            known -= first
        if known <= 0 or seconds <= 0:
            return None
        whole = seconds / known
        left = sum(rest[s] for s in after) * whole
        if stage not in RUNGS:
            left += _left_inside(entry, shares.get(stage, 0.0) * whole, now)
        if rungs is not None:
            return left + rungs
        return left + sum(rest.get(s, 0.0) for s in RUNGS) * whole

    def _rungs_left(self, entry: Progress, now: float) -> float | None:
        """Seconds that encoding and verification still take; None if rungs were never told."""
        q = self._corrected()
        further = q / (1 - q)
        stage, order = entry.stage, list(Stage)
        if stage is None or order.index(stage) > order.index(Stage.VERIFICATION):
            return 0.0
        started = list(entry.begun)
        to_do: dict[tuple[Stage, str], float] = defaultdict(float)
        for codec, planned in entry.planned.items():
            if codec in started[:-1]:
                continue
            count = max(0.0, planned - entry.begun.get(codec, 0.0)) * (1 + further)
            for one in RUNGS:
                to_do[one, codec] += count
        left = 0.0
        if stage in RUNGS:
            for one in RUNGS:
                to_do[one, entry.codec] += entry.total * further
            if stage is Stage.ENCODING:
                to_do[Stage.VERIFICATION, entry.codec] += entry.total
            left += _left_inside(
                entry, entry.total * self._pace(entry, stage, entry.codec, now), now
            )
        return left + sum(n * self._pace(entry, s, codec, now) for (s, codec), n in to_do.items())

    def _pace(self, entry: Progress, stage: Stage, codec: str, now: float) -> float:
        """Seconds of a rung of a codec in a stage."""
        if entry.rungs.get((stage, codec)):
            return entry.spent[stage, codec] / entry.rungs[stage, codec]
        seconds = weight = 0.0
        for (one, other), count in entry.rungs.items():
            if one is stage:
                seconds += entry.spent[one, other]
                weight += count * entry.probe_seconds(other)
        if weight > 0:
            return seconds / weight * entry.probe_seconds(codec)
        # Nothing of the stage is measured yet: as the shares have it, over the rungs there are.
        shares = self._shares()
        probed = entry.seconds_in(Stage.PROBING, now) > 0
        before = Stage.PROBING if probed else Stage.ANALYSIS
        gone, known = entry.seconds_in(before, now), shares[before]
        many = sum(n * entry.probe_seconds(c) for c, n in entry.planned.items())
        weight = entry.probe_seconds(codec) / (many or entry.total or 1.0)
        return gone / known * shares[stage] * weight if known > 0 else 0.0

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
        reached = {name: self._fraction(entry, now) for name, entry in self.titles.items()}
        done = sum(works[name] * reached[name] for name in self.titles)
        if busy <= 0 or done <= 0:
            return None
        pace = busy / done
        left = [
            (entry.active, self._blended(entry, works[name] * pace, now))
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


def _left_inside(entry: Progress, thought: float, now: float) -> float:
    """Seconds left of the present stage: from what it was thought to take, and more and more
    from how far it got in the seconds since it began."""
    gone, inside = now - entry.began, entry.inside
    total = thought if inside <= 0 else inside * (gone / inside) + (1 - inside) * thought
    return max(total - gone, LEAST_LEFT * (1 - inside) * total)
