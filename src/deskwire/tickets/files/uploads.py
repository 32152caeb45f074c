"""Save uploads: the bytes in the store and a row in the database, or nothing at all."""

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
from deskwire.kit.errors import NotFound, RateLimited, Unavailable
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import is_id, new_id
from deskwire.kit.rows import fetch_one
from deskwire.kit.store import Store
from deskwire.tickets.files.attachments import FileRow, build_attachment, files
from deskwire.tickets.files.content_types import IMAGE_TYPES, FileInspector, sanitize_filename
from deskwire.tickets.files.thumbnails import Thumbnail, ThumbnailMaker
from deskwire.workspaces.organizations.organizations import read_visible_by_id
from deskwire.workspaces.organizations.permissions import Permission, require

MAX_UNSENT = 100  # files of one person not attached to a message yet; five full messages
RETRY_AFTER = 3600  # s; unsent files expire after a day, sent ones are not counted

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Uploads:
    """The service that saves uploaded files, each of at most `max_file_bytes`."""

    db: Database
    store: Store
    max_file_bytes: int
    thumbnails: ThumbnailMaker = field(default_factory=ThumbnailMaker)

    async def save_upload(
        self, person: PersonId, workspace: Workspace, name: str, chunks: AsyncIterator[bytes]
    ) -> FileShape:
        """Save one file; until it is sent, only its uploader may see it.

        The caller has checked `require_upload_access`. Raises TooLarge while it arrives, and
        RateLimited if the person has too many unsent files. On any error nothing is kept.
        """
        await self.db.read(check_unsent_limit, person)
        values = await self.store_file(person, name, chunks)
        try:
            row = values | {"workspace": workspace, "uploader": person, "created_at": now()}
            return build_attachment(await self.db.write(insert_file_row, row))
        except BaseException:
            await self.delete_bytes(values["id"])
            raise

    async def store_file(
        self, person: PersonId, name: str, chunks: AsyncIterator[bytes]
    ) -> dict[str, Any]:
        """Put the bytes of a person's file into the store and return the values of its row.

        Without `workspace`, `uploader` and `created_at`, which the caller adds. Raises TooLarge; on
        any error nothing is kept.
        """
        id_, inspector = new_id(), FileInspector(self.max_file_bytes)
        await self.store.put(id_, inspector.inspect(chunks))
        try:
            is_image = inspector.type in IMAGE_TYPES
            thumbnail = await self._store_thumbnail(person, id_) if is_image else None
        except BaseException:
            await self.delete_bytes(id_)
            raise
        return {
            "id": id_,
            "note": False,
            "name": sanitize_filename(name),
            "type": inspector.type,
            "size": inspector.size,
            "sha256": inspector.sha256,
            "width": thumbnail and thumbnail.original_width,
            "height": thumbnail and thumbnail.original_height,
            "thumbnail": thumbnail is not None,
        }

    async def discard_unsent(
        self, person: PersonId, *file_ids: str, error: BaseException | None = None
    ) -> None:
        """Delete uploads of the person that were not sent yet; `error` prevented it.

        If the store has just failed, the bytes are left to `FileCleanup`: deleting them now
        would only wait for it to fail again.
        """
        deleted = [id_ for id_ in file_ids if await self._delete_unsent_row(person, id_)]
        if not isinstance(error, Unavailable):
            await self.delete_bytes(*deleted)

    async def delete_bytes(self, *file_ids: str) -> None:
        """Delete the bytes of files without a row; if that fails, `FileCleanup` will."""
        await self.delete_keys(*(key for id_ in file_ids for key in (id_, f"{id_}.thumb")))

    async def delete_keys(self, *keys: str) -> None:
        """Delete keys that no row refers to; after a failure, `FileCleanup` does the rest."""
        try:
            for key in keys:
                await self.store.delete(key)
        except Unavailable as error:
            logger.error(  # noqa: TRY400 - the traceback adds nothing
                "the file cleanup will delete %s: %s", ", ".join(keys), error.reason
            )
        except Exception:
            logger.exception("could not delete %s; the file cleanup will", ", ".join(keys))

    async def _delete_unsent_row(self, person: PersonId, file_id: str) -> bool:
        return await self.db.write(delete_unsent_file_row, person, file_id)

    async def _store_thumbnail(self, person: PersonId, file_id: str) -> Thumbnail | None:
        """Make and store the thumbnail; on any error return None."""
        try:
            chunks = await self.store.open(file_id)
            thumbnail = await self.thumbnails.make_thumbnail(person, chunks)
            if thumbnail is not None:
                await self.store.put(f"{file_id}.thumb", yield_once(thumbnail.webp))
        except Unavailable as error:
            logger.error("no thumbnail of file %s: %s", file_id, error.reason)  # noqa: TRY400
            return None
        except Exception:
            logger.exception("could not make a thumbnail of file %s", file_id)
            return None
        return thumbnail


def require_upload_access(
    tx: Connection, access: Access, person: PersonId, workspace: Workspace
) -> Viewer:
    """Return the viewer if they may create requests in the workspace or take part in one there.

    Raises NotFound or Forbidden otherwise.
    """
    viewer = access.read_viewer(tx, person)
    if any(
        each.channel.startswith("ticket:") for each in viewer.grants if each.workspace == workspace
    ):
        return viewer
    kind, _, id_ = workspace.partition(":")
    if kind != "org" or not is_id(id_):
        raise NotFound(gettext("This organization doesn’t exist, or you don’t have access to it."))
    require(viewer, Permission.FILE, read_visible_by_id(tx, viewer, id_).workspace)
    return viewer


def check_unsent_limit(tx: Connection, person: PersonId) -> None:
    """Raise RateLimited if the person has MAX_UNSENT files that were never sent."""
    own_unsent = (files.c.uploader == person) & files.c.message.is_(None)
    unsent = tx.execute(select(func.count()).select_from(files).where(own_unsent)).scalar_one()
    if unsent >= MAX_UNSENT:
        text = gettext(
            "You have %(unsent)s uploaded files that haven’t been sent yet. Send them, or wait "
            "a day.",
            unsent=unsent,
        )
        raise RateLimited(text, RETRY_AFTER)


def insert_file_row(tx: Connection, values: dict[str, Any]) -> FileRow:
    """Write the row of a file all of whose bytes are in the store."""
    # Without the lock, concurrent uploads would all pass the check below.
    acquire_advisory_lock(tx, f"uploads:{values['uploader']}")
    check_unsent_limit(tx, values["uploader"])
    return fetch_one(tx, insert(files).values(values).returning(files), FileRow)


def delete_unsent_file_row(tx: Connection, person: PersonId, file_id: str) -> bool:
    """Delete the row of the person's own unsent file; return whether there was one."""
    own_unsent = (files.c.id == file_id) & (files.c.uploader == person) & files.c.message.is_(None)
    return tx.execute(files.delete().where(own_unsent)).rowcount > 0


async def yield_once(content: bytes) -> AsyncIterator[bytes]:
    """Yield `content` as a single chunk."""
    yield content
