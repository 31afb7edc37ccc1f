"""The frozen records that cross the borders between analysis, ladder, encoder and report.

Units, unless a field says otherwise: seconds, kilobit per second (1000 bit/s), pixels, VMAF
points from 0 to 100. *Height* always means lines of the upright, square-pixel picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

PICTURE_SHAPES = ("16x9", "2x3", "1x1")
PICTURE_FORMATS = ("jpg", "webp", "avif")
LADDER_HEIGHTS = (1080, 720, 540, 432, 360, 240)
"""Default rung heights; the source's own height is always allowed beside them."""


@dataclass(frozen=True)
class Size:
    """A picture size in square pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    def at_height(self, height: int) -> Size:
        """The same aspect at another height, both sides rounded to even numbers."""
        return Size(_even(self.width * height / self.height), _even(height))

    def fit(self, box: Size) -> Size:
        """The largest even size of this aspect inside ``box`` (letterboxed by a player)."""
        scale = min(box.width / self.width, box.height / self.height)
        return Size(_even(self.width * scale), _even(self.height * scale))


def _even(value: float) -> int:
    return max(2, 2 * round(value / 2))


FULL_HD = Size(1920, 1080)
"""The default display: a full-screen player on a 1080p screen."""


@dataclass(frozen=True)
class Crop:
    """A part of a picture: the active one inside letterbox bars (in square pixels of
    ``Source.size``), or a container's crop window (in pixels of the decoder's picture)."""

    x: int
    y: int
    size: Size


@dataclass(frozen=True)
class VideoStream:
    """The picture track as the container describes it.

    Attributes:
        index: stream index in the container.
        codec: decoder name.
        width, height: size of the decoded picture.
        sample_aspect: pixel aspect (width over height).
        rotation: clockwise degrees a player turns the picture, 0, 90, 180 or 270.
        frame_rate: average frames per second.
        variable_rate: the frames are not evenly spaced.
        frames: number of frames if the container knows it.
        pixel_format: e.g. ``yuv420p10le``.
        bit_depth: bits a component.
        primaries, transfer, matrix, color_range: ffmpeg's names; ``unknown`` if not tagged.
        interlaced: the container or codec says that frames hold two fields.
        has_alpha: the pixel format has transparency.
        mirrored: a player turns the picture and then swaps its left and right.
        window: part of the decoder's picture that is shown, if not all of it; ``width`` and
            ``height`` are then the window's.
    """

    index: int
    codec: str
    width: int
    height: int
    sample_aspect: Fraction
    rotation: int
    frame_rate: Fraction
    variable_rate: bool
    frames: int | None
    pixel_format: str
    bit_depth: int
    primaries: str
    transfer: str
    matrix: str
    color_range: str
    interlaced: bool
    has_alpha: bool
    mirrored: bool = False
    window: Crop | None = None

    @property
    def dynamic_range(self) -> str:
        """``pq`` (HDR10), ``hlg`` or ``sdr``, from the transfer characteristic (ITU-T H.273)."""
        return {"smpte2084": "pq", "arib-std-b67": "hlg"}.get(self.transfer, "sdr")


@dataclass(frozen=True)
class AudioStream:
    """One sound track: container index, codec, channels, layout, rate (Hz), language, title.

    Attributes:
        lag: seconds from the start of the track to the first picture, in containers whose tracks
            ffmpeg puts on a clock of those alone that a command uses; None in the others.
    """

    index: int
    codec: str
    channels: int
    layout: str
    sample_rate: int
    language: str
    title: str
    default: bool
    lag: Fraction | None = None


@dataclass(frozen=True)
class SubtitleStream:
    """One subtitle track; ``is_text`` tells whether it can become WebVTT."""

    index: int
    codec: str
    language: str
    title: str
    is_text: bool


@dataclass(frozen=True)
class SourceWarning:
    """A defect of the source: ``code`` is stable, ``message`` is for people."""

    code: str
    message: str


@dataclass(frozen=True)
class Source:
    """A readable input file.

    Attributes:
        path: absolute path.
        bytes: file size.
        container: demuxer name.
        duration: seconds of the picture track.
        size: upright picture in square pixels, even on both sides (rotation and pixel aspect
            applied); rung heights are compared with ``size.height``.
        origin: time of the first picture on ffmpeg's clock of a command that uses the picture
            track; that clock starts at the earliest track of the file, or, in transport and program
            streams, of those used.
        held: seconds that the last picture is held, to the end of the sound; part of ``duration``.
        remarks: what was decided where the file leaves a choice.
    """

    path: Path
    bytes: int
    container: str
    duration: float
    size: Size
    video: VideoStream
    audio: tuple[AudioStream, ...]
    subtitles: tuple[SubtitleStream, ...]
    origin: Fraction
    held: float = 0.0
    remarks: tuple[SourceWarning, ...] = ()


@dataclass(frozen=True)
class Window:
    """A stretch of the title: start and duration in seconds."""

    start: float
    duration: float

    @property
    def end(self) -> float:
        return self.start + self.duration


@dataclass(frozen=True)
class Shot:
    """A stretch between two cuts: start and end in seconds, end exclusive."""

    start: float
    end: float

    @property
    def duration(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Treatment:
    """What is done to every decoded frame before it is scaled, encoded or compared.

    Attributes:
        frame_rate: constant rate of everything that is delivered.
        deinterlace: apply bwdif (one frame per two fields).
        crop: cut the letterbox away, or None.
        tone_map: HDR to BT.709 SDR; decided ladder by ladder, False in an analysis.
        size: the picture after all this; the native rung has this size.
        held: seconds that the last picture is held.
    """

    frame_rate: Fraction
    size: Size
    deinterlace: bool = False
    crop: Crop | None = None
    tone_map: bool = False
    held: float = 0.0


@dataclass(frozen=True)
class Analysis:
    """All that is known of a title before anything is encoded.

    Attributes:
        source: what was probed.
        treatment: how frames are prepared.
        shots: cuts found; covers the title without gaps.
        digest: the windows that stand for the title in probe encodes.
        features: complexity measurements by name; ``analysis.features`` documents each.
        warnings: defects found.
        seconds: wall time the analysis took.
        native_height: lines that hold all the detail there is, where these are many fewer than
            the picture has: an upscale, or very soft. None for a picture that needs its lines.
    """

    source: Source
    treatment: Treatment
    shots: tuple[Shot, ...]
    digest: tuple[Window, ...]
    features: dict[str, float]
    warnings: tuple[SourceWarning, ...]
    seconds: float
    native_height: int | None = None


@dataclass(frozen=True)
class RatePoint:
    """One encode's position: rung height, CRF, bitrate (kbit/s) and VMAF at the display."""

    height: int
    crf: float
    bitrate_kbps: float
    vmaf: float


