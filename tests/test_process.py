from __future__ import annotations

import sys
import threading
import time

import pytest

from pertitle.errors import Cancelled, ProcessError, ProcessTimeout, ToolError
from pertitle.process import Limits, SubprocessRunner

PYTHON = sys.executable


def test_stdout_is_returned_and_lines_are_streamed() -> None:
    runner = SubprocessRunner()
    assert runner.run([PYTHON, "-c", "print('a');print('b')"]).stdout == "a\nb\n"
    lines: list[str] = []
    runner.run([PYTHON, "-c", "print('a');print('b')"], on_line=lines.append)
    assert lines == ["a", "b"]


def test_a_failure_tells_code_command_and_the_end_of_stderr() -> None:
    script = "import sys; sys.stderr.write('first\\nthe reason\\n'); sys.exit(7)"
    with pytest.raises(ProcessError) as caught:
        SubprocessRunner().run([PYTHON, "-c", script])
    assert caught.value.returncode == 7
    assert "the reason" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "'import sys" in caught.value.command  # quoted for a shell


def test_a_child_that_outlives_its_limit_is_killed() -> None:
    started = time.monotonic()
    with pytest.raises(ProcessTimeout):
        SubprocessRunner().run([PYTHON, "-c", "import time; time.sleep(60)"], limits=Limits(0.5))
    assert time.monotonic() - started < 10


def test_a_child_over_its_memory_limit_fails() -> None:
    with pytest.raises(ProcessError):
        SubprocessRunner().run(
            [PYTHON, "-c", "import time; time.sleep(0.5); x = bytearray(2_000_000_000)"],
            limits=Limits(memory_bytes=500_000_000),
        )


def test_cancel_ends_running_children_and_refuses_new_ones() -> None:
    runner = SubprocessRunner()
    threading.Timer(0.5, runner.cancel).start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        runner.run([PYTHON, "-c", "import time; time.sleep(60)"])
    assert time.monotonic() - started < 10
    with pytest.raises(Cancelled):
        runner.run([PYTHON, "-c", "pass"])


def test_a_program_that_does_not_exist_is_a_tool_error() -> None:
    with pytest.raises(ToolError, match="no-such-program"):
        SubprocessRunner().run(["/no-such-program"])


def test_much_stderr_does_not_block() -> None:
    script = "import sys; sys.stderr.write('x' * 10_000_000); print('done')"
    assert SubprocessRunner().run([PYTHON, "-c", script]).stdout == "done\n"
