"""Options that were not typed: from the environment, ``pertitle.toml`` and presets.

Precedence: command line, environment, file, preset, device profile, default. In the file, and in
a preset, an option has its own name without the dashes in front; a key at the top holds for every
command that knows the option, one below ``[COMMAND]`` for that command and before the former.
"""

from __future__ import annotations

import argparse
import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pertitle.errors import UsageError, printable
from pertitle.profiles import profile_table, shipped_settings

FILE = Path("pertitle.toml")
PREFIX = "PERTITLE_"
MAX_BYTES = 1 << 20
_WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_NOT_SET = frozenset({"help", "version"})
_WHERE = frozenset({"use", "config"})
"""Options that say where settings come from; no file or preset may hold ``config``."""

_HARMLESS = frozenset(
    """
    alpha audio-codec audio-quality bif bufsize-ratio codec context crop display drop-dominated
    drop-rungs egress-cost folds full-digest full-quality half-rate hdr heights hours jobs
    keep-work loudness max-height max-kbps max-mb max-probes max-ratio max-rungs min-kbps
    min-ratio min-rungs min-vmaf min-window-vmaf nice no-cache point-value preset probes profile
    quality-model quiet rate-control seed segment-seconds segments single-file spoiler-share
    storage-cost surround target-size test-variants threads thumbnail-formats thumbnail-shapes
    thumbnails tolerance top-vmaf train-originals use variants vbv-ratio verbose verify
    vmaf-interval vmaf-step vmaf-tolerance
""".split()
)
"""What a file may say that only lies in the working folder: nothing that runs a program, opens or
writes a file, reaches a network, tells of the machine or takes a guard away. It may have come with
the videos. An option that is not listed is refused there until somebody has thought about it."""

_WORD_OR_FILE = frozenset({"audience"})
"""Options that are a shipped name, which is harmless, or a file, which is not."""

Scopes = Mapping[str, Mapping[str, argparse.Action]]
"""Options by name of every command by name."""


