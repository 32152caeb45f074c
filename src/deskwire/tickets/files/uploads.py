"""Uploads: bytes that arrive become a file in the store and a row, or leave nothing behind."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from deskwire.events.access import Access, Viewer
from deskwire.events.channels import PersonId, Workspace
from deskwire.events.types.registry import Attached
from deskwire.kit.clock import now
from deskwire.kit.db import Database, lock
from deskwire.kit.errors import NotFound, TooMany
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import is_id, new_id
from deskwire.kit.store import Store
from deskwire.tickets.files.attachments import attached, files
from deskwire.tickets.files.content_types import PICTURES, Seen, clean_name
from deskwire.tickets.files.thumbnails import Picture, Pictures
from deskwire.workspaces.organizations.organizations import read_visible_by_id
from deskwire.workspaces.organizations.permissions import Right, demand

MAX_UNSENT = 100  # files of one person that are with no message yet; five full messages
TRY_AGAIN = 3600  # s; unsent files go after a day, sent ones are not counted

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Uploads:
    """Takes files in. `limit`: bytes of one file."""

    db: Database
    store: Store
    limit: int
    pictures: Pictures = field(default_factory=Pictures)

    async def keep(
        self, person: PersonId, place: Workspace, name: str, chunks: AsyncIterator[bytes]
    ) -> Attached:
        """Take one file in, for whoever `may_upload`; it is theirs alone until it is sent.

        Raises TooLarge while it arrives. Whatever goes wrong, nothing of it is kept.
        """
        await self.db.read(check_room, person)
        taken = await self.take_in(name, chunks)
        try:
            row = taken | {"workspace": place, "uploader": person, "created_at": now()}
            return attached(await self.db.write(record, row))
        except BaseException:
            await self.drop(taken["id"])
            raise

    async def take_in(self, name: str, chunks: AsyncIterator[bytes]) -> dict[str, Any]:
        """Put the bytes of a file into the store: what `record` writes of it, but for whose it is,
        where, and since when. Raises TooLarge; whatever goes wrong, nothing of it is kept."""
        id_, seen = new_id(), Seen(self.limit)
        await self.store.put(id_, seen.through(chunks))
        try:
            small = await self._shrink(id_) if seen.type in PICTURES else None
        except BaseException:
            await self.drop(id_)
            raise
        return {
            "id": id_,
            "note": False,
            "name": clean_name(name),
            "type": seen.type,
            "size": seen.size,
            "sha256": seen.sha256,
            "width": small and small.width,
            "height": small and small.height,
            "thumbnail": small is not None,
        }

    async def forget(self, person: PersonId, id_: str) -> None:
        """Take an upload back that was not sent yet."""
        if await self.db.write(forget_unsent, person, id_):
            await self.drop(id_)

    async def drop(self, id_: str) -> None:
        """Remove the bytes of a file no row names any more; where that fails, the keeper does."""
        try:
            await self.store.delete(id_)
            await self.store.delete(f"{id_}.thumb")
        except Exception:
            logger.exception("the bytes of file %s stay until the keeper comes", id_)

    async def _shrink(self, id_: str) -> Picture | None:
        """A small picture, kept beside the whole one. Whatever breaks, there is none."""
        try:
            small = await self.pictures.shrink(await self.store.open(id_))
            if small is not None:
                await self.store.put(f"{id_}.thumb", once(small.webp))
        except Exception:
            logger.exception("no small picture of file %s", id_)
            return None
        return small


def read_uploader(tx: Connection, access: Access, person: PersonId, place: Workspace) -> Viewer:
    """The viewer, if they may file in an organization or take part in a request there."""
    viewer = access.read_viewer(tx, person)
    if any(each.channel.startswith("ticket:") for each in viewer.grants if each.workspace == place):
        return viewer
    kind, _, id_ = place.partition(":")
    if kind != "org" or not is_id(id_):
        raise NotFound(gettext("There is no such organization, or it is not shared with you."))
    demand(viewer, Right.FILE, read_visible_by_id(tx, viewer, id_).workspace)
    return viewer


def check_room(tx: Connection, person: PersonId) -> None:
    """Raises TooMany where somebody has very many files that were never sent."""
    mine = (files.c.uploader == person) & files.c.message.is_(None)
    unsent = tx.execute(select(func.count()).select_from(files).where(mine)).scalar_one()
    if unsent >= MAX_UNSENT:
        sentence = gettext(
            "You have %(unsent)s files that were not sent yet. Send them, or wait a day.",
            unsent=unsent,
        )
        raise TooMany(sentence, TRY_AGAIN)


def record(tx: Connection, values: dict[str, Any]) -> Row[Any]:
    """Write the row of a file all of whose bytes are in the store."""
    lock(tx, f"uploads:{values['uploader']}")  # or many at once would all find room
    check_room(tx, values["uploader"])
    return tx.execute(insert(files).values(values).returning(files)).one()


def forget_unsent(tx: Connection, person: PersonId, id_: str) -> bool:
    """Forget somebody's own file that is with no message; whether there was one."""
    mine = (files.c.id == id_) & (files.c.uploader == person) & files.c.message.is_(None)
    return tx.execute(files.delete().where(mine)).rowcount > 0


async def once(whole: bytes) -> AsyncIterator[bytes]:
    """All of it at once, for a store."""
    yield whole
