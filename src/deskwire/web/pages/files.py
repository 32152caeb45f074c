"""Files: taken in, one a request, and given out to whoever may see what they came with.

What people upload is never shown as a page of ours: an original is always a download, in a sandbox
without any right; only the small WebP we made ourselves is shown.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Row
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from deskwire.events.access import Access
from deskwire.events.channels import PersonId
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.store import Missing
from deskwire.tickets.files.attachments import read_shown
from deskwire.tickets.files.content_types import HARMLESS, PLAIN, UNKNOWN
from deskwire.tickets.files.uploads import read_uploader
from deskwire.web.dependencies import Site, person_of
from deskwire.web.http.ranges import Unsatisfiable, is_known, is_same, parse_range
from deskwire.web.http.uploads import receive_one

SAFETY = {
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "private, no-cache",  # kept, and asked about each time: rights may be gone
    "accept-ranges": "bytes",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FilePages:
    """`/files`, `/files/{id}` and `/files/{id}/thumbnail`."""

    site: Site

    async def upload(self, request: Request) -> Response:
        """POST /files?workspace=org:ID: a form with one file, or its bytes and `x-file-name`."""
        person, uploads = person_of(request).id, self.site.uploads
        place = request.query_params.get("workspace", "")
        await self.site.db.read(read_uploader, self.site.access, person, place)
        kept = await receive_one(request, uploads, person, place)
        return JSONResponse(kept.model_dump(mode="json", exclude_none=True), 201)

    async def download(self, request: Request) -> Response:
        """GET /files/{file}: the original, all of it or one part."""
        row = await self._read_row(request)
        kind = row.type if row.type in HARMLESS else UNKNOWN
        headers = {
            "content-type": f"{kind}; charset=utf-8" if kind == PLAIN else kind,
            "content-disposition": f"attachment; filename*=UTF-8''{quote(row.name, safe='')}",
        }
        return await self._give(request, row.id, f'"{row.sha256}"', headers)

    async def thumbnail(self, request: Request) -> Response:
        """GET /files/{file}/thumbnail: a small picture, to be shown."""
        row = await self._read_row(request)
        if not row.thumbnail:
            raise NotFound(gettext("There is no such file, or it is not shared with you."))
        headers = {"content-type": "image/webp", "content-disposition": "inline"}
        return await self._give(request, f"{row.id}.thumb", f'"{row.sha256}-small"', headers)

    async def _read_row(self, request: Request) -> Row[Any]:
        person, access = person_of(request).id, self.site.access
        return await self.site.db.read(read_file, access, person, request.path_params["file"])

    async def _give(
        self, request: Request, key: str, tag: str, headers: dict[str, str]
    ) -> Response:
        head = {**SAFETY, **headers, "etag": tag}
        if is_known(request.headers.get("if-none-match"), tag):
            return Response(status_code=304, headers=_of_304(head))
        store, asked = self.site.uploads.store, request.headers.get("range")
        if request.method == "HEAD" or not is_same(request.headers.get("if-range"), tag):
            asked = None
        try:
            size = await store.size(key)
            part = parse_range(asked, size)
            start, end = part or (0, size)
            head["content-length"] = str(end - start)
            if part:
                head["content-range"] = f"bytes {start}-{end - 1}/{size}"
            if request.method == "HEAD":
                return Response(headers=head)
            chunks = await store.open(key, start, end)
        except Unsatisfiable:
            return Response(status_code=416, headers={"content-range": f"bytes */{size}", **SAFETY})
        except Missing:
            logger.error("the store does not have %s, which a row names", key)  # noqa: TRY400
            raise NotFound(
                gettext("There is no such file, or it is not shared with you.")
            ) from None
        return StreamingResponse(chunks, 206 if part else 200, head)


def read_file(tx: Connection, access: Access, person: PersonId, file_id: str) -> Row[Any]:
    """The row of a file `person` may have."""
    return read_shown(tx, access.read_viewer(tx, person), file_id)


def _of_304(headers: dict[str, str]) -> dict[str, str]:
    dropped = ("content-type", "content-disposition", "accept-ranges")
    return {name: value for name, value in headers.items() if name not in dropped}
