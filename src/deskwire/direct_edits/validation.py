"""What a value somebody wrote by hand must be, and what takes its place where it cannot be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import Boolean, Column, Integer, Table

from deskwire.accounts.people import parse_email, parse_name
from deskwire.accounts.preferences import parse_theme, parse_time_zone
from deskwire.events.types.registry import AuthorKind, LineKind
from deskwire.kit.errors import Invalid
from deskwire.tickets.messages import describe_event
from deskwire.tickets.state import Fact, TicketState, fold_facts, parse_tags
from deskwire.tickets.statuses import STATUSES
from deskwire.workspaces.guilds.permissions import ALL_PERMISSIONS, DiscordPermission
from deskwire.workspaces.organizations import settings
from deskwire.workspaces.organizations.organizations import VISIBILITIES
from deskwire.workspaces.organizations.permissions import CLIENT_ROLES, INTERNAL_ROLES

MAX_TIMESTAMP = 253_402_300_799_999  # ms; the end of the year 9999, the last that can be shown
MAX_BIGINT = 2**63 - 1  # what a BIGINT holds


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """What a column holds, beyond its type."""

    is_valid: Callable[[Any], bool]
    requirement: str  # what it must be
    default: Any


def _is_workspace(value: str) -> bool:
    return re.fullmatch(r"(guild|org):[^:]+", value) is not None


def _is_role_bits(value: str) -> bool:
    found = _parse_json(value)
    return isinstance(found, dict) and all(
        name in DiscordPermission.__members__
        and isinstance(each, list)
        and [type(part) for part in each] in ([int, bool], [int, int])
        for name, each in found.items()
    )


def _parse_json(value: str) -> object:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _one_of(choices: tuple[str, ...], default: str | None) -> ColumnRule:
    return ColumnRule(
        lambda value: value in choices, f"must be one of {', '.join(choices)}", default
    )


def _is_parsed_unchanged(parse: Callable[[str], object]) -> Callable[[Any], bool]:
    """Whether a value is as an action would have kept it."""

    def holds(value: Any) -> bool:  # noqa: ANN401 - whatever somebody wrote
        try:
            return bool(parse(value) == value)
        except Invalid:
            return False

    return holds


_PERMISSIONS_RULE = ColumnRule(
    lambda value: 0 <= value <= ALL_PERMISSIONS, f"must be from 0 to {int(ALL_PERMISSIONS)}", 0
)
_RULES: dict[tuple[str, str], ColumnRule] = {
    ("tickets", "status"): _one_of(STATUSES, "new"),
    ("tickets", "tags"): ColumnRule(
        lambda value: parse_tags(value) is not None, "must be a JSON list of texts", "[]"
    ),
    ("tickets", "workspace"): ColumnRule(_is_workspace, "must be guild:ID", "guild:unknown"),
    ("roles", "bits"): ColumnRule(_is_role_bits, "must be JSON like {}", "{}"),
    ("roles", "permissions"): _PERMISSIONS_RULE,
    ("guild_members", "permissions"): _PERMISSIONS_RULE,
    ("people", "name"): ColumnRule(
        _is_parsed_unchanged(parse_name), "must be 1 to 80 ordinary characters on a line", "?"
    ),
    ("people", "email"): ColumnRule(
        _is_parsed_unchanged(parse_email), "must be an address in lower case, without spaces", None
    ),
    ("people", "theme"): ColumnRule(
        _is_parsed_unchanged(parse_theme), "must be light or dark", None
    ),
    ("people", "time_zone"): ColumnRule(
        _is_parsed_unchanged(parse_time_zone), "must be a zone like Europe/Oslo", None
    ),
    ("categories", "name"): ColumnRule(
        _is_parsed_unchanged(settings.parse_organization_name),
        "must be 2 to 80 ordinary characters on a line",
        "??",
    ),
    ("organizations", "visibility"): _one_of(VISIBILITIES, "members"),
    ("organization_members", "role"): _one_of((*CLIENT_ROLES, *INTERNAL_ROLES), "member"),
    ("messages", "kind"): _one_of(get_args(LineKind), "reply"),
    ("messages", "side"): _one_of(get_args(AuthorKind), None),
    ("messages", "data"): ColumnRule(
        lambda value: isinstance(_parse_json(value), dict), "must be a JSON object", "{}"
    ),
}


@dataclass(frozen=True, slots=True)
class InvalidColumn:
    """A value that cannot be, and what takes its place."""

    column: str
    problem: str
    replacement: Any


def find_invalid_columns(
    table: Table, row: Mapping[str, Any], before: Mapping[str, Any] | None
) -> Iterator[InvalidColumn]:
    """What cannot be in `row`; it goes back to what it was `before`, or to what a new row has."""
    found = False
    for column in table.columns:
        says = _find_problem(table, column, row[column.name])
        if says is not None:
            found = True
            yield InvalidColumn(column.name, says, _replacement_for(table, column, before))
    if not found and table.name == "messages" and not _is_renderable(row):
        kept = before if before is not None and _is_valid_message(table, before) else _EMPTY_FACT
        yield InvalidColumn("type", "is no fact that its `data` tells", kept["type"])
        yield InvalidColumn("data", "does not tell what its `type` says", kept["data"])


_EMPTY_FACT = {"type": "ticket.edited", "data": "{}"}


def _is_valid_message(table: Table, row: Mapping[str, Any]) -> bool:
    return _is_renderable(row) and not any(
        _find_problem(table, c, row[c.name]) for c in table.columns
    )


def _is_renderable(row: Mapping[str, Any]) -> bool:
    """Whether a message can be shown and, where it is a fact, folded."""
    data = json.loads(row["data"])
    if row["kind"] != "system":
        return isinstance(data.get("messageLength", 0), int)
    try:
        describe_event(row["type"], data)
        return _is_valid_state(fold_facts([Fact(row["type"], row["at"], row["author"], data)]))
    except (LookupError, TypeError, ValueError, AttributeError):
        return False


def _is_valid_state(state: TicketState) -> bool:
    words = (state.subject, state.opener, state.assignee, state.priority)
    times = (state.opened_at, state.closed_at, state.deleted_at)
    return (
        all(word is None or isinstance(word, str) for word in (*words, *state.tags))
        and all(at is None or (type(at) is int and 0 <= at <= MAX_TIMESTAMP) for at in times)
        and state.status in STATUSES
    )


def _replacement_for(table: Table, column: Column[Any], before: Mapping[str, Any] | None) -> Any:  # noqa: ANN401
    if before is not None and _find_problem(table, column, before[column.name]) is None:
        return before[column.name]
    rule = _RULES.get((table.name, column.name))
    if rule is not None or column.nullable:
        return rule.default if rule is not None else None
    return 0 if isinstance(column.type, Integer | Boolean) else ""


def _find_problem(table: Table, column: Column[Any], value: Any) -> str | None:  # noqa: ANN401
    """What is wrong with a value, to be read after its column's name; None: nothing."""
    if value is None:
        return None if column.nullable else "must not be NULL"
    if isinstance(column.type, Integer):
        if type(value) is not int:
            return "must be a whole number"
        if not 0 <= value <= (MAX_TIMESTAMP if _is_time(column) else MAX_BIGINT):
            return f"must be from 0 to {MAX_TIMESTAMP if _is_time(column) else MAX_BIGINT}"
    elif isinstance(column.type, Boolean):
        if value not in (0, 1):
            return "must be 0 or 1"
    elif not isinstance(value, str):
        return "must be text"
    rule = _RULES.get((table.name, column.name))
    return None if rule is None or rule.is_valid(value) else rule.requirement


def _is_time(column: Column[Any]) -> bool:
    return column.name == "at" or column.name.endswith("_at")
