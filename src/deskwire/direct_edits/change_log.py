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
from deskwire.workspaces.organizations.organizations import (
    categories,
    organization_members,
    organizations,
)

CHANNEL = "deskwire_edits"  # where PostgreSQL announces that there is a note
UNREADABLE = "holds bytes that are no text: correct them with `CAST(… AS TEXT)` or delete the row"

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
WATCHED: tuple[Table, ...] = (
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

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edited:
    """All that was done by hand to one row since it was last told of."""

    table: Table
    key: Key
    before: dict[str, Any] | None  # None: it was not there
    at: Millis  # of the newest edit
    notes: tuple[int, ...]

    @property
    def name(self) -> str:
        """The row, for people."""
        return f"{self.table.name} {' '.join(self.key)}"

    @property
    def cause(self) -> str:
        """How entries of the log name it."""
        return f"edit:{self.notes[-1]}"


def is_anything(tx: Connection) -> bool:
    """Whether there is an edit nobody has been told of. Asked very often."""
    return tx.execute(_ANY).first() is not None


_ANY = select(outside_changes.c.id).where(outside_changes.c.problem.is_(None)).limit(1)


def read_edited(tx: Connection, limit: int) -> list[Edited]:
    """The rows that the oldest `limit` notes tell of."""
    found: dict[tuple[str, Key], Edited] = {}
    for note in _readable(tx, tx.execute(_OLDEST, {"at_most": limit}).scalars().all()):
        for edited in _rows_of(note):
            place = (note.table_name, edited.key)
            known = found.get(place)
            found[place] = edited if known is None else _joined(known, edited)
    order = {table: number for number, table in enumerate(WATCHED)}
    return sorted(found.values(), key=lambda each: (order[each.table], each.notes[0]))


_OLDEST = (
    select(outside_changes.c.id)
    .where(outside_changes.c.problem.is_(None))
    .order_by(outside_changes.c.id)
    .limit(bindparam("at_most"))
)


def forget(tx: Connection, edited: Edited) -> None:
    """The row has been told of: remove its notes, also those of what was wrong with it before."""
    table = outside_changes
    ours = table.c.id.in_(edited.notes)
    older = (table.c.table_name == edited.table.name) & table.c.problem.is_not(None)
    rows = tx.execute(select(table.c.id, table.c.row_key).where(older))
    settled = [row.id for row in rows if parse_key(row.row_key) == edited.key]
    tx.execute(delete(table).where(ours | table.c.id.in_(settled)))


def keep_problem(tx: Connection, edited: Edited, problem: str) -> None:
    """Note what is wrong with a row, for an operator; it is not tried again."""
    row = {
        "table_name": edited.table.name,
        "row_key": json.dumps(edited.key),
        "kind": "problem",
        "at": edited.at,
        "problem": problem,
    }
    tx.execute(insert(outside_changes).values(row))


def read_problems(tx: Connection, limit: int) -> list[tuple[int, str]]:
    """Numbers and sentences of what was wrong with edits, the oldest first."""
    table = outside_changes
    wrong = select(table.c.id, table.c.problem).where(table.c.problem.is_not(None))
    rows = tx.execute(wrong.order_by(table.c.id).limit(limit))
    return [(row.id, row.problem) for row in rows]


def parse_key(text: str) -> Key:
    """A row's key as the trigger wrote it."""
    return tuple(str(part) for part in json.loads(text))


def _readable(tx: Connection, ids: Collection[int]) -> Iterator[Row[Any]]:
    """Each note; one by one, because SQLite reads no row whose text is none."""
    table = outside_changes
    for id_ in ids:
        try:
            yield tx.execute(select(table).where(table.c.id == id_)).one()
        except OperationalError as error:
            if "decode" not in str(error.orig):
                raise
            lost = {"problem": f"a row that was edited {UNREADABLE}", "before": None}
            tx.execute(update(table).where(table.c.id == id_).values(**lost, row_key="[]"))


def _rows_of(note: Row[Any]) -> Iterator[Edited]:
    """The row a note is about; two where the edit changed the key itself."""
    table, key = metadata.tables[note.table_name], parse_key(note.row_key)
    before = None if note.before is None else json.loads(note.before)
    was = key if before is None else tuple(str(before[c.name]) for c in table.primary_key)
    yield Edited(table, was, before, note.at, (note.id,))
    if was != key:
        yield Edited(table, key, None, note.at, (note.id,))


def _joined(first: Edited, later: Edited) -> Edited:
    at = max(first.at, later.at)
    return Edited(first.table, first.key, first.before, at, (*first.notes, *later.notes))
