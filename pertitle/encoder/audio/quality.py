"""Choosing a sound track's bitrate by measured quality.

ViSQOL (Chinen et al., "ViSQOL v3: An Open Source Production Ready Objective Speech and Audio
Metric", 2020) compares the coded sound with its source and predicts a mean opinion score.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from pertitle.encoder import commands
from pertitle.encoder.audio.decoding import EXCERPT_SECONDS
from pertitle.errors import ToolError
from pertitle.records import AudioStream, Source
from pertitle.system.scratch import scratch_folder
from pertitle.system.tools import Toolbox

VISQOL_RATE = 48000
"""Sample rate ViSQOL's audio mode was trained at, one channel."""


def lowest_rate(
    toolbox: Toolbox,
    source: Source,
    stream: AudioStream,
    start: float,
    *,
    channels: int,
    encoder: str,
    rates: Sequence[int],
    target_mos: float,
) -> tuple[int, float]:
    """The lowest of some rising bitrates (kbit/s) that reaches a quality, else the highest.

    Returns the rate and its quality.

    Args:
        start: second at which the excerpt that is measured begins.

    Raises:
        ToolError: ViSQOL is not installed.
        ProcessError: ffmpeg failed.
    """
    try:
        visqol = importlib.import_module("visqol")  # an optional extra
    except ImportError as error:
        raise ToolError(
            "measuring the quality of sound needs ViSQOL: `pip install visqol-python`"
        ) from error
    api: Any = visqol.VisqolApi()
    api.create(mode="audio")
    with scratch_folder() as name:
        scratch = Path(name)
        reference = scratch / "reference.wav"
        run_excerpt(toolbox, source, stream, start, channels, reference, {"c:a": "pcm_s24le"})
        wanted = read_mono(reference)

        def mos(kbps: int) -> float:
            coded = scratch / f"{kbps}.mp4"
            options = {"c:a": encoder, "b:a": f"{kbps}k"}
            run_excerpt(toolbox, source, stream, start, channels, coded, options)
            heard = read_mono(coded)
            length = min(len(wanted), len(heard))
            result = api.measure_from_arrays(wanted[:length], heard[:length], VISQOL_RATE)
            return float(result.moslqo)

        low, high = 0, len(rates) - 1
        heard_at: dict[int, float] = {}
        while low < high:
            middle = (low + high) // 2
            heard_at[middle] = mos(rates[middle])
            if heard_at[middle] >= target_mos:
                high = middle
            else:
                low = middle + 1
        quality = heard_at[low] if low in heard_at else mos(rates[low])
    return rates[low], quality


def run_excerpt(
    toolbox: Toolbox,
    source: Source,
    stream: AudioStream,
    start: float,
    channels: int,
    target: Path,
    options: dict[str, str],
) -> None:
    """Write the excerpt of a track with the given encoder."""
    opened = commands.open_source(source, ss=f"{start:g}", t=str(EXCERPT_SECONDS))
    output = opened[str(stream.index)].output(
        commands.url(target), ac=channels, ar=VISQOL_RATE, map_metadata="-1", **options
    )
    toolbox.runner.run(commands.finish(toolbox.ffmpeg, output), limits=toolbox.limits())


def read_mono(path: Path) -> NDArray[np.float64]:
    """All samples of a file, its channels averaged."""
    parts = []
    with av.open(f"file:{path}") as container:
        resampler = av.AudioResampler(format="fltp")
        for frame in container.decode(audio=0):
            parts += [part.to_ndarray().mean(axis=0) for part in resampler.resample(frame)]
    return np.concatenate(parts).astype(np.float64)
