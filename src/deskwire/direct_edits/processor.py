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
    UNREADABLE,
    Edited,
    forget,
    is_anything,
    keep_problem,
    read_edited,
)
from deskwire.direct_edits.validation import Fault, faults
from deskwire.kit.db import lock, part
from deskwire.kit.errors import Refusal
from deskwire.tickets.actions import direct_edits as tickets
from deskwire.tickets.actions import direct_edits_people as people
from deskwire.workspaces.guilds import direct_edits as workspaces
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.organizations import direct_edits as organizations
from deskwire.workspaces.origin import Edit

AT_ONCE = 100  # notes in one transaction; webhooks wait for the same writer

Tell = Callable[[Connection, Edit], None]

TELL: Mapping[str, Tell] = {
    "people": people.tell_of_person,
    "guilds": workspaces.tell_of_guild,
    "roles": workspaces.tell_of_role,
    "guild_members": workspaces.tell_of_member,
    "role_members": workspaces.tell_of_membership,
    "organizations": organizations.tell_of_organization,
    "categories": organizations.tell_of_category,
    "organization_members": organizations.tell_of_member,
    "tickets": tickets.tell_of_ticket,
    "messages": tickets.tell_of_message,
}

logger = logging.getLogger(__name__)


def work_off(tx: Connection) -> bool:
    """Tell of the oldest edits by hand; whether there were any.

    One at a time over all processes, and none beside a delivery: each sees what came before.
    """
    if not is_anything(tx):
        return False
    lock(tx, "worker")
    for edited, problem in [(each, _problem_of(tx, each)) for each in read_edited(tx, AT_ONCE)]:
        forget(tx, edited)
        if problem is not None:
            logger.warning("an edit by hand: %s", problem)
            keep_problem(tx, edited, problem)
    return True


def _problem_of(tx: Connection, edited: Edited) -> str | None:
    """Tell of one edit; what an operator must know of it, if anything."""
    try:
        with part(tx):
            return _tell(tx, edited)
    except Refusal as refusal:
        return f"{edited.name}: {refusal}"
    except OperationalError as error:
        if "decode" not in str(error.orig):
            raise  # the database refuses altogether: the note waits
        return f"{edited.name}: {UNREADABLE}"
    except Exception as error:
        logger.exception("an edit by hand broke: %s", edited.name)
        cause = error.orig if isinstance(error, DBAPIError) else error
        return (
            f"{edited.name}: nobody could be told of it ({type(cause).__name__}; see the log); "
            "correct the row, or take the edit back"
        )


def _tell(tx: Connection, edited: Edited) -> str | None:
    row, found = _read(tx, edited), list[Fault]()
    if row is not None:
        found = list(faults(edited.table, row._asdict(), edited.before))
        row = _raised(tx, edited, row, {fault.column: fault.instead for fault in found})
    before = None if edited.before is None else _typed(edited)
    if found or _is_other(before, row):
        TELL[edited.table.name](tx, Edit(before, row, edited.at, edited.cause))
    return _advice(tx, edited, row, found)


def _read(tx: Connection, edited: Edited) -> Row[Any] | None:
    return tx.execute(select(edited.table).where(_is(edited)).with_for_update()).one_or_none()


def _raised(tx: Connection, edited: Edited, row: Row[Any], values: Mapping[str, Any]) -> Row[Any]:
    """The row with `values`, at a revision above every one that screens may know of it."""
    known = 0 if edited.before is None else int(edited.before["revision"])
    revision = max(row.revision, known) + 1
    raised = update(edited.table).where(_is(edited)).values({**values, "revision": revision})
    return tx.execute(raised.returning(edited.table)).one()


def _is(edited: Edited) -> Any:  # noqa: ANN401 - SQLAlchemy's condition
    columns = edited.table.primary_key.columns
    return and_(*(column == part for column, part in zip(columns, edited.key, strict=True)))


def _typed(edited: Edited) -> SimpleNamespace:
    """The row as it was; what could not have been is as in a new row."""
    before = dict(edited.before or {})
    before |= {fault.column: fault.instead for fault in faults(edited.table, before, None)}
    return SimpleNamespace(**before)


def _is_other(before: SimpleNamespace | None, now: Row[Any] | None) -> bool:
    """Whether anything but the revision is another."""
    if before is None or now is None:
        return (before is None) != (now is None)
    return any(
        getattr(before, name) != value
        for name, value in now._asdict().items()
        if name != "revision"
    )


def _advice(tx: Connection, edited: Edited, row: Row[Any] | None, found: list[Fault]) -> str | None:
    """What an operator must know of a row that was edited."""
    wrong = [f"{each.column} {each.says}; it is {_told(each)}" for each in found]
    if row is not None and (place := _guild_of(row)) and guilds.read_place(tx, place) is None:
        wrong.append(f"there is no server {place} here, so nobody sees it")
    if not wrong:
        return None
    return f"{edited.name}: {', '.join(wrong)}. Write a value that can be, or delete the row"


def _told(fault: Fault) -> str:
    """What took the place of a value, for a line of the log: never somebody's address."""
    return "as it was" if fault.column == "email" else f"{fault.instead!r} instead"


def _guild_of(row: Row[Any]) -> str | None:
    """The server a row belongs to, where it says so."""
    told = row._asdict()
    kind, _, id_ = str(told.get("workspace", "")).partition(":")
    return told.get("guild") or (id_ if kind == "guild" else None)
