"""Receive forms that may carry files, with or without JavaScript, and store the files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.datastructures import ImmutableMultiDict
from starlette.requests import ClientDisconnect, Request

from deskwire.events.channels import PersonId, Workspace
from deskwire.events.types.registry import FileShape
from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import gettext, ngettext
from deskwire.tickets.files.attachments import MAX_FILES_PER_MESSAGE
from deskwire.tickets.files.content_types import build_too_large_error
from deskwire.tickets.files.uploads import Uploads
from deskwire.web.http.forms import read_text_fields
from deskwire.web.http.multipart import MultipartReader

MAX_FIELD_BYTES = 64 * 1024  # bytes of all plain fields together, as in a form without files
MAX_FORM_FIELDS = 100  # fields of a form without files
FORM_OVERHEAD_BYTES = 64 * 1024  # bytes that a form may have around its file


@dataclass(frozen=True, slots=True)
class ReceivedForm:
    """A form's plain fields, and its files, stored but not yet part of a message."""

    fields: ImmutableMultiDict[str, str]
    files: list[FileShape]


async def receive_files(
    request: Request,
    uploads: Uploads,
    person: PersonId,
    workspace: Workspace,
    *,
    max_files: int = MAX_FILES_PER_MESSAGE,
) -> ReceivedForm:
    """Read a posted form, and store its files as uploads of `person`.

    The caller has checked that the person may upload here (`require_upload_access`). A form that
    is not multipart has no files. Raises Invalid or TooLarge; then none of its files is kept.
    """
    media_type = request.headers.get("content-type", "")
    if not media_type.lower().startswith("multipart/form-data"):
        texts = await read_text_fields(request, MAX_FORM_FIELDS)
        return ReceivedForm(ImmutableMultiDict(texts), [])
    stored = ReceivedForm(ImmutableMultiDict(), [])
    async with discard_uploads_on_error(uploads, person, stored):
        return await _receive_multipart(
            request, uploads, person, workspace, stored.files, max_files
        )


@asynccontextmanager
async def discard_uploads_on_error(
    uploads: Uploads, person: PersonId, received: ReceivedForm
) -> AsyncIterator[None]:
    """Delete the files of a form if the code that was to send them raises."""
    try:
        yield
    except BaseException as error:
        await uploads.discard_unsent(person, *(each.id for each in received.files), error=error)
        raise


async def receive_file(
    request: Request, uploads: Uploads, person: PersonId, workspace: Workspace
) -> FileShape:
    """Store the one file of a request: in a form, or as the body with the header `x-file-name`.

    The caller has checked that the person may upload here. Raises Invalid or TooLarge.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > uploads.max_file_bytes + FORM_OVERHEAD_BYTES:
        raise build_too_large_error(uploads.max_file_bytes)
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        received = await receive_files(request, uploads, person, workspace, max_files=1)
        if not received.files:
            raise Invalid(gettext("Choose a file to upload."), {"files": gettext("No file chosen")})
        return received.files[0]
    name = unquote(request.headers.get("x-file-name", ""))  # bytes that are not UTF-8 become �
    if not name:
        raise Invalid(gettext("Name the file in the x-file-name header, or send it in a form."))
    return await uploads.save_upload(person, workspace, name, stream_body(request))


async def stream_body(request: Request) -> AsyncIterator[bytes]:
    """Yield the body as it arrives. Raises Invalid if the client disconnects."""
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise Invalid(gettext("The upload was interrupted. Send the file again.")) from None


async def _receive_multipart(
    request: Request,
    uploads: Uploads,
    person: PersonId,
    workspace: Workspace,
    files: list[FileShape],
    max_files: int,
) -> ReceivedForm:
    texts: list[tuple[str, str]] = []
    remaining_bytes = MAX_FIELD_BYTES
    form = MultipartReader(request.headers["content-type"], stream_body(request))
    async for part in form.parts():
        if part.file_name is None:
            text = await _read_text(part.chunks, remaining_bytes)
            remaining_bytes -= len(text.encode())
            texts.append((part.name, text))
        elif not part.file_name:
            await _read_text(part.chunks, 0)  # browsers send this when no file was chosen
        elif len(files) == max_files:
            raise Invalid(_too_many_files_detail(max_files), {"files": gettext("Too many")})
        else:
            files.append(await uploads.save_upload(person, workspace, part.file_name, part.chunks))
    return ReceivedForm(ImmutableMultiDict(texts), files)


async def _read_text(chunks: AsyncIterator[bytes], max_bytes: int) -> str:
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > max_bytes:
            raise Invalid(gettext("The form has too much text. Send less."))
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Invalid(gettext("The form isn’t valid UTF-8 text.")) from None


def _too_many_files_detail(max_files: int) -> str:
    return ngettext(
        "You can send at most %(num)s file with a form.",
        "You can send at most %(num)s files with a form.",
        max_files,
    )
