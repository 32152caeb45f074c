"""Working edits by hand off: what cannot be is put back, of the rest the domains tell.

One row after the other, each in a savepoint: whatever one of them breaks is undone alone, said in
the log, and kept for `deskwire doctor`. None is tried twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Row, and_, select, update
from sqlalchemy.exc import DBAPIError, OperationalError

from deskwire.direct_edits.change_log import (
    UNREADABLE_TEXT,
    EditedRow,
    delete_changes,
    has_pending_changes,
    list_edited_rows,
    record_problem,
)
from deskwire.direct_edits.validation import InvalidColumn, find_invalid_columns
from deskwire.kit.db import acquire_advisory_lock, savepoint
from deskwire.kit.errors import Refusal
from deskwire.tickets.actions import direct_edits as tickets
from deskwire.tickets.actions import direct_edits_people as people
from deskwire.workspaces.guilds import direct_edits as workspaces
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.organizations import direct_edits as organizations
from deskwire.workspaces.origin import DirectEdit

BATCH_SIZE = 100  # notes in one transaction; webhooks wait for the same writer

RecordEdit = Callable[[Connection, DirectEdit], None]

RECORDERS: Mapping[str, RecordEdit] = {
    "people": people.record_person_edit,
    "guilds": workspaces.record_guild_edit,
    "roles": workspaces.record_role_edit,
    "guild_members": workspaces.record_guild_member_edit,
    "role_members": workspaces.record_role_membership_edit,
    "organizations": organizations.record_organization_edit,
    "categories": organizations.record_category_edit,
    "organization_members": organizations.record_organization_member_edit,
    "tickets": tickets.record_ticket_edit,
    "messages": tickets.record_message_edit,
}

logger = logging.getLogger(__name__)


def record_edits(tx: Connection) -> bool:
    """Tell of the oldest edits by hand; whether there were any.

    One at a time over all processes, and none beside a delivery: each sees what came before.
    """
    if not has_pending_changes(tx):
        return False
    acquire_advisory_lock(tx, "worker")
    for edited, problem in [
        (each, _record_in_savepoint(tx, each)) for each in list_edited_rows(tx, BATCH_SIZE)
    ]:
        delete_changes(tx, edited)
        if problem is not None:
            logger.warning("an edit by hand: %s", problem)
            record_problem(tx, edited, problem)
    return True


def _record_in_savepoint(tx: Connection, edited: EditedRow) -> str | None:
    """Tell of one edit; what an operator must know of it, if anything."""
    try:
        with savepoint(tx):
            return _record_edit(tx, edited)
    except Refusal as refusal:
        return f"{edited.label}: {refusal}"
    except OperationalError as error:
        if "decode" not in str(error.orig):
            raise  # the database refuses altogether: the note waits
        return f"{edited.label}: {UNREADABLE_TEXT}"
    except Exception as error:
        logger.exception("an edit by hand broke: %s", edited.label)
        cause = error.orig if isinstance(error, DBAPIError) else error
        return (
            f"{edited.label}: nobody could be told of it ({type(cause).__name__}; see the log); "
            "correct the row, or take the edit back"
        )


def _record_edit(tx: Connection, edited: EditedRow) -> str | None:
    row, found = _read_row(tx, edited), list[InvalidColumn]()
    if row is not None:
        found = list(find_invalid_columns(edited.table, row._asdict(), edited.before))
        row = _update_row(tx, edited, row, {fault.column: fault.replacement for fault in found})
    before = None if edited.before is None else _previous_row(edited)
    if found or _is_changed(before, row):
        RECORDERS[edited.table.name](tx, DirectEdit(before, row, edited.at, edited.cause))
    return _describe_problem(tx, edited, row, found)


def _read_row(tx: Connection, edited: EditedRow) -> Row[Any] | None:
    return tx.execute(
        select(edited.table).where(_matches_key(edited)).with_for_update()
    ).one_or_none()


def _update_row(
    tx: Connection, edited: EditedRow, row: Row[Any], values: Mapping[str, Any]
) -> Row[Any]:
    """The row with `values`, at a revision above every one that screens may know of it."""
    known = 0 if edited.before is None else int(edited.before["revision"])
    revision = max(row.revision, known) + 1
    raised = (
        update(edited.table).where(_matches_key(edited)).values({**values, "revision": revision})
    )
    return tx.execute(raised.returning(edited.table)).one()


def _matches_key(edited: EditedRow) -> Any:  # noqa: ANN401 - SQLAlchemy's condition
    columns = edited.table.primary_key.columns
    return and_(*(column == part for column, part in zip(columns, edited.key, strict=True)))


def _previous_row(edited: EditedRow) -> SimpleNamespace:
    """The row as it was; what could not have been is as in a new row."""
    before = dict(edited.before or {})
    before |= {
        fault.column: fault.replacement
        for fault in find_invalid_columns(edited.table, before, None)
    }
    return SimpleNamespace(**before)


def _is_changed(before: SimpleNamespace | None, after: Row[Any] | None) -> bool:
    """Whether anything but the revision is another."""
    if before is None or after is None:
        return (before is None) != (after is None)
    return any(
        getattr(before, name) != value
        for name, value in after._asdict().items()
        if name != "revision"
    )


def _describe_problem(
    tx: Connection, edited: EditedRow, row: Row[Any] | None, invalid: list[InvalidColumn]
) -> str | None:
    """What an operator must know of a row that was edited."""
    wrong = [
        f"{each.column} {each.problem}; it is {_describe_replacement(each)}" for each in invalid
    ]
    if (
        row is not None
        and (place := _guild_id_of(row))
        and guilds.read_guild_unfiltered(tx, place) is None
    ):
        wrong.append(f"there is no server {place} here, so nobody sees it")
    if not wrong:
        return None
    return f"{edited.label}: {', '.join(wrong)}. Write a value that can be, or delete the row"


def _describe_replacement(invalid: InvalidColumn) -> str:
    """What took the place of a value, for a line of the log: never somebody's address."""
    return "as it was" if invalid.column == "email" else f"{invalid.replacement!r} instead"


def _guild_id_of(row: Row[Any]) -> str | None:
    """The server a row belongs to, where it says so."""
    told = row._asdict()
    kind, _, id_ = str(told.get("workspace", "")).partition(":")
    return told.get("guild") or (id_ if kind == "guild" else None)
