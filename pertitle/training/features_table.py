"""Feature tables: one row of features for every clip and variant of a corpus, for training.

A table is a CSV file: ``clip``, ``variant``, then the features of
:data:`pertitle.analysis.REGISTRY`, six significant digits. A row is appended when it is
complete, so an interrupted run continues where it stopped.
"""

from __future__ import annotations

import csv
import io
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pertitle.analysis.features import measure_features
from pertitle.analysis.probe import probe
from pertitle.analysis.registry import REGISTRY, SOURCE_FEATURES
from pertitle.errors import ModelError, PertitleError
from pertitle.records import Source, Treatment, Window
from pertitle.system.tools import Toolbox
from pertitle.training.corpus import Job, corpus_window, extract_variant, variant_rate

COLUMNS = ("clip", "variant", *REGISTRY)


def features_of(toolbox: Toolbox, source: Source, variant: str) -> dict[str, float]:
    """Features of a clip's corpus window, altered as the variant says.

    An altered clip keeps the source features (what the file's own coding spent) of its origin:
    its own file is a lossless intermediate.

    Raises:
        SourceError: no picture can be decoded.
        ProcessError: the altered clip could not be made.
    """
    own = measure_features(
        source, [corpus_window(source)], Treatment(source.video.frame_rate, source.size)
    )
    if variant == "base":
        return own
    with tempfile.TemporaryDirectory(prefix="pertitle-features-") as folder:
        altered_file = Path(folder, "window.mkv")
        frames = extract_variant(toolbox, source, variant, altered_file)
        altered = probe(altered_file)
        rate = variant_rate(source, variant)
        found = measure_features(
            altered, [Window(0.0, frames / float(rate))], Treatment(rate, source.size)
        )
    return found | {name: own[name] for name in SOURCE_FEATURES}


def measure_features_table(
    toolbox: Toolbox,
    jobs: Sequence[Job],
    table: Path,
    *,
    on_done: Callable[[Job, float, str], None] = lambda job, seconds, error: None,
) -> int:
    """Measure every (clip, variant) of the jobs that the table does not hold yet.

    Args:
        on_done: called after each with its wall time and an error line or "".

    Returns:
        How many failed; those leave no row.

    Raises:
        ModelError: the table has other columns.
    """
    done = set()
    if table.exists():
        done = set(read_features_table(table))
        text = table.read_bytes()
        if not text.endswith(b"\n"):  # torn by an interrupted write
            table.write_bytes(text[: text.rfind(b"\n") + 1])
    failed = 0
    for job in jobs:
        key = (job.clip.name, job.variant)
        if key in done:
            continue
        done.add(key)
        started = time.monotonic()
        error = ""
        try:
            values = features_of(toolbox, probe(job.clip), job.variant)
            _append(table, [(*key, values)])
        except PertitleError as problem:
            error = str(problem)
            failed += 1
        on_done(job, time.monotonic() - started, error)
    return failed


def read_features_table(path: Path | str) -> dict[tuple[str, str], dict[str, float]]:
    """Features by (clip, variant); a row torn by an interrupted write is dropped.

    Raises:
        ModelError: unreadable, or not a table of the registered features.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"cannot read table {path}: {error}") from error
    reader = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ModelError(f"{path} does not hold the features of this version; measure it again")
    try:
        return {
            (row["clip"], row["variant"]): {name: float(row[name]) for name in REGISTRY}
            for row in reader
        }
    except (ValueError, TypeError) as error:
        raise ModelError(f"{path}: damaged row: {error}") from error


def _append(path: Path, rows: Iterable[tuple[str, str, dict[str, float]]]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if not path.exists():
        writer.writerow(COLUMNS)
    for clip, variant, values in rows:
        writer.writerow([clip, variant, *(f"{values[name]:.6g}" for name in REGISTRY)])
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(buffer.getvalue())