@dataclass(frozen=True)
class Settings:
    """Values by destination that hold where the command line says nothing."""

    values: Mapping[str, Any]

    @classmethod
    def found(
        cls,
        parser: argparse.ArgumentParser,
        words: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> Settings:
        """What is set for the command in ``words``; its parser no longer fills in defaults for it.

        Raises:
            UsageError: a file is missing or not TOML, a key is unknown, a value is unusable.
        """
        environment = os.environ if environment is None else environment
        scopes = dict(_scopes(parser))
        command = _command_of(scopes, words)
        if command is None or not scopes[command].keys() >= _WHERE:
            return cls({})
        typed = _where(words)
        named = typed.config or environment.get(f"{PREFIX}CONFIG")
        source = Path(named) if named else FILE
        document = _read(source) if named or source.exists() else {}
        origin = str(source)
        _check(document, scopes, origin)
        if not named:
            _only_harmless(document, origin)
        shipped = shipped_settings()
        layers = [
            (f"{origin}: ", _own(document)),
            (f"{origin}: {command}.", document.get(command, {})),
            ("", _from_environment(scopes[command], environment)),
        ]
        use = typed.use or _last(layers, "use")
        if use:
            own = document.get("presets", {})
            layers.insert(0, _preset(str(use), own, shipped["presets"], origin))
        profile = typed.profile or _last(layers, "profile")
        if profile:
            layers.insert(0, (f"profile {profile}: ", profile_table(str(profile))))
        values = {}
        for where, table in layers:
            for key, value in table.items():
                action = scopes[command].get(key)
                if action is not None:
                    place = f"{where}{key}" if where else variable(key)
                    values[action.dest] = _parsed(action, value, place)
                    action.default = argparse.SUPPRESS
                    action.required = False
        return cls(values)

    def fill(self, arguments: argparse.Namespace) -> argparse.Namespace:
        """Set what the command line left out."""
        for name, value in self.values.items():
            if not hasattr(arguments, name):
                setattr(arguments, name, value)
        return arguments


def variable(option: str) -> str:
    """The environment variable of an option: ``top-vmaf`` is ``PERTITLE_TOP_VMAF``."""
    return PREFIX + option.upper().replace("-", "_")


def parsed(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Parse, and tell of a mistyped command or option what may have been meant.

    Raises:
        UsageError: a command or option does not exist, or a value is unusable.
    """
    scopes = dict(_scopes(parser))
    first = words[0]
    if not first.startswith("-") and first not in {*scopes, *(name.split()[0] for name in scopes)}:
        raise UsageError(f"there is no command {printable(first)!r}{_meant(first, scopes)}")
    arguments, unknown = parser.parse_known_args(list(words))
    if unknown:
        wrong = next((word for word in unknown if word.startswith("-")), unknown[0])
        options = [f"--{name}" for name in scopes[_command_of(scopes, words) or first]]
        raise UsageError(
            f"{printable(wrong)} is an unknown argument{_meant(wrong.partition('=')[0], options)}"
        )
    return arguments


def _meant(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _scopes(
    parser: argparse.ArgumentParser, name: str = ""
) -> Iterator[tuple[str, dict[str, argparse.Action]]]:
    """Every command that does something, by its words, with its options."""
    inner = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for action in inner:
        for word, command in action.choices.items():
            yield from _scopes(command, f"{name} {word}".strip())
    if not inner:
        yield (
            name,
            {
                option[2:]: action
                for action in parser._actions
                for option in action.option_strings
                if option.startswith("--") and option[2:] not in _NOT_SET
            },
        )


def _command_of(scopes: Scopes, words: Sequence[str]) -> str | None:
    one, two = words[:1], words[:2]
    for count in (one, two):
        if len(count) and " ".join(count) in scopes:
            return " ".join(count)
    return None


def _where(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config", nargs="?")
    parser.add_argument("--use", nargs="?")
    parser.add_argument("--profile", nargs="?")
    return parser.parse_known_args(list(words))[0]


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if len(text) > MAX_BYTES:
        raise UsageError(f"{path} is too large for a file of settings")
    try:
        return tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error


def _own(document: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that stand above all tables."""
    return {key: value for key, value in document.items() if not isinstance(value, dict)}


def _check(document: Mapping[str, Any], scopes: Scopes, origin: str) -> None:
    """Every key of the file names an option, whichever command is asked for now."""
    everywhere = {option for options in scopes.values() for option in options} - {"config"}
    tables = [*scopes, "presets"]
    for key, value in document.items():
        if key == "presets" and isinstance(value, dict):
            for name, preset in value.items():
                if not isinstance(preset, dict):
                    raise UsageError(f"{origin}: presets.{name} is not a table of options")
                _known(preset, everywhere - {"use"}, f"{origin}: presets.{name}.")
        elif isinstance(value, dict):
            _known({key: value}, set(tables), f"{origin}: ", "table")
            _known(value, scopes[key].keys() - {"config"}, f"{origin}: {key}.")
        else:
            _known({key: value}, everywhere, f"{origin}: ")


def _only_harmless(table: Mapping[str, Any], origin: str, place: str = "") -> None:
    """Refuse what a file nobody named must not decide, in presets and for other commands too.

    Raises:
        UsageError: at the first such option.
    """
    for key, value in table.items():
        if isinstance(value, dict):
            _only_harmless(value, origin, f"{place}{key}.")
        elif key in _WORD_OR_FILE and isinstance(value, str) and value.isalpha():
            continue
        elif key not in _HARMLESS:
            raise UsageError(
                f"{origin}: {place}{key} is only taken from a file that is named: --config {origin}"
            )


def _known(table: Mapping[str, Any], names: set[str], place: str, what: str = "key") -> None:
    for key in table:
        if key not in names:
            raise UsageError(f"{place}{key} is an unknown {what}{_meant(key, names)}")


def _from_environment(
    options: Mapping[str, argparse.Action], environment: Mapping[str, str]
) -> dict[str, str]:
    return {
        name: environment[variable(name)]
        for name in options
        if environment.get(variable(name)) and name != "config"
    }


def _last(layers: Sequence[tuple[str, Mapping[str, Any]]], key: str) -> Any:
    found = [table[key] for _, table in layers if key in table]
    return found[-1] if found else None


def _preset(
    name: str, own: Mapping[str, Any], shipped: Mapping[str, Any], origin: str
) -> tuple[str, Mapping[str, Any]]:
    if name in own:
        return f"{origin}: presets.{name}.", own[name]
    if name in shipped:
        return f"preset {name}: ", shipped[name]
    known = ", ".join(sorted({*own, *shipped}))
    raise UsageError(f"there is no preset {name!r}; there are {known}")


def _parsed(action: argparse.Action, value: Any, place: str) -> Any:
    """A value as the command line would have read it."""
    if action.nargs == 0:
        chosen = _WORDS.get(value.lower()) if isinstance(value, str) else value
        if not isinstance(chosen, bool):
            raise UsageError(f"{place}: {value!r} is not true or false")
        return chosen
    parts = value if isinstance(value, list) else [value]
    if not parts or any(isinstance(part, bool | dict | list) for part in parts):
        raise UsageError(f"{place}: {value!r} is not a value of this option")
    texts = [str(part) for part in parts]
    if isinstance(action, argparse._ExtendAction):
        return [item for text in texts for item in _one(action, text, place)]
    if isinstance(action, argparse._AppendAction) or action.nargs in ("*", "+"):
        return [_one(action, text, place) for text in texts]
    return _one(action, ",".join(texts), place)


def _one(action: argparse.Action, text: str, place: str) -> Any:
    convert = action.type if callable(action.type) else str
    try:
        value = convert(text)
    except (argparse.ArgumentTypeError, ValueError) as error:
        usual = f"{text!r} is not a {getattr(convert, '__name__', 'value')}"
        said = str(error) if isinstance(error, argparse.ArgumentTypeError) else usual
        raise UsageError(f"{place}: {said}") from None
    if action.choices is not None and value not in action.choices:
        raise UsageError(f"{place}: {text!r} is not one of {', '.join(map(str, action.choices))}")
    return value
