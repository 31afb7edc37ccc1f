"""Off-policy estimates on a real log: the sample of the Open Bandit Dataset.

Saito et al., "Open Bandit Dataset and Pipeline" (NeurIPS 2021 Datasets and Benchmarks). The
source distribution of the PyPI package ``obp`` (0.5.7) holds 10,000 rounds of a fashion shop's
uniform-random policy over 80 items; items stand for thumbnails here, user columns for context.

1. The estimators agree with obp's own on the same inputs.
2. The learned ranking, trained on the first days, is valued on the held-out last days, beside
   the uniform policy and the best single item of the first days.

Usage (development only; unpack the source distribution anywhere)::

    pip download --no-deps --ignore-requires-python obp==0.5.7 && tar xf obp-0.5.7.tar.gz
    python -m benchmarks.thumbnails.offpolicy obp-0.5.7
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pertitle.clicks import estimators as evaluation
from pertitle.clicks.database import FEATURES, Entry, Store
from pertitle.clicks.estimators import Estimate, Estimates
from pertitle.clicks.log import parse_time
from pertitle.clicks.ranking import learn, rank

TITLE = "shop"
CONTEXT = ("user_feature_0", "user_feature_1", "user_feature_2", "user_feature_3")
TRAIN_DAYS = 4
Row = dict[str, str]
Floats = NDArray[np.float64]


def load_obp(folder: Path) -> Any:
    """obp's estimators module without its package, which imports heavy things they do not use."""
    names = {"torch": ("Tensor", "tensor"), "pandas": ("DataFrame", "Series")}
    for name, attributes in names.items():
        stand_in = types.ModuleType(name)
        for attribute in attributes:  # only named in annotations
            setattr(stand_in, attribute, type(attribute, (), {}))
        sys.modules.setdefault(name, stand_in)
    for name, place in (("obp", folder / "obp"), ("obp.ope", folder / "obp" / "ope")):
        package = types.ModuleType(name)
        package.__path__ = [str(place)]
        sys.modules[name] = package
    return importlib.import_module("obp.ope.estimators")


def read_rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return sorted(csv.DictReader(file), key=lambda row: row["timestamp"])


def item_features(path: Path) -> list[tuple[float, ...]]:
    """The item's number, and its hashed categories as fixed pseudo-random signs."""
    items = []
    for row in read_csv(path):
        values = np.zeros(len(FEATURES))
        values[1] = float(row["item_feature_0"]) / 2
        for column in ("item_feature_1", "item_feature_2", "item_feature_3"):
            digest = hashlib.sha256(f"{column}={row[column]}".encode()).digest()
            values[2:] += np.array([0.15 if b % 2 else -0.15 for b in digest[: len(values) - 2]])
        items.append(tuple(map(float, values)))
    return items


def read_csv(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_events(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "title", "thumbnail", "position", "propensity", "click", *CONTEXT])
        for row in rows:
            writer.writerow(
                [parse_time(row["timestamp"]), TITLE, row["item_id"], row["position"],
                 row["propensity_score"], row["click"], *(row[name] for name in CONTEXT)]
            )  # fmt: skip


def learned_policy(store: Path, rows: list[Row], items: int, *, greedy: bool) -> Floats:
    """Chance of every item for every row's user."""
    chances: dict[tuple[str, ...], Floats] = {}
    out = np.empty((len(rows), items))
    for i, row in enumerate(rows):
        key = tuple(row[name] for name in CONTEXT)
        if key not in chances:
            ranking = rank(store, context=dict(zip(CONTEXT, key, strict=True)), seed=0)[0]
            chance = np.zeros(items)
            if greedy:
                chance[int(ranking.candidates[0].thumbnail)] = 1.0
            else:
                for candidate in ranking.candidates:
                    chance[int(candidate.thumbnail)] = candidate.propensity
            chances[key] = chance
        out[i] = chances[key]
    return out


def item_means(rows: list[Row], items: int) -> Floats:
    """Click rate of every item, drawn towards the overall one."""
    action = np.array([int(row["item_id"]) for row in rows])
    click = np.array([float(row["click"]) for row in rows])
    count = np.bincount(action, minlength=items)
    means: Floats = (np.bincount(action, click, items) + 100 * click.mean()) / (count + 100)
    return means


