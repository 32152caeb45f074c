"""Upload one's own avatar, and serve avatars to people who are signed in."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.kit.errors import Invalid, NotFound, TooLarge
from deskwire.kit.i18n import gettext
from deskwire.kit.store import NoSuchKey
from deskwire.tickets.files.avatars import (
    INVALID_IMAGE_TEXT,
    check_avatar_exists,
    remove_avatar,
    set_avatar,
)
from deskwire.web.auth.sign_in import AccountPages
from deskwire.web.context import require_person
from deskwire.web.dependencies import Dependencies
from deskwire.web.http.forms import read_urlencoded_form
from deskwire.web.http.multipart import MultipartReader, Part
from deskwire.web.http.store_responses import StoreResponse
from deskwire.web.http.uploads import MAX_FIELD_BYTES, stream_body
from deskwire.web.pages.settings import SettingsPages

AVATAR_HEADERS = {
    "content-type": "image/webp",
    "content-disposition": "inline",
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "private, max-age=31536000, immutable",  # s, a year; a new one has a new URL
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AvatarPages:
    """`/settings/avatar` and `/avatars/{avatar}`."""

    deps: Dependencies
    account_pages: AccountPages

    async def change(self, request: Request) -> Response:
        """POST /settings/avatar: a form with one file (avatar), or one with the field `remove`."""
        media_type = request.headers.get("content-type", "")
        is_upload = media_type.lower().startswith("multipart/form-data")
        try:
            if is_upload:
                await self._store_avatar(request, media_type)
            else:
                await self._remove_avatar(request)
        except (Invalid, TooLarge) as refusal:
            settings = SettingsPages(self.deps, self.account_pages)
            return await settings.render_page(request, {}, refusal)
        return RedirectResponse(f"/settings?done={'avatar' if is_upload else 'no-avatar'}", 303)

    async def show(self, request: Request) -> Response:
        """GET /avatars/{avatar}: a square WebP."""
        avatar = str(request.path_params["avatar"])
        await self.deps.db.read(check_avatar_exists, avatar)
        try:
            size = await self.deps.uploads.store.size(avatar)
            chunks = await self.deps.uploads.store.open(avatar)
        except NoSuchKey:
            logger.error("avatar %s of a person is missing in the store", avatar)  # noqa: TRY400
            raise NotFound(gettext("This picture doesn’t exist.")) from None
        return StoreResponse(chunks, headers={**AVATAR_HEADERS, "content-length": str(size)})

    async def _store_avatar(self, request: Request, media_type: str) -> None:
        form = MultipartReader(media_type, stream_body(request))
        async for part in form.parts():
            if part.name == "avatar" and part.file_name:
                await set_avatar(self.deps.uploads, require_person(request).id, part.chunks)
                return
            await _discard_part(part)
        raise Invalid(gettext(INVALID_IMAGE_TEXT), {"avatar": gettext(INVALID_IMAGE_TEXT)})

    async def _remove_avatar(self, request: Request) -> None:
        if "remove" not in await read_urlencoded_form(request):
            raise Invalid(gettext(INVALID_IMAGE_TEXT), {"avatar": gettext(INVALID_IMAGE_TEXT)})
        await remove_avatar(self.deps.uploads, require_person(request).id)


async def _discard_part(part: Part) -> None:
    """Skip an unexpected field or an empty file. Raises Invalid if it is large."""
    size = 0
    async for chunk in part.chunks:
        size += len(chunk)
        if size > MAX_FIELD_BYTES:
            raise Invalid(gettext(INVALID_IMAGE_TEXT), {"avatar": gettext(INVALID_IMAGE_TEXT)})
