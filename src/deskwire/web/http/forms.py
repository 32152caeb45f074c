"""Posted forms, as the pages of the portal read them, and how a posted form is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import gettext
from deskwire.web.http.errors import wants_json

FORM_MEDIA_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
MAX_FORM_FIELDS = 60  # of a form; a reply with twenty files has 25
NOTHING: Mapping[str, list[str]] = {}


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed: the last value of each field, and all values of those that repeat."""

    fields: Mapping[str, str]
    lists: Mapping[str, list[str]]

    def get(self, name: str) -> str:
        """The value of a field; nothing where it was not sent."""
        return self.fields.get(name, "")


async def read_form(request: Request) -> Form:
    """The text fields of a posted form. Invalid where the body is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in FORM_MEDIA_TYPES:
        raise Invalid(gettext("Send this as a form."))
    lists: dict[str, list[str]] = {}
    async with request.form(max_fields=MAX_FORM_FIELDS, max_files=0) as form:
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                lists.setdefault(name, []).append(value)
    return Form({name: values[-1] for name, values in lists.items()}, lists)


def respond_done(request: Request, href: str, **values: object) -> Response:
    """A form was taken: a script is told so, a browser without one goes on to `href`."""
    if "hx-request" in request.headers:
        return Response(status_code=204)
    if wants_json(request):
        return JSONResponse({"href": href, **values}, headers={"cache-control": "no-store"})
    return RedirectResponse(href, 303)
