"""Sources as they come, and what comes out of them.

Every source is made with ffmpeg's own generators, analysed, encoded at its own size, packaged and
checked as in a real run. What is delivered is then read back with PyAV and held against what was
expected of it. Prints a Markdown table; ends with exit code 1 if a row is not as it should be::

    python -m benchmarks.robustness.odd_sources [NAME ...]
"""

from __future__ import annotations

import argparse
import struct
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from pertitle.analysis.analysing import analyse
from pertitle.codecs import codec_named, prepared
from pertitle.encoder.audio.tracks import encode_audio
from pertitle.encoder.package.checks import check_package
from pertitle.encoder.package.packaging import package
from pertitle.encoder.renditions import encode_renditions
from pertitle.errors import PertitleError
from pertitle.options import AudioOptions
from pertitle.records import Analysis, Rung, Window
from pertitle.results import AudioRendition, Rendition, Verification
from pertitle.system.tools import Toolbox, find_toolbox

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "14")
YUV = ("-pix_fmt", "yuv420p")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params")
HDR10 = (
    "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:hdr10=1:"
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):"
    "max-cll=1000,400"
)
HLG = "log-level=error:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc"
MASTERING, LIGHT_LEVEL = "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"
Make = Callable[[Toolbox, Path], None]


@dataclass(frozen=True)
class Case:
    """An odd source, and what must come out.

    Attributes:
        what: the source in words.
        file: name of the file.
        make: writes it.
        size: delivered size, ``WxH``.
        frames: delivered frames; None for as many as the source decodes to.
        rate: delivered frame rate; None for the source's own.
        pixels: delivered pixel format.
        colour: delivered primaries, transfer and matrix (code points of ITU-T H.273).
        codec: of the ladder.
        hdr: HDR is kept, with its metadata if the source has any.
        crop: letterbox bars are cut away.
        sound: channels of the delivered tracks.
        broken: the last picture is cut through; decoders may or may not show it.
    """

    what: str
    file: str
    make: Make
    size: str = "320x180"
    frames: int | None = None
    rate: Fraction | None = None
    pixels: str = "yuv420p"
    colour: tuple[int, int, int] | None = None
    codec: str = "h264"
    hdr: bool = False
    crop: bool = False
    sound: tuple[int, ...] = ()
    broken: bool = False


def run(toolbox: Toolbox, *words: object) -> None:
    toolbox.runner.run([toolbox.ffmpeg, "-v", "error", "-y", *map(str, words)])


def lavfi(graph: str, *options: str) -> Make:
    """A source from one generator."""

    def make(toolbox: Toolbox, path: Path) -> None:
        run(toolbox, "-f", "lavfi", "-i", graph, *options, f"file:{path}")

    return make


def plain(rate: str = "25", seconds: float = 1.6, size: str = "320x180") -> str:
    return f"testsrc2=s={size}:r={rate}:d={seconds}"


def turned(degrees: int) -> Make:
    def make(toolbox: Toolbox, path: Path) -> None:
        upright = path.with_name("upright.mp4")
        lavfi(plain(), *X264, *YUV)(toolbox, upright)
        run(toolbox, "-display_rotation", degrees, "-i", f"file:{upright}", "-c", "copy",
            f"file:{path}")  # fmt: skip

    return make


def sounding(toolbox: Toolbox, path: Path) -> None:
    """Mono in English, two unlike channels in French, 5.1, and silence."""
    run(
        toolbox, "-f", "lavfi", "-i", plain(), "-f", "lavfi", "-i", "sine=f=440:d=1.6",
        "-f", "lavfi", "-i", "aevalsrc='0.2*sin(880*PI*t)|0.1*sin(1320*PI*t)':d=1.6",
        "-f", "lavfi", "-i", "anoisesrc=d=1.6:a=0.1", "-f", "lavfi", "-i", "anullsrc=d=1.6",
        "-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map", "4",
        "-filter:a:2", "aformat=channel_layouts=5.1", "-metadata:s:a:0", "language=eng",
        "-metadata:s:a:1", "language=fra", *X264, *YUV, "-c:a", "flac", f"file:{path}",
    )  # fmt: skip


