"""Build the URLs of a filtered list with one filter changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

MAX_ROW_ID = 2**63 - 1  # the largest value of a bigint column
# htmx writes this URL into the address bar instead of the one with every field of the form.
PUSH_URL_HEADER = "hx-push-url"


@dataclass(frozen=True, slots=True)
class ListLinks:
    """Links to the same list with one field of its query changed; empty fields are left out.

    `filters` holds the fields of the query now, with an empty value for each default.
    `organization_query` is the field that names the organization, if the URL has one.
    """

    path: str
    filters: Mapping[str, str]
    organization_query: Mapping[str, str] = field(default_factory=dict)

    def status(self, status: str | None) -> str:
        """Link to the first page of another tab; None is the tab of all statuses."""
        return self._url_with(status=status or "", after="", page="")

    def page(self, page: int) -> str:
        """Link to a page by its number, from 1."""
        return self._url_with(page=str(page) if page > 1 else "")

    def after(self, key: str) -> str:
        """Link to the page after this key; an empty key is the first page."""
        return self._url_with(after=key)

    def toggle(self, name: str) -> str:
        """Link to the first page with an on-off filter switched."""
        return self._url_with(**{name: "" if self.filters.get(name) else "yes"}, after="")

    def without(self, name: str) -> str:
        """Link to the first page without a filter."""
        return self._url_with(**{name: ""}, after="")

    @property
    def label_url_prefix(self) -> str:
        """The start of the URL that filters by a label; append the encoded label."""
        return f"{self.path}?{urlencode({**self.organization_query, 'label': ''})}"

    @property
    def without_filters(self) -> str:
        """The list without filters; the staff's filter `company` goes, `organization` stays."""
        fields = {name: slug for name, slug in self.organization_query.items() if name != "company"}
        return url_with_query(self.path, fields)

    def _url_with(self, **changed: str) -> str:
        fields = {name: value for name, value in {**self.filters, **changed}.items() if value}
        return url_with_query(self.path, {**fields, **self.organization_query})


def parse_row_id(text: str) -> int:
    """Parse the id of a row in a URL or a form; 0, which is no row's, if it is not one."""
    is_number = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if is_number and int(text) <= MAX_ROW_ID else 0


def url_with_query(path: str, fields: Mapping[str, str]) -> str:
    """Append the fields that are not empty to a path, as its query."""
    query = urlencode({name: value for name, value in fields.items() if value})
    return f"{path}?{query}" if query else path
