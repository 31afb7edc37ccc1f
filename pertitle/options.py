"""What a user may ask for: options of the ladder, the encodes, sound, checks and pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pertitle.codecs import CODECS
from pertitle.errors import UsageError
from pertitle.records import (
    FULL_HD,
    LADDER_HEIGHTS,
    PICTURE_FORMATS,
    PICTURE_SHAPES,
    Size,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=, -]*(:enable_transform=(true|false))?")
"""What becomes a word of a command or of a filter: nothing that could end it and begin another.
libvmaf's transform for small screens may follow the name of its model."""


def refuse(problems: Mapping[str, bool]) -> None:
    """Refuse what cannot be meant, before any work is done.

    Args:
        problems: whether it is so, by what is wrong.

    Raises:
        UsageError: the first that is so, in one line.
    """
    for problem, found in problems.items():
        if found:
            raise UsageError(problem)


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


@dataclass(frozen=True)
class Lines:
    """A log-normal share of viewers' lines: relative share, median in kbit/s, deviation of its
    natural logarithm."""

    share: float
    median_kbps: float
    sigma: float

    def __post_init__(self) -> None:
        refuse({
            "shares, medians and deviations of bandwidth must be above 0": not all(
                map(_positive, (self.share, self.median_kbps, self.sigma))
            ),
        })  # fmt: skip


@dataclass(frozen=True)
class ViewerClass:
    """Viewers of one kind.

    Attributes:
        name: for people.
        share: relative to the other classes.
        lines: their usable bandwidth, a mixture.
        phone: they watch on a phone, and see quality by VMAF's phone model.
    """

    name: str
    share: float
    lines: tuple[Lines, ...]
    phone: bool = False

    def __post_init__(self) -> None:
        refuse({
            f"the share of {self.name} must be above 0": not _positive(self.share),
            f"{self.name} has no bandwidth": not self.lines,
        })  # fmt: skip


@dataclass(frozen=True)
class LadderOptions:
    """What the ladder should look like.

    Attributes:
        heights: allowed rung heights; those not below the source's are left out, and the
            source's own is always allowed.
        max_height: no rung is taller, the source's own neither; None for no bound.
        top_vmaf: quality of the best rung, or the best reachable below it.
        min_vmaf: no rung below this quality.
        vmaf_step: quality distance between neighbouring rungs; 6 is about one just noticeable
            difference (Ozer, "Finding the Just Noticeable Difference with Netflix VMAF", 2017).
        min_ratio, max_ratio: bounds of the bitrate ratio between neighbouring rungs.
        min_kbps, max_kbps: bounds of the bitrate of any rung; None for no bound.
        min_rungs, max_rungs: bounds of the number of rungs.
        max_probes: probe encodes allowed; 0 means prediction alone.
        tolerance: probing stops when the expected BD-rate loss (per cent) is below this.
        audience: classes of viewers that rungs are placed for (``pertitle.ladder.audience``); the
            steps of VMAF are then not used, and ``top_vmaf`` is a bound. Empty: rungs by steps.
        point_value: money that a VMAF point is worth over an hour watched; with it the ladder of
            most value less costs is taken, and 0 leaves costs out.
        storage_cost: money to keep a gigabyte for as long as the title is offered.
        egress_cost: money to deliver a gigabyte.
        hours: hours watched for each hour of title.
    """

    heights: tuple[int, ...] = LADDER_HEIGHTS
    max_height: int | None = None
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
    audience: tuple[ViewerClass, ...] = ()
    point_value: float = 0.0
    storage_cost: float = 0.0
    egress_cost: float = 0.0
    hours: float = 100.0

    def __post_init__(self) -> None:
        least, most = self.min_kbps, self.max_kbps
        refuse({
            "rung heights must be 2 lines or more": any(h < 2 for h in self.heights),
            "the largest height must be 2 lines or more": (
                self.max_height is not None and self.max_height < 2
            ),
            f"min-vmaf {self.min_vmaf:g} to top-vmaf {self.top_vmaf:g} is not a range": (
                not 0 <= self.min_vmaf < self.top_vmaf <= 100
            ),
            "vmaf-step must be above 0": not _positive(self.vmaf_step),
            f"min-ratio {self.min_ratio:g} to max-ratio {self.max_ratio:g} is not above 1": (
                not 1 < self.min_ratio < self.max_ratio
            ),
            f"min-rungs {self.min_rungs} to max-rungs {self.max_rungs} is not a range": (
                not 1 <= self.min_rungs <= self.max_rungs
            ),
            f"min-kbps {least} to max-kbps {most} is not a range": (
                (least is not None and not _positive(least))
                or (most is not None and not most > (least or 0))
            ),
            "the number of probes cannot be negative": self.max_probes < 0,
            "the tolerated loss must be above 0 %": not _positive(self.tolerance),
            "costs and values cannot be negative": not all(
                math.isfinite(x) and x >= 0
                for x in (self.point_value, self.storage_cost, self.egress_cost)
            ),
            "the hours watched must be above 0": not _positive(self.hours),
            "costs need point-value: what a VMAF point is worth": (
                self.storage_cost + self.egress_cost > 0 and self.point_value == 0
            ),
            "a point-value needs an audience": self.point_value > 0 and not self.audience,
        })  # fmt: skip


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
        rate_control: ``crf`` holds the planned quality, ``abr`` the planned average bitrate to
            within 5 %: in two passes, or by the CRF in AV1, whose encoder has no such mode.
        target_size: bytes that all renditions of a title may take together, sound included;
            None for no bound. Bitrates are held as with ``abr``; ladders of more are brought below.
        vbv_ratio: VBV maxrate as a multiple of the expected bitrate.
        bufsize_ratio: VBV buffer in seconds of maxrate; None for the length of a segment.
        segments: ``cmaf`` for fragmented MP4 that HLS and DASH share, or ``ts`` for MPEG-TS, HLS
            alone: H.264 with AAC, for players that know no fragmented MP4.
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
    segments: str = "cmaf"
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
        buffer, size = self.bufsize_ratio, self.target_size
        words = [word for word in (self.quality_model, self.preset) if word is not None]
        bad = [word for word in words if not NAME.fullmatch(word)]
        refuse({
            f"no such codec: {', '.join(n for n in unique if n not in CODECS)}": (
                not set(unique) <= set(CODECS)
            ),
            f"{next(iter(bad), '')!r} is not a name of a quality model or preset": bool(bad),
            f"a display of {self.display} is none": (
                min(self.display.width, self.display.height) < 2
            ),
            "segments must be longer than 0 s": not _positive(self.segment_seconds),
            f"HDR is kept or made sdr, not {self.hdr!r}": self.hdr not in ("keep", "sdr"),
            f"rate control is crf or abr, not {self.rate_control!r}": (
                self.rate_control not in ("crf", "abr")
            ),
            "a target size must be above 0 bytes": size is not None and size <= 0,
            "the VBV maxrate must be at least the expected bitrate": not 1 <= self.vbv_ratio < 1e6,
            "the VBV buffer must be longer than 0 s": buffer is not None and not _positive(buffer),
            f"segments are cmaf or ts, not {self.segments!r}": self.segments not in ("cmaf", "ts"),
            f"MPEG-TS segments are for H.264 alone, not {', '.join(unique)}": (
                self.segments == "ts" and unique != ("h264",)
            ),
            "MPEG-TS segments are files of their own: no single file": (
                self.segments == "ts" and self.single_file
            ),
            "the VMAF tolerance must be above 0": not _positive(self.vmaf_tolerance),
        })  # fmt: skip

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

    def __post_init__(self) -> None:
        mos, loudness = self.target_mos, self.loudness
        refuse({
            f"sound is aac or opus, not {self.codec!r}": self.codec not in ("aac", "opus"),
            "a MOS is a figure from 1 to 5": mos is not None and not 1 <= mos <= 5,
            "a loudness is a figure from -70 to 0 LUFS": (
                loudness is not None and not -70 <= loudness <= 0
            ),
        })  # fmt: skip


