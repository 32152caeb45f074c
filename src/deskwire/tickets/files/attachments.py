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
    Select,
    Table,
    Text,
    delete,
    func,
    or_,
    select,
    union_all,
    update,
)

from deskwire.accounts.people import people
from deskwire.events.access import Viewer
from deskwire.events.channels import PersonId
from deskwire.events.types.registry import FileShape
from deskwire.kit.clock import Millis
from deskwire.kit.db import metadata, pad_in_list
from deskwire.kit.errors import Invalid, NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import is_id
from deskwire.kit.rows import fetch_all, fetch_first
from deskwire.tickets.tables import tickets
from deskwire.tickets.visibility import visible_to
from deskwire.workspaces.organizations.organizations import organizations
from deskwire.workspaces.organizations.permissions import Permission, can

MAX_FILES_PER_MESSAGE = 20  # with one message; more is an archive

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


class FileRow:
    """A row of `files` (kit/rows.py)."""

    id: str
    workspace: str
    ticket: str | None
    message: str | None
    note: bool
    uploader: PersonId
    name: str
    type: str
    size: int
    sha256: str
    width: int | None
    height: int | None
    thumbnail: bool
    created_at: Millis


def attach_files(
    tx: Connection,
    person: PersonId,
    ticket_id: str,
    message_id: str,
    file_ids: Sequence[str],
    *,
    is_note: bool = False,
) -> list[FileShape]:
    """Give uploaded files to a message; each one's own, and not sent before. Invalid otherwise."""
    wanted = list(dict.fromkeys(file_ids))
    if len(wanted) > MAX_FILES_PER_MESSAGE:
        raise Invalid(
            gettext("At most %(most)s files go with one message.", most=MAX_FILES_PER_MESSAGE),
            {"files": gettext("Too many")},
        )
    place = select(tickets.c.workspace).where(tickets.c.id == ticket_id).scalar_subquery()
    for id_ in wanted:
        mine = (files.c.id == id_) & (files.c.uploader == person) & files.c.message.is_(None)
        values = {
            "ticket": ticket_id,
            "workspace": place,  # another may have been chosen since it was uploaded
            "message": message_id,
            "note": is_note,
        }
        if tx.execute(update(files).where(mine).values(values)).rowcount == 0:
            raise Invalid(
                gettext("One of the files is gone. Add it again."), {"files": gettext("Gone")}
            )
    return list_message_files(tx, message_id) if wanted else []


def list_message_files(tx: Connection, message_id: str) -> list[FileShape]:
    """The files that came with a message, in the order they were uploaded."""
    chosen = select(files).where(files.c.message == message_id).order_by(files.c.id)
    return [build_attachment(row) for row in fetch_all(tx, chosen, FileRow)]


def list_ticket_files(
    tx: Connection, ticket_id: str, *, include_notes: bool
) -> dict[str, list[FileShape]]:
    """A ticket's files by the message they came with; those of notes only where `notes` allows."""
    chosen = select(files).where(files.c.ticket == ticket_id, files.c.message.is_not(None))
    if not include_notes:
        chosen = chosen.where(~files.c.note)
    found: dict[str, list[FileShape]] = {}
    for row in fetch_all(tx, chosen.order_by(files.c.id), FileRow):
        found.setdefault(row.message or "", []).append(build_attachment(row))
    return found


def read_visible_file(tx: Connection, viewer: Viewer, file_id: str) -> FileRow:
    """One file the viewer may have; NotFound otherwise, whether it exists or not."""
    chosen = select_visible_files(viewer).where(files.c.id == file_id)
    row = fetch_first(tx, chosen, FileRow) if is_id(file_id) else None
    if row is None:
        raise NotFound(gettext("There is no such file, or it is not shared with you."))
    return row


def select_visible_files(viewer: Viewer) -> Select[Any]:
    """The files the viewer may have: what was sent belongs to who sees the ticket, of a note to the
    team; what was not, to who uploaded it."""
    own = files.c.message.is_(None) & (files.c.uploader == viewer.person)
    sent = files.c.message.is_not(None) & visible_to(viewer)
    if not can(viewer, Permission.NOTE):
        sent &= ~files.c.note
    joined = files.outerjoin(tickets, tickets.c.id == files.c.ticket)
    return select(files).select_from(joined).where(or_(own, sent))


