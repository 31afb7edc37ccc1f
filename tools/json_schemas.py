"""Writes the JSON Schemas of what runs leave behind: ``python -m tools.json_schemas``.

``pertitle/schemas/{plan,result,batch,event}.schema.json`` (draft 2020-12).
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any

from pertitle import events
from pertitle.options import EncodeOptions, LadderOptions
from pertitle.records import Analysis, LadderPlan, PlanSeconds, Source
from pertitle.results import RESULT_VERSION, BatchResult, TitleResult
from pertitle.storage import event_log, plan_file

FOLDER = Path(__file__).parents[1] / "pertitle/schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALARS: dict[object, dict[str, Any]] = {
    float: {"type": "number"},
    int: {"type": "integer"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    Path: {"type": "string"},
    Fraction: {"type": "string", "pattern": r"^-?[0-9]+/[0-9]+$"},
    Any: {},
}


class Schemas:
    """Schemas of records; what they refer to collects in ``definitions``."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of a type as :mod:`pertitle.serial` writes it."""
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            return {"anyOf": [self.of(one) for one in arguments]}
        if kind is type(None):
            return {"type": "null"}
        if dataclasses.is_dataclass(kind):
            return self._record(typing.cast(type, kind))
        if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
            return {"type": "array", "items": self.of(arguments[0])}
        if origin is tuple:
            parts = [self.of(one) for one in arguments]
            return {"type": "array", "prefixItems": parts, "items": False, "minItems": len(parts)}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return {"type": "string", "enum": [member.value for member in kind]}
        return dict(_SCALARS[kind])

    def _record(self, kind: type) -> dict[str, Any]:
        name = kind.__name__
        if name not in self.definitions:
            self.definitions[name] = {}  # a record may hold itself
            self.definitions[name] = fields_object(
                {key: self.of(hint) for key, hint in _hints(kind).items()},
                (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " "),
            )
        return {"$ref": f"#/$defs/{name}"}

    def document(self, title: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        """A whole schema with the definitions it needs."""
        definitions = dict(sorted(self.definitions.items()))
        return {"$schema": _DIALECT, "title": title, **schema, "$defs": definitions}


def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def fields_object(properties: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    """An object with these fields, each of them present."""
    told = {"description": description} if description else {}
    return {
        "type": "object",
        **told,
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def plan_schema() -> dict[str, Any]:
    """Of ``plan.json`` and ``pertitle plan --json``."""
    schemas = Schemas()
    source = {key: schemas.of(hint) for key, hint in _hints(Source).items()}
    source |= {"frame_rate": schemas.of(Fraction), "width": schemas.of(int),
               "height": schemas.of(int)}  # fmt: skip
    analysis = {k: schemas.of(v) for k, v in _hints(Analysis).items() if k != "source"}
    wishes = {"ladder": schemas.of(LadderOptions), "encode": schemas.of(EncodeOptions)}
    fields = {
        "version": {"const": plan_file.VERSION},
        "source": fields_object(source),
        "ladders": schemas.of(tuple[LadderPlan, ...]),
        "seconds": schemas.of(PlanSeconds),
        "options": fields_object(wishes),
        "analysis": fields_object(analysis),
    }
    return schemas.document("pertitle plan", fields_object(fields))


def result_schema() -> dict[str, Any]:
    """Of a title's ``result.json``."""
    schemas = Schemas()
    fields = {"version": {"const": RESULT_VERSION}, "inputs": {"type": "object"}}
    fields |= {key: schemas.of(hint) for key, hint in _hints(TitleResult).items()}
    return schemas.document("pertitle result", fields_object(fields))


def batch_schema() -> dict[str, Any]:
    """Of ``batch.json`` and ``pertitle run --json``."""
    schemas = Schemas()
    fields = {"version": {"const": RESULT_VERSION}}
    fields |= {key: schemas.of(hint) for key, hint in _hints(BatchResult).items()}
    return schemas.document("pertitle batch", fields_object(fields))


def event_schema() -> dict[str, Any]:
    """Of a line of ``pertitle run --events``."""
    schemas = Schemas()
    head = {"version": {"const": event_log.VERSION}, "time": {"type": "number"}}
    kinds = [
        fields_object(
            {
                **head,
                "event": {"const": kind.__name__},
                **{key: schemas.of(hint) for key, hint in _hints(kind).items()},
            },
            inspect.getdoc(kind) or "",
        )
        for kind in typing.get_args(events.Event)
    ]
    return schemas.document("pertitle event", {"oneOf": kinds})


def written() -> dict[str, str]:
    """Text of every schema by file name."""
    made = {"plan": plan_schema(), "result": result_schema(), "batch": batch_schema(),
            "event": event_schema()}  # fmt: skip
    return {f"{name}.schema.json": json.dumps(one, indent=1) + "\n" for name, one in made.items()}


if __name__ == "__main__":
    for name, text in written().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
