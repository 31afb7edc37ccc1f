"""The plan contract: the JSON that ``pertitle plan`` writes and ``pertitle encode`` delivers.

docs/plan-json.md documents every field. ``version`` changes when a field changes its meaning or
goes away; fields may be added without a new version.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pertitle.codecs import CODECS, by_reach
from pertitle.errors import ModelError, UsageError, printable
from pertitle.options import NAME, EncodeOptions, LadderOptions, Options
from pertitle.records import Analysis, LadderPlan, PlanSeconds, TitlePlan
from pertitle.serial import from_json, read_json, to_json
from pertitle.system.sources import MAX_SECONDS, MAX_SIDE, demuxer_of

VERSION = 2
_MAX_RUNGS = 64


def plan_document(plan: TitlePlan, options: Options) -> dict[str, Any]:
    """The contract's JSON object for a plan and the options it was made with."""
    analysis = to_json(plan.analysis)
    source = analysis.pop("source")
    source["frame_rate"] = source["video"]["frame_rate"]
    source["width"], source["height"] = source["size"]["width"], source["size"]["height"]
    return {
        "version": VERSION,
        "source": source,
        "ladders": to_json(plan.ladders),
        "seconds": to_json(plan.seconds),
        "options": {"ladder": to_json(options.ladder), "encode": to_json(options.encode)},
        "analysis": analysis,
    }


def read_plan(path: Path) -> tuple[TitlePlan, Options]:
    """Load and validate a plan file.

    Raises:
        ModelError: not a plan, of another version, or with values no ladder can have.
    """
    data = read_json(path)
    if not isinstance(data, dict) or "version" not in data or "options" not in data:
        raise ModelError(f"{path.name} is not a plan")
    if data["version"] != VERSION:
        raise ModelError(
            f"{path.name} is a plan of version {data['version']}, not {VERSION}: plan it again"
        )
    try:
        analysis_data = {**data["analysis"], "source": dict(data["source"])}
        for shortcut in ("frame_rate", "width", "height"):
            analysis_data["source"].pop(shortcut, None)
        ladders, seconds = data["ladders"], data["seconds"]
        chosen = {part: data["options"][part] for part in ("ladder", "encode")}
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path.name}: field {error} is missing") from error
    if not isinstance(ladders, list) or not 1 <= len(ladders) <= len(CODECS):
        raise ModelError(f"{path.name} does not hold one ladder a codec")
    plan = TitlePlan(
        from_json(Analysis, analysis_data, "analysis"),
        tuple(from_json(LadderPlan, one, f"ladders[{i}]") for i, one in enumerate(ladders)),
        from_json(PlanSeconds, seconds, "seconds"),
    )
    try:
        options = Options(
            ladder=from_json(LadderOptions, chosen["ladder"], "options.ladder"),
            encode=from_json(EncodeOptions, chosen["encode"], "options.encode"),
        )
    except UsageError as error:
        raise ModelError(f"{path.name}: {error}") from error
    for ladder in plan.ladders:
        _check(ladder, plan, path.name)
    _check_bounds(plan, options.encode, path.name)
    codecs = [ladder.codec for ladder in plan.ladders]
    if codecs != [codec.name for codec in by_reach(options.encode.codecs)]:
        raise ModelError(f"{path.name}: ladders of {', '.join(codecs)} are not those asked for")
    return plan, options


def _check_bounds(plan: TitlePlan, encode: EncodeOptions, name: str) -> None:
    """What becomes part of a command, and what decides how much work is done."""
    analysis, video = plan.analysis, plan.analysis.source.video
    words = [encode.quality_model, encode.preset, video.primaries, video.transfer, video.matrix]
    words += [text for one in plan.ladders for text in (one.quality_model, one.preset)]
    for word in words:
        if word is not None and not NAME.fullmatch(word):
            raise ModelError(f"{name}: {printable(word)!r} is not a name")
    demuxer_of(analysis.source)
    sizes = [encode.display, analysis.source.size, analysis.treatment.size]
    sizes += [ladder.display for ladder in plan.ladders]
    sizes += [crop.size for crop in (analysis.treatment.crop, video.window) if crop is not None]
    for size in sizes:
        if not (2 <= size.width <= MAX_SIDE and 2 <= size.height <= MAX_SIDE):
            raise ModelError(f"{name}: {size} is not a picture size")
    numbers = {
        "frame rate": (float(analysis.treatment.frame_rate), 0.01, 1000.0),
        "segment_seconds": (encode.segment_seconds, 0.5, 60.0),
        "vbv_ratio": (encode.vbv_ratio, 1.0, 1000.0),
        "duration": (analysis.source.duration, 0.0001, MAX_SECONDS),
        "digest": (sum(window.duration for window in analysis.digest), 0.0001, 3600.0),
    }
    for what, (value, low, high) in numbers.items():
        if not low <= value <= high:
            raise ModelError(f"{name}: {what} {value:g} is not between {low:g} and {high:g}")


def _check(ladder: LadderPlan, plan: TitlePlan, name: str) -> None:
    if ladder.codec not in CODECS:
        raise ModelError(f"{name}: unknown codec {ladder.codec!r}")
    if ladder.dynamic_range not in ("sdr", plan.analysis.source.video.dynamic_range):
        raise ModelError(f"{name}: {ladder.dynamic_range} is not the source's dynamic range")
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
