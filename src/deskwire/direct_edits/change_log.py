"""Read the log of direct edits: which row, its previous values, and when; triggers write it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import OperationalError

from deskwire.accounts.api_keys import api_keys
from deskwire.accounts.people import people
from deskwire.kit.clock import Millis
from deskwire.kit.db import BigId, metadata
from deskwire.kit.rows import fetch_one
from deskwire.tickets.messages import messages
from deskwire.tickets.tables import tickets
from deskwire.workspaces.guilds.guilds import guilds
from deskwire.workspaces.guilds.members import guild_members
from deskwire.workspaces.guilds.roles import role_members, roles
from deskwire.workspaces.organizations.categories import categories
from deskwire.workspaces.organizations.organizations import organization_members, organizations

EDITS_TOPIC = "deskwire_edits"  # channel on which PostgreSQL announces a change
UNREADABLE_TEXT = (
    "holds bytes that are not text: correct them with `CAST(… AS TEXT)` or delete the row"
)

outside_changes = Table(
    "outside_changes",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),  # in the order of the edits
    Column("table_name", Text, nullable=False),
    Column("row_key", Text, nullable=False),  # JSON list: the row's primary key
    Column("kind", Text, nullable=False),  # insert, update, delete; problem
    Column("before", Text),  # JSON object: the row before the edit; None: it did not exist
    Column("at", BigInteger, nullable=False),  # ms; by the database's clock
    Column("problem", Text),  # for an operator; None: still to be processed
    sqlite_autoincrement=True,
)

# In the order they are processed: a ticket's edit before those of its facts.
WATCHED_TABLES: tuple[Table, ...] = (
    people,
    api_keys,
    guilds,
    organizations,
    categories,
    roles,
    guild_members,
    role_members,
    organization_members,
    tickets,
    messages,
)

RowKey = tuple[str, ...]


class ChangeColumns:
    """A row of `outside_changes` (a view for `kit.rows`)."""

    id: int
    table_name: str
    row_key: str
    kind: str
    before: str | None
    at: Millis
    problem: str | None


@dataclass(frozen=True, slots=True)
class EditedRow:
    """All unprocessed direct edits of one row."""

    table: Table
    key: RowKey
    before: dict[str, Any] | None  # None: it did not exist
    at: Millis  # of the newest edit
    change_ids: tuple[int, ...]

    @property
    def label(self) -> str:
        """The row, as operators read it."""
        return f"{self.table.name} {' '.join(self.key)}"

    @property
    def cause(self) -> str:
        """The `cause` of the log entries it leads to."""
        return f"edit:{self.change_ids[-1]}"


def has_pending_changes(tx: Connection) -> bool:
    """Whether there are unprocessed edits. Called very often."""
    return tx.execute(_FIRST_PENDING).first() is not None


_FIRST_PENDING = select(outside_changes.c.id).where(outside_changes.c.problem.is_(None)).limit(1)


def list_edited_rows(tx: Connection, limit: int) -> list[list[EditedRow]]:
    """Return the rows concerned by the oldest `limit` changes, in the order to process them.

    Rows in one list share changes (a change of a primary key concerns two): they are processed
    together or not at all, because a change is deleted with the first of them.
    """
    by_row: dict[tuple[str, RowKey], EditedRow] = {}
    for change in _read_changes(tx, tx.execute(_OLDEST_IDS, {"at_most": limit}).scalars().all()):
        for edited in _edited_rows_of(change):
            row = (change.table_name, edited.key)
            earlier = by_row.get(row)
            by_row[row] = edited if earlier is None else _merge(earlier, edited)
    order = {table: number for number, table in enumerate(WATCHED_TABLES)}
    rows = sorted(by_row.values(), key=lambda each: (order[each.table], each.change_ids[0]))
    return _group_by_change(rows)


def _group_by_change(rows: Iterable[EditedRow]) -> list[list[EditedRow]]:
    groups: list[list[EditedRow]] = []
    group_by_id: dict[int, list[EditedRow]] = {}
    for row in rows:
        found = [group_by_id[id_] for id_ in row.change_ids if id_ in group_by_id]
        group, *others = {id(each): each for each in found}.values() or [[]]
        for other in others:
            group.extend(other)
            groups = [each for each in groups if each is not other]
        if not group:
            groups.append(group)
        group.append(row)
        group_by_id |= {id_: group for each in group for id_ in each.change_ids}
    return groups


def list_changed_keys(tx: Connection, limit: int) -> list[tuple[str, RowKey]]:
    """Return table and primary key of the rows that `list_edited_rows` would return."""
    ids = tx.execute(_OLDEST_IDS, {"at_most": limit}).scalars().all()
    columns = (outside_changes.c.table_name, outside_changes.c.row_key)
    rows = tx.execute(select(*columns).where(outside_changes.c.id.in_(ids)))
    return [(row.table_name, parse_row_key(row.row_key)) for row in rows]


_OLDEST_IDS = (
    select(outside_changes.c.id)
    .where(outside_changes.c.problem.is_(None))
    .order_by(outside_changes.c.id)
    .limit(bindparam("at_most"))
)


def delete_changes(tx: Connection, edited: EditedRow) -> None:
    """Delete a processed row's changes, and the problems recorded about it earlier."""
    table = outside_changes
    processed = table.c.id.in_(edited.change_ids)
    problems = (table.c.table_name == edited.table.name) & table.c.problem.is_not(None)
    rows = tx.execute(select(table.c.id, table.c.row_key).where(problems))
    outdated = [row.id for row in rows if parse_row_key(row.row_key) == edited.key]
    tx.execute(delete(table).where(processed | table.c.id.in_(outdated)))


