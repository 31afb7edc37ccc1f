from __future__ import annotations

from collections.abc import Sequence

import pytest

from pertitle.errors import ToolError
from pertitle.system.process import FakeRunner
from pertitle.system.tools import FFMPEG_VARIABLE, Toolbox, diagnose, find_toolbox

ENCODERS = """Encoders:
 V..... = Video
 ------
 V....D libx264              libx264 H.264 (codec h264)
 A....D aac                  AAC (Advanced Audio Coding)
"""


def answer(argv: Sequence[str]) -> str:
    if "-version" in argv:
        return "ffmpeg version 7.0 Copyright\n"
    return ENCODERS if "-encoders" in argv else " .. scale             V->V       Scale\n"


def test_a_lacking_ffmpeg_is_named_in_one_line() -> None:
    box = Toolbox("ffmpeg", None, FakeRunner(answer))
    box.require(encoders=("libx264", "aac"), filters=("scale",))
    with pytest.raises(ToolError) as caught:
        box.require(encoders=("libsvtav1",), filters=("libvmaf",))
    assert "lacks encoder libsvtav1, filter libvmaf" in str(caught.value)


def test_the_bundled_build_has_all_that_is_needed() -> None:
    assert [check.name for check in diagnose() if not check.ok] == []


def test_another_ffmpeg_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FFMPEG_VARIABLE, "/no/such/ffmpeg")
    with pytest.raises(ToolError, match="/no/such/ffmpeg"):
        find_toolbox()
    assert not diagnose()[0].ok
    assert find_toolbox("/bin/true").ffmpeg == "/bin/true"  # the option wins


def test_a_program_that_is_not_ffmpeg_is_recognised() -> None:
    with pytest.raises(ToolError, match="does not answer like ffmpeg"):
        _ = find_toolbox("/bin/true").version
