"""What is known of each video codec: its encoder, CRF scale, and how it is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from pertitle.errors import UsageError
from pertitle.records import Analysis, Source


@dataclass(frozen=True)
class Cap:
    """A video buffering verifier (H.264 annex C): the decoder's buffer and how fast it fills.

    Attributes:
        maxrate_kbps: rate at which the buffer fills, kbit/s.
        bufsize_kbit: size of the buffer, kbit.
    """

    maxrate_kbps: int
    bufsize_kbit: int


@dataclass(frozen=True)
class Codec:
    """One codec and the encoder that makes it.

    Attributes:
        name: as the user writes it.
        encoder: ffmpeg's encoder name.
        preset: the preset its model was trained with.
        crf_range: lowest and highest CRF that make sense for delivery.
        crf_step: finest CRF step the encoder tells apart.
        corpus_crfs: the CRFs a corpus is measured at.
        hdr: players of the codec show 10-bit HDR; the others get a tone-mapped picture.
        two_pass: the encoder holds an average bitrate in two passes. SVT-AV1 was seen to crash
            in its second one, and to miss by a factor of two in a single one.
        duration_power: how the quantiser follows the time a picture is shown; 0 for not at all.
    """

    name: str
    encoder: str
    preset: str
    crf_range: tuple[float, float]
    crf_step: float
    corpus_crfs: tuple[float, ...]
    hdr: bool
    two_pass: bool
    duration_power: float = 0.0

    def half_rate_crf(self, frame_rate: Fraction) -> float:
        """How far the CRF goes up so that every other picture keeps its quantiser.

        x264 and x265 quantise a picture the finer the longer it is shown, as they do slow pictures
        among quick ones: by its duration (10 ms to 1 s) to the power of 0.4, one less than
        ``qcomp``. Six CRFs double the quantiser.

        Args:
            frame_rate: of all pictures, frames a second.
        """
        short, long = (min(1.0, max(0.01, float(n / frame_rate))) for n in (1, 2))
        change = 6 * self.duration_power * math.log2(long / short)
        return round(round(change / self.crf_step) * self.crf_step, 4)

    def encoder_options(
        self,
        *,
        preset: str | None,
        crf: float,
        gop: int,
        threads: int,
        skipped: int | None = None,
        cap: Cap | None = None,
        kbps: float | None = None,
    ) -> dict[str, str]:
        """ffmpeg output options of an encode with closed GOPs.

        Args:
            preset: None for the trained one.
            crf: constant rate factor on the encoder's own scale.
            gop: frames from one forced keyframe to the next.
            threads: threads the encoder may use.
            skipped: the forced keyframe that is left out.
            cap: bound of the bitrate ("capped CRF"), or None.
            kbps: average bitrate to hold in the place of the CRF, for two passes.
        """
        options = {
            "c:v": self.encoder,
            "preset": preset or self.preset,
            **({"crf": f"{crf:g}"} if kbps is None else {"b:v": f"{kbps:.0f}k"}),
            "force_key_frames": f"expr:not(mod(n,{gop}))"
            + ("" if skipped is None else f"*not(eq(n,{skipped}))"),
        }
        # Scene cuts may still become intra frames, but no decoder refresh happens outside the
        # grid: without a fixed grid the segments of two rungs would not line up.
        never = 1 << 20
        if self.name == "h264":
            options |= {
                "threads": str(threads),
                "forced-idr": "1",
                "x264-params": f"keyint=infinite:min-keyint={never}",
            }
        elif self.name == "hevc":
            options |= {
                "forced-idr": "1",
                "x265-params": f"log-level=error:open-gop=0:keyint=-1:min-keyint={never}"
                f":pools={threads}:frame-threads=1",
            }
        else:  # SVT-AV1 keeps to a fixed grid of its own; its keyframes end every reference
            options |= {"g": str(gop), "svtav1-params": f"lp={threads}:scd=0"}
            if skipped is None:
                del options["force_key_frames"]
            else:
                options["g"] = str(never)
        if cap is not None:
            options |= {"maxrate": f"{cap.maxrate_kbps}k", "bufsize": f"{cap.bufsize_kbit}k"}
        return options

    def bit_depth(self, source_depth: int) -> int:
        """Bits a component that are delivered: H.264 players decode 8 only."""
        return 10 if source_depth > 8 and self.name != "h264" else 8


_CRFS = (17.0, 22.0, 27.0, 32.0, 37.0, 42.0, 47.0)
CODECS = {
    codec.name: codec
    for codec in (  # from the widest reach down
        Codec("h264", "libx264", "medium", (10, 51), 0.1, _CRFS, False, True, duration_power=0.4),
        Codec("hevc", "libx265", "medium", (10, 51), 0.1, _CRFS, True, True, duration_power=0.4),
        Codec("av1", "libsvtav1", "8", (10, 63), 1.0, (20, 27, 34, 41, 48, 55, 62), True, False),
    )
}


def codec_named(name: str) -> Codec:
    """The codec of that name.

    Raises:
        UsageError: there is none.
    """
    try:
        return CODECS[name]
    except KeyError:
        raise UsageError(f"unknown codec {name!r}; known: {', '.join(CODECS)}") from None


def by_reach(names: Iterable[str]) -> tuple[Codec, ...]:
    """The codecs of these names, the one that most devices play first.

    Raises:
        UsageError: one is unknown.
    """
    order = list(CODECS)
    return tuple(sorted(map(codec_named, names), key=lambda codec: order.index(codec.name)))


def delivered_range(source: Source, codec: Codec, hdr: str = "keep") -> str:
    """The dynamic range a source is delivered in: ``sdr``, ``pq`` or ``hlg``.

    Args:
        hdr: ``keep`` or ``sdr``, as :class:`pertitle.options.EncodeOptions` has it.
    """
    return source.video.dynamic_range if codec.hdr and hdr == "keep" else "sdr"


def prepared(analysis: Analysis, dynamic_range: str, *, half_rate: bool = False) -> Analysis:
    """The analysis with the treatment that brings its pictures into a dynamic range.

    Args:
        half_rate: and leaves out every other frame.
    """
    treatment = replace(
        analysis.treatment,
        tone_map=dynamic_range == "sdr" and analysis.source.video.dynamic_range != "sdr",
        frame_rate=analysis.treatment.frame_rate / (2 if half_rate else 1),
    )
    return replace(analysis, treatment=treatment)
