"""What a title's folder keeps when the title is delivered."""

from __future__ import annotations

import os
from pathlib import Path

from pertitle.storage.workspace import Workspace


def test_what_a_killed_encode_left_behind_does_not_stop_the_next_run(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "title")
    rungs = space.kept("rungs")
    torn = rungs / "passes-x1y2"
    torn.mkdir()
    (torn / "rung0-0.log").write_text("half a pass")
    for name in ("old.mp4", "old.json"):
        (rungs / name).write_text("{}")
        os.utime(rungs / name, (1, 1))
    space.begin({"source": "a"})
    for name in ("used.mp4", "used.json"):
        (rungs / name).write_text("{}")
    space.settle(keep_rungs=True)
    assert space.rungs() == {"used.mp4"}
    assert sorted(path.name for path in rungs.iterdir()) == ["used.json", "used.mp4"]
