"""Leaves stay light: what an import may load, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"numpy", "scipy", "sklearn", "cv2", "av", "rich", "joblib", "ffmpeg", "pertitle.report"}
HELP = "import sys; from pertitle.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(' '.join(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    ("code", "allowed", "most"),
    [
        ("import pertitle", set(), 220),
        ("import pertitle.words", set(), 220),
        (HELP, set(), 260),
        ("import pertitle.ladder.plan, pertitle.ladder.library", {"numpy", "scipy"}, 1000),
        ("import pertitle.analysis.corpus_place", {"numpy"}, 450),
    ],
)
def test_an_import_loads_no_more_than_it_needs(code: str, allowed: set[str], most: int) -> None:
    loaded = loaded_by(code)
    assert loaded & HEAVY <= allowed
    assert len(loaded) <= most, f"{len(loaded)} modules"


def test_planning_needs_no_training() -> None:
    loaded = loaded_by("import pertitle.delivery.planning")
    assert not {module for module in loaded if module.startswith(("sklearn", "pertitle.training"))}
