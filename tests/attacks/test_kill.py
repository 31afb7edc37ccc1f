"""A batch killed twice ends as one that was left alone; see benchmarks.robustness.kill_campaign."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.robustness.kill_campaign import campaign, make_clips

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform != "linux", reason="children outlive a killed run elsewhere")
def test_a_killed_batch_ends_as_one_left_alone(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    make_clips(clips, 1)
    tally = campaign("kill", 2, 4, clips, tmp_path)
    assert tally.struck >= 2
    assert tally.differences == []
    assert tally.wrong_exits == []
    assert tally.rungs_lost == 0
    assert tally.leftovers == []
