"""How good the planner is on titles it never saw, replayed from measured tables.

Grouped k-fold: all clips and variants of one origin are in one fold, and the model of a fold has
seen none of them. Nothing is encoded; the table answers the probes (PCHIP between its CRFs).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold

from pertitle.errors import ModelError
from pertitle.ladder.surface import SurfaceModel, TitleTable
from pertitle.options import LadderOptions
from pertitle.serial import write_json, write_text
from pertitle.training.baselines import TreeBaseline, fixed_points, savings, uniform_probing
from pertitle.training.corpus import Row, read_table
from pertitle.training.fitting import read_features, relatives_of, titles_of, train_titles
from pertitle.training.plots import LEVELS, calibration, chart
from pertitle.training.replay import DENSE, Replay, replay, summarise
from pertitle.training.scoring import Score, Truth

DEFAULT_BUDGET = LadderOptions().max_probes
_STEPS = {"h264": 0.1, "hevc": 0.1, "av1": 1.0}


@dataclass
class _Tally:
    """Scores gathered over the folds."""

    ours: dict[int, list[Score]] = field(default_factory=dict)
    mean_surface: dict[int, list[Score]] = field(default_factory=dict)
    default: list[Replay] = field(default_factory=list)
    delivered: list[Replay] = field(default_factory=list)
    uniform: list[tuple[Score, int]] = field(default_factory=list)
    trees: list[Score] = field(default_factory=list)
    saved: list[tuple[float, float]] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    per_title: list[dict[str, Any]] = field(default_factory=list)


def evaluate(
    table: Path | str,
    features: Path | str | None,
    codecs: Sequence[str],
    probes: Sequence[int] = (0, 1, 2, 4, 8),
    folds: int = 5,
    *,
    seed: int = 0,
    train_originals: bool = False,
    test_variants: bool = False,
    baselines: bool = True,
    out: Path | None = None,
    plots: Path | None = None,
    on_fold: Callable[[str, int, int], None] = lambda codec, fold, folds: None,
) -> dict[str, Any]:
    """Replay every title of a table with a model that never saw its group.

    Args:
        table: as ``pertitle corpus measure`` writes it.
        features: feature table, or None for geometry alone.
        codecs: codecs to evaluate.
        probes: numbers of measured points to report.
        seed: other than 0, sources are assigned to the folds at random.
        train_originals: altered clips do not train.
        test_variants: altered clips are tested, in place of the originals.
        baselines: also run the mean surface, uniform probing and trees.
        out: JSON file to write.
        plots: folder for ``loss-CODEC.svg`` and ``calibration-CODEC.svg``.
        on_fold: told (codec, finished folds, folds).

    Returns:
        By codec: titles, scores by number of probes, the default budget with early stop, the
        ladder as delivered, saving over the fixed ladder, and the baselines. Losses, bitrate
        errors and savings are per cent, VMAF errors points.

    Raises:
        ModelError: unreadable tables, or too few titles for the folds.
    """
    rows = read_table(table)
    known = read_features(features) if features is not None else {}
    report: dict[str, Any] = {
        "folds": folds,
        "seed": seed,
        "rung_step_vmaf": DENSE.vmaf_step,
        "codecs": {},
    }
    for codec in codecs:
        titles = titles_of(rows, known, codec)
        relatives = relatives_of(titles, rows, known)
        pupils = [t for t in titles if _original(t) or not train_originals]
        # Altered clips that train follow the folds of what is tested, which are the same without.
        tested = [t for t in titles if _original(t) != test_variants]
        groups = [t.group for t in tested]
        if len(set(groups)) < max(2, folds):
            raise ModelError(f"{len(set(groups))} sources of {codec}: too few for {folds} folds")
        tally = _Tally()
        splits = GroupKFold(folds, shuffle=bool(seed), random_state=seed or None)
        for fold, (_, test) in enumerate(splits.split(tested, groups=groups)):
            chosen = [tested[i] for i in test]
            held = {title.group for title in chosen}
            learning = [t for t in pupils if t.group not in held]
            transferred = [
                t
                for t in relatives
                if t.group not in held and (_original(t) or not train_originals)
            ]
            model = train_titles(learning, rows, codec, relatives=transferred)
            _fold(tally, model, learning, chosen, rows, codec, sorted(set(probes)), baselines)
            on_fold(codec, fold + 1, folds)
        report["codecs"][codec] = _summary(tally, len(titles), len(set(groups)))
        if plots is not None:
            _draw(tally, codec, plots)
    if out is not None:
        write_json(out, report)
    return report


def _original(title: TitleTable) -> bool:
    return title.name.endswith("/base")


def _fold(
    tally: _Tally,
    model: SurfaceModel,
    learning: Sequence[TitleTable],
    chosen: Sequence[TitleTable],
    rows: Sequence[Row],
    codec: str,
    probes: Sequence[int],
    baselines: bool,
) -> None:
    plain: SurfaceModel | None = None
    trees: TreeBaseline | None = None
    if baselines:
        plain = train_titles(learning, rows, codec, feature_names=())
        trees = TreeBaseline(learning)
    step = _STEPS.get(codec, 1.0)
    for title in chosen:
        truth = Truth(title)
        started = time.perf_counter()
        done = replay(model, truth, probes, crf_step=step)
        made = max(1, max(r.probes for r in done) + len(probes))
        tally.seconds.append((time.perf_counter() - started) / made)
        for count, result in zip(probes, done, strict=True):
            tally.ours.setdefault(count, []).append(result.score)
        default = replay(model, truth, [DEFAULT_BUDGET], crf_step=step, stop=True)[0]
        delivered = replay(
            model, truth, [DEFAULT_BUDGET], crf_step=step, stop=True, options=LadderOptions()
        )[0]
        tally.default.append(default)
        tally.delivered.append(delivered)
        tally.share.append(default.price / _grid_price(title))
        fixed = fixed_points(truth, codec)
        true = [truth.at(_nearest(truth, r.height), r.crf) for r in default.plan.rungs]
        saved = savings(truth, fixed, true)
        if saved is not None:
            tally.saved.append(saved)
        tally.per_title.append(
            {
                "title": title.name,
                "height": title.context.size.height,
                "loss": {str(c): r.score.loss for c, r in zip(probes, done, strict=True)},
                "vmaf_error": {
                    str(c): r.score.vmaf_error for c, r in zip(probes, done, strict=True)
                },
                "default_probes": default.probes,
                "default_loss": default.score.loss,
                "delivered_loss": delivered.score.loss,
                "delivered_top_overpay": delivered.score.top_overpay,
                "delivered_expected_loss": delivered.plan.expected_loss,
                "delivered_loss_bound": delivered.plan.loss_bound,
                "default_expected_loss": default.plan.expected_loss,
                "hull_saving": None if saved is None else saved[0],
                "saving": None if saved is None else saved[1],
            }
        )
        if plain is not None and trees is not None:
            for count, result in zip(
                probes, replay(plain, truth, probes, crf_step=step), strict=True
            ):
                tally.mean_surface.setdefault(count, []).append(result.score)
            tally.uniform.append(uniform_probing(truth))
            tally.trees.append(trees.score(truth))


def _grid_price(title: TitleTable) -> float:
    native = title.context.size
    sizes = [title.context.rung_size(int(h)) for h in title.heights]
    return sum(s.width * s.height for s in sizes) / (native.width * native.height)


def _nearest(truth: Truth, height: int) -> int:
    return min(truth.heights, key=lambda h: abs(h - height))


def _summary(tally: _Tally, titles: int, groups: int) -> dict[str, Any]:
    by_hull = np.array([s[0] for s in tally.saved])
    by_us = np.array([s[1] for s in tally.saved])
    out: dict[str, Any] = {
        "titles": titles,
        "groups": groups,
        "tested": len(tally.default),
        "probes": {str(count): summarise(scores) for count, scores in tally.ours.items()},
        "default": {
            **summarise([r.score for r in tally.default]),
            "probes_mean": float(np.mean([r.probes for r in tally.default])),
            "pixels_of_grid": float(np.mean(tally.share)),
        },
        "delivered_ladder": {
            **summarise([r.score for r in tally.delivered]),
            "probes_mean": float(np.mean([r.probes for r in tally.delivered])),
            "bound_holds": float(
                np.mean([r.score.loss <= r.plan.loss_bound for r in tally.delivered])
            ),
        },
        "fixed_ladder": {
            "titles": len(tally.saved),
            "hull_saving": float(by_hull.mean()) if len(by_hull) else 0.0,
            "saving": float(by_us.mean()) if len(by_us) else 0.0,
            "share": float(by_us.mean() / by_hull.mean()) if len(by_hull) else 0.0,
        },
        "planner_seconds_a_probe": float(np.mean(tally.seconds)),
        "per_title": tally.per_title,
    }
    if tally.uniform:
        out["baselines"] = {
            "mean_surface": {str(c): summarise(s) for c, s in tally.mean_surface.items()},
            "uniform_3_crfs": {
                **_bare([s for s, _ in tally.uniform]),
                "probes_mean": float(np.mean([n for _, n in tally.uniform])),
            },
            "extra_trees": _bare(tally.trees),
        }
    return out


def _draw(tally: _Tally, codec: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)

    def line(scores: dict[int, list[Score]]) -> list[tuple[float, float]]:
        return [(float(c), summarise(s)["loss_mean"]) for c, s in scores.items()]

    lines = {"with features": line(tally.ours)}
    if tally.mean_surface:
        lines["mean surface"] = line(tally.mean_surface)
    title = f"{codec}: BD-rate loss against the exhaustive hull"
    write_text(folder / f"loss-{codec}.svg", chart(title, "measured points", "mean loss, %", lines))
    ideal = [(level, level) for level in LEVELS]
    lines = {"ideal": ideal}
    for count in sorted(tally.ours)[:: max(1, len(tally.ours) - 1)]:
        ratios = [x for s in tally.ours[count] for x in (*s.vmaf_ratios, *s.rate_ratios)]
        lines[f"{count} points"] = calibration(ratios)
    title = f"{codec}: rungs whose truth lies inside the interval"
    write_text(
        folder / f"calibration-{codec}.svg",
        chart(title, "promised share", "observed share", lines, top=1.0),
    )


def _bare(scores: Sequence[Score]) -> dict[str, float]:
    """A summary without intervals, for those who promise none."""
    return {k: v for k, v in summarise(scores).items() if not k.endswith("coverage")}
