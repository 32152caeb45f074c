"""Read posted forms without files, and answer them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import gettext
from deskwire.web.http.multipart import INCOMPLETE_FORM
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
    for name, value in await read_text_fields(request, MAX_FORM_FIELDS):
        lists.setdefault(name, []).append(value)
    return Form({name: values[-1] for name, values in lists.items()}, lists)


async def read_urlencoded_form(request: Request) -> dict[str, str]:
    """Read the form of an account page; an empty dict for any other kind of body.

    Unlike `read_form` it accepts any kind of body, so that the page is shown again with its fields
    missing. Raises Invalid if the form did not arrive completely.
    """
    if _media_type(request) != URLENCODED_MEDIA_TYPE:
        return {}
    return dict(await read_text_fields(request, MAX_ACCOUNT_FIELDS))


async def read_text_fields(request: Request, max_fields: int) -> list[tuple[str, str]]:
    """Read the names and values of a posted form without files, in their order.

    Raises Invalid if the client disconnects, and for a form that the parser refuses.
    """
    try:
        async with request.form(max_fields=max_fields, max_files=0) as form:
            return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    except (ValueError, ClientDisconnect):  # ValueError: also a charset like `undefined` or `idna`
        raise Invalid(gettext(INCOMPLETE_FORM)) from None


def respond_done(request: Request, href: str, **values: object) -> Response:
    """Confirm a form: 204 for htmx, JSON with `values` for scripts, else a redirect to `href`."""
    if "hx-request" in request.headers:
        return Response(status_code=204)
    if wants_json(request):
        return JSONResponse({"href": href, **values}, headers={"cache-control": "no-store"})
    return RedirectResponse(href, 303)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
