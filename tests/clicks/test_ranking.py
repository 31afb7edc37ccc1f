"""Learning from simulated clicks with known truth."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pertitle.clicks.database import FEATURES, Entry, Store
from pertitle.clicks.log import parse_time
from pertitle.clicks.offpolicy import evaluate
from pertitle.clicks.ranking import judge_test, learn, rank
from pertitle.errors import ModelError, UsageError

NOW = 1.8e9
Row = dict[str, Any]
Features = dict[tuple[str, str], Any]


def register(store: Path, titles: int, candidates: int = 4, seed: int = 0) -> Features:
    """Titles with random features; returns features by (title, id)."""
    rng = np.random.default_rng(seed)
    known: Features = {}
    with Store(store) as opened:
        for number in range(titles):
            features = rng.random((candidates, len(FEATURES)))
            features = features[np.argsort(-features[:, 0])]
            names = [f"{k:08d}" for k in range(candidates)]
            opened.register(
                f"t{number}",
                [
                    Entry(name, (f"{k:02d}-16x9.jpg",), tuple(map(float, row)))
                    for k, (name, row) in enumerate(zip(names, features, strict=True))
                ],
            )
            known |= {(f"t{number}", n): row for n, row in zip(names, features, strict=True)}
    return known


def write(path: Path, rows: Sequence[Row]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def simulate(
    known: Features,
    events: int,
    chance: Any,
    seed: int = 1,
    segments: Sequence[str] = ("a", "b"),
) -> list[Row]:
    """A uniform log; ``chance(features, segment, title, position)`` is the click probability."""
    rng = np.random.default_rng(seed)
    by_title: dict[str, list[str]] = {}
    for title, name in known:
        by_title.setdefault(title, []).append(name)
    titles = list(by_title)
    rows = []
    for i in range(events):
        title = titles[rng.integers(len(titles))]
        name = by_title[title][rng.integers(len(by_title[title]))]
        segment = segments[int(rng.integers(len(segments)))]
        position = int(rng.integers(1, 4))
        p = chance(known[title, name], segment, title, position)
        rows.append(
            {
                "time": NOW - 1e6 + i, "title": title, "thumbnail": name, "segment": segment,
                "position": position, "viewer": f"v{i % 997}", "event": f"e{seed}-{i}",
                "propensity": 1 / len(by_title[title]), "click": int(rng.random() < p),
            }
        )  # fmt: skip
    return rows


FACES, COLOUR = FEATURES.index("faces"), FEATURES.index("colour")


def test_before_any_click_the_content_score_ranks(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    known = register(store, 20)
    rankings = rank(store, context={"segment": "a"}, seed=1)
    assert len(rankings) == 20
    for ranking in rankings:
        scores = [known[ranking.title, c.thumbnail][0] for c in ranking.candidates]
        assert scores == sorted(scores, reverse=True)
        assert ranking.events == 0
        assert sum(c.propensity for c in ranking.candidates) == pytest.approx(1)
        assert all(c.propensity >= 0.05 / 4 - 1e-9 for c in ranking.candidates)
        assert all(c.low < c.lift < c.high for c in ranking.candidates)
        assert ranking.shown in {c.thumbnail for c in ranking.candidates}
    again = rank(store, context={"segment": "a"}, seed=1)
    assert rankings == again


def test_what_is_learned_carries_over_to_titles_never_shown(tmp_path: Path) -> None:
    """Segment a clicks faces, segment b colour; half of the titles have no events."""
    store = tmp_path / "s.db"
    known = register(store, 60)
    shown = {key: row for key, row in known.items() if int(key[0][1:]) < 30}

    def chance(row: Any, segment: str, title: str, position: int) -> float:
        return float(0.1 * (1 + 1.2 * (row[FACES if segment == "a" else COLOUR] - 0.5)))

    report = learn([write(tmp_path / "e.csv", simulate(shown, 30_000, chance))], store, now=NOW)
    assert report.added == report.learned == 30_000
    for segment, feature in (("a", FACES), ("b", COLOUR)):
        firsts, all_ = [], []
        for ranking in rank(store, context={"segment": segment}, seed=0):
            if int(ranking.title[1:]) >= 30:
                rows = [known[ranking.title, c.thumbnail][feature] for c in ranking.candidates]
                firsts.append(rows[0])
                all_.append(max(rows))
        assert np.mean(firsts) > 0.85 * np.mean(all_)


def test_popular_titles_and_top_positions_earn_a_picture_nothing(tmp_path: Path) -> None:
    """Pictures differ in nothing; the title and the place decide. Colourful pictures stand on
    popular titles and, within a title, on top: neither may teach that colour is good."""
    store = tmp_path / "s.db"
    rng = np.random.default_rng(0)
    rows = []
    with Store(store) as opened:
        for number in range(40):
            popular = number % 2
            features = rng.random((2, len(FEATURES))) * 0.1 + 0.4
            features[:, COLOUR] = popular * 0.5 + np.array([0.3, 0.0])
            opened.register(
                f"t{number}",
                [Entry(f"{k}", (), tuple(map(float, f))) for k, f in enumerate(features)],
            )
            for i in range(600):
                k = int(rng.integers(2))
                top = rng.random() < (0.9 if k == 0 else 0.1)
                p = (0.2 if popular else 0.05) * (1.0 if top else 0.4)
                rows.append(
                    {"time": NOW - 9e5 + i, "title": f"t{number}", "thumbnail": f"{k}",
                     "position": 1 if top else 2, "event": f"{number}-{i}",
                     "click": int(rng.random() < p)}
                )  # fmt: skip
    learn([write(tmp_path / "e.csv", rows)], store, now=NOW)
    lifts = [{c.thumbnail: c.lift for c in ranking.candidates} for ranking in rank(store, seed=0)]
    advantage = float(np.mean([lift["0"] - lift["1"] for lift in lifts]))
    naive = [np.mean([r["click"] for r in rows if r["thumbnail"] == k]) for k in ("0", "1")]
    assert naive[0] / naive[1] - 1 > 0.5, "the trap is real"
    assert abs(advantage) < 0.15


def test_every_kind_of_bad_event_is_counted_and_none_is_lost(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    known = register(store, 3)
    rows = simulate(known, 1000, lambda *a: 0.1)
    log = write(tmp_path / "a.csv", rows)
    first = learn([log], store, now=NOW)
    assert (first.added, first.duplicates, first.late, first.malformed) == (1000, 0, 0, 0)
    again = learn([log], store, now=NOW)
    assert (again.added, again.duplicates, again.learned) == (0, 1000, 1000)
    assert (again.late, again.unknown) == (0, 0)

    base = rows[0]
    odd = [
        base | {"event": "late", "time": NOW - 2e6},
        base | {"event": "future", "time": NOW + 9e6},
        base | {"event": "stranger", "title": "new", "thumbnail": "00000000"},
        base | {"event": "bad", "click": "yes"},
        base | {"event": "worse", "time": "yesterday"},
        base | {"event": "p", "propensity": 1.5},
    ]
    odd += [base | {"event": f"bot{i}", "viewer": "bot", "time": NOW - 5e5} for i in range(90)]
    report = learn([write(tmp_path / "b.csv", odd)], store, now=NOW)
    assert report.malformed == 3
    assert report.late == 2  # "late" and "stranger"
    assert report.skewed == 1
    assert report.unknown == 1
    assert report.bots == 90
    assert report.added == 3 + 90
    assert report.learned == 1000 + 2
    with Store(store) as opened:
        opened.register("new", [Entry("00000000", ("01-16x9.jpg",), (0.5,) * len(FEATURES))])
    assert learn([], store, now=NOW).learned == 1000 + 3


def test_a_wrong_clock_makes_no_other_event_late_and_no_viewer_a_bot(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    base = simulate(register(store, 1), 1, lambda *a: 0.1)[0]
    wrong = [base | {"event": f"w{i}", "viewer": "v", "time": NOW + 9e6 + i} for i in range(90)]
    report = learn([write(tmp_path / "a.csv", wrong)], store, now=NOW)
    assert (report.skewed, report.bots, report.learned) == (90, 0, 90)
    right = write(tmp_path / "b.csv", [base | {"event": "right", "time": NOW - 60}])
    assert learn([right], store, now=NOW).late == 0


def test_events_without_any_click_rank_finitely(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    rows = simulate(register(store, 2), 200, lambda *a: 0.0)
    assert learn([write(tmp_path / "a.csv", rows)], store, now=NOW).learned == 200
    for ranking in rank(store, context={"segment": "a"}, seed=0):
        assert np.isfinite([[c.lift, c.low, c.high] for c in ranking.candidates]).all()
        assert sum(c.propensity for c in ranking.candidates) == pytest.approx(1, abs=0.01)


def test_rows_without_ids_count_once_a_file_and_twice_within_it(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    register(store, 1)
    row = {"time": "2026-01-05T10:00:00Z", "title": "t0", "thumbnail": "01-16x9.jpg", "click": 1}
    log = write(tmp_path / "e.csv", [row, row])
    assert learn([log], store, now=NOW).added == 2
    assert learn([log], store, now=NOW).duplicates == 2


def test_order_of_arrival_does_not_matter(tmp_path: Path) -> None:
    rows = simulate(register(tmp_path / "1.db", 5), 2000, lambda f, *a: 0.2 * f[COLOUR])
    register(tmp_path / "2.db", 5)
    learn([write(tmp_path / "all.csv", rows)], tmp_path / "1.db", now=NOW)
    for part in (rows[1000:], rows[:1000]):
        learn([write(tmp_path / "part.csv", part)], tmp_path / "2.db", now=NOW)
    context = {"segment": "a"}
    one, two = (rank(tmp_path / f"{k}.db", context=context, seed=3) for k in (1, 2))
    for a, b in zip(one, two, strict=True):
        assert [c.thumbnail for c in a.candidates] == [c.thumbnail for c in b.candidates]
        assert a.candidates[0].lift == pytest.approx(b.candidates[0].lift, abs=1e-9)


def test_jsonl_and_times_are_read_alike(tmp_path: Path) -> None:
    rows = simulate(register(tmp_path / "1.db", 2), 50, lambda *a: 0.5)
    register(tmp_path / "2.db", 2)
    lines = tmp_path / "e.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows) + "not json\n")
    report = learn([lines], tmp_path / "1.db", now=NOW)
    assert (report.added, report.malformed) == (50, 1)
    learn([write(tmp_path / "e.csv", rows)], tmp_path / "2.db", now=NOW)
    assert rank(tmp_path / "1.db", seed=1) == rank(tmp_path / "2.db", seed=1)
    assert parse_time("2026-01-01T00:00:00+01:00") == parse_time(1767222000000) == 1767222000


def test_parquet_events_are_read_as_csv_ones(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="comes with pertitle[parquet]")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = simulate(register(tmp_path / "1.db", 2), 50, lambda *a: 0.5)
    register(tmp_path / "2.db", 2)
    moments = [row | {"time": datetime.fromtimestamp(row["time"], UTC)} for row in rows]
    broken = moments[0] | {"event": "x", "click": None, "propensity": 7.0}
    parquet.write_table(pyarrow.Table.from_pylist([*moments, broken]), tmp_path / "e.parquet")
    report = learn([tmp_path / "e.parquet"], tmp_path / "1.db", now=NOW)
    assert (report.read, report.added, report.malformed) == (51, 50, 1)
    learn([write(tmp_path / "e.csv", rows)], tmp_path / "2.db", now=NOW)
    assert rank(tmp_path / "1.db", seed=1) == rank(tmp_path / "2.db", seed=1)
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "e.parquet").read_bytes()[:-40])
    with pytest.raises(UsageError, match=r"cannot read torn\.parquet"):
        learn([tmp_path / "torn.parquet"], tmp_path / "1.db", now=NOW)


def test_broken_input_is_one_clear_line(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    with pytest.raises(UsageError, match="no thumbnail store"):
        rank(store)
    register(store, 1)
    with pytest.raises(UsageError, match="t9"):
        rank(store, titles=["t9"])
    with pytest.raises(UsageError, match="lacks the column"):
        learn([write(tmp_path / "e.csv", [{"time": 1, "title": "t0"}])], store)
    with pytest.raises(UsageError, match="no events file"):
        learn([tmp_path / "none.csv"], store)
    with pytest.raises(UsageError, match=r"\.csv, \.jsonl or \.parquet"):
        learn([write(tmp_path / "e.txt", [{"a": 1}])], store)
    (tmp_path / "junk.db").write_bytes(b"not a database at all" * 99)
    with pytest.raises(ModelError, match="no thumbnail store"):
        rank(tmp_path / "junk.db")
    with sqlite3.connect(store) as db:
        db.execute("INSERT OR REPLACE INTO model VALUES (1, ?)", (b"PK\x03\x04 torn",))
    with pytest.raises(ModelError, match="damaged"):
        rank(store)


def test_parquet_without_pyarrow_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "e.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="pip install pyarrow"):
        learn([tmp_path / "e.parquet"], tmp_path / "s.db")


def test_a_failed_learn_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    rows = simulate(register(store, 2), 100, lambda *a: 0.5)
    good = write(tmp_path / "a.csv", rows)
    bad = write(tmp_path / "b.csv", [{"time": 1, "title": "t0"}])
    with pytest.raises(UsageError):
        learn([good, bad], store, now=NOW)
    assert learn([good], store, now=NOW).added == 100


def test_evaluation_finds_the_true_values(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    known = register(store, 10)

    def chance(row: Any, segment: str, title: str, position: int) -> float:
        return float(0.05 + 0.4 * row[COLOUR])

    learn([write(tmp_path / "a.csv", simulate(known, 8000, chance, seed=1))], store, now=NOW)
    held_out = write(tmp_path / "b.csv", simulate(known, 8000, chance, seed=2))
    report = evaluate(held_out, store, rounds=200)
    assert report.rounds == 8000
    assert report.overlap == 0
    values = {e.policy: e for e in report.estimates}
    titles = sorted({title for title, _ in known})
    truth = {
        "uniform": np.mean([0.05 + 0.4 * row[COLOUR] for row in known.values()]),
        "content score": np.mean([0.05 + 0.4 * known[t, "00000000"][COLOUR] for t in titles]),
    }
    learned = [
        (r.title, r.candidates[0].thumbnail)
        for s in "ab"
        for r in rank(store, context={"segment": s}, seed=0)
    ]
    truth["learned"] = np.mean([0.05 + 0.4 * known[key][COLOUR] for key in learned])
    for name, value in truth.items():
        for estimate in (
            values[name].ips,
            values[name].snips,
            values[name].dr,
            values[name].replay,
        ):
            assert estimate is not None
            margin = 1.5 * (estimate.high - estimate.low)
            assert abs(estimate.value - value) < margin
    assert values["learned"].snips.low > values["uniform"].snips.high
    assert evaluate(tmp_path / "a.csv", store, rounds=20).overlap == 1


def test_evaluation_refuses_what_it_cannot_know(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    rows = simulate(register(store, 2), 400, lambda *a: 0.3)
    blank = [{k: v for k, v in row.items() if k != "propensity"} for row in rows]
    with pytest.raises(UsageError, match="no propensity"):
        evaluate(write(tmp_path / "a.csv", blank), store)
    only_last = [row for row in rows if row["thumbnail"] == "00000003"]
    with pytest.raises(UsageError, match="no support"):
        evaluate(write(tmp_path / "b.csv", only_last), store)
    wrong = [row | {"propensity": 0.9} for row in rows]
    with pytest.raises(UsageError, match="not those the log was written with"):
        evaluate(write(tmp_path / "c.csv", wrong), store)
    with pytest.raises(UsageError, match="agree on only"):
        evaluate(write(tmp_path / "d.csv", rows[:40]), store)


def test_a_clear_winner_is_named_and_equals_are_not(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    known = register(store, 2, candidates=3)

    def chance(row: Any, segment: str, title: str, position: int) -> float:
        return 0.3 if title == "t0" and row is known["t0", "00000002"] else 0.1

    learn([write(tmp_path / "a.csv", simulate(known, 8000, chance))], store, now=NOW)
    verdict = judge_test(store, "t0")
    assert (verdict.outcome, verdict.leader) == ("winner", "00000002")
    assert set(verdict.beaten) == {"00000000", "00000001"}
    assert judge_test(store, "t1").outcome == "none"
    with pytest.raises(UsageError, match="fewer than two"):
        judge_test(store, "t7")
