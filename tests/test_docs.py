"""The documentation does what it says: its commands run, its messages exist.

A block after ``<!-- runnable -->`` is executed; one after ``<!-- runnable: FILE -->`` becomes that
file. All blocks share one folder, in which ``samples/titles.mp4`` is a short, small cut of the real
one and the environment asks for a small job. Every other ``pertitle`` line must at least parse.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pertitle import cli
from pertitle.cli_clicks import joined
from pertitle.tools import Toolbox

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?:<!-- runnable(?:: (?P<file>[\w.-]+))? -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL
)
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
            if found[0].startswith("<!-- runnable"):
                yield page.name, found["file"] or found["kind"], found["text"]


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
    programs = folder / "bin"
    programs.mkdir()
    command = programs / "pertitle"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pertitle.cli "$@"\n')
    command.chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return folder, {**os.environ, **SMALL, "PATH": path, "PYTHONPATH": str(ROOT)}


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
