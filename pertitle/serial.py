"""Records to JSON and back, strictly: files from strangers are validated, never trusted.

Fractions become ``"30000/1001"``, paths strings, tuples lists; every record an object with its
field names. Reading checks names, types and finiteness and raises :class:`ModelError`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import re
import secrets
import stat
import types
import typing
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from pertitle.errors import ModelError

T = TypeVar("T")
MAX_BYTES = 64 * 1024 * 1024
"""A JSON file larger than this is not one of ours."""
TORN = ".pertitle-*.part"
"""Names of files that a killed process was just writing; nobody else names files so."""
_DIGITS = 40
"""Most digits of a whole number in a record: arithmetic with millions takes hours."""
_LARGEST = 1e300
_FRACTION = re.compile(r"[+-]?\d{1,40}(?:/\d{1,40}|\.\d{1,40})?", re.ASCII)
_UNSEEN = re.compile(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def to_json(value: object) -> Any:
    """The JSON form of a record or of anything made of records, numbers, text and sequences."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, StrEnum):
        return value.value
    return value


def from_json(kind: type[T], data: object, where: str = "") -> T:
    """Rebuild a record of type ``kind``.

    Raises:
        ModelError: a field is missing, unknown or of the wrong type; names the place.
    """
    return typing.cast(T, _build(kind, data, where or kind.__name__))


def _build(kind: Any, data: object, where: str) -> object:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        options = [a for a in arguments if a is not type(None)]
        return None if data is None else _build(options[0], data, where)
    if dataclasses.is_dataclass(kind):
        return _build_record(typing.cast(type, kind), data, where)
    if origin is tuple:
        return _build_tuple(arguments, data, where)
    if origin is dict:
        items = _expect(data, dict, where).items()
        return {str(key): _build(arguments[1], item, f"{where}.{key}") for key, item in items}
    return _build_scalar(kind, data, where)


