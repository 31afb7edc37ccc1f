"""Time and memory of learning from many events and of ranking many titles.

Usage::

    python -m benchmarks.thumbnails.speed [--events 1000000] [--titles 1000] [--candidates 10]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from pertitle.clicks.database import FEATURES, Entry, Store
from pertitle.clicks.ranking import learn, rank

SEGMENTS = ("action", "comedy", "drama", "family", "news")
DEVICES = ("phone", "tablet", "tv")


def register(store: Path, titles: int, candidates: int, rng: np.random.Generator) -> None:
    with Store(store) as open_store:
        for title in range(titles):
            features = rng.random((candidates, len(FEATURES)))
            features = features[np.argsort(-features[:, 0])]
            entries = [
                Entry(f"{k:08d}", (f"{k:02d}-16x9.jpg",), tuple(map(float, row)))
                for k, row in enumerate(features)
            ]
            open_store.register(f"title-{title}", entries)


def write_events(
    path: Path, events: int, titles: int, candidates: int, rng: np.random.Generator
) -> None:
    """A uniform log of equally good pictures: how fast it is read does not depend on clicks."""
    which = rng.integers(0, titles, events)
    shown = rng.integers(0, candidates, events)
    clicks = rng.random(events) < 0.05
    segment = rng.integers(0, len(SEGMENTS), events)
    device = rng.integers(0, len(DEVICES), events)
    viewer = rng.integers(0, events // 5, events)
    with path.open("w", encoding="utf-8") as file:
        file.write("time,title,thumbnail,segment,device,viewer,position,propensity,click\n")
        for i in range(events):
            file.write(
                f"{1.75e9 + i * 0.5:.1f},title-{which[i]},{shown[i]:02d}-16x9.jpg,"
                f"{SEGMENTS[segment[i]]},{DEVICES[device[i]]},v{viewer[i]},{i % 10 + 1},"
                f"{1 / candidates},{int(clicks[i])}\n"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--titles", type=int, default=1000)
    parser.add_argument("--candidates", type=int, default=10)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        store, log = Path(scratch, "store.db"), Path(scratch, "events.csv")
        register(store, options.titles, options.candidates, rng)
        write_events(log, options.events, options.titles, options.candidates, rng)
        began, used = time.perf_counter(), time.process_time()
        report = learn([log], store, now=1.8e9)
        wall, cpu = time.perf_counter() - began, time.process_time() - used
        print(f"learn: {report.added} events, {wall:.1f} s wall, {cpu:.1f} s CPU")
        began, used = time.perf_counter(), time.process_time()
        rankings = rank(store, context={"segment": "drama", "device": "tv"}, seed=1)
        wall, cpu = time.perf_counter() - began, time.process_time() - used
        count = sum(len(r.candidates) for r in rankings)
        print(
            f"rank: {len(rankings)} titles, {count} candidates, {wall:.2f} s wall, {cpu:.2f} s CPU"
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory {peak:.0f} MB; store {store.stat().st_size / 2**20:.0f} MB")


if __name__ == "__main__":
    main()
