"""Upload files, one per request, and serve them to viewers who may see their message.

Uploaded content is never rendered on our origin (stored XSS): originals are always downloads in a
CSP sandbox without permissions; only the WebP thumbnails that we made are shown inline.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.store import NoSuchKey
from deskwire.tickets.files.attachments import FileRow, read_visible_file
from deskwire.tickets.files.content_types import OCTET_STREAM, PLAIN_TEXT, SAFE_INLINE_TYPES
from deskwire.tickets.files.uploads import require_upload_access
from deskwire.web.context import read_as, require_subject
from deskwire.web.dependencies import Dependencies
from deskwire.web.http.ranges import (
    RangeNotSatisfiable,
    matches_if_none_match,
    matches_if_range,
    parse_range,
)
from deskwire.web.http.store_responses import StoreResponse
from deskwire.web.http.uploads import receive_file

DOWNLOAD_HEADERS = {
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "private, no-cache",  # revalidated each time: access may have been revoked
    "accept-ranges": "bytes",
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FilePages:
    """`/files`, `/files/{id}` and `/files/{id}/thumbnail`."""

    deps: Dependencies

    async def upload(self, request: Request) -> Response:
        """POST /files?workspace=org:ID: a form with one file, or its bytes and `x-file-name`."""
        subject, uploads = require_subject(request), self.deps.uploads
        workspace = request.query_params.get("workspace", "")
        await self.deps.db.read(require_upload_access, self.deps.access, subject, workspace)
        file = await receive_file(request, uploads, subject, workspace)
        return JSONResponse(file.model_dump(mode="json", exclude_none=True), 201)

    async def download(self, request: Request) -> Response:
        """GET /files/{file}: the original, or one range of it."""
        row = await self._read_row(request)
        media_type = row.type if row.type in SAFE_INLINE_TYPES else OCTET_STREAM
        is_text = media_type == PLAIN_TEXT
        headers = {
            "content-type": f"{media_type}; charset=utf-8" if is_text else media_type,
            "content-disposition": f"attachment; filename*=UTF-8''{quote(row.name, safe='')}",
        }
        return await self._respond_with_file(request, row.id, f'"{row.sha256}"', headers)

    async def thumbnail(self, request: Request) -> Response:
        """GET /files/{file}/thumbnail: a small image, shown inline."""
        row = await self._read_row(request)
        if not row.thumbnail:
            raise NotFound(gettext("This file doesn’t exist, or you don’t have access to it."))
        headers = {"content-type": "image/webp", "content-disposition": "inline"}
        return await self._respond_with_file(
            request, f"{row.id}.thumb", f'"{row.sha256}-small"', headers
        )

    async def _read_row(self, request: Request) -> FileRow:
        file_id = str(request.path_params["file"])
        _viewer, row = await read_as(self.deps, request, read_visible_file, file_id)
        return row

    async def _respond_with_file(
        self, request: Request, key: str, etag: str, headers: dict[str, str]
    ) -> Response:
        headers = {**DOWNLOAD_HEADERS, **headers, "etag": etag}
        if matches_if_none_match(request.headers.get("if-none-match"), etag):
            return Response(status_code=304, headers=_not_modified_headers(headers))
        store, range_header = self.deps.uploads.store, request.headers.get("range")
        if request.method == "HEAD" or not matches_if_range(request.headers.get("if-range"), etag):
            range_header = None
        try:
            size = await store.size(key)
            byte_range = parse_range(range_header, size)
            start, end = byte_range or (0, size)
            headers["content-length"] = str(end - start)
            if byte_range:
                headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
            if request.method == "HEAD":
                return Response(headers=headers)
            chunks = await store.open(key, start, end)
        except RangeNotSatisfiable:
            return Response(
                status_code=416, headers={"content-range": f"bytes */{size}", **DOWNLOAD_HEADERS}
            )
        except NoSuchKey:
            logger.error("file %s of a message is missing in the store", key)  # noqa: TRY400
            raise NotFound(
                gettext("This file doesn’t exist, or you don’t have access to it.")
            ) from None
        return StoreResponse(chunks, 206 if byte_range else 200, headers)


def _not_modified_headers(headers: dict[str, str]) -> dict[str, str]:
    dropped = ("content-type", "content-disposition", "accept-ranges")
    return {name: value for name, value in headers.items() if name not in dropped}
