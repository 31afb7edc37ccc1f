"""Decoding in Python, in a child process: sources are untrusted and decoders have holes.

A function of this package that opens a source with PyAV or OpenCV is called through
:func:`isolated`. Its arguments and its result are records, which cross as JSON and are validated
on both sides: a decoder that was taken over can return wrong numbers, but nothing that runs. A
crash, a bomb or an endless file is one clear line for its title.

The child reads ``request.json`` in a folder, tells progress on stdout and leaves ``result.json``.
Starting it costs about 0.4 s of CPU, nearly all of it for importing numpy, OpenCV and PyAV.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pertitle import errors
from pertitle.errors import (
    DecoderCrash,
    ModelError,
    PertitleError,
    ProcessError,
    ProcessTimeout,
    SourceError,
)
from pertitle.serial import from_json, read_json, to_json, write_json
from pertitle.system.process import CRASHES
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
    with tempfile.TemporaryDirectory(prefix="pertitle-") as folder:
        request = {
            "function": f"{function.__module__}:{function.__qualname__}",
            "arguments": to_json(dict(arguments)),
            "progress": on_progress is not None,
            "threads": toolbox.threads,
        }
        write_json(Path(folder) / "request.json", request)

        def on_line(line: str) -> None:
            if on_progress is not None and line.startswith(_PROGRESS):
                on_progress(float(line.removeprefix(_PROGRESS)))

        argv = [sys.executable, "-P", "-c", _CHILD, str(_ROOT), folder]
        limits = toolbox.limits(seconds, file_bytes=FILE_BYTES)
        memory = min(MEMORY_BYTES, limits.memory_bytes or MEMORY_BYTES)
        limits = replace(limits, memory_bytes=memory)
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
        answer = read_json(Path(folder) / "result.json")
    if "error" in answer:
        raise _known(answer["error"])(str(answer["message"]))
    result: T = from_json(hints["return"], answer["result"])
    return result


def _known(name: object) -> type[PertitleError]:
    kind = getattr(errors, str(name), None)
    if isinstance(kind, type) and issubclass(kind, PertitleError):
        return kind
    return SourceError


def answer(place: str) -> None:
    """Do what the request in a folder asks for. The caller bounded this process."""
    folder = Path(place)
    request = read_json(folder / "request.json")
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
