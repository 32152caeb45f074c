"""Process direct edits: replace invalid values, and have the domains record the rest as events.

Rows are processed one by one, each in a savepoint: one that fails is rolled back alone, logged, and
recorded for `deskwire doctor`. None is tried twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import perf_counter
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, and_, select, update
from sqlalchemy.exc import DBAPIError, OperationalError

from deskwire.direct_edits.change_log import (
    UNREADABLE_TEXT,
    EditedRow,
    delete_changes,
    has_pending_changes,
    list_changed_keys,
    list_edited_rows,
    record_problem,
)
from deskwire.direct_edits.validation import InvalidColumn, find_invalid_columns
from deskwire.kit.db import acquire_advisory_lock, savepoint
from deskwire.kit.errors import Refusal
from deskwire.kit.rows import fetch_first, fetch_one
from deskwire.tickets.actions import direct_edits as tickets
from deskwire.tickets.actions import direct_edits_people as people
from deskwire.tickets.actions.direct_edits import TextNotPrepared
from deskwire.tickets.prepared_text import PreparedText
from deskwire.workspaces.guilds import direct_edits as workspaces
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.key_events import record_key_edit
from deskwire.workspaces.organizations import direct_edits as organizations
from deskwire.workspaces.origin import DirectEdit

BATCH_SIZE = 100  # changes per transaction, at most
BATCH_TIME = 0.01  # s after which a transaction begins no other row; webhooks wait for the writer

RecordEdit = Callable[[Connection, DirectEdit], None]

RECORDERS: Mapping[str, RecordEdit] = {
    "people": people.record_person_edit,
    "api_keys": record_key_edit,
    "guilds": workspaces.record_guild_edit,
    "roles": workspaces.record_role_edit,
    "guild_members": workspaces.record_guild_member_edit,
    "role_members": workspaces.record_role_membership_edit,
    "organizations": organizations.record_organization_edit,
    "categories": organizations.record_category_edit,
    "organization_members": people.record_member_edit,
    "tickets": tickets.record_ticket_edit,
}

logger = logging.getLogger(__name__)


class WatchedRow:
    """A row of any watched table (a view for `kit.rows`)."""

    revision: int

    def _asdict(self) -> dict[str, Any]:
        raise NotImplementedError  # SQLAlchemy's rows have it


def prepare_edited_texts(
    tx: Connection, known: Mapping[str, PreparedText] | None = None
) -> dict[str, PreparedText] | None:
    """Render the texts of edited messages for `record_edits`; None if there are no edits at all.

    `known` are texts that were rendered before.
    """
    if not has_pending_changes(tx):
        return None
    keys = [key for name, key in list_changed_keys(tx, BATCH_SIZE) if name == "messages"]
    return tickets.prepare_message_texts(tx, [key[0] for key in keys], known or {})


def record_edits(
    tx: Connection,
    texts: Mapping[str, PreparedText] | None = None,
    timer: Callable[[], float] = perf_counter,
) -> bool:
    """Process the oldest direct edits; return whether there were any.

    `texts` are those of edited messages. Where one is missing, because the row has changed since,
    its edit waits for the next call, and so do edits that are not begun within BATCH_TIME. None:
    the texts are rendered here, and the call ends with the batch, however long it takes.

    The worker's advisory lock keeps other processes and deliveries out, so that each edit sees the
    effects of what came before it.
    """
    if not has_pending_changes(tx):
        return False
    acquire_advisory_lock(tx, "worker")
    began = timer()
    for group in list_edited_rows(tx, BATCH_SIZE):
        try:
            with savepoint(tx):
                for edited in group:
                    _record_row(tx, edited, texts)
        except TextNotPrepared:
            break
        if texts is not None and timer() - began >= BATCH_TIME:
            break
    return True


def _record_row(
    tx: Connection, edited: EditedRow, texts: Mapping[str, PreparedText] | None
) -> None:
    problem = _record_in_savepoint(tx, edited, texts)
    delete_changes(tx, edited)
    if problem is not None:
        logger.warning("direct edit: %s", problem)
        record_problem(tx, edited, problem)


def _record_in_savepoint(
    tx: Connection, edited: EditedRow, texts: Mapping[str, PreparedText] | None
) -> str | None:
    """Process one row; return a problem for the operator, if there is one."""
    try:
        with savepoint(tx):
            return _record_edit(tx, edited, texts)
    except TextNotPrepared:
        raise
    except Refusal as refusal:
        return f"{edited.label}: {refusal}"
    except OperationalError as error:
        if "decode" not in str(error.orig):
            raise  # the database itself failed: try the change again later
        return f"{edited.label}: {UNREADABLE_TEXT}"
    except Exception as error:
        logger.exception("processing a direct edit failed: %s", edited.label)
        cause = error.orig if isinstance(error, DBAPIError) else error
        return (
            f"{edited.label}: the edit could not be published ({type(cause).__name__}; see the "
            "log); correct the row, or undo the edit"
        )


def _record_edit(
    tx: Connection, edited: EditedRow, texts: Mapping[str, PreparedText] | None
) -> str | None:
    row, invalid = _read_row(tx, edited), list[InvalidColumn]()
    if row is not None:
        invalid = list(find_invalid_columns(edited.table, row._asdict(), edited.before))
        row = _update_row(tx, edited, row, {each.column: each.replacement for each in invalid})
    before = None if edited.before is None else _previous_row(edited)
    if invalid or _is_changed(before, row):
        edit = DirectEdit(before, row, edited.at, edited.cause)
        if edited.table.name == "messages":
            tickets.record_message_edit(tx, edit, texts)
        else:
            RECORDERS[edited.table.name](tx, edit)
    return _describe_problem(tx, edited, row, invalid)


def _read_row(tx: Connection, edited: EditedRow) -> WatchedRow | None:
    query = select(edited.table).where(_matches_key(edited)).with_for_update()
    return fetch_first(tx, query, WatchedRow)


def _update_row(
    tx: Connection, edited: EditedRow, row: WatchedRow, values: Mapping[str, Any]
) -> WatchedRow:
    """Update the row to `values` and to a revision above any that open pages have seen."""
    old_revision = 0 if edited.before is None else int(edited.before["revision"])
    revision = max(row.revision, old_revision) + 1
    statement = (
        update(edited.table)
        .where(_matches_key(edited))
        .values({**values, "revision": revision})
        .returning(edited.table)
    )
    return fetch_one(tx, statement, WatchedRow)


def _matches_key(edited: EditedRow) -> Any:  # noqa: ANN401 - SQLAlchemy's condition
    columns = edited.table.primary_key.columns
    return and_(*(column == part for column, part in zip(columns, edited.key, strict=True)))


def _previous_row(edited: EditedRow) -> SimpleNamespace:
    """Return the row before the edit, with defaults instead of invalid values."""
    before = dict(edited.before or {})
    before |= {
        each.column: each.replacement for each in find_invalid_columns(edited.table, before, None)
    }
    return SimpleNamespace(**before)


def _is_changed(before: SimpleNamespace | None, after: WatchedRow | None) -> bool:
    """Whether anything but the revision differs."""
    if before is None or after is None:
        return (before is None) != (after is None)
    return any(
        getattr(before, name) != value
        for name, value in after._asdict().items()
        if name != "revision"
    )


def _describe_problem(
    tx: Connection, edited: EditedRow, row: WatchedRow | None, invalid: list[InvalidColumn]
) -> str | None:
    """Return what an operator must know about an edited row, if anything."""
    problems = [f"{each.column} {each.problem}; {_describe_replacement(each)}" for each in invalid]
    if (
        row is not None
        and (guild_id := _guild_id_of(row))
        and guilds.read_guild_unfiltered(tx, guild_id) is None
    ):
        problems.append(f"there is no server {guild_id} here, so no one can see it")
    if not problems:
        return None
    return f"{edited.label}: {', '.join(problems)}. Write a valid value, or delete the row"


def _describe_replacement(invalid: InvalidColumn) -> str:
    """Describe the replacement for the log, which must never contain an email address."""
    if invalid.column == "email":
        return "it was replaced"
    return f"it was replaced with {invalid.replacement!r}"


def _guild_id_of(row: WatchedRow) -> str | None:
    """Return the id of the server a row belongs to, if it names one."""
    columns = row._asdict()
    kind, _, id_ = str(columns.get("workspace", "")).partition(":")
    return columns.get("guild") or (id_ if kind == "guild" else None)
