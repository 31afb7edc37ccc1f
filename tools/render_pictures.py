"""Draws the pictures of the documentation from the bundled samples.

    python -m tools.render_pictures --work FOLDER [--chromium PROGRAM]

Plans one of them with growing numbers of probes and writes docs/pictures/*.svg. With
a Chromium it also delivers that one into FOLDER and takes a screenshot of its report.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pertitle
from pertitle.options import LadderOptions, Options
from pertitle.report.curves import RateQuality, draw
from pertitle.report.markup import Markup, tag
from pertitle.system.process import SubprocessRunner

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "samples"
PICTURES = ROOT / "docs/pictures"
PROBED = "titles"
PROBES = (0, 2, 6)
"""Numbers of probes whose belief is drawn."""
WINDOW = 1180, 1500
"""Width and height of the screenshot."""
DRAWN = (
    "svg", ".grid", ".s0", ".s4", ".band", ".curve", ".leader", ".hull", ".probe", ".rung",
    ".whisker", ".real", ".fixed",
)  # fmt: skip
"""Beginnings of the style sheet's rules that a drawing needs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder to deliver into")
    parser.add_argument("--chromium", default="", help="also take the screenshot with this program")
    arguments = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    _write("flow.svg", flow())
    for count in PROBES:
        options = Options(ladder=LadderOptions(max_probes=count, tolerance=0.0))
        plan = pertitle.plan(SAMPLES / f"{PROBED}.mp4", options)
        subject = RateQuality(replace(plan.ladder, rungs=()), (), None)
        _write(f"belief-{count}.svg", draw(subject, 560, 300, key=f"b{count}"))
    if arguments.chromium:
        pertitle.run([SAMPLES / f"{PROBED}.mp4"], arguments.work)
        _screenshot(arguments.chromium, arguments.work / PROBED / "report.html", "report")


def _write(name: str, drawing: Markup) -> None:
    """A drawing as a file of its own: with the light colours of the reports, on their paper."""
    style = resources.files("pertitle.report").joinpath("assets", "page.css").read_text()
    colours, rules = style[: style.index("\n}\n") + 3], style.splitlines(keepends=True)
    kept = colours + "".join(line for line in rules if line.startswith(DRAWN))
    ground = '<rect width="100%" height="100%" fill="#ffffff"/>'
    text = drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    text = text.replace(">", f"><style>{kept}</style>{ground}", 1)
    (PICTURES / name).write_text(text + "\n", encoding="utf-8")


STAGES = (
    ("analysis", "shots, digest,", "features, defects"),
    ("predict", "curves of all", "heights, unsure"),
    ("probe", "encode the digest", "where it helps most"),
    ("ladder", "hull, rungs", "with intervals"),
    ("encode", "all rungs from", "one decode"),
    ("verify", "VMAF of each rung", "at the display"),
    ("package", "CMAF for", "HLS and DASH"),
)


def flow() -> Markup:
    """The way of a title, with its two loops."""
    width, gap, top = 122, 16, 34
    parts: list[object] = []
    for index, (name, *lines) in enumerate(STAGES):
        x = 6 + index * (width + gap)
        parts.append(tag("rect", x=x, y=top, width=width, height=66, rx=7, class_="rung s0"))
        parts.append(tag("text", name, x=x + width / 2, y=top + 22, class_="label mid s0"))
        parts += [
            tag("text", line, x=x + width / 2, y=top + 40 + 15 * i, class_="mid")
            for i, line in enumerate(lines)
        ]
        if index:
            middle = top + 33
            parts.append(tag("path", d=f"M{x - gap} {middle}h{gap - 1}m-5 -4l5 4l-5 4",
                             class_="curve s0"))  # fmt: skip
    for first, last, text in ((1, 2, "until sure enough"), (4, 5, "until on target")):
        a, b = (6 + i * (width + gap) + width / 2 for i in (first, last))
        parts.append(tag("path", d=f"M{b} {top}v-16H{a}v15m-4 -6l4 6l4 -6", class_="curve s1"))
        parts.append(tag("text", text, x=(a + b) / 2, y=top - 22, class_="mid"))
    total = 12 + len(STAGES) * (width + gap) - gap
    return tag("svg", tag("title", "From source to package"), parts, viewbox=f"0 0 {total} 108")


def _screenshot(program: str, page: Path, name: str) -> None:
    SubprocessRunner().run([
        program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        f"--window-size={WINDOW[0]},{WINDOW[1]}", f"--screenshot={PICTURES / name}.png",
        page.absolute().as_uri(),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
