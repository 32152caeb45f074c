"""Files: taken in, one a request, and given out to whoever may see what they came with.

What people upload is never shown as a page of ours: an original is always a download, in a sandbox
without any right; only the small WebP we made ourselves is shown.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from urllib.parse import quote

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from deskwire.events.access import Access
from deskwire.events.channels import PersonId
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.store import NoSuchKey
from deskwire.tickets.files.attachments import FileRow, read_visible_file
from deskwire.tickets.files.content_types import OCTET_STREAM, PLAIN_TEXT, SAFE_INLINE_TYPES
from deskwire.tickets.files.uploads import require_upload_access
from deskwire.web.dependencies import Dependencies, require_person
from deskwire.web.http.ranges import (
    RangeNotSatisfiable,
    matches_if_none_match,
    matches_if_range,
    parse_range,
)
from deskwire.web.http.uploads import receive_file

DOWNLOAD_HEADERS = {
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "private, no-cache",  # kept, and asked about each time: rights may be gone
    "accept-ranges": "bytes",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FilePages:
    """`/files`, `/files/{id}` and `/files/{id}/thumbnail`."""

    deps: Dependencies

    async def upload(self, request: Request) -> Response:
        """POST /files?workspace=org:ID: a form with one file, or its bytes and `x-file-name`."""
        person, uploads = require_person(request).id, self.deps.uploads
        place = request.query_params.get("workspace", "")
        await self.deps.db.read(require_upload_access, self.deps.access, person, place)
        kept = await receive_file(request, uploads, person, place)
        return JSONResponse(kept.model_dump(mode="json", exclude_none=True), 201)

    async def download(self, request: Request) -> Response:
        """GET /files/{file}: the original, all of it or one part."""
        row = await self._read_row(request)
        kind = row.type if row.type in SAFE_INLINE_TYPES else OCTET_STREAM
        headers = {
            "content-type": f"{kind}; charset=utf-8" if kind == PLAIN_TEXT else kind,
            "content-disposition": f"attachment; filename*=UTF-8''{quote(row.name, safe='')}",
        }
        return await self._respond_with_file(request, row.id, f'"{row.sha256}"', headers)

    async def thumbnail(self, request: Request) -> Response:
        """GET /files/{file}/thumbnail: a small picture, to be shown."""
        row = await self._read_row(request)
        if not row.thumbnail:
            raise NotFound(gettext("There is no such file, or it is not shared with you."))
        headers = {"content-type": "image/webp", "content-disposition": "inline"}
        return await self._respond_with_file(
            request, f"{row.id}.thumb", f'"{row.sha256}-small"', headers
        )

    async def _read_row(self, request: Request) -> FileRow:
        person, access = require_person(request).id, self.deps.access
        return await self.deps.db.read(read_file, access, person, request.path_params["file"])

    async def _respond_with_file(
        self, request: Request, key: str, etag: str, headers: dict[str, str]
    ) -> Response:
        head = {**DOWNLOAD_HEADERS, **headers, "etag": etag}
        if matches_if_none_match(request.headers.get("if-none-match"), etag):
            return Response(status_code=304, headers=_not_modified_headers(head))
        store, asked = self.deps.uploads.store, request.headers.get("range")
        if request.method == "HEAD" or not matches_if_range(request.headers.get("if-range"), etag):
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
        except RangeNotSatisfiable:
            return Response(
                status_code=416, headers={"content-range": f"bytes */{size}", **DOWNLOAD_HEADERS}
            )
        except NoSuchKey:
            logger.error("the store does not have %s, which a row names", key)  # noqa: TRY400
            raise NotFound(
                gettext("There is no such file, or it is not shared with you.")
            ) from None
        return StreamingResponse(chunks, 206 if part else 200, head)


def read_file(tx: Connection, access: Access, person: PersonId, file_id: str) -> FileRow:
    """The row of a file `person` may have."""
    return read_visible_file(tx, access.read_viewer(tx, person), file_id)


def _not_modified_headers(headers: dict[str, str]) -> dict[str, str]:
    dropped = ("content-type", "content-disposition", "accept-ranges")
    return {name: value for name, value in headers.items() if name not in dropped}