def _build_record(kind: type, data: object, where: str) -> object:
    given = _expect(data, dict, where)
    hints = typing.get_type_hints(kind)
    wanted = {f.name: f for f in dataclasses.fields(kind)}
    unknown = set(given) - set(wanted)
    if unknown:
        raise ModelError(f"{where}: unknown field {sorted(map(str, unknown))[0]!r}")
    values = {}
    for name, field in wanted.items():
        if name in given:
            values[name] = _build(hints[name], given[name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ModelError(f"{where}: field {name!r} is missing")
    return kind(**values)


def _build_tuple(arguments: tuple[Any, ...], data: object, where: str) -> tuple[object, ...]:
    items = _expect(data, list, where)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_build(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(items))
    if len(items) != len(arguments):
        raise ModelError(f"{where}: needs {len(arguments)} entries, has {len(items)}")
    return tuple(
        _build(kind, item, f"{where}[{i}]")
        for i, (kind, item) in enumerate(zip(arguments, items, strict=True))
    )


def _build_scalar(kind: Any, data: object, where: str) -> object:
    if kind is float:
        number = _expect(data, (int, float), where)
        if isinstance(number, int) and abs(number) > _LARGEST:  # no float holds it
            raise ModelError(f"{where}: not a number of any use")
        if isinstance(data, bool) or not math.isfinite(number):
            raise ModelError(f"{where}: not a finite number")
        return float(number)
    if kind is int:
        if isinstance(data, bool):
            raise ModelError(f"{where}: not a whole number")
        whole = _expect(data, int, where)
        if abs(whole) >= 10**_DIGITS:
            raise ModelError(f"{where}: not a number of any use")
        return whole
    if kind in (str, bool):
        return _expect(data, kind, where)
    text = _expect(data, str, where)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        if text not in {member.value for member in kind}:
            raise ModelError(f"{where}: {text[:40]!r} is none of {', '.join(kind)}")
        return kind(text)
    if kind is Path:
        if "\0" in text:
            raise ModelError(f"{where}: not a path")
        return Path(text)
    if kind is Fraction:
        if not _FRACTION.fullmatch(text):  # "1e999999999" alone would be computed for hours
            raise ModelError(f"{where}: not a fraction")
        try:
            return Fraction(text)
        except (ValueError, ZeroDivisionError) as error:
            raise ModelError(f"{where}: not a fraction") from error
    raise TypeError(f"no JSON form for {kind!r}")


def _expect(data: object, kind: Any, where: str) -> Any:
    if not isinstance(data, kind):
        raise ModelError(f"{where}: unexpected {type(data).__name__}")
    return data


def read_json(path: Path) -> Any:
    """Parse a JSON file of bounded size. Pipes, devices and the like are not read.

    Raises:
        ModelError: unreadable, no regular file, too large, or not JSON.
    """
    return parse_json(read_bytes(path), path.name)


def parse_json(data: bytes, name: str) -> Any:
    """Parse JSON whose numbers are bounded; what is no number (``NaN``) is no JSON.

    Raises:
        ModelError: it is not JSON.
    """
    try:
        return json.loads(data.decode("utf-8"), parse_int=_whole, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{name} is not JSON: {error}") from error


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def read_bytes(path: Path, most: int = MAX_BYTES, *, follow: bool = True) -> bytes:
    """The content of a regular file of bounded size; whatever it is, opening it does not wait.

    Args:
        follow: a link may lead to the file.

    Raises:
        ModelError: unreadable, no regular file, or too large.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)  # a pipe would wait for a writer
    flags |= 0 if follow else getattr(os, "O_NOFOLLOW", 0)
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ModelError(f"{path.name} is not a file")
            if found.st_size > most:
                raise ModelError(f"{path.name} is larger than {most >> 20} MiB")
            data = file.read(most + 1)  # some files of the system grow while they are read
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"cannot read {path}: {reason}") from error
    if len(data) > most:
        raise ModelError(f"{path.name} is larger than {most >> 20} MiB")
    return data


def write_text(path: Path, text: str) -> None:
    """Replace a file so that after a crash it is either the old one or the new one, whole.

    The user's umask decides who may read it. A link is replaced, not what it leads to.
    """
    part = path.parent / f".pertitle-{path.name[:40]}.{secrets.token_hex(6)}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(
            os.open(part, flags, 0o666), "w", encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        raise
    sync_folder(path.parent)


def write_named(path: Path, text: str) -> None:
    """Write to a file that the user named: where a link leads, and into a device or pipe.

    Raises:
        OSError: it cannot be written, or is a pipe that nobody reads.
    """
    try:
        path = path.resolve()
        kind = path.stat().st_mode
    except FileNotFoundError:
        kind = stat.S_IFREG
    except RuntimeError as error:  # a link to itself, before Python 3.13
        raise OSError(40, "Too many levels of symbolic links", str(path)) from error
    if stat.S_ISREG(kind):
        write_text(path, text)
        return
    handle = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))  # a pipe without reader
    os.set_blocking(handle, True)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable, where the system can."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    with contextlib.suppress(OSError):
        os.fsync(handle)
    os.close(handle)


def sync_file(path: Path) -> None:
    """Make a finished file durable, where the system can."""
    handle = os.open(path, os.O_RDONLY)
    with contextlib.suppress(OSError):
        os.fsync(handle)
    os.close(handle)


def sync_tree(folder: Path) -> None:
    """Make all files below a folder durable."""
    for path in folder.rglob("*"):
        if path.is_file():
            sync_file(path)


def dumps(data: object, indent: int | None = None) -> str:
    """JSON text of a record or plain data: UTF-8 whatever names it holds, safe in a terminal.

    JSON's own rules spell most control characters out; the rest of them, marks that turn the
    direction of text, and what Python makes of bytes that are not UTF-8 (PEP 383) are spelled
    out too, and read back as they were.
    """
    text = json.dumps(to_json(data), indent=indent, ensure_ascii=False)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def write_json(path: Path, data: object) -> None:
    """Write a record or plain data as JSON, atomically."""
    write_text(path, dumps(data, indent=1) + "\n")
