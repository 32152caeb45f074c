"""Writes what is derived from the catalogue: TypeScript types, the JSON Schema and the docs page.

    python -m deskwire.events.types.generate            writes the files
    python -m deskwire.events.types.generate --check    names the stale ones and exits 1

The order is the catalogue's, so that the same catalogue always gives the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.json_schema import models_json_schema

from deskwire.events.types import registry
from deskwire.events.types.registry import EVENT_CLASSES, Event

ROOT = Path(__file__).parents[4]
TYPESCRIPT_PATH = "frontend/src/generated/events.ts"
SCHEMA_PATH = "docs/events.schema.json"
DOCS_PATH = "docs/events.md"
TOASTS_PATH = "frontend/src/model/toasts.ts"

Schema = dict[str, Any]
TYPESCRIPT_TYPES = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def main(arguments: list[str]) -> int:
    """Write the derived files, or with `--check` compare them. Returns the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m deskwire.events.types.generate [--check]", file=sys.stderr)  # noqa: T201
        return 2
    stale = [name for name, text in render_files(ROOT) if _read(ROOT / name) != text]
    if arguments:
        for name in stale:
            print(f"{name} is stale: run python -m deskwire.events.types.generate")  # noqa: T201
        return 1 if stale else 0
    for name, text in render_files(ROOT):
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(text, encoding="utf-8")
    return 0


def render_files(root: Path) -> Iterator[tuple[str, str]]:
    """Each derived file's path below `root` and the text it should hold."""
    shapes = build_shape_schemas()
    silent = _types_without_toast(_read(root / TOASTS_PATH) or "")
    yield TYPESCRIPT_PATH, render_typescript(shapes)
    yield (
        SCHEMA_PATH,
        json.dumps(build_envelope_schema(shapes), indent=2, ensure_ascii=False) + "\n",
    )
    yield DOCS_PATH, render_docs_page(shapes, silent)


def build_shape_schemas() -> dict[str, Schema]:
    """The JSON Schema of every event's data and of its parts, by class name."""
    _, whole = models_json_schema(
        [(event, "serialization") for event in EVENT_CLASSES], by_alias=True
    )
    return {name: _normalize_schema(shape) for name, shape in whole["$defs"].items()}


def render_typescript(shapes: dict[str, Schema]) -> str:
    """The TypeScript module."""
    parts = [
        "// Every event as TypeScript sees it. Written by `make generate`:\n"
        "// edit src/deskwire/events/types/registry.py instead.\n",
        *(_interface(name, shapes[name]) for name in sorted(shapes)),
        _event_map(),
        "export const EVENT_TYPES = [\n"
        + "".join(f'  "{event.type}",\n' for event in EVENT_CLASSES)
        + "] as const;\n",
        *_literal_arrays(),
        "/** The data of one type of event. */\n"
        "export type EventOf<T extends EventType> = EventData[T];\n",
        "/** An event as it arrives: `timestamp` is in milliseconds. */\n"
        "export type Envelope<T extends EventType = EventType> = {\n"
        "  [K in T]: { type: K; data: EventData[K]; timestamp: number };\n"
        "}[T];\n",
    ]
    return "\n".join(parts)


