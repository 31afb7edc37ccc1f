"""Draws the live view at a moment of a recorded batch:

pertitle run CLIPS -o OUT --events events.jsonl
python -m tools.render_terminal events.jsonl --at 0.5 --width 80 -o picture.svg
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from rich.console import Console

from benchmarks.delivery.eta_error import replayed
from pertitle.terminal.live import LiveView


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("events", type=Path)
    parser.add_argument("--at", type=float, default=0.5, help="moment as a share of the batch")
    parser.add_argument("--width", type=int, default=80, help="columns")
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    log = list(replayed(arguments.events))
    start, end = log[0][0], log[-1][0]
    moment = start + arguments.at * (end - start)
    now = start
    console = Console(
        file=io.StringIO(), record=True, width=arguments.width, height=40, force_terminal=True,
        color_system="truecolor",
    )  # fmt: skip
    view = LiveView(console, clock=lambda: now)
    for time, event in log:
        if time > moment:
            break
        now = time
        view.handle(event)
    now = moment
    console.print(view.board())
    arguments.out.write_text(console.export_svg(title="pertitle run"), encoding="utf-8")


if __name__ == "__main__":
    main()
