"""Comparing two ladders: plans or delivered results, of one title or of its two encodes.

Pure functions over records; :func:`read_side` alone opens a file. Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.interpolate import PchipInterpolator

from pertitle.errors import ModelError
from pertitle.ladder.bdrate import Array, bd_rate, clean_curve
from pertitle.records import Size, TitlePlan
from pertitle.results import RESULT_VERSION, TitleResult
from pertitle.serial import from_json, read_json
from pertitle.storage.plan_file import read_plan


@dataclass(frozen=True)
class Point:
    """A rung as it is compared: size, CRF, bitrate (kbit/s), VMAF."""

    width: int
    height: int
    crf: float
    bitrate_kbps: float
    vmaf: float

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Side:
    """One ladder of a comparison.

    Attributes:
        name: what the reader knows it by.
        points: rungs, best first; as measured where ``measured``, else as predicted.
        seconds: wall time that planning took; with delivery where ``measured``.
        probes: encodes that were measured to plan it.
    """

    name: str
    source: str
    duration: float
    codec: str
    preset: str
    quality_model: str
    display: Size
    points: tuple[Point, ...]
    measured: bool
    seconds: float
    probes: int


@dataclass(frozen=True)
class Pair:
    """A rung of the first ladder and what the second needs for the same quality.

    Attributes:
        other_kbps: bitrate of the second ladder at the rung's VMAF, interpolated between its
            rungs in log bitrate; None outside its range.
        nearest: the rung of the second ladder with the nearest VMAF.
    """

    rung: Point
    nearest: Point
    other_kbps: float | None

    @property
    def change(self) -> float | None:
        """Bitrate of the second ladder above the first at this quality, per cent."""
        if self.other_kbps is None:
            return None
        return 100 * (self.other_kbps / self.rung.bitrate_kbps - 1)


@dataclass(frozen=True)
class LadderComparison:
    """Two ladders side by side.

    Attributes:
        bd_rate: average bitrate of the second above the first at equal VMAF, per cent (see
            :mod:`pertitle.ladder.bdrate`); None without a common range of quality.
        common: the range of VMAF that both reach; None if there is none.
        pairs: one entry a rung of the first.
        remarks: what makes the comparison less than fair, in words.
    """

    first: Side
    second: Side
    bd_rate: float | None
    common: tuple[float, float] | None
    pairs: tuple[Pair, ...]
    remarks: tuple[str, ...]


def side_of(title: TitlePlan | TitleResult, name: str, codec: str | None = None) -> Side:
    """A plan or a delivered title as one side of a comparison.

    Args:
        codec: whose ladder; None for the codec of widest reach.

    Raises:
        ModelError: the title has no ladder in that codec.
    """
    plan = title.plan if isinstance(title, TitleResult) else title
    source = plan.analysis.source
    ladder = next((one for one in plan.ladders if codec in (None, one.codec)), None)
    if ladder is None:
        raise ModelError(f"{name} has no ladder in {codec}")
    points = [Point(r.width, r.height, r.crf, r.bitrate_kbps, r.vmaf) for r in ladder.rungs]
    seconds, measured = plan.seconds.total, False
    renditions = title.renditions_of(ladder.codec) if isinstance(title, TitleResult) else ()
    if isinstance(title, TitleResult) and renditions:
        points = [
            Point(r.rung.width, r.rung.height, r.rung.crf, r.average_kbps, r.verification.vmaf)
            for r in renditions
        ]
        seconds, measured = sum(title.seconds.values()), True
    return Side(
        name=name,
        source=source.path.name,
        duration=source.duration,
        codec=ladder.codec,
        preset=ladder.preset,
        quality_model=ladder.quality_model,
        display=ladder.display,
        points=tuple(sorted(points, key=lambda p: -p.bitrate_kbps)),
        measured=measured,
        seconds=seconds,
        probes=len(ladder.probes),
    )


def read_side(path: Path, codec: str | None = None) -> Side:
    """Load a ``plan.json``, a ``result.json``, or a title's folder that holds one of them.

    Args:
        codec: whose ladder; None for the codec of widest reach.

    Raises:
        ModelError: there is no such file, it is neither, or it has no ladder in that codec.
    """
    if path.is_dir():
        inside = [path / name for name in ("result.json", "plan.json")]
        found = next((file for file in inside if file.is_file()), None)
        if found is None:
            raise ModelError(f"{path} holds neither result.json nor plan.json")
        return _read_file(found, path.name, codec)
    return _read_file(path, str(path), codec)


def _read_file(path: Path, name: str, codec: str | None) -> Side:
    data = read_json(path)
    if isinstance(data, dict) and "renditions" in data:
        if data.get("version") != RESULT_VERSION:
            raise ModelError(
                f"{path.name} is a result of version {data.get('version')}, not {RESULT_VERSION}"
            )
        record = {key: value for key, value in data.items() if key not in ("version", "inputs")}
        try:
            result = from_json(TitleResult, record)
        except ModelError as error:
            raise ModelError(f"{path} is of another version of pertitle: {error}") from error
        return side_of(result, name, codec)
    plan, _ = read_plan(path)
    return side_of(plan, name, codec)


def compare_ladders(first: Side, second: Side) -> LadderComparison:
    """Compare two ladders; the first is the anchor.

    Raises:
        ModelError: a side has no rungs.
    """
    for side in (first, second):
        if not side.points:
            raise ModelError(f"{side.name} has no rungs to compare")
    curves = [_curve(first.points), _curve(second.points)]
    low = max(curve[1][0] for curve in curves)
    high = min(curve[1][-1] for curve in curves)
    pairs = tuple(
        Pair(
            rung,
            min(second.points, key=lambda p: abs(p.vmaf - rung.vmaf)),
            _rate_at(curves[1], rung.vmaf),
        )
        for rung in first.points
    )
    return LadderComparison(
        first,
        second,
        bd_rate(_columns(first.points), _columns(second.points)),
        (float(low), float(high)) if high > low else None,
        pairs,
        _remarks(first, second),
    )


def _columns(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [p.bitrate_kbps for p in points], [p.vmaf for p in points]


def _curve(points: Sequence[Point]) -> tuple[Array, Array]:
    return clean_curve(*_columns(points))


def _rate_at(curve: tuple[Array, Array], vmaf: float) -> float | None:
    rate, quality = curve
    if len(rate) < 2 or not quality[0] <= vmaf <= quality[-1]:
        return None
    return float(2 ** PchipInterpolator(quality, rate)(vmaf))


def _remarks(first: Side, second: Side) -> tuple[str, ...]:
    said = []
    if first.source != second.source or abs(first.duration - second.duration) > 0.5:
        said.append(f"the sources differ: {first.source} and {second.source}")
    if first.quality_model != second.quality_model:
        said.append(
            f"the quality models differ, {first.quality_model} and {second.quality_model}:"
            " their scores do not compare"
        )
    if first.display != second.display:
        said.append(f"the displays differ, {first.display} and {second.display}")
    if first.measured != second.measured:
        predicted = second if first.measured else first
        said.append(f"the figures of {predicted.name} are predictions")
    return tuple(said)
