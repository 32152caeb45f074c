"""Avatars: a square picture of somebody, made of what they uploaded; that itself is not kept.

Its bytes lie in the store of files under a key of their own, which `people.avatar` names. Another
picture has another key, so browsers may keep each for ever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy import Connection, select

from deskwire.accounts import people
from deskwire.events.channels import PersonId
from deskwire.kit.clock import now
from deskwire.kit.errors import Invalid, NotFound
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import is_id, new_id
from deskwire.tickets.files.content_types import IMAGE_TYPES, FileInspector
from deskwire.tickets.files.uploads import Uploads, yield_once

MAX_UPLOAD_BYTES = 10_000_000  # bytes of what is uploaded; a telephone's photograph has five
INVALID_IMAGE_TEXT = N_("Choose a picture: PNG, JPEG, GIF or WebP, of at most 40 megapixels.")


async def set_avatar(uploads: Uploads, person: PersonId, chunks: AsyncIterator[bytes]) -> None:
    """Give somebody the picture in `chunks`. TooLarge while it arrives, Invalid if it is none."""
    key = new_id()
    await uploads.store.put(key, yield_once(await _make_square_thumbnail(uploads, chunks)))
    try:
        before = (await uploads.db.write(people.set_avatar_key, person, key, at=now()))[1]
    except BaseException:
        await uploads.store.delete(key)
        raise
    await _delete_stored_avatar(uploads, before)


async def remove_avatar(uploads: Uploads, person: PersonId) -> None:
    """From now on somebody has initials."""
    await _delete_stored_avatar(
        uploads, (await uploads.db.write(people.set_avatar_key, person, None, at=now()))[1]
    )


def check_avatar_exists(tx: Connection, avatar: str) -> None:
    """NotFound unless this is the picture of somebody here. Its key is known only to who was shown
    a page with it: of 122 bits at least 74 are random."""
    table = people.people
    shown = select(table.c.id).where(table.c.avatar == avatar)
    if not is_id(avatar) or tx.execute(shown).first() is None:
        raise NotFound(gettext("There is no such picture."))


async def _make_square_thumbnail(uploads: Uploads, chunks: AsyncIterator[bytes]) -> bytes:
    whole, seen = new_id(), FileInspector(min(MAX_UPLOAD_BYTES, uploads.max_file_bytes))
    try:
        await uploads.store.put(whole, seen.inspect(chunks))
        small = None
        if seen.type in IMAGE_TYPES:
            small = await uploads.thumbnails.make_thumbnail(
                await uploads.store.open(whole), square=True
            )
    finally:
        await uploads.store.delete(whole)
    if small is None:
        raise Invalid(gettext(INVALID_IMAGE_TEXT), {"avatar": gettext(INVALID_IMAGE_TEXT)})
    return small.webp


async def _delete_stored_avatar(uploads: Uploads, avatar: str | None) -> None:
    if avatar is not None:
        await uploads.store.delete(avatar)
