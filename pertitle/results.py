"""What delivery leaves behind: checked renditions, packages, thumbnails, titles, batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from pertitle.errors import ModelError
from pertitle.records import LadderPlan, Rung, TitlePlan, Window

RESULT_VERSION = 2
"""Version of ``result.json`` and ``batch.json``; changes when a field changes its meaning."""


@dataclass(frozen=True)
class Series:
    """A quantity over the time of a title; empty in results of before it was kept.

    Attributes:
        times: seconds into the title, rising.
        values: as many.

    Raises:
        ModelError: there are more of one than of the other.
    """

    times: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.times) != len(self.values):
            raise ModelError(f"a series of {len(self.times)} times has {len(self.values)} values")


@dataclass(frozen=True)
class Verification:
    """Quality of a finished rendition against the treated source, at the display.

    Attributes:
        vmaf: mean; exact if ``frames`` is the whole title, else estimated from windows.
        low, high: 95 % interval of the title's mean.
        frames: frames compared.
        worst: mean of the worst window, with its place.
        worst_window: that window.
        vmaf_v1: mean score of libvmaf's ``vmaf_v1.0.16_3d0h``.
        xpsnr: XPSNR of luma in dB, 100 for pictures that do not differ.
        cambi: mean banding (CAMBI as VMAF v1 takes it, 0 to 17; from 5 on it is visible).
        vmaf_series: VMAF at the middles of the windows that were compared, at most 240 points.
    """

    vmaf: float
    low: float
    high: float
    frames: int
    worst: float
    worst_window: Window
    vmaf_v1: float
    xpsnr: float
    cambi: float
    vmaf_series: Series = Series()


@dataclass(frozen=True)
class Rendition:
    """One encoded and checked rung.

    Attributes:
        rung: what was asked for and expected.
        codec: ``h264``, ``hevc`` or ``av1``; ``codec_string`` its RFC 6381 name.
        path: the intermediate file (before packaging) that holds the coded pictures.
        frames: coded pictures.
        average_kbps: over the whole title, picture bytes only.
        peak_kbps: largest segment average.
        verification: measured quality.
        attempts: encodes made until the quality was on target.
        on_target: the measured quality is within the tolerance of the expected.
        dynamic_range: ``sdr``, ``pq`` or ``hlg``.
        bitrate_series: kbit/s of each segment's picture bytes, at its start.
        encode_seconds: wall time of all its encodes; rungs that are made together share it by
            their pixels. 0 for what an earlier run made.
        verify_seconds: wall time of its verifications, some of which run side by side.
    """

    rung: Rung
    codec: str
    codec_string: str
    path: Path
    frames: int
    average_kbps: float
    peak_kbps: float
    verification: Verification
    attempts: int
    on_target: bool
    dynamic_range: str = "sdr"
    bitrate_series: Series = Series()
    encode_seconds: float = 0.0
    verify_seconds: float = 0.0


@dataclass(frozen=True)
class AudioRendition:
    """One encoded sound track.

    Attributes:
        source_index: the stream index it came from.
        codec_string: RFC 6381 name.
        average_kbps: measured.
        remarks: what was heard: ``silent``, ``one channel twice``, ``clipped at 12 places``.
        mos: measured quality (ViSQOL's MOS-LQO, 1 to 5), where a quality was asked for.
        loudness: integrated loudness of the source track, LUFS, where a loudness was asked for.
    """

    path: Path
    source_index: int
    codec_string: str
    channels: int
    sample_rate: int
    average_kbps: float
    language: str
    title: str
    remarks: tuple[str, ...] = ()
    mos: float | None = None
    loudness: float | None = None


@dataclass(frozen=True)
class SoundTracks:
    """The sound of a title: what is delivered, and why other tracks are not."""

    kept: tuple[AudioRendition, ...]
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Package:
    """A finished HLS and DASH package; paths are relative to the title's folder.

    Attributes:
        dash_manifest: empty where there is none, as MPEG-TS segments are for HLS alone.
        segment_format: ``cmaf`` or ``ts``.
        program: what cut the segments, ``Shaka Packager`` or ``ffmpeg``.
    """

    hls_master: str
    dash_manifest: str
    segments: int
    bytes: int
    program: str = "Shaka Packager"
    segment_format: str = "cmaf"


@dataclass(frozen=True)
class Thumbnail:
    """A candidate thumbnail.

    Attributes:
        file: file name of the main rendition inside the thumbnails folder.
        time: seconds into the title.
        score: 0 to 1, the content score that ranks candidates before any click is known.
        terms: the named parts of the score, each 0 to 1.
        faces: boxes (x, y, width, height) in pixels of the source picture.
        reason: why it was chosen, in words.
    """

    file: str
    time: float
    score: float
    terms: dict[str, float]
    faces: tuple[tuple[int, int, int, int], ...]
    reason: str


@dataclass(frozen=True)
class TitleResult:
    """A delivered title: what ``result.json`` holds.

    Attributes:
        name: folder name of the title inside the output folder.
        renditions: of all codecs, in the order of ``plan.ladders``, each best first.
        commands: every ffmpeg and packager command that ran, as shell lines.
        seconds: wall time by stage (analysis, probing, encoding, verification, ...).
        url: where the source was fetched from; empty for a file of this machine.
    """

    name: str
    plan: TitlePlan
    renditions: tuple[Rendition, ...]
    audio: tuple[AudioRendition, ...]
    package: Package
    thumbnails: tuple[Thumbnail, ...]
    commands: tuple[str, ...]
    seconds: dict[str, float]
    url: str = ""

    def renditions_of(self, codec: str) -> tuple[Rendition, ...]:
        """The renditions of one codec, best first."""
        return tuple(r for r in self.renditions if r.codec == codec)

    def alone(self, ladder: LadderPlan) -> TitleResult:
        """The result as if this ladder of the plan were the only one."""
        plan = replace(self.plan, ladders=(ladder,))
        return replace(self, plan=plan, renditions=self.renditions_of(ladder.codec))


class Stage(StrEnum):
    """A stage of a title's delivery, in the order of the work.

    Encoding and verification take turns: once a codec, and again for every round of corrections.
    """

    FETCHING = "fetching"
    ANALYSIS = "analysis"
    PROBING = "probing"
    ENCODING = "encoding"
    VERIFICATION = "verification"
    AUDIO = "audio"
    PACKAGING = "packaging"
    THUMBNAILS = "thumbnails"
    UPLOADING = "uploading"
    CLUSTER = "cluster"
    """Of failures alone: the workers that should have delivered the title died."""


@dataclass(frozen=True)
class TitleFailure:
    """A title that could not be delivered: one line, and the command and log if a child failed.

    Attributes:
        stage: the last one that began.
    """

    name: str
    path: Path
    message: str
    stage: Stage
    command: str = ""
    log_tail: str = ""


@dataclass(frozen=True)
class BatchResult:
    """What a run returns; ``ok`` is True if every title was delivered.

    Attributes:
        out: output folder, or the one of this machine in which titles for a store are made.
        url: output folder in a store, or empty.
    """

    out: Path
    titles: tuple[TitleResult, ...]
    failures: tuple[TitleFailure, ...]
    seconds: float
    url: str = ""

    @property
    def ok(self) -> bool:
        return not self.failures


@dataclass(frozen=True)
class TitleStatus:
    """One title of an output folder.

    Attributes:
        name: its folder.
        state: ``delivered``, ``failed`` (``message`` says why) or ``unfinished``.
        rungs: encoded rungs that a run would go on with; 0 for what is delivered.
    """

    name: str
    state: str
    message: str = ""
    rungs: int = 0


@dataclass(frozen=True)
class OutStatus:
    """An output folder; ``running`` tells that a run holds it now."""

    out: Path
    running: bool
    titles: tuple[TitleStatus, ...]

    def count(self, state: str) -> int:
        """Titles in that state."""
        return sum(title.state == state for title in self.titles)