def list_unsent_files(tx: Connection, person: PersonId, file_ids: Sequence[str]) -> list[FileShape]:
    """Those of `ids` that somebody has uploaded and not sent yet."""
    wanted = files.c.id.in_(file_ids[:MAX_FILES_PER_MESSAGE])
    mine = select(files).where(wanted, files.c.uploader == person, files.c.message.is_(None))
    return [build_attachment(row) for row in fetch_all(tx, mine.order_by(files.c.id), FileRow)]


def find_sent_file(tx: Connection, ticket_id: str, file_id: str) -> FileRow | None:
    """A file that came with a message of a ticket."""
    is_it = (files.c.id == file_id) & (files.c.ticket == ticket_id)
    return fetch_first(tx, select(files).where(is_it, files.c.message.is_not(None)), FileRow)


def delete_file_row(tx: Connection, file_id: str) -> None:
    """Forget a file; its bytes are the caller's to remove, or the store's keeper does."""
    tx.execute(delete(files).where(files.c.id == file_id))


def delete_message_file_rows(tx: Connection, message_id: str) -> None:
    """Forget the files of a message; the store's keeper removes what no row names."""
    tx.execute(delete(files).where(files.c.message == message_id))


def delete_unsent_file_rows(tx: Connection, before: Millis, limit: int) -> int:
    """Delete files that were uploaded before a moment and never sent; how many."""
    unsent = files.c.message.is_(None)
    over = select(files.c.id).where(unsent, files.c.created_at < before).limit(limit)
    # Asked twice: meanwhile one may have been sent.
    return tx.execute(delete(files).where(files.c.id.in_(over), unsent)).rowcount


def delete_file_rows_of_deleted(tx: Connection, before: Millis, limit: int) -> int:
    """Delete files of tickets and organizations that were deleted before a moment; how many.

    Until then whoever deleted one by mistake may have it put back by hand.
    """
    gone_ticket = select(tickets.c.id).where(tickets.c.deleted_at < before)
    place = func.substr(files.c.workspace, len("org:") + 1)
    gone_place = select(organizations.c.id).where(organizations.c.deleted_at < before)
    is_over = or_(files.c.ticket.in_(gone_ticket), place.in_(gone_place))
    over = select(files.c.id).where(is_over).limit(limit)
    return tx.execute(delete(files).where(files.c.id.in_(over))).rowcount


def read_referenced_ids(tx: Connection, candidate_ids: Sequence[str]) -> set[str]:
    """Those of `ids` that a row names: of a file, or of a person whose picture it is."""
    wanted = pad_in_list(candidate_ids)
    named = select(files.c.id).where(files.c.id.in_(wanted))
    depicted = select(people.c.avatar).where(people.c.avatar.in_(wanted))
    return set(tx.execute(union_all(named, depicted)).scalars())


def has_any_file(tx: Connection) -> bool:
    """Whether there is any file, or any picture of somebody, at all."""
    depicted = select(people.c.id).where(people.c.avatar.is_not(None)).limit(1)
    known = (select(files.c.id).limit(1), depicted)
    return any(tx.execute(each).first() is not None for each in known)


def build_attachment(row: FileRow) -> FileShape:
    """A row of `files` as a screen shows it."""
    href = f"/files/{row.id}"
    more = {"preview": f"{href}/thumbnail"} if row.thumbnail else {}
    return FileShape(
        id=row.id,
        name=row.name,
        type=row.type,
        size=row.size,
        size_text=format_size(row.size),
        href=href,
        **more,
    )


def format_size(size: int) -> str:
    """`1.4 MB`; decimal units, as browsers and telephones show them."""
    if size < 1000:
        return gettext("%(size)s bytes", size=size)
    unit, least = ("MB", 1_000_000) if size >= 1_000_000 else ("kB", 1_000)
    return f"{size / least:.1f} {unit}"
