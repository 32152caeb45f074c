"""Validate the forms of account pages, and render them again with their errors.

Every such page works without JavaScript. Its template gets `values` (the submitted name and
email address, never passwords), `errors` (message by field) and `alert` (a message about the
whole form, or None).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from deskwire.kit.errors import Invalid, RateLimited, Refusal
from deskwire.web.errors import status_of
from deskwire.web.rendering.render import Render

# A secret link has its token in the path, so no Referer may carry it. `no-referrer` would do that
# too, but makes browsers post the page's own form with `Origin: null` (Fetch, "append a request
# Origin header"), which SameOrigin refuses. `strict-origin` sends the site without the path.
SECRET_LINK_HEADERS = {"referrer-policy": "strict-origin"}


def parse_fields(**parsers: Callable[[], str]) -> dict[str, str]:
    """Run every field's parser. Raises Invalid with the message of each field that fails."""
    values: dict[str, str] = {}
    problems: dict[str, str] = {}
    for field, parse in parsers.items():
        try:
            values[field] = parse()
        except Invalid as refusal:
            problems[field] = str(refusal)
    if problems:
        raise Invalid(" ".join(problems.values()), problems)
    return values


def require_field(form: Mapping[str, str], field: str, detail: str) -> str:
    """Return the value of `field`. Raises Invalid with `detail` if it is blank."""
    if not form.get(field, "").strip():
        raise Invalid(detail, {field: detail})
    return form[field]


def link_token(request: Request) -> str:
    """Return the secret token in the path of a link."""
    return str(request.path_params["token"])


def render_form_page(
    render: Render,
    request: Request,
    name: str,
    form: Mapping[str, str],
    extra: Mapping[str, object],
    refusal: Refusal | None,
) -> Response:
    """Render a page with a form; after a refusal, with its status, values and errors."""
    errors = refusal.fields if isinstance(refusal, Invalid) else {}
    alert = str(refusal) if refusal is not None and not errors else None
    values = {field: form.get(field, "") for field in ("name", "email")}
    context = {"values": values, "errors": errors, "alert": alert, **extra}
    status = 200 if refusal is None else status_of(refusal)
    page = render(request, name, context, status=status)
    if isinstance(refusal, RateLimited):
        page.headers["retry-after"] = str(refusal.retry_after)
    return page
