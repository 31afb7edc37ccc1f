"""Option groups of the command line and their way into the library's options."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from pertitle.errors import UsageError
from pertitle.options import EncodeOptions, LadderOptions, Options, ViewerClass
from pertitle.records import FULL_HD, Size
from pertitle.serial import dumps, write_named


def add_ladder_options(parser: argparse.ArgumentParser) -> None:
    usual = LadderOptions()
    group = parser.add_argument_group("ladder")
    group.add_argument(
        "--heights",
        type=heights,
        default=usual.heights,
        metavar="H,H,...",
        help="allowed rung heights; the source's own is always allowed"
        f" (default {','.join(map(str, usual.heights))})",
    )
    for name, what in (
        ("top-vmaf", "VMAF of the best rung, or the best reachable"),
        ("min-vmaf", "no rung below this VMAF"),
        ("vmaf-step", "VMAF distance between rungs; 6 is about one just noticeable difference"),
        ("min-ratio", "least bitrate ratio between neighbouring rungs"),
        ("max-ratio", "largest bitrate ratio between neighbouring rungs"),
        ("tolerance", "stop probing below this expected BD-rate loss, per cent"),
    ):
        field = name.replace("-", "_")
        group.add_argument(
            f"--{name}",
            type=number(0),
            default=getattr(usual, field),
            metavar="X",
            help=f"{what} (default {getattr(usual, field):g})",
        )
    group.add_argument(
        "--audience", metavar="A",
        help="place rungs for these viewers instead of by VMAF steps: mobile, fixed, mixed,"
        " or a .csv or .toml file",
    )  # fmt: skip
    for name, what in (
        ("point-value", "money a VMAF point is worth over an hour watched; weighs it with costs"),
        ("storage-cost", "money to keep a gigabyte as long as the title is offered"),
        ("egress-cost", "money to deliver a gigabyte"),
        ("hours", "hours watched for each hour of title"),
    ):
        field = name.replace("-", "_")
        group.add_argument(
            f"--{name}",
            type=number(0),
            default=getattr(usual, field),
            metavar="X",
            help=f"{what} (default {getattr(usual, field):g})",
        )
    group.add_argument(
        "--max-height", type=whole(16), metavar="H", help="no taller rung, whatever the source"
    )
    group.add_argument("--min-kbps", type=number(0), metavar="K", help="least rung bitrate")
    group.add_argument("--max-kbps", type=number(0), metavar="K", help="largest rung bitrate")
    for name, what, least in (
        ("min-rungs", "least number of rungs", 1),
        ("max-rungs", "largest number of rungs", 1),
        ("max-probes", "probe encodes allowed a codec; 0 predicts only", 0),
    ):
        field = name.replace("-", "_")
        group.add_argument(
            f"--{name}",
            type=whole(least),
            default=getattr(usual, field),
            metavar="N",
            help=f"{what} (default {getattr(usual, field)})",
        )


def add_encode_options(parser: argparse.ArgumentParser) -> None:
    usual = EncodeOptions()
    group = parser.add_argument_group("encoding")
    group.add_argument(
        "-c",
        "--codec",
        dest="codecs",
        type=codecs,
        action="extend",
        metavar="C,C,...",
        help="h264, hevc, av1: one ladder each in one package; may be repeated (default h264)",
    )
    group.add_argument("--model", type=Path, metavar="FILE", help="a model from `pertitle train`")
    group.add_argument(
        "--no-cache", action="store_true", help="measure anew; neither read nor keep measurements"
    )
    group.add_argument(
        "--preset",
        help="encoder preset, or h264=slow,av1=6 for several codecs (default: the trained ones)",
    )
    group.add_argument(
        "--quality-model",
        default=usual.quality_model,
        metavar="NAME",
        help=f"libvmaf model (default {usual.quality_model})",
    )
    group.add_argument(
        "--display",
        type=size,
        default=FULL_HD,
        metavar="WxH",
        help=f"screen the quality is meant for (default {FULL_HD})",
    )
    group.add_argument(
        "--segment-seconds",
        type=number(0.5),
        default=usual.segment_seconds,
        metavar="S",
        help=f"segment and GOP length (default {usual.segment_seconds:g})",
    )
    group.add_argument(
        "--vbv-ratio",
        type=number(1),
        default=usual.vbv_ratio,
        metavar="X",
        help=f"VBV maxrate over the expected bitrate (default {usual.vbv_ratio:g})",
    )
    group.add_argument(
        "--bufsize-ratio",
        type=number(0.1),
        metavar="S",
        help="VBV buffer in seconds of maxrate (default: a segment)",
    )
    group.add_argument(
        "--rate-control",
        choices=("crf", "abr"),
        default=usual.rate_control,
        help="hold the planned quality (default), or the planned average bitrate within 5 %%",
    )
    group.add_argument(
        "--target-size",
        type=byte_count,
        metavar="SIZE",
        help="bring all renditions of a title below this together, e.g. 500M; implies abr",
    )
    group.add_argument("--crop", action="store_true", help="cut a detected letterbox away")
    group.add_argument(
        "--hdr",
        choices=("keep", "sdr"),
        default=usual.hdr,
        help="keep HDR in HEVC and AV1 (default), or tone-map it there too",
    )
    group.add_argument(
        "--half-rate",
        type=whole(2),
        metavar="H",
        help="every other frame up to this height, above 30 frames/s",
    )
    group.add_argument(
        "--segments",
        choices=("cmaf", "ts"),
        default=usual.segments,
        help="fragmented MP4 for HLS and DASH (default), or MPEG-TS for HLS alone (H.264, AAC)",
    )
    group.add_argument(
        "--single-file",
        action="store_true",
        help="one file a track; segments are ranges of bytes in it",
    )
    group.add_argument(
        "--drop-dominated",
        action="store_true",
        help="leave out HEVC and AV1 rungs that an H.264 rung makes useless",
    )
    group.add_argument(
        "--vmaf-tolerance",
        type=number(0.1),
        default=usual.vmaf_tolerance,
        metavar="X",
        help="a rung further from its target is encoded again; half of it for the top rung"
        f" (default {usual.vmaf_tolerance:g})",
    )


def add_general(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("general")
    group.add_argument(
        "--use", metavar="NAME", help="preset of options: draft, lean, premium or own"
    )
    group.add_argument(
        "--profile", metavar="NAME", help="kind of device: mobile, web, tv or uhd; options go first"
    )
    group.add_argument("--config", type=Path, metavar="FILE", help="default: ./pertitle.toml")
    group.add_argument("--ffmpeg", metavar="PATH", help="ffmpeg to use (or PERTITLE_FFMPEG)")
    group.add_argument("--threads", type=whole(1), metavar="N", help="threads an encode may use")
    group.add_argument("--json", metavar="FILE", help="write the result as JSON; - for stdout")
    group.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    group.add_argument("-v", "--verbose", action="store_true", help="print every step")


def options_of(arguments: argparse.Namespace) -> Options:
    """The library's options from the command line's.

    Raises:
        UsageError: two of them contradict one another.
    """
    wanted = {name: getattr(arguments, name) for name in LadderOptions.__dataclass_fields__}
    ladder = LadderOptions(**{**wanted, "audience": viewers(arguments.audience)})
    chosen = {name: getattr(arguments, name) for name in EncodeOptions.__dataclass_fields__}
    chosen["codecs"] = tuple(arguments.codecs or EncodeOptions().codecs)
    encode = EncodeOptions(**chosen)
    return Options(
        ladder=ladder,
        encode=encode,
        ffmpeg=arguments.ffmpeg,
        threads=arguments.threads,
        model=arguments.model,
        preview=getattr(arguments, "preview", None),
        cache=not arguments.no_cache,
    )


def viewers(name: str | None) -> tuple[ViewerClass, ...]:
    """The audience that was named, if one was.

    Raises:
        UsageError: there is none of that name, or its file is none.
    """
    if name is None:
        return ()
    from pertitle.ladder.audience import read_audience

    return read_audience(name)


def number(least: float) -> Any:
    def parse(text: str) -> float:
        value = float(text)
        if not least <= value < 1e9:
            raise argparse.ArgumentTypeError(f"{text} is not a number of at least {least:g}")
        return value

    parse.__name__ = "number"  # argparse names it in its message
    return parse


def whole(least: int) -> Any:
    def parse(text: str) -> int:
        value = int(text)
        if not least <= value <= 100_000:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least {least}")
        return value

    parse.__name__ = "whole number"
    return parse


def codecs(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [name for name in names if name not in ("h264", "hevc", "av1")]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of h264, hevc and av1")
    return names


def byte_count(text: str) -> int:
    """``500M``: a number of bytes, in thousands (k), millions (M) or milliards (G) of them."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kMG]?)B?", text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500M")
    return round(float(found[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[found[2]])


def heights(text: str) -> tuple[int, ...]:
    try:
        heights = sorted({int(part) for part in text.split(",") if part.strip()}, reverse=True)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list such as 1080,720,540") from None
    if not heights or heights[-1] < 16 or heights[0] > 8640:
        raise argparse.ArgumentTypeError("heights must be between 16 and 8640")
    return tuple(heights)


def size(text: str) -> Size:
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()) or not (
        64 <= int(width) <= 8192 and 64 <= int(height) <= 8192
    ):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 1920x1080")
    return Size(int(width), int(height))


def probe_counts(text: str) -> tuple[int, ...]:
    """``0,2,4``: numbers of measured points."""
    try:
        counts = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list such as 0,2,4") from None
    if counts[0] < 0 or counts[-1] > 100:
        raise argparse.ArgumentTypeError("numbers of probes are between 0 and 100")
    return counts


def write_json_file(target: str, data: object) -> None:
    if target == "-":
        print(dumps(data, indent=1))
        return
    try:
        write_named(Path(target).absolute(), dumps(data, indent=1) + "\n")
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error
