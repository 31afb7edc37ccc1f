"""The tables that a run prints."""

from __future__ import annotations

import io

from rich.console import Console

from pertitle.terminal.tables import batch_table
from tests.report import example


def test_the_batch_table_has_a_row_a_codec_and_names_it() -> None:
    out = io.StringIO()
    Console(file=out, width=120).print(batch_table([example.codecs(), example.title("other")]))
    rows = [[c.strip() for c in line.split("│")[1:-1]] for line in out.getvalue().splitlines()]
    cells = [row for row in rows if row]
    assert [row[:3] for row in cells] == [
        [example.title().name, "h264", "7"],
        ["", "av1", "7"],
        ["other", "h264", "7"],
    ]
    assert [bool(row[-1]) for row in cells] == [True, False, True]
