"""Files of tickets: what was uploaded, whose it is, and with which message it came.

The bytes lie in a store (`kit/store.py`) under the file's id; a row is there only once all of them
are. Who may see the ticket may see its files; those of a note are the team's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    Table,
    Text,
    delete,
    select,
    update,
)

from deskwire.events.catalogue import Attached
from deskwire.events.channels import PersonId
from deskwire.kit.db import metadata
from deskwire.kit.errors import Invalid

MAX_FILES = 20  # with one message; more is an archive

files = Table(
    "files",
    metadata,
    Column("id", Text, primary_key=True),  # UUIDv7; also its key in the store
    Column("workspace", Text, nullable=False),
    Column("ticket", Text),  # None until it is sent
    Column("message", Text),  # the message it came with; None: not sent yet
    Column("note", Boolean, nullable=False),  # only the team sees it
    Column("uploader", Text, nullable=False),  # person
    Column("name", Text, nullable=False),  # as its owner called it
    Column("type", Text, nullable=False),  # media type, by its content
    Column("size", BigInteger, nullable=False),  # bytes
    Column("sha256", Text, nullable=False),
    Column("width", Integer),  # px; of pictures
    Column("height", Integer),  # px
    Column("thumbnail", Boolean, nullable=False),  # whether the store has one, under `ID.thumb`
    Column("created_at", BigInteger, nullable=False),  # ms
    Index("ix_files_ticket", "ticket"),
    Index("ix_files_message", "message"),
    Index("ix_files_created_at", "created_at"),
)


def attach(
    tx: Connection,
    person: PersonId,
    ticket_id: str,
    message_id: str,
    ids: Sequence[str],
    *,
    note: bool = False,
) -> list[Attached]:
    """Give uploaded files to a message; each one's own, and not sent before. Invalid otherwise."""
    wanted = list(dict.fromkeys(ids))
    if len(wanted) > MAX_FILES:
        raise Invalid(f"At most {MAX_FILES} files go with one message.", {"files": "Too many"})
    for id_ in wanted:
        mine = (files.c.id == id_) & (files.c.uploader == person) & files.c.message.is_(None)
        values = {"ticket": ticket_id, "message": message_id, "note": note}
        if tx.execute(update(files).where(mine).values(values)).rowcount == 0:
            raise Invalid("One of the files is gone. Add it again.", {"files": "Gone"})
    return read_of_message(tx, message_id) if wanted else []


def read_of_message(tx: Connection, message_id: str) -> list[Attached]:
    """The files that came with a message, in the order they were uploaded."""
    chosen = select(files).where(files.c.message == message_id).order_by(files.c.id)
    return [attached(row) for row in tx.execute(chosen)]


def read_of_ticket(tx: Connection, ticket_id: str, *, notes: bool) -> dict[str, list[Attached]]:
    """A ticket's files by the message they came with; those of notes only where `notes` allows."""
    chosen = select(files).where(files.c.ticket == ticket_id, files.c.message.is_not(None))
    if not notes:
        chosen = chosen.where(~files.c.note)
    found: dict[str, list[Attached]] = {}
    for row in tx.execute(chosen.order_by(files.c.id)):
        found.setdefault(row.message, []).append(attached(row))
    return found


def forget_of_message(tx: Connection, message_id: str) -> None:
    """Forget the files of a message; the store's keeper removes what no row names."""
    tx.execute(delete(files).where(files.c.message == message_id))


def attached(row: Row[Any]) -> Attached:
    """A row of `files` as a screen shows it."""
    href = f"/files/{row.id}"
    more = {"preview": f"{href}/thumbnail"} if row.thumbnail else {}
    return Attached(
        id=row.id,
        name=row.name,
        type=row.type,
        size=row.size,
        size_text=size_text(row.size),
        href=href,
        **more,
    )


def size_text(size: int) -> str:
    """`1.4 MB`; decimal units, as browsers and telephones show them."""
    amount = float(size)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000 or unit == "MB":
            break
        amount /= 1000
    return f"{int(amount)} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
