"""A dozen damaged files, the same each time; benchmarks/fuzz_campaign.py sends hundreds."""

from __future__ import annotations

import pytest

from benchmarks.fuzz_campaign import KINDS, campaign

pytestmark = pytest.mark.slow


def test_damaged_files_end_in_a_result_or_one_line(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    found = campaign(12, 3, tmp_path_factory.mktemp("fuzz"))
    assert found.files == 2 * len(KINDS)
    assert found.crashes == []
    assert found.hangs == []
    assert found.leaks == []
    outcomes = {name for row in found.outcomes.values() for name in row}
    assert outcomes == {"analysed", "refused"}
