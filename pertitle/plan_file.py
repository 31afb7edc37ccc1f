"""The plan contract: the JSON that ``pertitle plan`` writes and ``pertitle encode`` delivers.

docs/plan-json.md documents every field. ``version`` changes when a field changes its meaning or
goes away; fields may be added without a new version.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pertitle.errors import ModelError
from pertitle.records import (
    Analysis,
    EncodeOptions,
    LadderOptions,
    LadderPlan,
    Options,
    PlanSeconds,
    TitlePlan,
)
from pertitle.serial import from_json, read_json, to_json

VERSION = 1
_MAX_RUNGS = 64


def plan_document(plan: TitlePlan, options: Options) -> dict[str, Any]:
    """The contract's JSON object for a plan and the options it was made with."""
    ladder = to_json(plan.ladder)
    analysis = to_json(plan.analysis)
    source = analysis.pop("source")
    source["frame_rate"] = source["video"]["frame_rate"]
    source["width"], source["height"] = source["size"]["width"], source["size"]["height"]
    return {
        "version": VERSION,
        "source": source,
        **{key: ladder[key] for key in ("codec", "preset", "quality_model", "display")},
        "rungs": ladder["rungs"],
        "hull": ladder["hull"],
        "probes": ladder["probes"],
        "seconds": to_json(plan.seconds),
        "expected_loss": ladder["expected_loss"],
        "notes": ladder["notes"],
        "options": {"ladder": to_json(options.ladder), "encode": to_json(options.encode)},
        "analysis": analysis,
        "curves": ladder["curves"],
    }


def read_plan(path: Path) -> tuple[TitlePlan, Options]:
    """Load and validate a plan file.

    Raises:
        ModelError: not a plan, of another version, or with values no ladder can have.
    """
    data = read_json(path)
    if not isinstance(data, dict) or "version" not in data or "rungs" not in data:
        raise ModelError(f"{path.name} is not a plan")
    if data["version"] != VERSION:
        raise ModelError(f"{path.name} is a plan of version {data['version']}, not {VERSION}")
    try:
        analysis_data = {**data["analysis"], "source": dict(data["source"])}
        for shortcut in ("frame_rate", "width", "height"):
            analysis_data["source"].pop(shortcut, None)
        keys = ("codec", "preset", "quality_model", "display", "rungs", "hull", "curves", "probes")
        ladder_data = {key: data[key] for key in (*keys, "notes", "expected_loss")}
        chosen = {part: data["options"][part] for part in ("ladder", "encode")}
    except (KeyError, TypeError) as error:
        raise ModelError(f"{path.name}: field {error} is missing") from error
    plan = TitlePlan(
        from_json(Analysis, analysis_data, "analysis"),
        from_json(LadderPlan, ladder_data, "plan"),
        from_json(PlanSeconds, data["seconds"], "seconds"),
    )
    options = Options(
        ladder=from_json(LadderOptions, chosen["ladder"], "options.ladder"),
        encode=from_json(EncodeOptions, chosen["encode"], "options.encode"),
    )
    _check(plan.ladder, path.name)
    return plan, options


def _check(ladder: LadderPlan, name: str) -> None:
    if not 1 <= len(ladder.rungs) <= _MAX_RUNGS:
        raise ModelError(f"{name}: {len(ladder.rungs)} rungs")
    for rung in ladder.rungs:
        sane = 2 <= rung.width <= 16384 and 2 <= rung.height <= 16384
        if not (sane and rung.width % 2 == 0 and rung.height % 2 == 0 and 0 <= rung.crf <= 63):
            raise ModelError(f"{name}: rung {rung.width}x{rung.height} crf {rung.crf} is not valid")
        if not rung.bitrate_kbps > 0:
            raise ModelError(f"{name}: a rung has no bitrate")
    rates = [rung.bitrate_kbps for rung in ladder.rungs]
    if rates != sorted(rates, reverse=True):
        raise ModelError(f"{name}: rungs are not ordered from high to low bitrate")
