"""The live view, drawn into a screen that is kept: what stands there, and how wide it is."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pyte
import pytest
from rich.cells import cell_len
from rich.console import Console

from pertitle import events
from pertitle.results import Stage
from pertitle.terminal.lines import LineView
from pertitle.terminal.live import LiveView, shortened
from tests.report import example

TITLE = example.title()


class Screen:
    """A terminal of a given size that a console writes to."""

    def __init__(self, width: int, height: int = 24) -> None:
        self.out = io.StringIO()
        self.console = Console(
            file=self.out, force_terminal=True, width=width, height=height, legacy_windows=False
        )
        self.size = width, height

    def lines(self) -> list[str]:
        screen = pyte.HistoryScreen(*self.size, history=1000)
        pyte.Stream(screen).feed(self.out.getvalue().replace("\n", "\r\n"))
        return [line.rstrip() for line in screen.display]


def play(view: LiveView | LineView) -> None:
    name = TITLE.name
    plan = TITLE.plan
    view.handle(events.BatchStarted((name, "other")))
    view.handle(events.StageStarted(name, Stage.ANALYSIS, 1.0, ""))
    view.handle(events.Analysed(name, plan.analysis))
    view.handle(events.StageStarted(name, Stage.PROBING, 6.0, "probes"))
    view.handle(events.Probed(name, plan.ladder.probes[0], "h264"))
    view.handle(events.StageProgress(name, Stage.PROBING, 1.0))
    view.handle(events.Planned(name, plan.ladder))
    view.handle(events.StageStarted(name, Stage.VERIFICATION, 7.0, "rungs"))
    view.handle(events.StageProgress(name, Stage.VERIFICATION, 1.0))
    rung = plan.ladder.rungs[0]
    view.handle(events.RungVerified(name, "h264", rung, 4321.0, 94.9))


@pytest.mark.parametrize("width", [80, 140])
def test_the_board_fits_and_tells_what_goes_on(width: int) -> None:
    screen = Screen(width)
    times = iter(float(t) for t in range(10_000))
    with LiveView(screen.console, clock=lambda: next(times)) as view:
        play(view)
        board = screen.console.render_lines(view.board(), pad=False)
        text = ["".join(segment.text for segment in line).rstrip() for line in board]
    assert all(len(line) <= width for line in text)
    assert len(text) <= 14
    assert "0 of 2 done" in text[0]
    assert "left" in text[0]
    assert "× real time" in text[0]
    assert text[1].startswith(TITLE.name[:15])
    assert "verification" in text[1]
    assert any("●" in line for line in text)
    assert "h264 1080p" in text[1]
    assert any("h264 1080p" in line and "VMAF 94.9" in line for line in text[2:])


def test_a_delivered_rung_takes_the_place_of_its_own_encode_and_of_no_other() -> None:
    """Two codecs may have rungs of one height and quality: text alone could not tell them apart."""
    screen = Screen(140)
    done = TITLE.renditions[0]
    hevc = replace(done, codec="hevc")
    with LiveView(screen.console) as view:
        view.handle(events.BatchStarted((TITLE.name,)))
        view.handle(events.Planned(TITLE.name, TITLE.plan.ladder))
        for one in (done, hevc):
            view.handle(
                events.RungVerified(
                    TITLE.name, one.codec, one.rung, one.average_kbps, one.verification.vmaf
                )
            )
        view.handle(events.RenditionDone(TITLE.name, done))
        board = screen.console.render_lines(view.board(), pad=False)
        text = ["".join(segment.text for segment in line).rstrip() for line in board]
    told = [line for line in text if f"VMAF {done.verification.vmaf:.1f}" in line]
    assert [("h264" in line, "hevc" in line, "kbit/s" in line) for line in told] == [
        (False, True, False),
        (True, False, True),
    ]


def test_a_long_title_tells_what_goes_on_too() -> None:
    screen = Screen(80)
    name = "A Title That Is Far Too Long For Its Column"
    with LiveView(screen.console) as view:
        view.handle(events.BatchStarted((name,)))
        view.handle(events.StageStarted(name, Stage.VERIFICATION, 7.0, "rungs"))
        view.handle(events.StageProgress(name, Stage.VERIFICATION, 1.0, "1080p VMAF 94.9"))
        board = screen.console.render_lines(view.board(), pad=False)
        text = ["".join(segment.text for segment in line) for line in board]
    assert "1080p VMAF 94.9" in text[1]


def test_titles_of_a_series_are_told_apart() -> None:
    first, second = (shortened(f"The Very Long Valley, part {n} of many", 20) for n in (1, 2))
    assert first != second
    assert [cell_len(text) for text in (first, second)] == [20, 20]
    assert cell_len(shortened("長い谷の物語、その一、長い谷の物語、その一", 20)) == 20
    assert shortened("short", 20) == "short"


def test_nothing_of_the_board_stays_when_the_run_is_over() -> None:
    screen = Screen(80)
    with LiveView(screen.console) as view:
        play(view)
        view.handle(events.TitleDone(TITLE.name, TITLE))
        view.handle(events.TitleFailed("other", example.batch(Path("o")).failures[0]))
    lines = [line for line in screen.lines() if line]
    assert any(f"{TITLE.name}: 7 rungs" in line for line in lines)
    assert any("failed in" in line for line in lines)
    assert not any("of 2 done" in line for line in lines)


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    screen = Screen(80)
    with LiveView(screen.console) as view:
        play(view)
        view.say("a line")
    assert "a line" in screen.out.getvalue()
    for code in ("\x1b[3", "\x1b[9", "\x1b[38", "\x1b[48"):
        assert code not in screen.out.getvalue()


def test_a_pipe_gets_plain_lines() -> None:
    out = io.StringIO()
    play(LineView(Console(file=out, width=80)))
    assert "\x1b" not in out.getvalue()
    assert len(out.getvalue().splitlines()) == 4
