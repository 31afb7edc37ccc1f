"""The frozen records that cross the borders between analysis, ladder, encoder and report.

Units, unless a field says otherwise: seconds, kilobit per second (1000 bit/s), pixels, VMAF
points from 0 to 100. *Height* always means lines of the upright, square-pixel picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from pertitle.errors import UsageError

RESULT_VERSION = 2
"""Version of ``result.json`` and ``batch.json``; changes when a field changes its meaning."""
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
class VideoStream:
    """The picture track as the container describes it.

    Attributes:
        index: stream index in the container.
        codec: decoder name.
        width, height: coded size.
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

    @property
    def dynamic_range(self) -> str:
        """``pq`` (HDR10), ``hlg`` or ``sdr``, from the transfer characteristic (ITU-T H.273)."""
        return {"smpte2084": "pq", "arib-std-b67": "hlg"}.get(self.transfer, "sdr")


@dataclass(frozen=True)
class AudioStream:
    """One sound track: container index, codec, channels, layout, rate (Hz), language, title."""

    index: int
    codec: str
    channels: int
    layout: str
    sample_rate: int
    language: str
    title: str
    default: bool


@dataclass(frozen=True)
class SubtitleStream:
    """One subtitle track; ``is_text`` tells whether it can become WebVTT."""

    index: int
    codec: str
    language: str
    title: str
    is_text: bool


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
        origin: time of the first picture on ffmpeg's clock, which starts at the earliest track of
            the file; the sound of this moment belongs to the first picture.
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
class Crop:
    """The active picture inside letterbox bars, in square pixels of ``Source.size``."""

    x: int
    y: int
    size: Size


@dataclass(frozen=True)
class Treatment:
    """What is done to every decoded frame before it is scaled, encoded or compared.

    Attributes:
        frame_rate: constant rate of everything that is delivered.
        deinterlace: apply bwdif (one frame per two fields).
        crop: cut the letterbox away, or None.
        tone_map: HDR to BT.709 SDR; decided ladder by ladder, False in an analysis.
        size: the picture after all this; the native rung has this size.
    """

    frame_rate: Fraction
    size: Size
    deinterlace: bool = False
    crop: Crop | None = None
    tone_map: bool = False


