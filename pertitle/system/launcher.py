"""Turns itself into a child program, after bounding what that may use.

Run as a file by :mod:`pertitle.system.process`, with the standard library alone: the bounds hold
from the first instruction of the program, and none of this happens between ``fork`` and ``exec``
of a process with threads, where Python code is unsafe. Costs about 15 ms of CPU a child.

    launcher.py PARENT MEMORY FILE NICE PROGRAM [ARGUMENT ...]

MEMORY and FILE are bytes, 0 for no bound.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence

CANNOT_RUN = 126
_PR_SET_PDEATHSIG = 1
_GUARD_SECONDS = 0.25


def launch(arguments: Sequence[str]) -> int:
    """Bound this process and become the program; returns only if that cannot be run."""
    parent, memory, file, nice = (int(text) for text in arguments[:4])
    argv = list(arguments[4:])
    # Ctrl-C is for the parent, which ends its children in order.
    os.setpgid(0, 0)
    _die_with(parent)
    # Data, not address space: programs reserve far more addresses than they ever use, by the
    # number of cores. Data counts what can be written, and threads' stacks.
    _bound(resource.RLIMIT_DATA, memory)
    _bound(resource.RLIMIT_FSIZE, file)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump may hold what the file held
    if nice:
        os.nice(nice)
    if not _is_program(argv[0]):
        _leave_guard()
    try:
        os.execv(argv[0], argv)
    except OSError as error:
        print(f"cannot run {argv[0]}: {error.strerror}", file=sys.stderr)
    return CANNOT_RUN


def _is_program(path: str) -> bool:
    """Whether a file is machine code, and not a script that starts other programs."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib takes longer than all the rest
            return file.read(4) in (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
    except OSError:
        return True  # to be told by the attempt to run it


def _leave_guard() -> None:
    """Leave a process in the group of a script that ends the group when the script ends.

    The kernel kills the script when the parent dies, but not what the script started. The guard
    is a fork of this process that holds no pipes.
    """
    script = os.getpid()
    if os.fork() != 0:
        return
    for handle in (0, 1, 2):
        os.close(handle)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(_GUARD_SECONDS)
        if os.getppid() != script:
            os.killpg(0, signal.SIGKILL)


def _die_with(parent: int) -> None:
    """Be killed when the parent is, so that nobody else writes where a resumed run does."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os.kill(os.getpid(), signal.SIGKILL)


def _bound(kind: int, amount: int) -> None:
    if amount:
        _, most = resource.getrlimit(kind)
        amount = amount if most == resource.RLIM_INFINITY else min(amount, most)
        resource.setrlimit(kind, (amount, amount))


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1:]))
