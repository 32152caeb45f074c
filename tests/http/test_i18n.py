"""Test that no English is left on any page or mail of a desk in another language.

In the pseudo language each text stands between ⟦ and ⟧, so text outside is either the desk's own
data, listed in `tests/fixtures/full_site.py`, or a text that could not be translated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser

import pytest
from starlette.routing import compile_path
from starlette.testclient import TestClient

from deskwire.kit.i18n import Catalog, activate
from deskwire.web.mail_templates import MailTemplates
from tests.fixtures.cast import CAST, Persona
from tests.fixtures.full_site import PAGES, REFUSED_FORMS, TEXTS, FullSiteFixture
from tests.fixtures.pseudo_language import read_pseudo_catalog

pytestmark = pytest.mark.database("sqlite")  # words are the same for both

NO_PAGES = (
    "/api/",
    "/avatars",
    "/files",
    "/healthz",
    "/mail",
    "/metrics",
    "/readyz",
    "/settings/data",
)
SHOWN = ("title", "aria-label", "placeholder", "alt", "label")  # attributes that people read
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
NAMES = ("The Harbour", "Cy’s Attic", "The Quay", "The Loft", "Team", "Neu", "Quay")
OURS = ("Deskwire", "Discord", "Firefox", "Linux", "curl", "UTC", "bot", "/orgs/quay", "/orgs/loft")
ROLES = ("Tickets Support", "Tickets Viewer", "Greeters")
KNOWN = sorted(
    {*TEXTS, *NAMES, *OURS, *ROLES, *(each.name for each in CAST), *(each.email for each in CAST)}
    | {"2026-R", "kB", "MB"},
    key=len,
    reverse=True,
)
WORD = re.compile(r"[^\W\d_]{3,}|[a-z]{2,}")  # two capitals are someone's initials


@pytest.fixture(scope="module")
def full_site(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[FullSiteFixture]:
    assert database == "sqlite"
    activate(read_pseudo_catalog(tmp_path_factory.mktemp("locales")))
    built = FullSiteFixture(tmp_path_factory.mktemp("town"))
    yield built
    built.close()
    activate(Catalog())


@pytest.mark.parametrize("persona", PAGES, ids=lambda actor: actor.name if actor else "a stranger")
def test_every_page_is_in_the_language_of_the_desk(
    full_site: FullSiteFixture, persona: Persona | None
) -> None:
    for path, page in full_site.open_pages(persona):
        assert '<html lang="xx"' in page, path
        assert find_untranslated(page) == [], path


@pytest.mark.parametrize("nth", range(len(REFUSED_FORMS)))
def test_refusals_are_in_the_language_of_the_desk(full_site: FullSiteFixture, nth: int) -> None:
    actor, path, form = REFUSED_FORMS[nth]

    page = full_site.submit_refused(actor, path, form)

    assert "⟦" in page
    assert find_untranslated(page) == []


def test_every_route_is_checked(full_site: FullSiteFixture) -> None:
    opened = {
        path.partition("?")[0].format(**full_site.path_values)
        for each in PAGES.values()
        for path in each
    }

    for url in full_site.site.urls:
        if "GET" in url.methods and not url.path.startswith(NO_PAGES):
            pattern = compile_path(url.path)[0]
            assert any(map(pattern.match, opened)), (
                f"add {url.path} to PAGES in tests/fixtures/full_site.py"
            )


def test_locally_shown_mail_is_in_the_language_of_the_desk(full_site: FullSiteFixture) -> None:
    sent = full_site.site.site.mail_templates
    object.__setattr__(
        full_site.site.site, "mail_templates", MailTemplates("http://testserver", "kept")
    )

    browser = TestClient(full_site.site.app, "http://localhost", client=("127.0.0.1", 5))
    page = browser.get("/mail").text

    object.__setattr__(full_site.site.site, "mail_templates", sent)
    assert "⟦Email⟧" in page
    assert find_untranslated(page) == []


def test_every_mail_is_in_the_language_of_the_desk(full_site: FullSiteFixture) -> None:
    mails = full_site.read_mails()

    assert len(mails) > 2
    for each in mails:
        assert list(text_outside_brackets([each.subject, *each.text.splitlines()])) == []
        assert find_untranslated(each.html) == []


def find_untranslated(page: str) -> list[str]:
    """What a page shows of which no one knows whether it could be translated."""
    reader = TextCollector()
    reader.feed(page)
    reader.close()
    return [
        *text_outside_brackets(reader.texts),
        *(text for each in reader.said for text in text_outside_brackets([each])),
    ]


def text_outside_brackets(texts: Iterable[str]) -> Iterator[str]:
    """Of texts that follow upon one another, what has words that are neither between ⟦ and ⟧, which
    may be in one another, nor the desk's own data."""
    depth = 0
    for text in texts:
        bare = ""
        for sign in text:
            depth += (sign == "⟦") - (sign == "⟧")
            bare += sign if depth == 0 else " "
        bare = re.sub(r"https?://\S+", " ", bare)  # first: a secret in one may hold a known word
        for known in KNOWN:
            bare = bare.replace(known, " ")
        if WORD.search(bare):
            yield text.strip()
    assert depth == 0, "a text ends too early or too late"


class TextCollector(HTMLParser):
    """What a page shows: its texts one after the other, and its attributes for people."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.said: list[str] = []
        self._open: list[tuple[str, bool]] = []  # elements, and whether it is in English on purpose

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        is_foreign = tag in ("script", "style", "code", "pre", "textarea")
        is_foreign |= attributes.get("lang") == "en" or attributes.get("name") == "time_zone"
        is_foreign |= any(each for _, each in self._open)
        if not is_foreign:
            self.said += [text for name in SHOWN if (text := attributes.get(name))]
        if tag not in VOID:
            self._open.append((tag, is_foreign))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not any(each for _, each in self._open):
            self.texts.append(data)