@dataclass(frozen=True)
class SourceWarning:
    """A defect of the source: ``code`` is stable, ``message`` is for people."""

    code: str
    message: str


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
        half_rate: every other frame is left out; what is expected is that of all frames.
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
class Package:
    """A finished HLS and DASH package; paths are relative to the title's folder.

    Attributes:
        program: what cut the segments, ``Shaka Packager`` or ``ffmpeg``.
    """

    hls_master: str
    dash_manifest: str
    segments: int
    bytes: int
    program: str = "Shaka Packager"


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
    """

    name: str
    plan: TitlePlan
    renditions: tuple[Rendition, ...]
    audio: tuple[AudioRendition, ...]
    package: Package
    thumbnails: tuple[Thumbnail, ...]
    commands: tuple[str, ...]
    seconds: dict[str, float]

    def renditions_of(self, codec: str) -> tuple[Rendition, ...]:
        """The renditions of one codec, best first."""
        return tuple(r for r in self.renditions if r.codec == codec)

    def alone(self, ladder: LadderPlan) -> TitleResult:
        """The result as if this ladder of the plan were the only one."""
        plan = replace(self.plan, ladders=(ladder,))
        return replace(self, plan=plan, renditions=self.renditions_of(ladder.codec))


@dataclass(frozen=True)
class TitleFailure:
    """A title that could not be delivered: one line, and the command and log if a child failed."""

    name: str
    path: Path
    message: str
    stage: str
    command: str = ""
    log_tail: str = ""


@dataclass(frozen=True)
class BatchResult:
    """What a run returns; ``ok`` is True if every title was delivered."""

    out: Path
    titles: tuple[TitleResult, ...]
    failures: tuple[TitleFailure, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        return not self.failures


@dataclass(frozen=True)
class LadderOptions:
    """What the ladder should look like.

    Attributes:
        heights: allowed rung heights; those not below the source's are left out, and the
            source's own is always allowed.
        max_height: no rung is taller, the source's own neither; None for no bound.
        allow_upscaled: rungs may have more lines than the source has detail for.
        top_vmaf: quality of the best rung, or the best reachable below it.
        min_vmaf: no rung below this quality.
        vmaf_step: quality distance between neighbouring rungs; 6 is about one just noticeable
            difference (Ozer, "Finding the Just Noticeable Difference with Netflix VMAF", 2017).
        min_ratio, max_ratio: bounds of the bitrate ratio between neighbouring rungs.
        min_kbps, max_kbps: bounds of the bitrate of any rung; None for no bound.
        min_rungs, max_rungs: bounds of the number of rungs.
        max_probes: probe encodes allowed; 0 means prediction alone.
        tolerance: probing stops when the expected BD-rate loss (per cent) is below this.
    """

    heights: tuple[int, ...] = LADDER_HEIGHTS
    max_height: int | None = None
    allow_upscaled: bool = False
    top_vmaf: float = 95.0
    min_vmaf: float = 50.0
    vmaf_step: float = 6.0
    min_ratio: float = 1.15
    max_ratio: float = 3.0
    min_kbps: float | None = None
    max_kbps: float | None = None
    min_rungs: int = 1
    max_rungs: int = 15
    max_probes: int = 6
    tolerance: float = 0.5


@dataclass(frozen=True)
class EncodeOptions:
    """How pictures and sound are encoded and packaged.

    Attributes:
        codecs: one or more of ``h264``, ``hevc`` and ``av1``, a ladder each in one package; a
            single name or a comma list in one string is taken too.
        preset: the encoder's preset, or ``h264=slow,av1=6`` where codecs differ; None for the
            codec's trained default.
        quality_model: libvmaf version string.
        display: box the player shows the title in.
        segment_seconds: length of a segment and of a closed GOP.
        crop: cut a detected letterbox away.
        hdr: ``keep`` HDR in the codecs whose players show it, or ``sdr`` to tone-map it for all.
        half_rate: rungs of an over 30 frames/s title up to this height get every other frame;
            None for none.
        rate_control: ``crf`` holds a quality, ``abr`` an average bitrate in two passes; AV1,
            which has no such mode, is always ``crf``.
        target_size: bytes that all renditions of a title may take together, sound included;
            None for no bound. Implies ``abr``: ladders that would take more are brought below.
        vbv_ratio: VBV maxrate as a multiple of the expected bitrate.
        bufsize_ratio: VBV buffer in seconds of maxrate; None for the length of a segment.
        single_file: one file a track, segments being ranges of bytes.
        drop_dominated: leave out rungs that a rung of a codec of wider reach makes useless.
        vmaf_tolerance: a rung measured further from its target is encoded again, at most twice;
            the top rung is held to half of it.
    """

    codecs: tuple[str, ...] = ("h264",)
    preset: str | None = None
    quality_model: str = "vmaf_v0.6.1"
    display: Size = FULL_HD
    segment_seconds: float = 4.0
    crop: bool = False
    hdr: str = "keep"
    half_rate: int | None = None
    rate_control: str = "crf"
    target_size: int | None = None
    vbv_ratio: float = 2.0
    bufsize_ratio: float | None = None
    single_file: bool = False
    drop_dominated: bool = False
    vmaf_tolerance: float = 1.0

    def __post_init__(self) -> None:
        names = self.codecs.split(",") if isinstance(self.codecs, str) else self.codecs
        unique = tuple(dict.fromkeys(name.strip() for name in names))
        if not unique:
            raise UsageError("no codec is named")
        object.__setattr__(self, "codecs", unique)
        if self.preset is not None and "=" in self.preset:
            for part in self.preset.split(","):
                if part.partition("=")[0].strip() not in unique:
                    raise UsageError(f"preset {part.strip()} is of no codec that is made")
        if self.hdr not in ("keep", "sdr"):
            raise UsageError(f"HDR is kept or made sdr, not {self.hdr!r}")
        if self.rate_control not in ("crf", "abr"):
            raise UsageError(f"rate control is crf or abr, not {self.rate_control!r}")

    @property
    def two_pass(self) -> bool:
        """Rungs are encoded to an average bitrate."""
        return self.rate_control == "abr" or self.target_size is not None

    def preset_of(self, codec: str) -> str | None:
        """The preset asked for in one codec; None for its trained default."""
        if self.preset is None or "=" not in self.preset:
            return self.preset
        named = dict(part.strip().split("=", 1) for part in self.preset.split(",") if "=" in part)
        return named.get(codec)


@dataclass(frozen=True)
class AudioOptions:
    """How sound is delivered.

    Attributes:
        codec: ``aac`` (AAC-LC) or ``opus``.
        target_mos: take the lowest rate whose loudest seconds reach this quality (ViSQOL's
            MOS-LQO, 1 to 5); None for the usual rates.
        surround: keep 5.1 beside the stereo of tracks that have it.
        loudness: bring every track to this integrated loudness (LUFS, EBU R 128) with true peaks
            of at most -1 dBTP; None leaves the level alone.
    """

    codec: str = "aac"
    target_mos: float | None = None
    surround: bool = False
    loudness: float | None = None


@dataclass(frozen=True)
class VerifyOptions:
    """How the quality of finished rungs is measured.

    Attributes:
        all_frames: compare every frame, whatever the title's length.
        half_width: wanted half width of the 95 % interval of the mean, VMAF points.
        min_window_vmaf: a rung meant to be better than this is encoded again while its worst
            window is below it; None for no floor.
        full_quality: measure VMAF v1, XPSNR and CAMBI on all compared frames instead of about
            a fifth of them.
    """

    all_frames: bool = False
    half_width: float = 0.5
    min_window_vmaf: float | None = None
    full_quality: bool = False


@dataclass(frozen=True)
class PictureOptions:
    """How candidate thumbnails are written.

    Attributes:
        shapes: of ``16x9``, ``2x3`` and ``1x1``; the first is the main one for titles wider than
            high, the second, if there is one, for those higher than wide.
        formats: of ``jpg``, ``webp`` and ``avif``; the main file has the first.
        spoiler_share: share of the title, at its end, that no thumbnail shows; 0 up to below 1.
    """

    shapes: tuple[str, ...] = PICTURE_SHAPES
    formats: tuple[str, ...] = ("jpg", "webp")
    spoiler_share: float = 0.0

    def __post_init__(self) -> None:
        for names, known, what in (
            (self.shapes, PICTURE_SHAPES, "shape"),
            (self.formats, PICTURE_FORMATS, "format"),
        ):
            if not names or len(set(names)) < len(names) or not set(names) <= set(known):
                wanted = ", ".join(known)
                raise UsageError(f"thumbnails need one {what} or more of {wanted}, each once")
        if not 0 <= self.spoiler_share < 1:
            raise UsageError("the spoiler stretch is a share of the title: 0 up to below 1")


@dataclass(frozen=True)
class Options:
    """Everything a caller may choose; the defaults are sane for web delivery.

    Attributes:
        ffmpeg: another ffmpeg program than the bundled one.
        threads: threads an encode may use; None for all cores.
        thumbnails: candidate thumbnails a title.
        pictures: how they are written.
        bif: add a BIF file (scrubbing pictures for Roku players).
        model: a file from ``pertitle train``, for the codec it was trained on; None for the
            shipped models.
        preview: hls.js as one script; with it a page that plays the package is written too.
        cache: keep and reuse measurements of analyses and probes between runs.
        nice: nice level added to all child processes.
        whole_digest: tell sources apart by all of their bytes, not by samples of them.
    """

    ladder: LadderOptions = field(default_factory=LadderOptions)
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    verify: VerifyOptions = field(default_factory=VerifyOptions)
    audio: AudioOptions = field(default_factory=AudioOptions)
    ffmpeg: str | None = None
    threads: int | None = None
    thumbnails: int = 6
    pictures: PictureOptions = field(default_factory=PictureOptions)
    bif: bool = False
    model: Path | None = None
    preview: Path | None = None
    cache: bool = True
    nice: int = 0
    whole_digest: bool = False
