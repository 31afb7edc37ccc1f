"""Made-up results of a known shape for the report's tests, a plain one and a hostile one."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from pertitle.records import (
    Analysis,
    AudioStream,
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
    Package,
    Rendition,
    Series,
    Stage,
    Thumbnail,
    TitleFailure,
    TitleResult,
    Verification,
)

HOSTILE = "</title><script>window.owned=1</script>\"'`&<img src=x onerror=alert(1)>"
HEIGHTS = (1080, 720, 540, 432, 360, 240)
RUNGS = ((1080, 4200), (1080, 2500), (720, 1500), (720, 900), (540, 560), (432, 340), (360, 210))
LENGTH = 62.0


def curve_vmaf(height: int, kbps: float) -> float:
    """A rate–quality law: saturating in log rate, capped by the height."""
    cap = {1080: 99.0, 720: 94.0, 540: 86.0, 432: 77.0, 360: 68.0, 240: 49.0}[height]
    return float(cap * (1 - np.exp(-((kbps / (height * 0.9)) ** 0.75) * 1.6)))


def _curves() -> tuple[CurvePoint, ...]:
    points = []
    for height in HEIGHTS:
        for crf in np.arange(12, 48, 0.5):
            kbps = height * 22 * 2 ** (-(crf - 12) / 6)
            vmaf = curve_vmaf(height, kbps)
            points.append(
                CurvePoint(height, float(crf), kbps, vmaf, vmaf - 2, min(100.0, vmaf + 1.5),
                           kbps * 0.85, kbps * 1.2)
            )  # fmt: skip
    return tuple(points)


def ladder() -> LadderPlan:
    """An H.264 ladder of seven rungs on those curves."""
    rungs = []
    for height, kbps in RUNGS:
        vmaf = curve_vmaf(height, kbps)
        rungs.append(
            Rung(round(height * 16 / 9 / 2) * 2, height, 24.5, float(kbps), vmaf, vmaf - 1.8,
                 vmaf + 1.4, kbps * 0.9, kbps * 1.15)
        )  # fmt: skip
    rates = np.geomspace(7000, 120, 40)
    hull = [
        max((curve_vmaf(h, k), h) for h in HEIGHTS if k < h * 22) for k in (float(r) for r in rates)
    ]
    return LadderPlan(
        codec="h264",
        preset="medium",
        quality_model="vmaf_v0.6.1",
        display=Size(1920, 1080),
        rungs=tuple(rungs),
        hull=tuple(RatePoint(h, 25.0, float(k), v) for k, (v, h) in zip(rates, hull, strict=True)),
        curves=_curves(),
        probes=tuple(
            Probe(h, 26.0, float(k), curve_vmaf(h, k), 4.2)
            for h, k in ((1080, 3000), (720, 1100), (432, 400))
        ),
        notes=("the preset was not trained",),
        expected_loss=0.42,
    )


def source(path: str = "/films/The Long Valley.mkv") -> Source:
    """A 1080p film of a minute with two sound tracks and subtitles."""
    rate = Fraction(24000, 1001)
    video = VideoStream(0, "h264", 1920, 1080, Fraction(1), 0, rate, False, 1486, "yuv420p", 8,
                        "bt709", "bt709", "bt709", "tv", True, False)  # fmt: skip
    return Source(
        Path(path), 64_000_000, "matroska", LENGTH, Size(1920, 1080), video,
        (AudioStream(1, "aac", 2, "stereo", 48000, "eng", "Main", True),
         AudioStream(2, "ac3", 6, "5.1(side)", 48000, "fra", "", False)),
        (SubtitleStream(3, "subrip", "eng", "Full", True),), Fraction(0),
    )  # fmt: skip


def _over_time(mean: float, step: float, dip: float | None = None) -> Series:
    """Values about a mean that move with the time, with one dip of nine if there is one."""
    times = np.arange(0, LENGTH, step)
    values = mean * (1 + 0.04 * np.sin(times / 3)) if dip is None else mean + np.sin(times / 3)
    if dip is not None:
        values -= 9 * (np.abs(times - dip) < step)
    return Series(tuple(times.tolist()), tuple(np.minimum(values, 100).tolist()))


def title(name: str = "The Long Valley") -> TitleResult:
    """A delivered title with everything in it; its third rung missed its target."""
    plan = ladder()
    cuts = [0.0, 3.1, 8.4, 9.0, 15.5, 22.0, 31.7, 33.3, 48.0, LENGTH]
    analysis = Analysis(
        source=source(),
        treatment=Treatment(Fraction(24000, 1001), Size(1920, 1080), deinterlace=True),
        shots=tuple(Shot(a, b) for a, b in pairwise(cuts)),
        digest=(Window(4.0, 2.0), Window(25.0, 2.0)),
        features={"si_mean": 5.1, "ti_mean": 3.2, "geometry_lines": 10.1, "unheard_of": 1.25},
        warnings=(SourceWarning("interlaced", "the picture is interlaced; it is deinterlaced"),),
        seconds=9.5,
    )
    renditions = []
    for index, rung in enumerate(plan.rungs):
        off = -3.4 if index == 2 else 0.3
        renditions.append(
            Rendition(
                rung=rung, codec="h264", codec_string="avc1.640028", path=Path(f"{index}.mp4"),
                frames=1486, average_kbps=rung.bitrate_kbps * 1.03,
                peak_kbps=rung.bitrate_kbps * 1.6,
                verification=Verification(rung.vmaf + off, rung.vmaf + off - 0.4,
                                          rung.vmaf + off + 0.4, 620, rung.vmaf - 9.0,
                                          Window(17.0 + index, 1.0), rung.vmaf + 2, 38.2, 1.4,
                                          _over_time(rung.vmaf + off, 1.0, 17.5 + index)),
                attempts=3 if index == 2 else 1, on_target=index != 2,
                bitrate_series=_over_time(rung.bitrate_kbps, 4.0),
            )
        )  # fmt: skip
    reasons = ("a face, sharp, good contrast", "a wide view, still", "strong colour")
    return TitleResult(
        name=name,
        plan=TitlePlan(analysis, (plan,), PlanSeconds(9.5, 22.0, 31.5)),
        renditions=tuple(renditions),
        audio=(AudioRendition(Path("a.mp4"), 1, "mp4a.40.2", 2, 48000, 128.4, "eng", "Main"),),
        package=Package("master.m3u8", "manifest.mpd", 119, 91_000_000),
        thumbnails=tuple(
            Thumbnail(f"{i + 1:02d}-16x9.jpg", 5.0 + 11 * i, 0.9 - 0.07 * i,
                      {"sharp": 0.91, "exposure": 0.88, "colour": 0.42},
                      ((300, 200, 120, 120),) if i == 0 else (), reason)
            for i, reason in enumerate(reasons)
        ),
        commands=("ffmpeg -hide_banner -i 'file:/films/The Long Valley.mkv' -f null -",
                  "packager in=0.mp4,stream=video"),
        seconds={"analysis": 9.5, "probing": 22.0, "encoding": 130.0, "verification": 75.0},
    )  # fmt: skip


def codecs() -> TitleResult:
    """A title with a ladder in each of two codecs."""
    plain = title()
    both = (plain.plan.ladder, replace(plain.plan.ladder, codec="av1"))
    second = tuple(replace(one, codec="av1") for one in plain.renditions)
    return replace(
        plain,
        plan=replace(plain.plan, ladders=both),
        renditions=plain.renditions + second,
    )


def hostile() -> TitleResult:
    """A title whose every text is an attempt to break out of the page."""
    plain = title(HOSTILE)
    analysis = plain.plan.analysis
    track = replace(analysis.source.audio[0], title=HOSTILE, language=HOSTILE, codec=HOSTILE)
    words = replace(analysis.source.subtitles[0], title=HOSTILE, codec=HOSTILE)
    analysis = replace(
        analysis,
        source=replace(
            analysis.source, path=Path(f"/{HOSTILE}"), container=HOSTILE, audio=(track,),
            subtitles=(words,),
        ),
        features={**analysis.features, HOSTILE: 1.0},
        warnings=(SourceWarning(HOSTILE, HOSTILE),),
    )  # fmt: skip
    return replace(
        plain,
        plan=replace(
            plain.plan, analysis=analysis, ladders=(replace(plain.plan.ladder, notes=(HOSTILE,)),)
        ),
        thumbnails=(replace(plain.thumbnails[0], file=f"../{HOSTILE}", reason=HOSTILE),),
        commands=(f"ffmpeg {HOSTILE}",),
        seconds={HOSTILE: 1.0},
    )


def bare() -> TitleResult:
    """A title with as little as a record can hold: two frames, no sound, one rung, no curves."""
    plain = title("bare")
    only = plain.plan.ladder.rungs[-1]
    clip = replace(plain.plan.analysis.source, audio=(), subtitles=(), duration=0.08)
    return replace(
        plain,
        plan=replace(
            plain.plan,
            analysis=replace(plain.plan.analysis, source=clip, shots=(), features={}, warnings=()),
            ladders=(
                replace(plain.plan.ladder, rungs=(only,), hull=(), curves=(), probes=(), notes=()),
            ),
        ),
        renditions=(),
        audio=(),
        thumbnails=(),
        commands=(),
        seconds={},
    )


def write_thumbnails(result: TitleResult, folder: Path) -> None:
    """Pictures for the title's candidates: gradients with a disc."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[0:720, 0:1280]
    for index, candidate in enumerate(result.thumbnails):
        planes = (x / 5 % 256, y / 3 % 256, (x + y) / 8 % 256)
        picture = np.stack(planes, axis=-1).astype(np.uint8)
        cv2.circle(picture, (400 + 200 * index, 360), 140, (60, 200, 240), -1)
        _, coded = cv2.imencode(".jpg", picture)
        (folder / Path(candidate.file).name).write_bytes(coded.tobytes())


def batch(out: Path) -> BatchResult:
    """Three titles, one of them hostile, and two failures."""
    other = title("autre été")
    failures = (
        TitleFailure("notes", Path("/in/notes.mp4"), "notes.mp4 is not a readable video",
                     Stage.ANALYSIS),
        TitleFailure(HOSTILE, Path(f"/in/{HOSTILE}"), HOSTILE, Stage.ENCODING, f"ffmpeg {HOSTILE}",
                     f"log\n{HOSTILE}"),
    )  # fmt: skip
    return BatchResult(out, (title(), other, hostile()), failures, 912.0)
