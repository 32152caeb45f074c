"""Check that everything derived from the registry of events, or compared with it, agrees."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from deskwire.events.types import generate
from deskwire.events.types.registry import EVENT_CLASS_BY_TYPE, EVENT_CLASSES, Event
from deskwire.integrations.discord.payloads import PAYLOADS
from deskwire.integrations.discord.samples import EVENT_TYPES
from deskwire.web.rendering.activity_text import EVENT_DESCRIBERS
from deskwire.web.rendering.live_events import live_events
from tests.contracts.source_files import REPOSITORY_ROOT, read_file
from tests.contracts.test_event_shapes import COMMITTED

CHANNEL_KINDS = (
    "user:ID",
    "key:ID",
    "guild:ID",
    "tickets:guild:ID",
    "ticket:ID",
    "org:ID",
    "org:ID:G",
    "staff",
    "people",
)


@pytest.mark.parametrize("event", EVENT_CLASSES, ids=lambda event: event.type)
def test_an_event_has_a_docstring_and_channel_kinds(event: type[Event]) -> None:
    where = f"src/deskwire/events/types/registry.py: {event.__name__}"
    own_doc = event.__dict__.get("__doc__")

    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", event.type), f"{where}: a type is noun.verb"
    assert own_doc, f"{where} needs a docstring: it is the public documentation"
    assert own_doc.strip().endswith((".", "!")), f"{where}: write whole sentences"
    assert event.channel_kinds, f"{where} needs the kinds of its channels"
    assert set(event.channel_kinds) <= set(CHANNEL_KINDS), f"{where}: unknown kind of channel"


@pytest.mark.parametrize("event", EVENT_CLASSES, ids=lambda event: event.type)
def test_an_event_names_the_page_aspects_it_changes(event: type[Event]) -> None:
    assert event.aspects, f"{event.__name__} needs `aspects` (events/types/aspects.py)"
    assert event.type in matching_types(live_events(*event.aspects))


def test_pages_derive_their_live_events_from_aspects() -> None:
    folder = REPOSITORY_ROOT / "src/deskwire/web/templates"
    by_hand = [
        f"{path.relative_to(folder)}: {value}"
        for path in sorted(folder.rglob("*.html"))
        for value in re.findall(r'data-live="([^"]*)"', path.read_text(encoding="utf-8"))
        if value and not value.startswith("{{ live_events(")
    ]

    assert not by_hand, 'write data-live="{{ live_events(…) }}" (web/rendering/live_events.py)'


def test_an_unknown_aspect_is_refused() -> None:
    with pytest.raises(ValueError, match="tickets"):
        live_events("tickets")


@pytest.mark.parametrize("event", EVENT_CLASSES, ids=lambda event: event.type)
def test_a_personal_channel_carries_nothing_that_needs_a_permission(event: type[Event]) -> None:
    if "user:ID" not in event.channel_kinds:
        return

    assert not {"now", "line", "held"} & set(event.model_fields), (
        f"{event.type} shows the state of a ticket or a server, which the person may no longer see "
        "when they replay it: send it on the channel of that right, and name their own channel in "
        "`access_changes`, so that those who gain the right by it hear it"
    )


def test_every_event_class_is_registered() -> None:
    declared = {cls for cls in subclasses(Event) if "type" in cls.__dict__}

    assert declared == set(EVENT_CLASSES), (
        "src/deskwire/events/types/registry.py: CATALOGUE is not complete"
    )
    assert len(EVENT_CLASS_BY_TYPE) == len(EVENT_CLASSES), "two events have one type"


@pytest.mark.parametrize(
    ("path", "table"), [("model/reducers.ts", "REDUCERS"), ("model/toasts.ts", "TOASTS")]
)
def test_the_frontend_has_a_reducer_for_every_event(path: str, table: str) -> None:
    text = read_file(f"frontend/src/{path}")
    start = text.index(f"export const {table}")
    rows = re.findall(r'^  "([a-z_.]+)":', text[start : text.index("\n};", start)], re.MULTILINE)

    assert sorted(rows) == sorted(EVENT_CLASS_BY_TYPE), (
        f"frontend/src/{path}: {table} needs exactly one row per event (null: none is wanted)"
    )


def test_every_event_has_a_sentence_in_the_activity_of_a_server() -> None:
    assert set(EVENT_DESCRIBERS) == set(EVENT_CLASS_BY_TYPE), (
        "edit SENTENCES in src/deskwire/web/rendering/activity_text.py"
    )


def test_the_bots_event_types_agree_everywhere() -> None:
    assert set(EVENT_TYPES) == set(PAYLOADS), (
        "integrations/discord: samples.py and payloads.py differ"
    )
    assert set(PAYLOADS) <= set(EVENT_CLASS_BY_TYPE), (
        "the bot says what events/types/registry.py does not know"
    )


def test_generated_files_are_up_to_date() -> None:
    for name, text in generate.render_files(REPOSITORY_ROOT):
        assert read_file(name) == text, f"{name} is stale: run `make generate`"


@pytest.mark.parametrize("name", COMMITTED)
def test_an_event_goes_only_to_the_channels_it_declares(name: str) -> None:
    entry = json.loads(COMMITTED[name].read_text(encoding="utf-8"))

    kinds = {kind_of(channel) for channel in entry["channels"]}

    assert kinds <= set(EVENT_CLASS_BY_TYPE[entry["type"]].channel_kinds), (
        f"{name} is sent to {sorted(kinds)}: correct its `channel_kinds`, or its action"
    )


@pytest.mark.parametrize("event", EVENT_CLASSES, ids=lambda event: event.type)
def test_every_declared_channel_kind_is_used(event: type[Event]) -> None:
    entries = [json.loads(path.read_text(encoding="utf-8")) for path in COMMITTED.values()]
    reached = {
        kind_of(channel)
        for entry in entries
        if entry["type"] == event.type
        for channel in entry["channels"]
    }

    assert reached == set(event.channel_kinds), f"{event.type} reaches only {sorted(reached)}"


@pytest.mark.parametrize("name", COMMITTED)
def test_sent_events_match_the_published_schema(name: str) -> None:
    schema = json.loads(read_file("docs/events.schema.json"))
    entry = json.loads(COMMITTED[name].read_text(encoding="utf-8"))
    envelope = {"type": entry["type"], "data": entry["data"], "timestamp": 0}
    chosen = next(each for each in schema["oneOf"] if each["title"] == entry["type"])

    problems = list(misfits(envelope, chosen, schema["$defs"], entry["type"]))

    assert not problems, f"docs/events.schema.json does not fit: {'; '.join(problems)}"


def matching_types(patterns: str) -> set[str]:
    """Return the event types that the value of a `data-live` attribute matches."""
    return {
        type_
        for type_ in EVENT_CLASS_BY_TYPE
        for pattern in patterns.split()
        if type_ == pattern or (pattern.endswith(".*") and type_.startswith(pattern[:-1]))
    }


def kind_of(channel: str) -> str:
    """`tickets:guild:1` → `tickets:guild:ID`; `org:1:2` → `org:ID:G`."""
    if channel.startswith("org:") and channel.count(":") == 2:
        return "org:ID:G"
    prefix, _, last = channel.rpartition(":")
    return f"{prefix}:ID" if prefix else last


def subclasses(cls: type[Any]) -> set[type[Any]]:
    return {each for direct in cls.__subclasses__() for each in {direct, *subclasses(direct)}}


def misfits(value: Any, schema: dict[str, Any], parts: dict[str, Any], where: str) -> list[str]:
    """Where `value` breaks `schema`: as much of JSON Schema as ours uses."""
    if "$ref" in schema:
        return misfits(value, parts[schema["$ref"].rpartition("/")[2]], parts, where)
    if "anyOf" in schema:
        tried = [misfits(value, choice, parts, where) for choice in schema["anyOf"]]
        return [] if [] in tried else tried[0]
    if "const" in schema or "enum" in schema:
        words = schema.get("enum", [schema.get("const")])
        return [] if value in words else [f"{where}: {value!r} is none of {words}"]
    kinds = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
    kind = schema.get("type")
    if kind == "null":
        return [] if value is None else [f"{where}: not null"]
    if kind is not None and not isinstance(value, kinds[kind]):
        return [f"{where}: {value!r} is no {kind}"]
    found: list[str] = []
    if kind == "array":
        for item in value:
            found += misfits(item, schema.get("items", {}), parts, f"{where}[]")
    if kind == "object":
        found += [f"{where}: no {name}" for name in schema.get("required", []) if name not in value]
        fields = schema.get("properties", {})
        if schema.get("additionalProperties") is False:
            found += [f"{where}: unknown {name}" for name in value if name not in fields]
        for name, field in fields.items():
            if name in value:
                found += misfits(value[name], field, parts, f"{where}.{name}")
    return found
