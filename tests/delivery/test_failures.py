"""What is told of a title that failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pertitle import events
from pertitle.delivery import failures
from pertitle.delivery.job import Recorder, Work
from pertitle.options import Options
from pertitle.results import Stage, TitleFailure
from pertitle.storage.cache import Cache
from pertitle.storage.inputs import Title
from pertitle.system.process import SubprocessRunner
from pertitle.system.stop import Stop
from pertitle.system.tools import find_toolbox


@pytest.mark.parametrize(
    ("begun", "told"),
    [((), Stage.ANALYSIS), ((Stage.PROBING, Stage.ENCODING), Stage.ENCODING)],
)
def test_a_failure_names_the_last_stage_that_began_and_the_error_stays_as_it_was(
    begun: tuple[Stage, ...], told: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = OSError(28, "No space left on device")

    def deliver(title: Title, out: Path, work: Work, **rest: object) -> None:
        for stage in begun:
            with work.stage(stage):
                pass
        raise error

    monkeypatch.setattr(failures, "deliver_title", deliver)
    stop = Stop()
    toolbox = find_toolbox(None, runner=Recorder(SubprocessRunner(), stop))
    work = Work("t", Options(), toolbox, events.ignore, stop, Cache(None))
    failure = failures.guarded(Title("t", tmp_path / "t.mp4"), tmp_path, work)
    assert isinstance(failure, TitleFailure)
    assert failure.stage is told
    assert not hasattr(error, "stage")
