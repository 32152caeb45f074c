"""Make square avatars from uploaded images; the original image is not kept.

The bytes are in the file store under a key of their own, which `people.avatar` names. A new avatar
has a new key, so browsers may cache each one forever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy import Connection, select

from deskwire.accounts import people
from deskwire.events.channels import PersonId
from deskwire.kit.clock import now
from deskwire.kit.errors import Invalid, NotFound, Unavailable
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import is_id, new_id
from deskwire.tickets.files.content_types import IMAGE_TYPES, FileInspector
from deskwire.tickets.files.uploads import Uploads, yield_once

MAX_UPLOAD_BYTES = 10_000_000  # bytes of the upload; a phone's photo has about 5,000,000
INVALID_IMAGE_TEXT = N_("Choose a PNG, JPEG, GIF or WebP picture of at most 40 megapixels.")


async def set_avatar(uploads: Uploads, person: PersonId, chunks: AsyncIterator[bytes]) -> None:
    """Make the image in `chunks` the person's avatar.

    Raises TooLarge while it arrives, Invalid if it is not an image that can be read.
    """
    key = new_id()
    await uploads.store.put(key, yield_once(await _make_square_thumbnail(uploads, person, chunks)))
    try:
        previous = (await uploads.db.write(people.set_avatar_key, person, key, at=now()))[1]
    except BaseException:
        await uploads.delete_keys(key)
        raise
    await _delete_stored_avatar(uploads, previous)


async def remove_avatar(uploads: Uploads, person: PersonId) -> None:
    """Remove the person's avatar; pages then show their initials."""
    previous = (await uploads.db.write(people.set_avatar_key, person, None, at=now()))[1]
    await _delete_stored_avatar(uploads, previous)


def check_avatar_exists(tx: Connection, avatar: str) -> None:
    """Check that `avatar` is a person's current avatar. Raises NotFound otherwise.

    The key is the permission: only viewers of a page with the avatar know it, and at least 74 of
    its 122 bits are random.
    """
    table = people.people
    owner = select(table.c.id).where(table.c.avatar == avatar)
    if not is_id(avatar) or tx.execute(owner).first() is None:
        raise NotFound(gettext("This picture doesn’t exist."))


async def _make_square_thumbnail(
    uploads: Uploads, person: PersonId, chunks: AsyncIterator[bytes]
) -> bytes:
    original, inspector = new_id(), FileInspector(min(MAX_UPLOAD_BYTES, uploads.max_file_bytes))
    await uploads.store.put(original, inspector.inspect(chunks))
    try:
        thumbnail = None
        if inspector.type in IMAGE_TYPES:
            thumbnail = await uploads.thumbnails.make_thumbnail(
                person, await uploads.store.open(original), square=True
            )
    except Unavailable:
        raise  # the store would not delete it either; the file cleanup will
    except BaseException:
        await uploads.delete_keys(original)
        raise
    await uploads.delete_keys(original)
    if thumbnail is None:
        raise Invalid(gettext(INVALID_IMAGE_TEXT), {"avatar": gettext(INVALID_IMAGE_TEXT)})
    return thumbnail.webp


async def _delete_stored_avatar(uploads: Uploads, avatar: str | None) -> None:
    if avatar is not None:
        await uploads.delete_keys(avatar)
