"""Per-title video encoding: analyse, predict, probe, encode, verify, package.

The library's face::

    import pertitle

    plan = pertitle.plan("film.mp4")                      # TitlePlan
    batch = pertitle.run(["films/"], "out")               # BatchResult
    batch = pertitle.run(["films/"], "out", pertitle.Options(thumbnails=8), on_event=print)

Nothing is printed, nothing global is kept, and calls from several threads do not meet.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version as _version
from pathlib import Path
from typing import TYPE_CHECKING

from pertitle.errors import PertitleError
from pertitle.events import OnEvent, ignore
from pertitle.options import (
    AudioOptions,
    EncodeOptions,
    LadderOptions,
    Options,
    PictureOptions,
    VerifyOptions,
)
from pertitle.profiles import profile
from pertitle.records import Analysis, Size, TitlePlan
from pertitle.results import BatchResult

if TYPE_CHECKING:
    from pertitle.delivery.job import Stop

__version__ = _version("pertitle")
__all__ = [
    "Analysis",
    "AudioOptions",
    "BatchResult",
    "EncodeOptions",
    "LadderOptions",
    "Options",
    "PertitleError",
    "PictureOptions",
    "Size",
    "TitlePlan",
    "VerifyOptions",
    "analyse",
    "plan",
    "profile",
    "run",
]

# The pipeline loads OpenCV and scikit-learn, so it is imported with the first call and not with
# the package: a pipeline that only reads records starts fast.


def analyse(path: str | Path, options: Options | None = None) -> Analysis:
    """Measure a title: geometry, shots, complexity, defects; nothing is encoded.

    Raises:
        SourceError: the file is not a usable video.
    """
    from pertitle.delivery import planning

    return planning.analyse_title(Path(path), options or Options())


def plan(
    path: str | Path, options: Options | None = None, *, on_event: OnEvent = ignore
) -> TitlePlan:
    """Predict and probe the title's ladder without delivering it.

    Raises:
        SourceError: the file is not a usable video.
        ToolError: ffmpeg is missing or lacks an encoder or VMAF.
        LadderError: no ladder meets the options; holds the best attempt.
    """
    from pertitle.delivery import planning

    return planning.plan_title(Path(path), options or Options(), on_event=on_event)


def run(
    paths: Iterable[str | Path],
    out: str | Path,
    options: Options | None = None,
    *,
    on_event: OnEvent = ignore,
    stop: Stop | None = None,
) -> BatchResult:
    """Deliver every title of some files, folders, glob patterns or URLs into ``out``.

    A title that fails stops no other: see ``BatchResult.failures``. Called again, it continues
    where it stopped.

    Args:
        on_event: called from worker threads, one call at a time.
        stop: a handle whose ``request()`` ends the run early, from any thread.

    Raises:
        UsageError: no input, or the output folder cannot be used.
        ToolError: ffmpeg is missing or lacks an encoder or VMAF.
        StoreError: the URL ``out`` cannot be written.
        Cancelled: ``stop`` was requested.
    """
    from pertitle.delivery import batch

    return batch.run_batch(paths, out, options or Options(), on_event=on_event, stop=stop)
