"""Options of delivery: how rungs are verified, how sound is made, thumbnails, scrubbing."""

from __future__ import annotations

import argparse
from typing import Any

from pertitle.commands.arguments import number, whole
from pertitle.options import AudioOptions, Options, PictureOptions, VerifyOptions
from pertitle.records import PICTURE_FORMATS, PICTURE_SHAPES


def add_output_options(parser: argparse.ArgumentParser) -> None:
    usual = VerifyOptions()
    group = parser.add_argument_group("verification")
    group.add_argument(
        "--verify",
        choices=("sampled", "all"),
        default="sampled",
        help="frames to compare: as many as tell whether a rung is on its target, within"
        " --vmaf-interval if that is given (default), or all",
    )
    group.add_argument(
        "--vmaf-interval",
        type=number(0.05),
        default=usual.half_width,
        metavar="X",
        help="half width of the 95 %% interval of VMAF (default: 0.6, or more where that tells"
        " whether a rung is on its target)",
    )
    group.add_argument(
        "--min-window-vmaf",
        type=number(0),
        metavar="X",
        help="encode a rung again whose worst window is below this",
    )
    group.add_argument(
        "--full-quality",
        action="store_true",
        help="VMAF v1, XPSNR and banding on every compared frame, not on twelve",
    )
    usual_sound = AudioOptions()
    group = parser.add_argument_group("sound")
    group.add_argument(
        "--audio-codec",
        choices=("aac", "opus"),
        default=usual_sound.codec,
        help=f"AAC-LC or Opus (default {usual_sound.codec})",
    )
    group.add_argument(
        "--audio-quality",
        type=mean_opinion,
        metavar="MOS",
        help="lowest bitrate that reaches this ViSQOL score, 1 to 5 (needs pertitle[audio])",
    )
    group.add_argument(
        "--surround", action="store_true", help="keep 5.1 beside the stereo of tracks that have it"
    )
    group.add_argument(
        "--loudness",
        type=loudness,
        metavar="LUFS",
        help="bring every track to this loudness, e.g. -23 (EBU R 128), peaks below -1 dBTP",
    )
    add_thumbnail_options(parser)
    group = parser.add_argument_group("scrubbing")
    group.add_argument(
        "--bif", action="store_true", help="add a BIF file of small pictures for Roku players"
    )


def add_thumbnail_options(parser: argparse.ArgumentParser) -> None:
    usual = PictureOptions()
    group = parser.add_argument_group("thumbnails")
    group.add_argument(
        "-n",
        "--thumbnails",
        type=whole(0),
        default=Options().thumbnails,
        metavar="N",
        help=f"candidate thumbnails (default {Options().thumbnails})",
    )
    group.add_argument(
        "--thumbnail-shapes",
        type=_some_of(PICTURE_SHAPES),
        default=usual.shapes,
        metavar="S,S,...",
        help=f"of {', '.join(PICTURE_SHAPES)}, the main one first (default: all)",
    )
    group.add_argument(
        "--thumbnail-formats",
        type=_some_of(PICTURE_FORMATS),
        default=usual.formats,
        metavar="F,F,...",
        help=f"of {', '.join(PICTURE_FORMATS)}, the main one first"
        f" (default {','.join(usual.formats)})",
    )
    group.add_argument(
        "--spoiler-share",
        type=share,
        default=usual.spoiler_share,
        metavar="X",
        help="no thumbnail from this share of the title at its end, e.g. 0.25 (default 0)",
    )


def _some_of(known: tuple[str, ...]) -> Any:
    def parse(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
        if not names or not set(names) <= set(known):
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of {', '.join(known)}")
        return names

    return parse


def share(text: str) -> float:
    if not 0 <= (part := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share: 0 up to below 1")
    return part


def mean_opinion(text: str) -> float:
    if not 1 <= (score := float(text)) <= 5:
        raise argparse.ArgumentTypeError(f"{text} is not a score between 1 and 5")
    return score


def loudness(text: str) -> float:
    if not -70 <= (level := float(text)) <= -5:
        raise argparse.ArgumentTypeError(f"{text} is not a loudness between -70 and -5 LUFS")
    return level


def outputs_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fields of :class:`pertitle.Options` from the options of :func:`add_output_options`."""
    return {
        "verify": VerifyOptions(
            all_frames=arguments.verify == "all",
            half_width=arguments.vmaf_interval,
            min_window_vmaf=arguments.min_window_vmaf,
            full_quality=arguments.full_quality,
        ),
        "audio": AudioOptions(
            codec=arguments.audio_codec,
            target_mos=arguments.audio_quality,
            surround=arguments.surround,
            loudness=arguments.loudness,
        ),
        "bif": arguments.bif,
        **thumbnails_of(arguments),
    }


def thumbnails_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fields of :class:`pertitle.Options` from the options of :func:`add_thumbnail_options`."""
    return {
        "thumbnails": arguments.thumbnails,
        "pictures": PictureOptions(
            shapes=arguments.thumbnail_shapes,
            formats=arguments.thumbnail_formats,
            spoiler_share=arguments.spoiler_share,
        ),
    }