@dataclass(frozen=True)
class Probe:
    """A measured encode of the digest; ``seconds`` is its wall time, encode and VMAF."""

    height: int
    crf: float
    bitrate_kbps: float
    vmaf: float
    seconds: float


@dataclass(frozen=True)
class Rung:
    """One step of the ladder with what the model expects of it (90 % intervals).

    Attributes:
        half_rate: every other frame is left out; the VMAF is that of the frames shown.
    """

    width: int
    height: int
    crf: float
    bitrate_kbps: float
    vmaf: float
    vmaf_low: float
    vmaf_high: float
    bitrate_low_kbps: float
    bitrate_high_kbps: float
    half_rate: bool = False


@dataclass(frozen=True)
class CurvePoint:
    """A point of a predicted rate-quality curve, with 90 % intervals."""

    height: int
    crf: float
    bitrate_kbps: float
    vmaf: float
    vmaf_low: float
    vmaf_high: float
    bitrate_low_kbps: float
    bitrate_high_kbps: float


@dataclass(frozen=True)
class LadderPlan:
    """The ladder of one title in one codec.

    Attributes:
        codec: ``h264``, ``hevc`` or ``av1``.
        preset: the encoder's preset.
        quality_model: libvmaf version string, e.g. ``vmaf_v0.6.1``.
        display: the viewing surface the quality is meant for (aspect of the title).
        rungs: best first.
        hull: the convex hull of all heights, best first.
        curves: what the model believes, by height, for reports.
        probes: the encodes that were measured.
        notes: what a reader should know, e.g. a preset that was not trained.
        expected_loss: expected BD-rate loss against the exhaustive hull, per cent.
        loss_bound: the loss that 95 % of titles stay under, per cent.
        dynamic_range: what is delivered, ``sdr``, ``pq`` or ``hlg``; ``sdr`` from an HDR source
            means that its pictures are tone-mapped.
    """

    codec: str
    preset: str
    quality_model: str
    display: Size
    rungs: tuple[Rung, ...]
    hull: tuple[RatePoint, ...]
    curves: tuple[CurvePoint, ...]
    probes: tuple[Probe, ...]
    notes: tuple[str, ...] = ()
    expected_loss: float = 0.0
    loss_bound: float = 0.0
    dynamic_range: str = "sdr"


@dataclass(frozen=True)
class PlanSeconds:
    """Wall time of planning, by part."""

    analysis: float
    probing: float
    total: float


@dataclass(frozen=True)
class TitlePlan:
    """Analysis and ladders of one title: what ``pertitle plan`` answers.

    Attributes:
        ladders: one a codec, the codec of widest reach first.
    """

    analysis: Analysis
    ladders: tuple[LadderPlan, ...]
    seconds: PlanSeconds

    @property
    def ladder(self) -> LadderPlan:
        """The ladder of the codec of widest reach; the only one unless several were asked for."""
        return self.ladders[0]

    @property
    def probes(self) -> int:
        """Probe encodes of all ladders."""
        return sum(len(ladder.probes) for ladder in self.ladders)
