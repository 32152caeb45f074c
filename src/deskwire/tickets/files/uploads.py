"""Uploads: bytes that arrive become a file in the store and a row, or leave nothing behind."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, insert, select

from deskwire.events.access import Access, Viewer
from deskwire.events.channels import PersonId, Workspace
from deskwire.events.types.registry import FileShape
from deskwire.kit.clock import now
from deskwire.kit.db import Database, acquire_advisory_lock
from deskwire.kit.errors import NotFound, RateLimited
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import is_id, new_id
from deskwire.kit.rows import fetch_one
from deskwire.kit.store import Store
from deskwire.tickets.files.attachments import FileRow, build_attachment, files
from deskwire.tickets.files.content_types import IMAGE_TYPES, FileInspector, sanitize_filename
from deskwire.tickets.files.thumbnails import Thumbnail, ThumbnailMaker
from deskwire.workspaces.organizations.organizations import read_visible_by_id
from deskwire.workspaces.organizations.permissions import Permission, require

MAX_UNSENT = 100  # files of one person that are with no message yet; five full messages
RETRY_AFTER = 3600  # s; unsent files go after a day, sent ones are not counted

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Uploads:
    """Takes files in. `limit`: bytes of one file."""

    db: Database
    store: Store
    max_file_bytes: int
    thumbnails: ThumbnailMaker = field(default_factory=ThumbnailMaker)

    async def save_upload(
        self, person: PersonId, workspace: Workspace, name: str, chunks: AsyncIterator[bytes]
    ) -> FileShape:
        """Take one file in, for whoever `may_upload`; it is theirs alone until it is sent.

        Raises TooLarge while it arrives. Whatever goes wrong, nothing of it is kept.
        """
        await self.db.read(check_unsent_limit, person)
        taken = await self.store_file(name, chunks)
        try:
            row = taken | {"workspace": workspace, "uploader": person, "created_at": now()}
            return build_attachment(await self.db.write(insert_file_row, row))
        except BaseException:
            await self.delete_bytes(taken["id"])
            raise

    async def store_file(self, name: str, chunks: AsyncIterator[bytes]) -> dict[str, Any]:
        """Put the bytes of a file into the store: what `record` writes of it, but for whose it is,
        where, and since when. Raises TooLarge; whatever goes wrong, nothing of it is kept."""
        id_, seen = new_id(), FileInspector(self.max_file_bytes)
        await self.store.put(id_, seen.inspect(chunks))
        try:
            small = await self._store_thumbnail(id_) if seen.type in IMAGE_TYPES else None
        except BaseException:
            await self.delete_bytes(id_)
            raise
        return {
            "id": id_,
            "note": False,
            "name": sanitize_filename(name),
            "type": seen.type,
            "size": seen.size,
            "sha256": seen.sha256,
            "width": small and small.original_width,
            "height": small and small.original_height,
            "thumbnail": small is not None,
        }

    async def discard_unsent(self, person: PersonId, file_id: str) -> None:
        """Take an upload back that was not sent yet."""
        if await self.db.write(delete_unsent_file_row, person, file_id):
            await self.delete_bytes(file_id)

    async def delete_bytes(self, file_id: str) -> None:
        """Remove the bytes of a file no row names any more; where that fails, the keeper does."""
        try:
            await self.store.delete(file_id)
            await self.store.delete(f"{file_id}.thumb")
        except Exception:
            logger.exception("the bytes of file %s stay until the keeper comes", file_id)

    async def _store_thumbnail(self, file_id: str) -> Thumbnail | None:
        """A small picture, kept beside the whole one. Whatever breaks, there is none."""
        try:
            small = await self.thumbnails.make_thumbnail(await self.store.open(file_id))
            if small is not None:
                await self.store.put(f"{file_id}.thumb", yield_once(small.webp))
        except Exception:
            logger.exception("no small picture of file %s", file_id)
            return None
        return small


def require_upload_access(
    tx: Connection, access: Access, person: PersonId, workspace: Workspace
) -> Viewer:
    """The viewer, if they may file in an organization or take part in a request there."""
    viewer = access.read_viewer(tx, person)
    if any(
        each.channel.startswith("ticket:") for each in viewer.grants if each.workspace == workspace
    ):
        return viewer
    kind, _, id_ = workspace.partition(":")
    if kind != "org" or not is_id(id_):
        raise NotFound(gettext("There is no such organization, or it is not shared with you."))
    require(viewer, Permission.FILE, read_visible_by_id(tx, viewer, id_).workspace)
    return viewer


def check_unsent_limit(tx: Connection, person: PersonId) -> None:
    """Raises TooMany where somebody has very many files that were never sent."""
    mine = (files.c.uploader == person) & files.c.message.is_(None)
    unsent = tx.execute(select(func.count()).select_from(files).where(mine)).scalar_one()
    if unsent >= MAX_UNSENT:
        sentence = gettext(
            "You have %(unsent)s files that were not sent yet. Send them, or wait a day.",
            unsent=unsent,
        )
        raise RateLimited(sentence, RETRY_AFTER)


def insert_file_row(tx: Connection, values: dict[str, Any]) -> FileRow:
    """Write the row of a file all of whose bytes are in the store."""
    acquire_advisory_lock(
        tx, f"uploads:{values['uploader']}"
    )  # or many at once would all find room
    check_unsent_limit(tx, values["uploader"])
    return fetch_one(tx, insert(files).values(values).returning(files), FileRow)


def delete_unsent_file_row(tx: Connection, person: PersonId, file_id: str) -> bool:
    """Forget somebody's own file that is with no message; whether there was one."""
    mine = (files.c.id == file_id) & (files.c.uploader == person) & files.c.message.is_(None)
    return tx.execute(files.delete().where(mine)).rowcount > 0


async def yield_once(content: bytes) -> AsyncIterator[bytes]:
    """All of it at once, for a store."""
    yield content
