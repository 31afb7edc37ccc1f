"""The folder where the browser checks run, with their npm packages."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts and the packages they need."""
    for program in ("node", "npm", "chromium"):
        assert shutil.which(program), f"{program} is not installed"
    folder = tmp_path_factory.mktemp("pages")
    for file in (HERE / "package.json", *HERE.glob("*.mjs")):
        shutil.copy(file, folder)
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"],
        cwd=folder, check=True, timeout=300,
    )  # fmt: skip
    return folder