def cut_off(toolbox: Toolbox, path: Path) -> None:
    """A file that promises 4 s and ends in the middle."""
    lavfi(plain(seconds=4), *X264, *YUV, "-g", "10")(toolbox, path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


def without_duration(toolbox: Toolbox, path: Path) -> None:
    """As written to a pipe: the header could not be filled in at the end."""
    text = plain()
    run(toolbox, "-f", "lavfi", "-i", text, *X264, *YUV, "-f", "matroska", "-live", "1",
        f"file:{path}")  # fmt: skip


def late(toolbox: Toolbox, path: Path) -> None:
    run(toolbox, "-f", "lavfi", "-i", "sine=f=440:d=2.1", "-itsoffset", "0.5", "-f", "lavfi",
        "-i", plain(), *X264, *YUV, "-c:a", "flac", f"file:{path}")  # fmt: skip


PQ, HLG_2020, SDR = (9, 16, 9), (9, 18, 9), (1, 1, 1)
NTSC, PAL = (6, 6, 6), (5, 6, 5)
CASES: dict[str, Case] = {
    "10bit": Case("10-bit H.264 to HEVC", "ten.mkv", lavfi(plain(), *X264, "-pix_fmt",
                  "yuv420p10le"), pixels="yuv420p10le", codec="hevc"),
    "10bit-h264": Case("10-bit H.264 to H.264", "ten.mkv", lavfi(plain(), *X264, "-pix_fmt",
                       "yuv420p10le")),
    "hdr10-hevc": Case("HDR10 to HEVC", "pq.mkv", lavfi(plain(), *HEVC, HDR10), hdr=True,
                       pixels="yuv420p10le", colour=PQ, codec="hevc"),
    "hdr10-av1": Case("HDR10 to AV1", "pq.mkv", lavfi(plain(), *HEVC, HDR10), hdr=True,
                      pixels="yuv420p10le", colour=PQ, codec="av1"),
    "hdr10-h264": Case("HDR10 to H.264, tone-mapped", "pq.mkv", lavfi(plain(), *HEVC, HDR10),
                       colour=SDR),
    "hlg-hevc": Case("HLG to HEVC", "hlg.mkv", lavfi(plain(), *HEVC, HLG), hdr=True,
                     pixels="yuv420p10le", colour=HLG_2020, codec="hevc"),
    "hlg-av1": Case("HLG to AV1", "hlg.mkv", lavfi(plain(), *HEVC, HLG), hdr=True,
                    pixels="yuv420p10le", colour=HLG_2020, codec="av1"),
    "interlaced": Case("interlaced 25i, top field first", "fields.mkv",
                       lavfi("testsrc2=s=320x180:r=50:d=2.4,interlace", *X264, *YUV, "-flags",
                             "+ilme+ildct", "-x264opts", "tff=1"), frames=60),
    "letterbox": Case("letterbox bars of 30 lines", "bars.mp4",
                      lavfi(f"{plain(size='320x120')},pad=320:180:0:30", *X264, *YUV)),
    "letterbox-cut": Case("the same, cut away", "bars.mp4",
                          lavfi(f"{plain(size='320x120')},pad=320:180:0:30", *X264, *YUV),
                          size="320x120", crop=True),
    "vfr": Case("variable rate: 25 frames/s, then two of three dropped", "vfr.mkv",
                lavfi(f"{plain(seconds=4)},select='lt(n,52)+not(mod(n,3))'", "-fps_mode", "vfr",
                      *X264, *YUV), frames=100, rate=Fraction(25)),
    "rotated-90": Case("turned by 90°", "turned.mp4", turned(90), size="180x320"),
    "rotated-180": Case("turned by 180°", "turned.mp4", turned(180)),
    "rotated-270": Case("turned by 270°", "turned.mp4", turned(270), size="180x320"),
    "pal-wide": Case("720×576 with pixels of 64:45", "pal.mkv",
                     lavfi(f"{plain(size='720x576', seconds=0.6)},setsar=64/45", *X264, *YUV),
                     size="1024x576", colour=PAL),
    "ntsc": Case("720×480 with pixels of 8:9", "ntsc.mkv",
                 lavfi(f"{plain('30000/1001', 0.6, '720x480')},setsar=8/9", *X264, *YUV),
                 size="720x540", colour=NTSC),
    "odd-size": Case("321×181, 4:4:4", "odd.mkv",
                     lavfi(plain(size="321x181"), *X264, "-pix_fmt", "yuv444p")),
    "portrait": Case("portrait 180×320", "tall.mp4", lavfi(plain(size="180x320"), *X264, *YUV),
                     size="180x320"),
    **{
        f"{name}fps": Case(f"{name} frames/s", f"rate-{name}.mp4",
                           lavfi(plain(rate), *X264, *YUV), rate=Fraction(rate))
        for name, rate in (("23.976", "24000/1001"), ("29.97", "30000/1001"), ("48", "48"),
                           ("50", "50"), ("59.94", "60000/1001"), ("120", "120"))
    },
    "alpha": Case("transparency (PNG in QuickTime)", "alpha.mov",
                  lavfi(f"{plain()},format=rgba", "-c:v", "png")),
    "rgb": Case("RGB", "rgb.mkv", lavfi(plain(), "-c:v", "libx264rgb", "-crf", "5", "-pix_fmt",
                                        "gbrp")),
    "full-range": Case("full range (Motion JPEG)", "jpeg.mkv",
                       lavfi(f"{plain()},scale=out_range=pc,format=yuvj420p", "-c:v", "mjpeg",
                             "-q:v", "3", "-pix_fmt", "yuvj420p")),
    "gray": Case("black and white", "gray.mkv", lavfi(plain(), *X264, "-pix_fmt", "gray")),
    "untagged-sd": Case("no colour tags, SD", "untagged.mkv", lavfi(plain(), *X264, *YUV),
                        colour=PAL),
    "untagged-hd": Case("no colour tags, HD", "untagged.mkv",
                        lavfi(plain(size="1280x720", seconds=0.4), *X264, *YUV),
                        size="1280x720", colour=SDR),
    "silent-film": Case("no sound", "mute.mp4", lavfi(plain(), *X264, *YUV)),
    "tracks": Case("four sound tracks: mono, stereo, 5.1, silence", "tracks.mkv", sounding,
                   sound=(1, 2, 2, 6, 1)),
    "1-frame": Case("one frame", "one.mkv", lavfi(plain(seconds=0.04), *X264, *YUV), frames=1),
    "2-frames": Case("two frames", "two.mp4", lavfi(plain(seconds=0.08), *X264, *YUV), frames=2),
    "no-duration": Case("duration missing", "piped.mkv", without_duration, frames=40),
    "cut-off": Case("duration wrong: the file ends early", "cut.mkv", cut_off, broken=True),
    "late-picture": Case("picture 0.5 s after the sound", "late.mkv", late, sound=(1,)),
    "ts": Case("MPEG transport stream with B-frames", "x.ts",
               lavfi(plain("30000/1001"), *X264, *YUV)),
    "ps": Case("MPEG program stream with B-frames", "x.mpg",
               lavfi(plain(), "-c:v", "mpeg2video", "-q:v", "3", "-bf", "2", *YUV)),
    "avi": Case("AVI with B-frames", "x.avi",
                lavfi(plain(), "-c:v", "mpeg4", "-q:v", "3", "-bf", "2", *YUV)),
}  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """What a file holds, as a decoder tells it.

    ``aspect`` is display width over height, upright; ``hdr`` holds mastering display and light
    levels as numbers, by kind.
    """

    frames: int
    size: str
    aspect: float
    pixels: str
    colour: tuple[int, int, int]
    full_range: bool
    hdr: dict[str, tuple[Fraction | int, ...]]


def look(path: Path) -> Picture:
    """Decode a file as a player does."""
    with av.open(f"file:{path}") as container:
        streams = [s for s in container.streams.video if not s.disposition & 0x400]  # no covers
        frames, first = 0, None
        for packet in container.demux(streams[0]):
            try:
                for frame in packet.decode():
                    assert isinstance(frame, av.VideoFrame)
                    first = first or frame
                    frames += 1
            except av.error.InvalidDataError:
                continue
        assert first is not None
        sample = streams[0].sample_aspect_ratio or Fraction(1)
        aspect = float(first.width * sample / first.height)
        if first.rotation % 180:
            aspect = 1 / aspect
        return Picture(
            frames,
            f"{first.width}x{first.height}",
            aspect,
            first.format.name,
            (int(first.color_primaries), int(first.color_trc), int(first.colorspace)),
            int(first.color_range) == 2,
            hdr_metadata(first),
        )


def hdr_metadata(frame: av.VideoFrame) -> dict[str, tuple[Fraction | int, ...]]:
    """Mastering display (AVMasteringDisplayMetadata) and light level, by kind."""
    found: dict[str, tuple[Fraction | int, ...]] = {}
    entries: Any = frame.side_data  # a mapping by its type, but it yields the data itself
    for data in entries:
        kind = str(getattr(data, "type", data)).rpartition("Type.")[2].partition(":")[0]
        if kind == MASTERING:
            # Ten rationals: three primaries, the white point, least and greatest luminance.
            numbers = struct.unpack_from("<20i", bytes(data))
            found[kind] = tuple(
                Fraction(a, b) for a, b in zip(numbers[::2], numbers[1::2], strict=True)
            )
        elif kind == LIGHT_LEVEL:
            found[kind] = struct.unpack_from("<2I", bytes(data))
    return found


def rounded(metadata: dict[str, tuple[Fraction | int, ...]]) -> dict[str, tuple[str, ...]]:
    """To three digits: AV1 writes chromaticities in 1/65536 and luminances in 1/256 or so."""
    return {kind: tuple(f"{float(n):.3g}" for n in numbers) for kind, numbers in metadata.items()}


def deliver(
    toolbox: Toolbox, analysis: Analysis, case: Case, folder: Path
) -> tuple[Picture, tuple[AudioRendition, ...]]:
    """Encode at the title's size and half of it, package, check, and read the first rung back."""
    treated = prepared(analysis, analysis.source.video.dynamic_range if case.hdr else "sdr")
    size, rate = treated.treatment.size, treated.treatment.frame_rate
    half = size.at_height(max(2, size.height // 2))
    encoded = encode_renditions(
        toolbox, treated, [Rung(s.width, s.height, crf, 2000, 80, 79, 81, 1800, 2200)
                           for s, crf in ((size, 18.0), (half, 24.0))],
        codec=codec_named(case.codec), preset="10" if case.codec == "av1" else "ultrafast",
        segment_seconds=1, vbv_ratio=4, folder=folder,
    )  # fmt: skip
    audio = encode_audio(
        toolbox, treated, frames=encoded[0].frames, folder=folder,
        options=AudioOptions(surround=True),
    )  # fmt: skip
    unmeasured = Verification(80, 80, 80, 0, 80, Window(0, 1), 80, 35, 0)
    kept = analysis.source.video.dynamic_range if case.hdr else "sdr"
    renditions = [
        Rendition(e.rung, e.codec, e.codec_string, e.path, e.frames, e.average_kbps, e.peak_kbps,
                  unmeasured, 1, True, kept)
        for e in encoded
    ]  # fmt: skip
    target = folder / "package"
    made = package(toolbox, renditions, audio, folder=target, segment_seconds=1, frame_rate=rate)
    check_package(target, made, renditions, audio, segment_seconds=1, frame_rate=rate)
    (track,) = target.glob(f"segments/video-{case.codec}-{size.height}p")
    whole = folder / "joined.mp4"
    parts = [track / "init.mp4", *sorted(track.glob("*.m4s"))]
    whole.write_bytes(b"".join(part.read_bytes() for part in parts))
    return look(whole), audio


def wrongs(
    case: Case, source: Picture, analysis: Analysis, made: Picture, audio: Sequence[AudioRendition]
) -> list[str]:
    """What of a delivery is not as expected."""
    rate = analysis.treatment.frame_rate
    wanted = {
        "size": (case.size, made.size),
        "frames": (source.frames if case.frames is None else case.frames, made.frames),
        "rate": (case.rate or analysis.source.video.frame_rate, rate),
        "pixel format": (case.pixels, made.pixels),
        "colour": (case.colour or made.colour, made.colour),
        "range": (False, made.full_range),
        "HDR metadata": (rounded(source.hdr) if case.hdr else {}, rounded(made.hdr)),
        "sound": (case.sound, tuple(track.channels for track in audio)),
    }
    if case.broken and abs(source.frames - made.frames) <= 1:
        del wanted["frames"]
    found = [f"{what} {b}, not {a}" for what, (a, b) in wanted.items() if a != b]
    width, height = (int(side) for side in made.size.split("x"))
    if not case.crop and abs(source.aspect * height - width) > 1.5:
        found.append(f"aspect {made.aspect:.4f}, not {source.aspect:.4f}")
    if 2 in made.colour:
        found.append("colour is not tagged")
    return found


def told(case: Case, source: Picture, analysis: Analysis, made: Picture) -> str:
    """What came out, in words."""
    parts = [case.codec.upper().replace("264", ".264"), made.size.replace("x", "×")]
    parts.append(f"{float(analysis.treatment.frame_rate):.6g} frames/s")
    parts.append(f"{made.frames} of {source.frames} frames")
    parts.append(f"{made.pixels}, colour {'/'.join(map(str, made.colour))}")
    if made.hdr:
        parts.append("mastering and light level as in the source")
    return ", ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[*CASES, []], metavar="NAME")
    chosen = parser.parse_args().names or list(CASES)
    toolbox = find_toolbox()
    failed = 0
    print("| source | delivered | said | checks |\n|---|---|---|---|", flush=True)
    for name in chosen:
        case = CASES[name]
        with tempfile.TemporaryDirectory(prefix="pertitle-") as scratch:
            path = Path(scratch, case.file)
            case.make(toolbox, path)
            try:
                analysis = analyse(path, crop=case.crop)
                source = look(path)
                made, audio = deliver(toolbox, analysis, case, Path(scratch))
            except PertitleError as error:
                failed += 1
                print(f"| {case.what} | {type(error).__name__}: {error} | | failed |", flush=True)
                continue
            bad = wrongs(case, source, analysis, made, audio)
            failed += bool(bad)
            said = ", ".join(warning.code for warning in analysis.warnings)
            print(
                f"| {case.what} | {told(case, source, analysis, made)} | {said} |"
                f" {'; '.join(bad) or 'as expected'} |",
                flush=True,
            )
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
