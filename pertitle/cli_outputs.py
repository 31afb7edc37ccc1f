"""Options of delivery: how rungs are verified, how sound is made, what else goes along."""

from __future__ import annotations

import argparse
from typing import Any

from pertitle.cli_options import number
from pertitle.records import VerifyOptions


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


def outputs_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fields of :class:`pertitle.Options` from the options of :func:`add_output_options`."""
    return {
        "verify": VerifyOptions(
            all_frames=arguments.verify == "all",
            half_width=arguments.vmaf_interval,
            min_window_vmaf=arguments.min_window_vmaf,
            full_quality=arguments.full_quality,
        )
    }
