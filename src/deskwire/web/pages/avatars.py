"""Pictures of people: taken in from oneself, shown to who is signed in."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from deskwire.kit.errors import Invalid, NotFound, TooLarge
from deskwire.kit.i18n import gettext
from deskwire.kit.store import Missing
from deskwire.tickets.files.avatars import NO_PICTURE, check_shown, drop_avatar, keep_avatar
from deskwire.web.auth.sign_in import Login, read_form
from deskwire.web.dependencies import Site, person_of
from deskwire.web.http.multipart import Multipart, Part
from deskwire.web.http.uploads import FIELD_BYTES, arriving
from deskwire.web.pages.settings import Oneself

HEADERS = {
    "content-type": "image/webp",
    "content-disposition": "inline",
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "private, max-age=31536000, immutable",  # s, a year; another has another URL
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AvatarPages:
    """`/settings/avatar` and `/avatars/{avatar}`."""

    site: Site
    login: Login

    async def change(self, request: Request) -> Response:
        """POST /settings/avatar: a form with one file (avatar), or one that says `remove`."""
        kind = request.headers.get("content-type", "")
        is_kept = kind.lower().startswith("multipart/form-data")
        try:
            await (self._keep(request, kind) if is_kept else self._drop(request))
        except (Invalid, TooLarge) as refusal:
            return await Oneself(self.site, self.login).page(request, {}, refusal)
        return RedirectResponse(f"/settings?done={'avatar' if is_kept else 'no-avatar'}", 303)

    async def picture(self, request: Request) -> Response:
        """GET /avatars/{avatar}: a square WebP."""
        avatar = str(request.path_params["avatar"])
        await self.site.db.read(check_shown, avatar)
        try:
            size = await self.site.uploads.store.size(avatar)
            chunks = await self.site.uploads.store.open(avatar)
        except Missing:
            logger.error("the store does not have %s, which a person names", avatar)  # noqa: TRY400
            raise NotFound(gettext("There is no such picture.")) from None
        return StreamingResponse(chunks, headers={**HEADERS, "content-length": str(size)})

    async def _keep(self, request: Request, kind: str) -> None:
        form = Multipart(kind, arriving(request))
        async for part in form.parts():
            if part.name == "avatar" and part.file_name:
                await keep_avatar(self.site.uploads, person_of(request).id, part.chunks)
                return
            await _pass_over(part)
        raise Invalid(gettext(NO_PICTURE), {"avatar": gettext(NO_PICTURE)})

    async def _drop(self, request: Request) -> None:
        if "remove" not in await read_form(request):
            raise Invalid(gettext(NO_PICTURE), {"avatar": gettext(NO_PICTURE)})
        await drop_avatar(self.site.uploads, person_of(request).id)


async def _pass_over(part: Part) -> None:
    """A field nobody asked for, or no file; Invalid where it is a large one."""
    size = 0
    async for chunk in part.chunks:
        size += len(chunk)
        if size > FIELD_BYTES:
            raise Invalid(gettext(NO_PICTURE), {"avatar": gettext(NO_PICTURE)})