def build_envelope_schema(shapes: dict[str, Schema]) -> Schema:
    """The JSON Schema of what follows `data:` in a stream."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Deskwire events",
        "description": "One event of a stream. Fields are added, never removed.",
        "oneOf": [
            {
                "type": "object",
                "title": event.type,
                "properties": {
                    "type": {"const": event.type},
                    "data": {"$ref": f"#/$defs/{event.__name__}"},
                    "timestamp": {"type": "integer", "description": "ms since 1970 UTC"},
                },
                "required": ["type", "data", "timestamp"],
            }
            for event in EVENT_CLASSES
        ],
        "$defs": {name: shapes[name] for name in sorted(shapes)},
    }


def render_docs_page(shapes: dict[str, Schema], types_without_toast: set[str]) -> str:
    """The docs page: each event, its sentence, whether it makes a toast, its fields."""
    lines = [
        "# Events",
        "",
        "Written by `make generate` from `events/types/registry.py`. Names are",
        "those on the wire; a field marked `?` may be absent; times are milliseconds since 1970.",
        "Who hears an event is a list of [channels](glossary.md); any of them is enough.",
        "",
        "| event | what happened | heard on | toast |",
        "|---|---|---|---|",
    ]
    for event in EVENT_CLASSES:
        toast = "none" if event.type in types_without_toast else "yes"
        heard = ", ".join(f"`{channel}`" for channel in event.audience)
        link = f"[`{event.type}`](#{_anchor(event.type)})"
        lines.append(f"| {link} | {_docstring_text(event)} | {heard} | {toast} |")
    for event in EVENT_CLASSES:
        lines += [
            "",
            f"## {event.type}",
            "",
            _docstring_text(event),
            "",
            *_event_field_table(event, shapes),
        ]
    names = {event.__name__ for event in EVENT_CLASSES}
    for name in sorted(set(shapes) - names):
        shape = shapes[name]
        lines += [
            "",
            f"## {name}",
            "",
            shape.get("description", ""),
            "",
            *_render_field_table(shape),
        ]
    return "\n".join(lines) + "\n"


def _normalize_schema(shape: Schema) -> Schema:
    """`shape` without titles; what may be null may also be absent."""
    tidy = {key: value for key, value in shape.items() if key != "title"}
    fields = tidy.get("properties", {})
    absent = {name for name, field in fields.items() if {"type": "null"} in field.get("anyOf", [])}
    if fields:
        tidy["properties"] = {name: _normalize_field(field) for name, field in fields.items()}
        tidy["required"] = [name for name in fields if name not in absent]
    return tidy


def _normalize_field(field: Schema) -> Schema:
    return {key: value for key, value in field.items() if key not in ("title", "default")}


def _interface(name: str, shape: Schema) -> str:
    fields = "".join(
        f"{_comment(field, '  ')}  {key}{_optional_mark(key, shape)}: {_typescript_type(field)};\n"
        for key, field in shape["properties"].items()
    )
    return f"{_comment(shape)}export interface {name} {{\n{fields}}}\n"


def _comment(shape: Schema, indent: str = "") -> str:
    text = " ".join(shape.get("description", "").split())
    return f"{indent}/** {text} */\n" if text else ""


def _optional_mark(key: str, shape: Schema) -> str:
    return "" if key in shape["required"] else "?"


def _typescript_type(field: Schema) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "enum" in field:
        return " | ".join(json.dumps(word) for word in field["enum"])
    if "const" in field:
        return json.dumps(field["const"])
    if "anyOf" in field:
        return " | ".join(_typescript_type(choice) for choice in field["anyOf"])
    match field.get("type"):
        case "array":
            return f"ReadonlyArray<{_typescript_type(field['items'])}>"
        case "object":
            return "Readonly<Record<string, unknown>>"
        case None:
            return "unknown"
        case plain:
            return TYPESCRIPT_TYPES[plain]


def _event_map() -> str:
    rows = "".join(f'  "{event.type}": {event.__name__};\n' for event in EVENT_CLASSES)
    return (
        "/** The data of each type. */\n"
        f"export interface EventData {{\n{rows}}}\n\n"
        "export type EventType = keyof EventData;\n"
    )


def _literal_arrays() -> Iterator[str]:
    for name, value in vars(registry).items():
        if get_origin(value) is Literal:
            words = ", ".join(json.dumps(word) for word in get_args(value))
            yield f"export const {_constant_name(name)} = [{words}] as const;\n"


def _constant_name(name: str) -> str:
    """`StatusWord` → `STATUS_WORDS`, `Side` → `SIDES`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper() + "S"


def _docstring_text(event: type[Event]) -> str:
    return " ".join((event.__doc__ or "").split())


def _anchor(type_: str) -> str:
    return type_.replace(".", "")


def _event_field_table(event: type[Event], shapes: dict[str, Schema]) -> list[str]:
    return _render_field_table(shapes[event.__name__])


def _render_field_table(shape: Schema) -> list[str]:
    rows = ["| field | type | meaning |", "|---|---|---|"]
    for key, field in shape["properties"].items():
        kind = _typescript_type(field).replace("|", "\\|")
        rows.append(
            f"| `{key}`{_optional_mark(key, shape)} | `{kind}` | {field.get('description', '')} |"
        )
    return rows


def _types_without_toast(toasts: str) -> set[str]:
    return set(re.findall(r'^\s*"([a-z_.]+)": null,', toasts, re.MULTILINE))


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
