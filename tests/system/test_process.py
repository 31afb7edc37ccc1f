from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pertitle.errors import Cancelled, ProcessError, ProcessTimeout, ToolError
from pertitle.system.process import Limits, SubprocessRunner

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


def test_a_child_cannot_write_more_than_its_limit(tmp_path: Path) -> None:
    script = "open('big', 'wb').write(bytes(2_000_000))"
    with pytest.raises(ProcessError):
        SubprocessRunner().run(
            [PYTHON, "-c", script], limits=Limits(file_bytes=1_000_000), cwd=tmp_path
        )
    assert (tmp_path / "big").stat().st_size <= 1_000_000


def test_a_child_leaves_no_core_dump_and_no_ctrl_c_reaches_it() -> None:
    script = (
        "import os, resource; print(*resource.getrlimit(resource.RLIMIT_CORE));"
        "print(os.getpgrp() == os.getpid())"
    )
    assert SubprocessRunner().run([PYTHON, "-c", script]).stdout.split() == ["0", "0", "True"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs PR_SET_PDEATHSIG")
def test_children_die_with_a_killed_parent() -> None:
    parent = (
        "import sys; from pertitle.system.process import SubprocessRunner;"
        "child = 'import os, time; print(os.getpid(), flush=True); time.sleep(60)';"
        "SubprocessRunner().run([sys.executable, '-c', child],"
        " on_line=lambda line: print(line, flush=True))"
    )
    process = subprocess.Popen([PYTHON, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()
    for _ in range(100):
        if not _alive(child):
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child outlived its parent")


def _alive(pid: int) -> bool:
    try:  # a zombie that nobody collects is dead too
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


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
