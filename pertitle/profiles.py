"""Device profiles by name: heights, caps, quality model, display and codecs."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from importlib import resources
from typing import Any

from pertitle.errors import UsageError
from pertitle.options import EncodeOptions, LadderOptions, Options
from pertitle.records import Size


def shipped_settings() -> dict[str, Any]:
    """The settings that come along: tables ``presets`` and ``profiles``."""
    text = resources.files("pertitle").joinpath("presets.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def profile(name: str) -> Options:
    """Options for a kind of device: ``mobile``, ``web``, ``tv`` or ``uhd``.

    Change what should be otherwise with :func:`dataclasses.replace`.

    Raises:
        UsageError: there is no such profile.
    """
    table = profile_table(name)
    values = {key.replace("-", "_"): _value(value) for key, value in table.items()}
    if "codec" in values:
        values["codecs"] = values.pop("codec")
    if "display" in values:
        width, _, height = values["display"].partition("x")
        values["display"] = Size(int(width), int(height))
    of_ladder = {field.name for field in fields(LadderOptions)}
    return Options(
        ladder=LadderOptions(**{k: v for k, v in values.items() if k in of_ladder}),
        encode=EncodeOptions(**{k: v for k, v in values.items() if k not in of_ladder}),
    )


def profile_table(name: str) -> dict[str, Any]:
    """A profile as command-line options by name.

    Raises:
        UsageError: there is no such profile.
    """
    profiles: dict[str, dict[str, Any]] = shipped_settings()["profiles"]
    if name not in profiles:
        raise UsageError(f"there is no profile {name!r}; there are {', '.join(sorted(profiles))}")
    return profiles[name]


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
