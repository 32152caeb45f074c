"""Record the files of tickets: what was uploaded, its uploader, and the message it is attached to.

The bytes are in a store (`kit/store.py`) under the file's id; the row is written only after all of
them. Viewers of a ticket may see its files; those of an internal note only staff.
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

MAX_FILES_PER_MESSAGE = 20  # more are better sent as one archive

files = Table(
    "files",
    metadata,
    Column("id", Text, primary_key=True),  # UUIDv7; also the key in the store
    Column("workspace", Text, nullable=False),
    Column("ticket", Text),  # None until sent
    Column("message", Text),  # the message it is attached to; None: not sent yet
    Column("note", Boolean, nullable=False),  # of an internal note: staff only
    Column("uploader", Text, nullable=False),  # person
    Column("name", Text, nullable=False),  # as uploaded, sanitized
    Column("type", Text, nullable=False),  # media type, detected from the content
    Column("size", BigInteger, nullable=False),  # bytes
    Column("sha256", Text, nullable=False),
    Column("width", Integer),  # px; of images
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
    """Attach uploaded files to a message.

    Raises Invalid if there are too many, or if one is not the person's own or was already sent.
    """
    unique_ids = list(dict.fromkeys(file_ids))
    if len(unique_ids) > MAX_FILES_PER_MESSAGE:
        raise Invalid(
            gettext(
                "You can attach at most %(most)s files to a message.", most=MAX_FILES_PER_MESSAGE
            ),
            {"files": gettext("Too many")},
        )
    workspace = select(tickets.c.workspace).where(tickets.c.id == ticket_id).scalar_subquery()
    for id_ in unique_ids:
        unsent = (files.c.id == id_) & (files.c.uploader == person) & files.c.message.is_(None)
        values = {
            "ticket": ticket_id,
            "workspace": workspace,  # the form's organization may have changed since the upload
            "message": message_id,
            "note": is_note,
        }
        if tx.execute(update(files).where(unsent).values(values)).rowcount == 0:
            raise Invalid(
                gettext("One of the files is no longer available. Attach it again."),
                {"files": gettext("No longer available")},
            )
    return list_message_files(tx, message_id) if unique_ids else []


def list_message_files(tx: Connection, message_id: str) -> list[FileShape]:
    """List the files of a message in the order they were uploaded."""
    query = select(files).where(files.c.message == message_id).order_by(files.c.id)
    return [build_attachment(row) for row in fetch_all(tx, query, FileRow)]


def list_ticket_files(
    tx: Connection, ticket_id: str, *, include_notes: bool
) -> dict[str, list[FileShape]]:
    """List a ticket's files by message id; files of internal notes only with `include_notes`."""
    query = select(files).where(files.c.ticket == ticket_id, files.c.message.is_not(None))
    if not include_notes:
        query = query.where(~files.c.note)
    by_message: dict[str, list[FileShape]] = {}
    for row in fetch_all(tx, query.order_by(files.c.id), FileRow):
        by_message.setdefault(row.message or "", []).append(build_attachment(row))
    return by_message


def read_visible_file(tx: Connection, viewer: Viewer, file_id: str) -> FileRow:
    """Read the row of a file. Raises NotFound unless the viewer may download it."""
    query = select_visible_files(viewer).where(files.c.id == file_id)
    row = fetch_first(tx, query, FileRow) if is_id(file_id) else None
    if row is None:
        raise NotFound(gettext("This file doesn’t exist, or you don’t have access to it."))
    return row


def select_visible_files(viewer: Viewer) -> Select[Any]:
    """Select the files the viewer may download.

    Sent files: for viewers of the ticket, those of internal notes for staff. Unsent files: for
    their uploader.
    """
    own = files.c.message.is_(None) & (files.c.uploader == viewer.subject)
    sent = files.c.message.is_not(None) & visible_to(viewer)
    if not can(viewer, Permission.NOTE):
        sent &= ~files.c.note
    joined = files.outerjoin(tickets, tickets.c.id == files.c.ticket)
    return select(files).select_from(joined).where(or_(own, sent))


