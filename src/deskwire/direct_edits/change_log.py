"""Notes of edits by hand: which row, what it was before, and when; written by triggers only."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Row,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import OperationalError

from deskwire.accounts.people import people
from deskwire.kit.clock import Millis
from deskwire.kit.db import BigId, metadata
from deskwire.tickets.messages import messages
from deskwire.tickets.tables import tickets
from deskwire.workspaces.guilds.guilds import guilds
from deskwire.workspaces.guilds.members import guild_members
from deskwire.workspaces.guilds.roles import role_members, roles
from deskwire.workspaces.organizations.categories import categories
from deskwire.workspaces.organizations.organizations import organization_members, organizations

EDITS_TOPIC = "deskwire_edits"  # where PostgreSQL announces that there is a note
UNREADABLE_TEXT = (
    "holds bytes that are no text: correct them with `CAST(… AS TEXT)` or delete the row"
)

outside_changes = Table(
    "outside_changes",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),  # in the order of the edits
    Column("table_name", Text, nullable=False),
    Column("row_key", Text, nullable=False),  # JSON list: the row's primary key
    Column("kind", Text, nullable=False),  # insert, update, delete; problem
    Column("before", Text),  # JSON object: the row as it was; None: it was not there
    Column("at", BigInteger, nullable=False),  # ms; by the database's clock
    Column("problem", Text),  # what is wrong with it, for an operator; None: still to be told
    sqlite_autoincrement=True,
)

# What is above is told before what is below: a ticket's edit before that of its facts.
WATCHED_TABLES: tuple[Table, ...] = (
    people,
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


@dataclass(frozen=True, slots=True)
class EditedRow:
    """All that was done by hand to one row since it was last told of."""

    table: Table
    key: RowKey
    before: dict[str, Any] | None  # None: it was not there
    at: Millis  # of the newest edit
    change_ids: tuple[int, ...]

    @property
    def label(self) -> str:
        """The row, for people."""
        return f"{self.table.name} {' '.join(self.key)}"

    @property
    def cause(self) -> str:
        """How entries of the log name it."""
        return f"edit:{self.change_ids[-1]}"


def has_pending_changes(tx: Connection) -> bool:
    """Whether there is an edit nobody has been told of. Asked very often."""
    return tx.execute(_FIRST_PENDING).first() is not None


_FIRST_PENDING = select(outside_changes.c.id).where(outside_changes.c.problem.is_(None)).limit(1)


def list_edited_rows(tx: Connection, limit: int) -> list[EditedRow]:
    """The rows that the oldest `limit` notes tell of."""
    found: dict[tuple[str, RowKey], EditedRow] = {}
    for note in _read_changes(tx, tx.execute(_OLDEST_IDS, {"at_most": limit}).scalars().all()):
        for edited in _edited_rows_of(note):
            place = (note.table_name, edited.key)
            known = found.get(place)
            found[place] = edited if known is None else _merge(known, edited)
    order = {table: number for number, table in enumerate(WATCHED_TABLES)}
    return sorted(found.values(), key=lambda each: (order[each.table], each.change_ids[0]))


_OLDEST_IDS = (
    select(outside_changes.c.id)
    .where(outside_changes.c.problem.is_(None))
    .order_by(outside_changes.c.id)
    .limit(bindparam("at_most"))
)


def delete_changes(tx: Connection, edited: EditedRow) -> None:
    """The row has been told of: remove its notes, also those of what was wrong with it before."""
    table = outside_changes
    ours = table.c.id.in_(edited.change_ids)
    older = (table.c.table_name == edited.table.name) & table.c.problem.is_not(None)
    rows = tx.execute(select(table.c.id, table.c.row_key).where(older))
    settled = [row.id for row in rows if parse_row_key(row.row_key) == edited.key]
    tx.execute(delete(table).where(ours | table.c.id.in_(settled)))


def record_problem(tx: Connection, edited: EditedRow, problem: str) -> None:
    """Note what is wrong with a row, for an operator; it is not tried again."""
    row = {
        "table_name": edited.table.name,
        "row_key": json.dumps(edited.key),
        "kind": "problem",
        "at": edited.at,
        "problem": problem,
    }
    tx.execute(insert(outside_changes).values(row))


def list_problems(tx: Connection, limit: int) -> list[tuple[int, str]]:
    """Numbers and sentences of what was wrong with edits, the oldest first."""
    table = outside_changes
    wrong = select(table.c.id, table.c.problem).where(table.c.problem.is_not(None))
    rows = tx.execute(wrong.order_by(table.c.id).limit(limit))
    return [(row.id, row.problem) for row in rows]


def parse_row_key(text: str) -> RowKey:
    """A row's key as the trigger wrote it."""
    return tuple(str(part) for part in json.loads(text))


def _read_changes(tx: Connection, ids: Collection[int]) -> Iterator[Row[Any]]:
    """Each note; one by one, because SQLite reads no row whose text is none."""
    table = outside_changes
    for id_ in ids:
        try:
            yield tx.execute(select(table).where(table.c.id == id_)).one()
        except OperationalError as error:
            if "decode" not in str(error.orig):
                raise
            lost = {"problem": f"a row that was edited {UNREADABLE_TEXT}", "before": None}
            tx.execute(update(table).where(table.c.id == id_).values(**lost, row_key="[]"))


def _edited_rows_of(change: Row[Any]) -> Iterator[EditedRow]:
    """The row a note is about; two where the edit changed the key itself."""
    table, key = metadata.tables[change.table_name], parse_row_key(change.row_key)
    before = None if change.before is None else json.loads(change.before)
    was = key if before is None else tuple(str(before[c.name]) for c in table.primary_key)
    yield EditedRow(table, was, before, change.at, (change.id,))
    if was != key:
        yield EditedRow(table, key, None, change.at, (change.id,))


def _merge(first: EditedRow, later: EditedRow) -> EditedRow:
    at = max(first.at, later.at)
    return EditedRow(
        first.table, first.key, first.before, at, (*first.change_ids, *later.change_ids)
    )
