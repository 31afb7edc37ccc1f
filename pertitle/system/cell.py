"""A cell that a process locks itself into: no network, and no file written outside of a folder.

For the child that decodes untrusted files, before it opens one. Linux enforces it for the process
and all it starts, without any privilege: Landlock (landlock(7), Linux 5.13) for the files, a
seccomp filter (seccomp(2)) for sockets. Elsewhere, or where a kernel was built without them, the
process goes on without; ``pertitle doctor`` tells.

Numbers are of <linux/landlock.h>, <linux/seccomp.h>, <linux/filter.h> and <linux/audit.h>. No
library is used: those there are for Python cover one of the two, and are loaded with more code
than is here.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""System calls of Landlock, the same on every machine."""
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1
_WRITES = sum(1 << bit for bit in (1, 4, 5, 6, 7, 8, 9, 10, 11, 12))
"""WRITE_FILE, REMOVE_DIR, REMOVE_FILE and the MAKE_ ones, of ABI 1."""
_WRITE = 1 << 1
_REFER, _TRUNCATE, _DEVICE = 1 << 13, 1 << 14, 1 << 15
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""AUDIT_ARCH and the number of socket(2)."""
_IO_URING_SETUP = 425
_X32 = 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 13
"""SECCOMP_RET_ALLOW and SECCOMP_RET_ERRNO with EACCES."""


def files_can_be_closed() -> bool:
    """Whether this kernel can bind a process to folders."""
    return _abi() > 0


def network_can_be_closed() -> bool:
    """Whether this kernel can take the network from a process, as far as can be told outside."""
    return sys.platform == "linux" and platform.machine() in _MACHINES and _filters()


def enter(folders: Iterable[Path]) -> None:
    """Give up the network, and writing anywhere but in the folders, for good.

    Call it while the process has one thread. What is open stays open. Where the system cannot do
    it, or a part of it, the process keeps that part.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return
    if _abi() > 0:
        _close_files(libc, folders)
    if platform.machine() in _MACHINES:
        _close_network(libc)


def _abi() -> int:
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    found: int = libc.syscall(
        _CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG)
    )
    return max(0, found)


def _filters() -> bool:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "\nSeccomp:" in status


def _close_files(libc: ctypes.CDLL, folders: Iterable[Path]) -> None:
    abi = _abi()
    handled = _WRITES
    handled |= _REFER if abi >= 2 else 0
    handled |= _TRUNCATE if abi >= 3 else 0
    handled |= _DEVICE if abi >= 5 else 0
    attributes = struct.pack("=Q", handled)
    rules = libc.syscall(
        _CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)
    )
    if rules < 0:
        return
    try:
        # Children of this process are given /dev/null, opened for writing too.
        places = [*((folder, handled) for folder in folders), (Path(os.devnull), _WRITE)]
        for place, rights in places:
            handle = os.open(place, os.O_PATH | os.O_CLOEXEC)
            try:
                beneath = struct.pack("=Qi", rights, handle)
                libc.syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, beneath, ctypes.c_uint32(0))
            finally:
                os.close(handle)
        libc.syscall(_RESTRICT_SELF, rules, ctypes.c_uint32(0))
    finally:
        os.close(rules)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def _close_network(libc: ctypes.CDLL) -> None:
    """No sockets: neither by socket(2) nor by io_uring, which could make them too."""
    machine, socket = _MACHINES[platform.machine()]
    steps = [
        (_LOAD, 0, 0, 4),  # seccomp_data.arch
        (_EQUAL, 0, 5, machine),
        (_LOAD, 0, 0, 0),  # seccomp_data.nr
        (_AT_LEAST, 3, 0, _X32),
        (_EQUAL, 2, 0, socket),
        (_EQUAL, 1, 0, _IO_URING_SETUP),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = _Program(len(steps), ctypes.cast(code, ctypes.c_void_p))
    libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)