def list_unsent_files(tx: Connection, person: PersonId, file_ids: Sequence[str]) -> list[FileShape]:
    """List those of `file_ids` that the person has uploaded and not sent yet."""
    among = files.c.id.in_(file_ids[:MAX_FILES_PER_MESSAGE])
    unsent = select(files).where(among, files.c.uploader == person, files.c.message.is_(None))
    return [build_attachment(row) for row in fetch_all(tx, unsent.order_by(files.c.id), FileRow)]


def find_sent_file(tx: Connection, ticket_id: str, file_id: str) -> FileRow | None:
    """Find a file of a message in the ticket, or None."""
    matches = (files.c.id == file_id) & (files.c.ticket == ticket_id)
    return fetch_first(tx, select(files).where(matches, files.c.message.is_not(None)), FileRow)


def delete_file_row(tx: Connection, file_id: str) -> None:
    """Delete the row of a file. The caller removes its bytes; if not, `FileCleanup` will."""
    tx.execute(delete(files).where(files.c.id == file_id))


def delete_message_file_rows(tx: Connection, message_id: str) -> None:
    """Delete the file rows of a message; `FileCleanup` removes the bytes."""
    tx.execute(delete(files).where(files.c.message == message_id))


def delete_unsent_file_rows(tx: Connection, before: Millis, limit: int) -> int:
    """Delete up to `limit` files uploaded before a moment (ms) and never sent; return how many."""
    unsent = files.c.message.is_(None)
    expired = select(files.c.id).where(unsent, files.c.created_at < before).limit(limit)
    # `unsent` a second time: one may have been sent since the subquery read it.
    return tx.execute(delete(files).where(files.c.id.in_(expired), unsent)).rowcount


def delete_file_rows_of_deleted(tx: Connection, before: Millis, limit: int) -> int:
    """Delete up to `limit` files of tickets and organizations deleted before a moment (ms).

    Returns how many. Their erasure has usually deleted them already (`server/erasure.py`).
    """
    deleted_tickets = select(tickets.c.id).where(tickets.c.deleted_at < before)
    organization_id = func.substr(files.c.workspace, len("org:") + 1)
    deleted_organizations = select(organizations.c.id).where(organizations.c.deleted_at < before)
    of_deleted = or_(
        files.c.ticket.in_(deleted_tickets), organization_id.in_(deleted_organizations)
    )
    expired = select(files.c.id).where(of_deleted).limit(limit)
    return tx.execute(delete(files).where(files.c.id.in_(expired))).rowcount


def read_referenced_ids(tx: Connection, candidate_ids: Sequence[str]) -> set[str]:
    """Return those of `candidate_ids` that a row of `files` or an avatar in `people` refers to."""
    ids = pad_in_list(candidate_ids)
    stored_files = select(files.c.id).where(files.c.id.in_(ids))
    avatars = select(people.c.avatar).where(people.c.avatar.in_(ids))
    return set(tx.execute(union_all(stored_files, avatars)).scalars())


def has_any_file(tx: Connection) -> bool:
    """Whether the database names any file or avatar at all."""
    any_avatar = select(people.c.id).where(people.c.avatar.is_not(None)).limit(1)
    queries = (select(files.c.id).limit(1), any_avatar)
    return any(tx.execute(query).first() is not None for query in queries)


def build_attachment(row: FileRow) -> FileShape:
    """Build the shape of a file that pages, events and the API share from a row of `files`."""
    href = f"/files/{row.id}"
    preview = {"preview": f"{href}/thumbnail"} if row.thumbnail else {}
    return FileShape(
        id=row.id,
        name=row.name,
        type=row.type,
        size=row.size,
        size_text=format_size(row.size),
        href=href,
        **preview,
    )


def format_size(size: int) -> str:
    """Format bytes as `1.4 MB`, in decimal units as browsers and phones do."""
    if size < 1000:
        return gettext("%(size)s bytes", size=size)
    unit, divisor = ("MB", 1_000_000) if size >= 1_000_000 else ("kB", 1_000)
    return f"{size / divisor:.1f} {unit}"
