"""Decoding in Python, in a child process: sources are untrusted and decoders have holes.

A function of this package that opens a source with PyAV or OpenCV is called through
:func:`isolated`. Its arguments and its result are records, which cross as JSON and are validated
on both sides: a decoder that was taken over can return wrong numbers, but nothing that runs. A
crash, a bomb or an endless file is one clear line for its title. The child knows nothing of the
environment's secrets and, where Linux can do it, has no network and writes only where its results
go (:mod:`pertitle.system.cell`). It can read what the user can.

The child reads ``request.json`` in a folder, tells progress on stdout and leaves ``result.json``.
Starting it costs about 0.4 s of CPU, nearly all of it for importing numpy, OpenCV and PyAV.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import tempfile
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pertitle.errors import (
    DecoderCrash,
    DeliveryError,
    ModelError,
    PertitleError,
    ProcessError,
    ProcessTimeout,
    SourceError,
    ToolError,
    UsageError,
)
from pertitle.serial import from_json, parse_json, read_bytes, read_json, to_json, write_json
from pertitle.system import cell
from pertitle.system.process import CRASHES
from pertitle.system.scratch import scratch_folder
from pertitle.system.tools import Toolbox

T = TypeVar("T")
SECONDS = 1800.0
"""Wall time of one call. Each is bounded work, minutes at most on a busy machine."""
MEMORY_BYTES = 4 << 30
"""Data a call may hold: pictures of 8K by the dozen."""
FILE_BYTES = 512 << 20
"""Largest file a call may write: a thumbnail, or its result."""
_ROOT = Path(__file__).parents[2]
# Not `-m`: that would look for modules in the working directory first, among the videos.
_CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    " from pertitle.system.isolation import answer; answer(sys.argv[2])"
)
_PROGRESS = "pertitle-progress "
_TOLD = re.compile(_PROGRESS + r"(\d{1,6}\.\d{1,6})", re.ASCII)
ANSWER_BYTES = 64 << 20
"""Largest answer that is read: that of a title of two days has a tenth of it."""
_LONGEST_MESSAGE = 2000
_KNOWN: dict[str, type[PertitleError]] = {
    kind.__name__: kind for kind in (SourceError, ModelError, DeliveryError, UsageError, ToolError)
}
"""Errors that a child may tell of. That the run was cancelled is not its to say."""
_VARIABLES = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT",
    "TEMP", "TMP", "PYTHONUTF8", "PYTHONIOENCODING", "COVERAGE_PROCESS_START", "VIRTUAL_ENV",
)  # fmt: skip
"""All that the child sees of the environment, where keys and tokens are."""
_ENVIRONMENT = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def isolated(
    toolbox: Toolbox,
    function: Callable[..., T],
    arguments: Mapping[str, object],
    *,
    name: str,
    on_progress: Callable[[float], None] | None = None,
    seconds: float = SECONDS,
) -> T:
    """Call a function of this package in a child process.

    Args:
        function: a module's function whose parameters and result are annotated with records.
        arguments: by name; what is left out keeps its default.
        name: of the source, for messages.
        on_progress: handed to the function's ``on_progress``.

    Raises:
        PertitleError: what the function raised.
        SourceError: the child crashed, or took too much memory or time.
        ProcessError: the function failed in a way it should not.
        Cancelled: the run was stopped.
    """
    hints = typing.get_type_hints(function)
    with scratch_folder() as folder:
        request = {
            "function": f"{function.__module__}:{function.__qualname__}",
            "arguments": to_json(dict(arguments)),
            "progress": on_progress is not None,
            "threads": toolbox.threads,
            # Where results that are files go, such as pictures.
            "writes": [str(v) for k, v in arguments.items() if k == "folder"],
        }
        write_json(Path(folder) / "request.json", request)

        def on_line(line: str) -> None:
            told = _TOLD.fullmatch(line) if on_progress is not None else None
            if on_progress is not None and told is not None:
                on_progress(min(1.0, float(told[1])))

        argv = [sys.executable, "-P", "-c", _CHILD, str(_ROOT), str(folder)]
        limits = toolbox.limits(seconds, file_bytes=FILE_BYTES)
        memory = min(MEMORY_BYTES, limits.memory_bytes or MEMORY_BYTES)
        limits = replace(limits, memory_bytes=memory, variables=_VARIABLES)
        try:
            toolbox.runner.run(argv, limits=limits, on_line=on_line)
        except ProcessTimeout as error:
            raise SourceError(
                f"{name}: decoding did not end within {seconds:.0f} s; the file may be crafted"
            ) from error
        except ProcessError as error:
            if error.returncode < 0:
                kind = DecoderCrash if -error.returncode in CRASHES else SourceError
                message = f"{name}: the decoder crashed (signal {-error.returncode})"
                raise kind(message) from error
            raise
        # The folder was the child's: what lies there is a file of its own, or no answer.
        told = read_bytes(Path(folder) / "result.json", ANSWER_BYTES, follow=False)
    answer = parse_json(told, f"what was measured of {name}")
    if not isinstance(answer, dict) or not {"error", "result"} & answer.keys():
        raise ModelError(f"{name}: the decoder's answer is none")
    if "error" in answer:
        message = str(answer.get("message"))[:_LONGEST_MESSAGE]
        raise _KNOWN.get(str(answer["error"]), SourceError)(message)
    result: T = from_json(hints["return"], answer["result"])
    return result


def answer(place: str) -> None:
    """Do what the request in a folder asks for. The caller bounded this process."""
    folder = Path(place)
    request = read_json(folder / "request.json")
    tempfile.tempdir = place
    cell.enter([folder, *(Path(name) for name in request["writes"])])
    # Small matrices: threads of the linear algebra cost more than they bring, and their count
    # must not change results. Read by the libraries when they are imported, below.
    os.environ.update(dict.fromkeys(_ENVIRONMENT, "1"))
    try:
        told = {"result": _call(request)}
    except MemoryError:
        told = {"error": "SourceError", "message": "decoding needs more memory than is allowed"}
    except (PertitleError, OSError) as error:
        kind = type(error).__name__ if isinstance(error, PertitleError) else "SourceError"
        told = {"error": kind, "message": str(error)}
    write_json(folder / "result.json", told)


def _call(request: typing.Any) -> object:
    import av
    import cv2

    av.logging.set_level(None)  # what decoders complain about goes nowhere a person looks
    cv2.setNumThreads(int(request["threads"]))
    module, _, name = request["function"].partition(":")
    if not module.startswith("pertitle."):
        raise ModelError(f"{module} is not part of pertitle")
    function = getattr(importlib.import_module(module), name)
    hints = typing.get_type_hints(function)
    arguments = {
        key: from_json(hints[key], value, key) for key, value in request["arguments"].items()
    }
    if request["progress"]:
        arguments["on_progress"] = _tell
    return to_json(function(**arguments))


def _tell(done: float) -> None:
    print(f"{_PROGRESS}{done:.4f}", flush=True)