def record_problem(tx: Connection, edited: EditedRow, problem: str) -> None:
    """Record what is wrong with a row, for an operator. It is not tried again."""
    row = {
        "table_name": edited.table.name,
        "row_key": json.dumps(edited.key),
        "kind": "problem",
        "at": edited.at,
        "problem": problem,
    }
    tx.execute(insert(outside_changes).values(row))


def list_problems(tx: Connection, limit: int) -> list[tuple[int, str]]:
    """Return the ids and texts of the recorded problems, oldest first."""
    table = outside_changes
    problems = select(table.c.id, table.c.problem).where(table.c.problem.is_not(None))
    rows = tx.execute(problems.order_by(table.c.id).limit(limit))
    return [(row.id, row.problem) for row in rows]


def parse_row_key(text: str) -> RowKey:
    """Parse a primary key as the trigger wrote it."""
    return tuple(str(part) for part in json.loads(text))


def _read_changes(tx: Connection, ids: Collection[int]) -> Iterator[ChangeColumns]:
    """Yield each change. One query each, because SQLite fails on a row with undecodable text."""
    table = outside_changes
    for id_ in ids:
        try:
            yield fetch_one(tx, select(table).where(table.c.id == id_), ChangeColumns)
        except OperationalError as error:
            if "decode" not in str(error.orig):
                raise
            unreadable = {
                "problem": f"a row that was edited {UNREADABLE_TEXT}",
                "before": None,
                "row_key": "[]",
            }
            tx.execute(update(table).where(table.c.id == id_).values(unreadable))


def _edited_rows_of(change: ChangeColumns) -> Iterator[EditedRow]:
    """Yield the row of a change; two rows if the edit changed the primary key."""
    table, key = metadata.tables[change.table_name], parse_row_key(change.row_key)
    before = None if change.before is None else json.loads(change.before)
    old_key = key if before is None else tuple(str(before[c.name]) for c in table.primary_key)
    yield EditedRow(table, old_key, before, change.at, (change.id,))
    if old_key != key:
        yield EditedRow(table, key, None, change.at, (change.id,))


def _merge(first: EditedRow, later: EditedRow) -> EditedRow:
    at = max(first.at, later.at)
    return EditedRow(
        first.table, first.key, first.before, at, (*first.change_ids, *later.change_ids)
    )
