"""A dozen damaged files, the same each time; benchmarks.robustness.fuzz_campaign does more."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from benchmarks.robustness.fuzz_campaign import KINDS, campaign

pytestmark = pytest.mark.slow


def test_damaged_files_end_in_a_result_or_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)  # the campaign takes a folder of its own
    found = campaign(12, 3, tmp_path)
    assert found.files == 2 * len(KINDS)
    assert found.crashes == []
    assert found.hangs == []
    assert found.leaks == []
    outcomes = {name for row in found.outcomes.values() for name in row}
    assert outcomes == {"analysed", "refused"}
