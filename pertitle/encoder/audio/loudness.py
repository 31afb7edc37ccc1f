"""Bringing sound to one loudness: EBU R 128 with true peaks, in two passes of ``loudnorm``.

The second pass is one gain wherever that keeps the true peaks in bounds; else the gain follows
the sound.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pertitle.encoder import commands
from pertitle.errors import DeliveryError

MAX_TRUE_PEAK = -1.0
"""dBTP (EBU R 128, 2023, requirement h)."""
HEARD = -70.0
"""LUFS; the absolute gate of ITU-R BS.1770: quieter sound has no loudness."""
WIDEST_RANGE = 50.0
"""Loudness range (LU) asked for: the widest there is, so that it never forces compression."""


@dataclass(frozen=True)
class Levels:
    """Loudness of a track: integrated (LUFS), range (LU), true peak (dBTP), gate (LUFS)."""

    integrated: float
    range: float
    true_peak: float
    gate: float


def measuring_command(program: str, sound: Any) -> list[str]:
    """The argv that measures: it ends with a JSON object on stderr."""
    measured = sound.filter("loudnorm", dual_mono="true", print_format="json")
    output = measured.output("pipe:", f="null").global_args("-loglevel", "info", "-nostats")
    return commands.finish(program, output)


def read_levels(log: str) -> Levels | None:
    """What a measuring pass says; None where nothing is heard.

    Raises:
        DeliveryError: it says nothing.
    """
    first, end = log.rfind("{"), log.rfind("}")
    try:
        found = json.loads(log[first : end + 1])
        levels = Levels(*(float(found[f"input_{name}"]) for name in ("i", "lra", "tp", "thresh")))
    except (ValueError, KeyError) as error:
        raise DeliveryError("the loudness of a sound track could not be measured") from error
    return levels if levels.integrated > HEARD else None


def normalised(sound: Any, levels: Levels, target: float) -> Any:
    """The sound at ``target`` LUFS, its true peaks in bounds."""
    return sound.filter(
        "loudnorm",
        I=target,
        TP=MAX_TRUE_PEAK,
        LRA=WIDEST_RANGE,
        measured_I=levels.integrated,
        measured_LRA=levels.range,
        measured_TP=levels.true_peak,
        measured_thresh=levels.gate,
        linear="true",
        dual_mono="true",
    )
