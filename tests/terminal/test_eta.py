"""The remaining time of a batch, on batches played by a clock of their own."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pertitle import events
from pertitle.records import Analysis
from pertitle.results import Stage
from pertitle.terminal.eta import Estimate, work_of
from tests.report import example

SHARES = {
    Stage.ANALYSIS: 0.12, Stage.PROBING: 0.30, Stage.ENCODING: 0.33, Stage.VERIFICATION: 0.15,
    Stage.AUDIO: 0.02, Stage.PACKAGING: 0.02, Stage.THUMBNAILS: 0.06,
}  # fmt: skip
"""Other shares than the estimate starts from."""
STEPS = 10


def analysis(seconds: float) -> Analysis:
    plain = example.title().plan.analysis
    return replace(plain, source=replace(plain.source, duration=seconds))


def played(lengths: list[float], workers: int) -> list[tuple[float, events.Event]]:
    """Events of a batch whose titles take time by their work, give or take a quarter."""
    log: list[tuple[float, events.Event]] = []
    names = [f"t{i}" for i in range(len(lengths))]
    free = [0.0] * workers
    for i, (name, seconds) in enumerate(zip(names, lengths, strict=True)):
        start = heapq.heappop(free)
        odd = (0.75, 1.0, 1.25)[i % 3]
        cost = work_of(analysis(seconds)) * 2e-8 * odd
        log += _title(name, seconds, start, cost)
        heapq.heappush(free, log[-1][0])
    end = max(free)
    log.sort(key=lambda entry: entry[0])
    sizes = tuple(round(1e5 * seconds * (0.7, 1.5)[i % 2]) for i, seconds in enumerate(lengths))
    done = events.BatchDone(replace(example.batch(Path("out")), titles=()))
    return [(0.0, events.BatchStarted(tuple(names), sizes)), *log, (end, done)]


def _title(
    name: str, seconds: float, start: float, cost: float
) -> Iterator[tuple[float, events.Event]]:
    now = start
    for stage, share in SHARES.items():
        yield now, events.StageStarted(name, stage, float(STEPS), "")
        for step in range(STEPS):
            now += cost * share / STEPS
            yield now, events.StageProgress(name, stage, step + 1.0)
        if stage == "analysis":
            yield now, events.Analysed(name, analysis(seconds))
    spent = {stage.value: cost * share for stage, share in SHARES.items()}
    yield now, events.TitleDone(name, replace(example.title(name), seconds=spent))


def test_the_batch_never_goes_back_when_a_title_is_longer_than_its_file_said() -> None:
    estimate, before = Estimate(), 0.0
    for now, event in played([10, 10, 600, 10], 1):
        estimate.handle(event, now)
        assert estimate.share >= before
        before = estimate.share
    assert before == pytest.approx(1.0)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_total_is_right_within_a_quarter_after_a_third(workers: int) -> None:
    log = played([60, 90, 40, 120, 75, 50], workers)
    end, estimate, checked = log[-1][0], Estimate(), 0
    for now, event in log:
        estimate.handle(event, now)
        left = estimate.remaining(now)
        if end / 3 <= now < end:
            assert left is not None
            assert now + left == pytest.approx(end, rel=0.25)
            checked += 1
    assert checked > 100
    assert estimate.share == pytest.approx(1.0)


def test_progress_never_goes_back_and_a_repeated_stage_counts_once() -> None:
    estimate, before = Estimate(), 0.0
    stages = (*list(SHARES)[:4], Stage.ENCODING)
    estimate.handle(events.BatchStarted(("a",)), 0.0)
    for now, stage in enumerate(stages):
        estimate.handle(events.StageStarted("a", stage, 2.0, ""), float(now))
        estimate.handle(events.StageProgress("a", stage, 1.0), now + 0.5)
        assert before <= estimate.share < 1
        before = estimate.share
    estimate.handle(events.TitleSkipped("a"), 9.0)
    assert estimate.remaining(9.0) is None
    assert estimate.share == 0


def test_speed_counts_video_by_what_is_done_of_it() -> None:
    log = played([60, 60], 1)
    estimate = Estimate()
    for now, event in log:
        estimate.handle(event, now)
    assert estimate.speed(log[-1][0]) == pytest.approx(120 / log[-1][0])


PACE = {"h264": 1.0, "hevc": 3.0, "av1": 2.0}
"""Seconds of a probe and, in proportion, of a rung."""


def of_codecs(rounds: dict[str, list[int]]) -> list[tuple[float, events.Event]]:
    """Events of one title of several codecs, whose rungs are encoded in rounds of so many."""
    now = 0.0
    log: list[tuple[float, events.Event]] = []
    log.append((now, events.BatchStarted(("t",), (), tuple(rounds))))
    ladder = example.title().plan.ladder

    def stage(which: Stage, steps: int, each: float, unit: str = "", codec: str = "") -> None:
        nonlocal now
        log.append((now, events.StageStarted("t", which, float(steps), unit, codec)))
        for step in range(steps):
            now += each
            log.append((now, events.StageProgress("t", which, step + 1.0)))

    stage(Stage.ANALYSIS, 5, 0.4)
    log.append((now, events.Analysed("t", analysis(60))))
    log.append((now, events.StageStarted("t", Stage.PROBING, 6.0 * len(rounds), "probes")))
    for probe in range(6 * len(rounds)):
        codec = list(rounds)[probe // 6]
        now += PACE[codec]
        seconds = replace(ladder.probes[0], seconds=PACE[codec])
        log.append((now, events.Probed("t", seconds, codec)))
        log.append((now, events.StageProgress("t", Stage.PROBING, probe + 1.0)))
    for codec, counts in rounds.items():
        rungs = (ladder.rungs * 2)[: counts[0]]
        log.append((now, events.Planned("t", replace(ladder, codec=codec, rungs=rungs))))
    for codec, counts in rounds.items():
        for count in counts:
            stage(Stage.ENCODING, count, 0.6 * PACE[codec], "rungs", codec)
            stage(Stage.VERIFICATION, count, 0.5 * PACE[codec], "rungs", codec)
    stage(Stage.AUDIO, 1, 0.3)
    stage(Stage.PACKAGING, 1, 0.4)
    stage(Stage.THUMBNAILS, 4, 0.6)
    log.append((now, events.TitleDone("t", example.title("t"))))
    return log


@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param({"h264": [8]}, id="one codec"),
        pytest.param({"h264": [8], "hevc": [8], "av1": [8]}, id="three codecs"),
        pytest.param({"h264": [8, 3, 1], "hevc": [8, 2]}, id="two codecs, corrected"),
        pytest.param({"hevc": [8, 4, 2, 1]}, id="one codec, often corrected"),
    ],
)
def test_codecs_and_corrections_do_not_let_the_remaining_time_count_up(
    rounds: dict[str, list[int]],
) -> None:
    log = of_codecs(rounds)
    end, estimate = log[-1][0], Estimate()
    for now, event in log:
        estimate.handle(event, now)
        left = estimate.remaining(now)
        if end / 3 <= now < end:
            assert left is not None
            assert now + left == pytest.approx(end, rel=0.25)


def test_a_codec_not_begun_takes_as_its_probes_did() -> None:
    """At the end of the first of three codecs, that took a sixth of the encoding."""
    log = of_codecs({"h264": [8], "hevc": [8], "av1": [8]})
    end, estimate = log[-1][0], Estimate()
    for now, event in log:
        estimate.handle(event, now)
        match event:
            case events.StageStarted(_, Stage.ENCODING, codec="hevc"):
                assert estimate.remaining(now) == pytest.approx(end - now, rel=0.15)
                return
    pytest.fail("the second codec never began")
