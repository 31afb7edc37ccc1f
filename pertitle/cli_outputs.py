"""Options of delivery: how rungs are verified, how sound is made, what else goes along."""

from __future__ import annotations

import argparse
from typing import Any

from pertitle.cli_options import number
from pertitle.records import AudioOptions, VerifyOptions


def add_output_options(parser: argparse.ArgumentParser) -> None:
    usual = VerifyOptions()
    group = parser.add_argument_group("verification")
    group.add_argument(
        "--verify",
        choices=("sampled", "all"),
        default="sampled",
        help="frames to compare: enough for --vmaf-interval (default), or all",
    )
    group.add_argument(
        "--vmaf-interval",
        type=number(0.05),
        default=usual.half_width,
        metavar="X",
        help=f"half width of the 95 %% interval of VMAF (default {usual.half_width:g})",
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
        help="VMAF v1, XPSNR and banding on every compared frame, not on a fifth",
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
    group = parser.add_argument_group("scrubbing")
    group.add_argument(
        "--bif", action="store_true", help="add a BIF file of small pictures for Roku players"
    )


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
    }
