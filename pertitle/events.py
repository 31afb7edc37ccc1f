"""What a run tells while it works. The library hands these to ``on_event``; the CLI draws them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from pertitle.errors import Cancelled, printable
from pertitle.records import Analysis, LadderPlan, Probe, Rung
from pertitle.results import BatchResult, Rendition, Stage, TitleFailure, TitleResult


@dataclass(frozen=True)
class BatchStarted:
    """The inputs are known.

    Attributes:
        titles: their names, in order.
        bytes: sizes of their files, 0 where unknown.
        codecs: names of the codecs that every title is encoded with.
    """

    titles: tuple[str, ...]
    bytes: tuple[int, ...] = ()
    codecs: tuple[str, ...] = ()


@dataclass(frozen=True)
class TitleSkipped:
    """The title was already delivered with the same source and options."""

    title: str


@dataclass(frozen=True)
class StageStarted:
    """A stage of a title began, or began again: encoding and verification do, once a codec and
    once more for each round of corrections.

    Attributes:
        total: its amount of work in ``unit``, 0 if unknown.
        codec: the codec of an encoding or verification, else empty.
    """

    title: str
    stage: Stage
    total: float
    unit: str
    codec: str = ""


@dataclass(frozen=True)
class StageProgress:
    """Work done so far in the current stage, and a short text such as ``720p 1.9x``."""

    title: str
    stage: Stage
    done: float
    text: str = ""


@dataclass(frozen=True)
class Analysed:
    """Analysis is complete."""

    title: str
    analysis: Analysis


@dataclass(frozen=True)
class Probed:
    """One probe encode was measured."""

    title: str
    probe: Probe
    codec: str


@dataclass(frozen=True)
class Planned:
    """The ladder of one codec is decided."""

    title: str
    ladder: LadderPlan


@dataclass(frozen=True)
class RungVerified:
    """One encode of a rung was measured; a correction may encode the rung once more.

    Attributes:
        rung: as it was encoded.
        average_kbps, vmaf: measured.
    """

    title: str
    codec: str
    rung: Rung
    average_kbps: float
    vmaf: float


@dataclass(frozen=True)
class RenditionDone:
    """A rung is as it will be delivered: no further encode of it follows."""

    title: str
    rendition: Rendition


@dataclass(frozen=True)
class Notice:
    """Something a person should know; the work goes on."""

    title: str
    message: str


@dataclass(frozen=True)
class TitleDone:
    """The title is delivered."""

    title: str
    result: TitleResult


@dataclass(frozen=True)
class TitleFailed:
    """The title could not be delivered; the batch goes on."""

    title: str
    failure: TitleFailure


@dataclass(frozen=True)
class BatchDone:
    """Nothing is left to do."""

    result: BatchResult


Event = (
    BatchStarted
    | TitleSkipped
    | StageStarted
    | StageProgress
    | Analysed
    | Probed
    | Planned
    | RungVerified
    | RenditionDone
    | Notice
    | TitleDone
    | TitleFailed
    | BatchDone
)
OnEvent = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The handler of a caller who does not want to know."""


_LOG = logging.getLogger("pertitle")


def logged(on_event: OnEvent) -> OnEvent:
    """The handler, behind one that tells the logger ``pertitle`` what a person should know.

    What the handler raises ends no title: the first time it is logged, and the work goes on. Only
    ``Cancelled``, by which a handler may stop the work, is passed on.
    """
    failed = False

    def handle(event: Event) -> None:
        nonlocal failed
        match event:
            case Notice(title, message):
                _LOG.warning("%s: %s", printable(title), printable(message))
            case TitleFailed(title, failure):
                text = printable(f"{title}: failed in {failure.stage}: {failure.message}")
                _LOG.error("%s", text)
            case TitleDone(title, _):
                _LOG.info("%s: delivered", printable(title))
            case StageStarted(title, stage, _, _):
                _LOG.debug("%s: %s", printable(title), stage)
        try:
            on_event(event)
        except Cancelled:
            raise
        except Exception:
            if not failed:
                failed = True
                _LOG.exception("on_event failed on %s; the work goes on", type(event).__name__)

    return handle
