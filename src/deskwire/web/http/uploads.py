"""Receiving forms that may carry files, with or without JavaScript."""

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
from deskwire.web.http.multipart import MultipartReader

MAX_FIELD_BYTES = 64 * 1024  # of all plain fields together, as of a form without files
MAX_FORM_FIELDS = 100  # of a form without files
FORM_OVERHEAD_BYTES = 64 * 1024  # bytes of a form around its file


@dataclass(frozen=True, slots=True)
class ReceivedForm:
    """A form's plain fields, and the files that came with it, kept and not sent yet."""

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
    """Read a posted form, and keep its files as uploads of `person`; the caller has asked whether
    they may (`read_uploader`). Any form will do; one without files has none.

    Where it breaks off or is refused, none of its files is kept.
    """
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        async with request.form(max_fields=MAX_FORM_FIELDS) as form:
            texts = [(k, v) for k, v in form.multi_items() if isinstance(v, str)]
        return ReceivedForm(ImmutableMultiDict(texts), [])
    found = ReceivedForm(ImmutableMultiDict(), [])
    async with discard_uploads_on_error(uploads, person, found):
        return await _receive_multipart(request, uploads, person, workspace, found.files, max_files)


@asynccontextmanager
async def discard_uploads_on_error(
    uploads: Uploads, person: PersonId, received: ReceivedForm
) -> AsyncIterator[None]:
    """What is done meanwhile sends the files of a form; where it is refused, none is kept."""
    try:
        yield
    except BaseException:
        for each in received.files:
            await uploads.discard_unsent(person, each.id)
        raise


async def receive_file(
    request: Request, uploads: Uploads, person: PersonId, workspace: Workspace
) -> FileShape:
    """Keep the one file of a request: a form with it, or its bytes and `x-file-name`; the caller
    has asked whether they may."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > uploads.max_file_bytes + FORM_OVERHEAD_BYTES:
        raise build_too_large_error(uploads.max_file_bytes)
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        received = await receive_files(request, uploads, person, workspace, max_files=1)
        if not received.files:
            raise Invalid(
                gettext("Choose a file to upload."), {"files": gettext("None was chosen")}
            )
        return received.files[0]
    name = unquote(request.headers.get("x-file-name", ""))  # what is not UTF-8 becomes �
    if not name:
        raise Invalid(gettext("Name the file in the header x-file-name, or send a form with it."))
    return await uploads.save_upload(person, workspace, name, stream_body(request))


async def stream_body(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes. Raises Invalid where its sender has gone, and nobody will read that."""
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise Invalid(gettext("The upload broke off. Send it again.")) from None


async def _receive_multipart(
    request: Request,
    uploads: Uploads,
    person: PersonId,
    workspace: Workspace,
    files: list[FileShape],
    max_files: int,
) -> ReceivedForm:
    texts: list[tuple[str, str]] = []
    room = MAX_FIELD_BYTES
    form = MultipartReader(request.headers["content-type"], stream_body(request))
    async for part in form.parts():
        if part.file_name is None:
            text = await _read_text(part.chunks, room)
            room -= len(text.encode())
            texts.append((part.name, text))
        elif not part.file_name:
            await _read_text(part.chunks, 0)  # a browser's way to say that none was chosen
        elif len(files) == max_files:
            raise Invalid(_too_many_files_detail(max_files), {"files": gettext("Too many")})
        else:
            files.append(await uploads.save_upload(person, workspace, part.file_name, part.chunks))
    return ReceivedForm(ImmutableMultiDict(texts), files)


async def _read_text(chunks: AsyncIterator[bytes], max_bytes: int) -> str:
    whole = bytearray()
    async for chunk in chunks:
        whole += chunk
        if len(whole) > max_bytes:
            raise Invalid(gettext("The form has too much text. Send less."))
    try:
        return whole.decode()
    except UnicodeDecodeError:
        raise Invalid(gettext("The form is not text in UTF-8.")) from None


def _too_many_files_detail(max_files: int) -> str:
    return ngettext(
        "At most %(num)s file go with one form.",
        "At most %(num)s files go with one form.",
        max_files,
    )