def agreement(obp: Any, rows: list[Row], policies: dict[str, Floats], model: Floats) -> float:
    """Largest difference to obp's estimates over estimators and policies."""
    reward = np.array([float(row["click"]) for row in rows])
    action = np.array([int(row["item_id"]) for row in rows])
    logged = np.array([float(row["propensity_score"]) for row in rows])
    worst = 0.0
    for name, policy in policies.items():
        dist = policy[:, :, None]
        target = policy[np.arange(len(rows)), action]
        table = np.repeat(model[None, :, None], len(rows), axis=0)
        theirs = {
            "ips": obp.InverseProbabilityWeighting().estimate_policy_value(
                reward=reward, action=action, pscore=logged, action_dist=dist
            ),
            "snips": obp.SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(
                reward=reward, action=action, pscore=logged, action_dist=dist
            ),
            "dr": obp.DoublyRobust().estimate_policy_value(
                reward=reward, action=action, pscore=logged, action_dist=dist,
                estimated_rewards_by_reg_model=table,
            ),
        }  # fmt: skip
        found = evaluation.estimate(
            name, reward, logged, target, predicted=model[action],
            expected=np.full(len(rows), policy @ model), rounds=2,
        )  # fmt: skip
        assert found.dr is not None
        ours = {
            "ips": evaluation.ips(reward, logged, target),
            "snips": evaluation.snips(reward, logged, target),
            "dr": found.dr.value,
        }
        if set(np.unique(policy)) <= {0.0, 1.0}:
            theirs["replay"] = obp.ReplayMethod().estimate_policy_value(
                reward=reward, action=action, action_dist=dist
            )
            ours["replay"] = evaluation.replay(reward, target)
        for estimator, value in ours.items():
            difference = abs(value - float(theirs[estimator]))
            worst = max(worst, difference)
            print(f"  {name:18} {estimator:6} {value:.8f}  obp {theirs[estimator]:.8f}")
    return worst


def show(found: Estimates) -> str:
    def cell(part: Estimate | None) -> str:
        return (
            ""
            if part is None
            else f"{1e3 * part.value:.2f} [{1e3 * part.low:.2f}, {1e3 * part.high:.2f}]"
        )

    cells = " | ".join(cell(part) for part in (found.replay, found.ips, found.snips, found.dr))
    return f"| {found.policy} | {cells} | {found.effective:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("obp", type=Path, help="the unpacked source distribution")
    options = parser.parse_args()
    data = options.obp / "obp" / "dataset" / "obd" / "random" / "all"
    rows = read_rows(data / "all.csv")
    features = item_features(data / "item_context.csv")
    days = sorted({row["timestamp"][:10] for row in rows})
    early = set(days[:TRAIN_DAYS])
    train = [row for row in rows if row["timestamp"][:10] in early]
    test = [row for row in rows if row["timestamp"][:10] not in early]
    items = len(features)
    with tempfile.TemporaryDirectory() as scratch:
        store, log = Path(scratch, "store.db"), Path(scratch, "events.csv")
        with Store(store) as opened:
            opened.register(TITLE, [Entry(str(i), (), f) for i, f in enumerate(features)])
        write_events(log, train)
        report = learn([log], store)
        greedy = learned_policy(store, test, items, greedy=True)
        exploring = learned_policy(store, test, items, greedy=False)
    model = item_means(train, items)
    best = np.zeros((len(test), items))
    best[:, int(np.argmax(model))] = 1.0
    uniform = np.full((len(test), items), 1 / items)
    policies = {
        "uniform": uniform, "best single item": best, "learned": greedy,
        "learned, exploring": exploring,
    }  # fmt: skip
    clicks = sum(row["click"] == "1" for row in train), sum(row["click"] == "1" for row in test)
    print(f"{report.learned} rounds and {clicks[0]} clicks to learn from ({TRAIN_DAYS} days),")
    print(f"{len(test)} rounds and {clicks[1]} clicks held out ({len(days) - TRAIN_DAYS} days)\n")
    worst = agreement(load_obp(options.obp), test, policies, model)
    print(f"\nlargest difference to obp: {worst:.1e}\n")
    reward = np.array([float(row["click"]) for row in test])
    logged = np.array([float(row["propensity_score"]) for row in test])
    action = np.array([int(row["item_id"]) for row in test])
    print("clicks per 1,000 impressions, 95 % bootstrap intervals:\n")
    print("| policy | replay | IPS | SNIPS | DR | effective rounds |")
    print("|---|---|---|---|---|---|")
    for name, policy in policies.items():
        found = evaluation.estimate(
            name,
            reward,
            logged,
            policy[np.arange(len(test)), action],
            predicted=model[action],
            expected=policy @ model,
            rounds=2000,
        )
        print(show(found))


if __name__ == "__main__":
    main()
