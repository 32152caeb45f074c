"""Read posted forms without files, and answer them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import gettext
from deskwire.web.http.negotiation import wants_json

URLENCODED_MEDIA_TYPE = "application/x-www-form-urlencoded"
FORM_MEDIA_TYPES = (URLENCODED_MEDIA_TYPE, "multipart/form-data")
MAX_FORM_FIELDS = 60  # per form; a reply with twenty files has 25
MAX_ACCOUNT_FIELDS = 20  # per form of an account page; the largest has five


@dataclass(frozen=True, slots=True)
class Form:
    """The text fields of a form: the last value of each, and every value of each."""

    fields: Mapping[str, str]
    lists: Mapping[str, list[str]]

    def get(self, name: str) -> str:
        """Return the value of a field; an empty string if it was not sent."""
        return self.fields.get(name, "")


async def read_form(request: Request) -> Form:
    """Read the text fields of a posted form. Raises Invalid if the body is not a form."""
    if _media_type(request) not in FORM_MEDIA_TYPES:
        raise Invalid(gettext("Send this as a form."))
    lists: dict[str, list[str]] = {}
    async with request.form(max_fields=MAX_FORM_FIELDS, max_files=0) as form:
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                lists.setdefault(name, []).append(value)
    return Form({name: values[-1] for name, values in lists.items()}, lists)


async def read_urlencoded_form(request: Request) -> dict[str, str]:
    """Read the form of an account page; an empty dict for any other kind of body.

    Unlike `read_form` it never raises, so that the page is shown again with its fields missing.
    It also refuses multipart forms, which may name a charset that breaks their parser.
    """
    if _media_type(request) != URLENCODED_MEDIA_TYPE:
        return {}
    async with request.form(max_fields=MAX_ACCOUNT_FIELDS) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


def respond_done(request: Request, href: str, **values: object) -> Response:
    """Confirm a form: 204 for htmx, JSON with `values` for scripts, else a redirect to `href`."""
    if "hx-request" in request.headers:
        return Response(status_code=204)
    if wants_json(request):
        return JSONResponse({"href": href, **values}, headers={"cache-control": "no-store"})
    return RedirectResponse(href, 303)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