@dataclass(frozen=True)
class VerifyOptions:
    """How the quality of finished rungs is measured.

    Attributes:
        all_frames: compare every frame, whatever the title's length.
        half_width: wanted half width of the 95 % interval of the mean, VMAF points; None for as
            narrow as the question takes whether a rung is on its target, and 0.6 at most otherwise.
        min_window_vmaf: a rung meant to be better than this is encoded again while its worst
            window is below it; None for no floor.
        full_quality: measure VMAF v1, XPSNR and CAMBI on all compared frames instead of twelve.
    """

    all_frames: bool = False
    half_width: float | None = None
    min_window_vmaf: float | None = None
    full_quality: bool = False

    def __post_init__(self) -> None:
        floor = self.min_window_vmaf
        refuse({
            "the interval's half width must be above 0": self.half_width is not None
            and not _positive(self.half_width),
            "the floor of the worst window is a VMAF from 0 to 100": (
                floor is not None and not 0 <= floor <= 100
            ),
        })  # fmt: skip


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
        scratch: folder in which titles for a store are made; None for one in the cache's.
        force: write into folders, and over pages, that pertitle did not make.
        keep_rungs: keep the encoded rungs of a delivered title in its folder, hidden: they take
            the space of its video once more, and other sound or packaging needs no new encode.
        machine_paths: write paths of this machine into what is published.
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
    scratch: Path | None = None
    force: bool = False
    keep_rungs: bool = True
    machine_paths: bool = False

    def __post_init__(self) -> None:
        refuse({
            f"MPEG-TS segments are for AAC, not {self.audio.codec}": (
                self.encode.segments == "ts" and self.audio.codec != "aac"
            ),
            "phones of an audience see by the phone model: choose the usual quality model": (
                "enable_transform" in self.encode.quality_model
                and any(viewers.phone for viewers in self.ladder.audience)
            ),
            "the number of threads must be above 0": self.threads is not None and self.threads < 1,
            "the number of thumbnails cannot be negative": self.thumbnails < 0,
            "the nice level cannot be negative": self.nice < 0,
        })  # fmt: skip
