"""Validate values that were written directly in the database, and choose their replacements."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import Boolean, Column, Integer, Table

from deskwire.accounts.api_keys import KEY_KINDS, SCOPES
from deskwire.accounts.people import parse_email, parse_name
from deskwire.accounts.preferences import parse_theme, parse_time_zone
from deskwire.events.types.registry import AuthorKind, LineKind
from deskwire.kit.errors import Invalid
from deskwire.tickets.state import Fact, TicketState, fold_facts
from deskwire.tickets.statuses import STATUSES
from deskwire.tickets.timeline_text import describe_event
from deskwire.tickets.validation import parse_tags
from deskwire.workspaces.guilds.permissions import ALL_PERMISSIONS, DiscordPermission
from deskwire.workspaces.keys.actions import DESK_ROLES, parse_key_name
from deskwire.workspaces.organizations import settings
from deskwire.workspaces.organizations.organizations import VISIBILITIES
from deskwire.workspaces.organizations.permissions import CLIENT_ROLES, INTERNAL_ROLES

MAX_TIMESTAMP = 253_402_300_799_999  # ms; the end of the year 9999, the latest we can display
MAX_BIGINT = 2**63 - 1  # the largest BIGINT


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """What a column must hold, beyond its type."""

    is_valid: Callable[[Any], bool]
    requirement: str  # completes "COLUMN …"
    default: Any


def _is_workspace(value: str) -> bool:
    return re.fullmatch(r"(guild|org):[^:]+", value) is not None


def _is_role_bits(value: str) -> bool:
    bits = _parse_json(value)
    return isinstance(bits, dict) and all(
        name in DiscordPermission.__members__
        and isinstance(each, list)
        and [type(part) for part in each] in ([int, bool], [int, int])
        for name, each in bits.items()
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
    """Return a check that a value is the one an action would have stored."""

    def is_valid(value: Any) -> bool:  # noqa: ANN401 - anything may have been written
        try:
            return bool(parse(value) == value)
        except Invalid:
            return False

    return is_valid


_PERMISSIONS_RULE = ColumnRule(
    lambda value: 0 <= value <= ALL_PERMISSIONS, f"must be from 0 to {int(ALL_PERMISSIONS)}", 0
)
_RULES: dict[tuple[str, str], ColumnRule] = {
    ("tickets", "status"): _one_of(STATUSES, "new"),
    ("tickets", "tags"): ColumnRule(
        lambda value: parse_tags(value) is not None, "must be a JSON list of strings", "[]"
    ),
    ("tickets", "workspace"): ColumnRule(_is_workspace, "must be guild:ID", "guild:unknown"),
    ("roles", "bits"): ColumnRule(_is_role_bits, "must be a JSON object such as {}", "{}"),
    ("roles", "permissions"): _PERMISSIONS_RULE,
    ("guild_members", "permissions"): _PERMISSIONS_RULE,
    ("people", "name"): ColumnRule(
        _is_parsed_unchanged(parse_name), "must be 1 to 80 printable characters on one line", "?"
    ),
    ("people", "email"): ColumnRule(
        _is_parsed_unchanged(parse_email),
        "must be an email address in lower case, without spaces",
        None,
    ),
    ("people", "theme"): ColumnRule(
        _is_parsed_unchanged(parse_theme), "must be light or dark", None
    ),
    ("people", "time_zone"): ColumnRule(
        _is_parsed_unchanged(parse_time_zone), "must be a time zone such as Europe/Oslo", None
    ),
    ("api_keys", "kind"): _one_of(KEY_KINDS, "organization"),
    ("api_keys", "role"): _one_of((*CLIENT_ROLES, *DESK_ROLES), None),
    ("api_keys", "permissions"): _PERMISSIONS_RULE,
    ("api_keys", "scopes"): ColumnRule(
        lambda value: set(value.split()) <= set(SCOPES),
        f"must be words of {' '.join(SCOPES)}",
        "",
    ),
    ("api_keys", "name"): ColumnRule(
        _is_parsed_unchanged(parse_key_name), "must be 1 to 80 printable characters", "?"
    ),
    ("categories", "name"): ColumnRule(
        _is_parsed_unchanged(settings.parse_organization_name),
        "must be 2 to 80 printable characters on one line",
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
    """A column with an invalid value, and the replacement."""

    column: str
    problem: str
    replacement: Any


def find_invalid_columns(
    table: Table, row: Mapping[str, Any], before: Mapping[str, Any] | None
) -> Iterator[InvalidColumn]:
    """Yield each invalid column with a replacement: the previous value if valid, else a default."""
    has_invalid = False
    for column in table.columns:
        problem = _find_problem(table, column, row[column.name])
        if problem is not None:
            has_invalid = True
            yield InvalidColumn(column.name, problem, _replacement_for(table, column, before))
    if not has_invalid and table.name == "messages" and not _is_renderable(row):
        is_before_valid = before is not None and _is_valid_message(table, before)
        valid = before if before is not None and is_before_valid else _EMPTY_FACT
        yield InvalidColumn("type", "does not match the fields in `data`", valid["type"])
        yield InvalidColumn("data", "does not match its `type`", valid["data"])


_EMPTY_FACT = {"type": "ticket.edited", "data": "{}"}


def _is_valid_message(table: Table, row: Mapping[str, Any]) -> bool:
    return _is_renderable(row) and not any(
        _find_problem(table, c, row[c.name]) for c in table.columns
    )


def _is_renderable(row: Mapping[str, Any]) -> bool:
    """Whether a message can be rendered and, if it is a fact, folded into a ticket's state."""
    data = json.loads(row["data"])
    if row["kind"] != "system":
        return isinstance(data.get("messageLength", 0), int)
    try:
        describe_event(row["type"], data)
        return _is_valid_state(fold_facts([Fact(row["type"], row["at"], row["author"], data)]))
    except (LookupError, TypeError, ValueError, AttributeError):
        return False


def _is_valid_state(state: TicketState) -> bool:
    texts = (state.subject, state.opener, state.assignee, state.priority)
    times = (state.opened_at, state.closed_at, state.deleted_at)
    return (
        all(text is None or isinstance(text, str) for text in (*texts, *state.tags))
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
    """Return what is wrong with a value, as text to follow the column's name, or None."""
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
