"""Short cuts for the delivery tests."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from pertitle.analysis.probe import probe
from pertitle.encoder.renditions import EncodedRung
from pertitle.records import Analysis, Rung, Shot, Treatment, Window
from pertitle.results import Rendition, Series, Verification

MODEL = "vmaf_v0.6.1"


def analysis_of(
    path: Path,
    *,
    digest: tuple[Window, ...] | None = None,
    frame_rate: Fraction | None = None,
    deinterlace: bool = False,
    tone_map: bool = False,
) -> Analysis:
    """An analysis with the plainest treatment; by default the title is its own digest."""
    source = probe(path)
    treatment = Treatment(
        frame_rate or source.video.frame_rate,
        source.size,
        deinterlace=deinterlace,
        tone_map=tone_map,
    )
    return Analysis(
        source=source,
        treatment=treatment,
        shots=(Shot(0.0, source.duration),),
        digest=digest or (Window(0.0, source.duration),),
        features={},
        warnings=(),
        seconds=0.0,
    )


def rung(width: int, height: int, crf: float, kbps: float = 300.0, vmaf: float = 80.0) -> Rung:
    return Rung(width, height, crf, kbps, vmaf, vmaf - 2, vmaf + 2, kbps * 0.9, kbps * 1.1)


def encoded_stub(wanted: Rung, *, frames: int) -> EncodedRung:
    """An encoded rung of which there is no file."""
    return EncodedRung(
        wanted, "h264", "avc1.64001f", Path("rung.mp4"), frames, 300.0, 400.0, Series(), False
    )


def rendition_of(
    encoded: EncodedRung, dynamic_range: str = "sdr", *, half_rate: bool = False
) -> Rendition:
    """A rendition whose quality nobody looked at."""
    return Rendition(
        rung=replace(encoded.rung, half_rate=half_rate),
        codec=encoded.codec,
        codec_string=encoded.codec_string,
        path=encoded.path,
        frames=encoded.frames,
        average_kbps=encoded.average_kbps,
        peak_kbps=encoded.peak_kbps,
        verification=Verification(80, 79, 81, 10, 75, Window(0, 1), 81, 35, 0),
        attempts=1,
        on_target=True,
        dynamic_range=dynamic_range,
        bitrate_series=encoded.bitrate_series,
    )
