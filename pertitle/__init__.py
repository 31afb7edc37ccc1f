"""Per-title video encoding: analyse, predict, probe, encode, verify, package.

The library's face::

    import pertitle

    plan = pertitle.plan("film.mp4")                      # TitlePlan
    batch = pertitle.run(["films/"], "out")               # BatchResult
    batch = pertitle.run(["films/"], "out", pertitle.Options(thumbnails=8), on_event=print)

Nothing is printed, nothing global is kept, and calls from several threads do not meet. Beside the
events that a call hands to ``on_event``, the logger ``pertitle`` tells what a person should know.
"""

from __future__ import annotations

import logging as _logging
from collections.abc import Iterable
from pathlib import Path

from pertitle import events
from pertitle.errors import (
    Cancelled,
    DeliveryError,
    LadderError,
    ModelError,
    PertitleError,
    ProcessError,
    ProcessTimeout,
    SourceError,
    StoreError,
    ToolError,
    UsageError,
)
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
from pertitle.records import (
    Analysis,
    AudioStream,
    Crop,
    CurvePoint,
    LadderPlan,
    PlanSeconds,
    Probe,
    RatePoint,
    Rung,
    Shot,
    Size,
    Source,
    SourceWarning,
    SubtitleStream,
    TitlePlan,
    Treatment,
    VideoStream,
    Window,
)
from pertitle.results import (
    AudioRendition,
    BatchResult,
    OutStatus,
    Package,
    Rendition,
    Series,
    Thumbnail,
    TitleFailure,
    TitleResult,
    TitleStatus,
    Verification,
)
from pertitle.system.stop import Stop
from pertitle.version import __version__

__all__ = [
    "Analysis",
    "AudioOptions",
    "AudioRendition",
    "AudioStream",
    "BatchResult",
    "Cancelled",
    "Crop",
    "CurvePoint",
    "DeliveryError",
    "EncodeOptions",
    "LadderError",
    "LadderOptions",
    "LadderPlan",
    "ModelError",
    "OnEvent",
    "Options",
    "OutStatus",
    "Package",
    "PertitleError",
    "PictureOptions",
    "PlanSeconds",
    "Probe",
    "ProcessError",
    "ProcessTimeout",
    "RatePoint",
    "Rendition",
    "Rung",
    "Series",
    "Shot",
    "Size",
    "Source",
    "SourceError",
    "SourceWarning",
    "Stop",
    "StoreError",
    "SubtitleStream",
    "Thumbnail",
    "TitleFailure",
    "TitlePlan",
    "TitleResult",
    "TitleStatus",
    "ToolError",
    "Treatment",
    "UsageError",
    "Verification",
    "VerifyOptions",
    "VideoStream",
    "Window",
    "__version__",
    "analyse",
    "encode",
    "events",
    "plan",
    "profile",
    "run",
    "status",
    "thumbs",
]
_logging.getLogger(__name__).addHandler(_logging.NullHandler())

# What does the work loads OpenCV and SciPy, so it is imported with the first call and not with the
# package: a pipeline that only reads records starts fast.


def analyse(
    path: str | Path, options: Options | None = None, *, stop: Stop | None = None
) -> Analysis:
    """Measure a title: geometry, shots, complexity, defects; nothing is encoded.

    Args:
        stop: a handle whose ``request()`` ends the call early, from any thread.

    Raises:
        SourceError: the file is not a usable video.
        Cancelled: ``stop`` was requested.
    """
    from pertitle.delivery import planning

    return planning.analyse_title(Path(path), options or Options(), stop=stop)


def plan(
    path: str | Path,
    options: Options | None = None,
    *,
    on_event: OnEvent = ignore,
    stop: Stop | None = None,
) -> TitlePlan:
    """Predict and probe the title's ladder without delivering it.

    Raises:
        SourceError: the file is not a usable video.
        ToolError: ffmpeg is missing or lacks an encoder or VMAF.
        LadderError: no ladder meets the options; holds the best attempt.
        Cancelled: ``stop`` was requested.
    """
    from pertitle.delivery import planning

    return planning.plan_title(Path(path), options or Options(), on_event=on_event, stop=stop)


def thumbs(
    path: str | Path,
    folder: str | Path,
    options: Options | None = None,
    *,
    stop: Stop | None = None,
) -> tuple[Thumbnail, ...]:
    """Write candidate thumbnails of a title into a folder, best first.

    Raises:
        SourceError: the file is not a usable video.
        UsageError: the folder cannot be written to.
        Cancelled: ``stop`` was requested.
    """
    from pertitle.delivery import planning

    return planning.thumbnails_of(Path(path), Path(folder), options or Options(), stop=stop)


def run(
    paths: str | Path | Iterable[str | Path],
    out: str | Path,
    options: Options | None = None,
    *,
    on_event: OnEvent = ignore,
    stop: Stop | None = None,
    jobs: int | None = None,
    keep_work: bool = False,
    scheduler: str | None = None,
) -> BatchResult:
    """Deliver every title of some files, folders, glob patterns or URLs into ``out``.

    A title that fails stops no other: see ``BatchResult.failures``. Called again, it continues
    where it stopped.

    Args:
        paths: one, or several.
        on_event: called from worker threads, one call at a time.
        stop: a handle whose ``request()`` ends the run early, from any thread.
        jobs: titles in work at a time; None for one a core. The cores are divided between
            titles: encodes of few threads beside one another waste less than one of many.
        keep_work: keep the intermediate files of delivered titles.
        scheduler: address of a Dask scheduler whose workers deliver the titles; inputs and output
            folder have the same paths on all of them, or are URLs.

    Raises:
        UsageError: no input, or the output folder cannot be used.
        ToolError: ffmpeg is missing or lacks an encoder or VMAF.
        StoreError: the URL ``out`` cannot be written.
        Cancelled: ``stop`` was requested.
    """
    from pertitle.delivery import batch

    return batch.run_batch(
        paths,
        out,
        options or Options(),
        on_event=on_event,
        stop=stop,
        jobs=jobs,
        keep_work=keep_work,
        scheduler=scheduler,
    )


def encode(
    plan_file: str | Path,
    out: str | Path,
    options: Options | None = None,
    *,
    source: str | Path | None = None,
    on_event: OnEvent = ignore,
    stop: Stop | None = None,
    keep_work: bool = False,
) -> BatchResult:
    """Deliver the ladder of a plan file.

    Args:
        options: what the plan does not say; its own options of the ladder and the encodes hold.
        source: the video, if it moved since the plan.

    Raises:
        ModelError: the file is not a valid plan.
        SourceError: the video is missing, or not the one that was planned.
        UsageError, ToolError, StoreError, Cancelled: as :func:`run`.
    """
    from pertitle.delivery import batch

    return batch.encode_plan(
        Path(plan_file),
        out,
        source=None if source is None else Path(source),
        chosen=options,
        on_event=on_event,
        stop=stop,
        keep_work=keep_work,
    )


def status(out: str | Path) -> OutStatus:
    """What has become of the titles in an output folder; nothing is changed.

    Raises:
        UsageError: it is not an output folder.
    """
    from pertitle.storage.status import status_of

    return status_of(Path(out))
