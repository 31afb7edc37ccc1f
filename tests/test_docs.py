"""The documentation does what it says: its commands run, its messages exist.

A block after ``<!-- runnable -->`` is executed; one after ``<!-- runnable: FILE -->`` becomes that
file. All blocks share one folder, in which ``samples/titles.mp4`` is a short, small cut of the real
one, the user's own files are small ones too, and the environment asks for a small job. Every other
block is named in ``NOT_RUN`` with the reason, and its ``pertitle`` lines must at least parse.
"""

from __future__ import annotations

import ast
import csv
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pertitle import cli
from pertitle.commands.clicks import joined
from pertitle.system.tools import Toolbox

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?P<mark><!-- runnable(?:: (?P<file>[\w.-]+))? -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)```",
    re.DOTALL,
)
NOT_RUN = {
    ("README.md", "python3 -m venv .venv && .venv/bin/pip install -q . &&"): "the start of .ci/run",
    ("README.md", "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]'"): "in .ci/run",
    ("README.md", ".venv/bin/pip install -q -e '.[docs]'"): "serves for ever; .ci/run builds it",
    ("delivery.md", "source ─ one decode"): "a drawing",
    ("delivery.md", "master.m3u8   manifest.mpd"): "a drawing of a folder",
    ("first-ladder.md", "python3 -m venv .venv"): "installs; .ci/run does so",
    ("how-it-works.md", "python -m tools.render_pictures"): "needs Chromium, draws for minutes",
    ("model.md", "pertitle corpus measure CLIPS"): "takes minutes",
    ("model.md", "pertitle evaluate corpus/corpus.csv"): "takes minutes",
    ("model.md", "python -m benchmarks.planner.reference_replay"): "needs a table from elsewhere",
    ("options.md", "pertitle: pertitle.toml: top-vmf"): "a message; test_cli_settings.py has it",
    ("own-model.md", "pertitle corpus measure clips/"): "takes minutes",
    ("own-model.md", "pertitle evaluate table.csv"): "takes minutes; test_training.py evaluates",
    ("own-model.md", "pertitle evaluate corpus/corpus.csv"): "takes minutes",
    ("own-model.md", "pertitle train table.csv"): "takes minutes; test_training.py trains",
    ("thumbnails.md", '{"version": 1'): "a file, shortened; test_making.py reads a whole one",
}
"""Blocks that are not executed, by page and beginning, and why."""
SMALL = {
    "PERTITLE_MAX_PROBES": "2",
    "PERTITLE_MAX_RUNGS": "2",
    "PERTITLE_THUMBNAILS": "2",
    "PERTITLE_VMAF_TOLERANCE": "20",
    "PERTITLE_DISPLAY": "640x360",
}


def blocks() -> Iterator[tuple[str, str, str]]:
    """Page, kind and text of every block that is run, in order of the pages."""
    for page in PAGES:
        for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
            if found["mark"]:
                yield page.name, found["file"] or found["kind"], found["text"]


def test_a_block_is_run_or_it_is_said_why_not() -> None:
    left = dict.fromkeys(NOT_RUN, 0)
    for page in PAGES:
        if page.name == "cli.md":  # written by a program; test_cli.py holds it against --help
            continue
        for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
            if found["mark"]:
                continue
            keys = [k for k in left if k[0] == page.name and found["text"].startswith(k[1])]
            assert keys, f"{page.name}: neither run nor listed:\n{found['text']}"
            left[keys[0]] += 1
    assert set(left.values()) == {1}, left


@pytest.fixture(scope="module")
def place(
    toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """A folder with a small sample, and an environment in which ``pertitle`` is this source."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "samples").mkdir()
    shutil.copy(ROOT / "samples/README.md", folder / "samples")
    cut = ["-t", "1.6", "-vf", "fps=10,scale=320:180", "-c:v", "libx264", "-preset", "veryfast"]
    toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-i", str(ROOT / "samples/titles.mp4"), *cut,
         str(folder / "samples/titles.mp4")]
    )  # fmt: skip
    own_files(folder)
    programs = folder / "bin"
    programs.mkdir()
    for name, what in (("pertitle", " -m pertitle.cli"), ("python", "")):
        command = programs / name
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{what} "$@"\n')
        command.chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    return folder, {**os.environ, **SMALL, **own}


def own_files(folder: Path) -> None:
    """What the pages take as the reader's own: films and logs of clicks."""
    sample = folder / "samples/titles.mp4"
    for name in ("film.mp4", "films/my title.mp4"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(sample, folder / name)
    (folder / "benchmarks").symlink_to(ROOT / "benchmarks")
    for seed, name in enumerate(("events.csv", "new-events.csv"), 1):
        rows = list(_clicks(seed))
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, rows[0].keys())
            table.writeheader()
            table.writerows(rows)


def _clicks(seed: int) -> Iterator[dict[str, object]]:
    """Impressions of two thumbnails of one title, drawn evenly; the second is liked better."""
    chance = random.Random(seed)
    for i in range(800):
        second = chance.random() < 0.5
        yield {
            "time": 1.7e9 + 1e6 * seed + 60 * i,
            "title": "my title",
            "thumbnail": f"0{second + 1}-16x9.jpg",
            "click": int(chance.random() < (0.3 if second else 0.1)),
            "propensity": 0.5,
            "viewer": f"v{seed}-{i}",
            "segment": chance.choice(("drama", "sport")),
        }


def test_the_runnable_blocks_run(
    place: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, environment = place
    monkeypatch.chdir(folder)
    ran = {"sh": 0, "python": 0}
    for page, kind, text in blocks():
        if kind not in ran:
            (folder / kind).write_text(text)
            continue
        ran[kind] += 1
        if kind == "python":  # in this process, which has loaded what they need
            exec(compile(text, f"{page}, block {ran[kind]}", "exec"), {"__name__": "__main__"})
            continue
        done = subprocess.run(
            ["sh", "-e", "-c", text], env=environment, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{page}:\n{text}\n{done.stdout}{done.stderr}"
    assert ran["sh"] >= 5
    assert ran["python"] >= 6


def test_every_command_in_the_documentation_parses() -> None:
    parser = cli.build_parser()
    seen = 0
    for page in PAGES:
        for found in BLOCK.finditer(page.read_text(encoding="utf-8")):
            if found["kind"] != "sh":
                continue
            for line in found["text"].replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                for at, word in enumerate(words):
                    rest = words[at + 1 :]
                    if word.rsplit("/", 1)[-1] == "pertitle" and rest:
                        end = next((i for i, w in enumerate(rest) if w in (">", "&&", "|")), None)
                        try:
                            parser.parse_args(joined(rest[:end]))
                        except SystemExit as stopped:
                            pytest.fail(f"{page.name}: {line}: {stopped.code}")
                        seen += 1
    assert seen >= 15


def test_every_quoted_failure_message_exists_in_the_code() -> None:
    said = re.findall(r"^(`.*`)$", (ROOT / "docs/failures.md").read_text("utf-8"), re.MULTILINE)
    quoted = [text for line in said for text in re.split(r"(?<=`), (?=`)", line)]
    assert len(quoted) > 20
    known = set(_texts())
    for message in quoted:
        assert any(message[1:-1] in text for text in known), f"no code says {message}"


def _texts() -> Iterator[str]:
    """Every string of the code, with … for what is filled in."""
    for file in (ROOT / "pertitle").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "…"
                    for part in node.values
                )


def test_pages_link_only_to_what_exists() -> None:
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
