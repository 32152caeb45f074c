"""Test texts in templates: looked up once, escaped on output, pluralized by a rule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from jinja2 import DictLoader, Environment

from deskwire.kit.i18n import Catalog, activate, find_plural, format_date, format_number
from deskwire.web.i18n import browser_catalog, install_translations, translate_word
from deskwire.web.rendering.time_zones import DAY_FORMAT, day_name

TEXTS = {
    "Sign in": ("Ein & aus",),
    "Leave %(place)s": ("%(place)s verlassen",),
    "%(num)s day": ("%(num)s Tag", "%(num)s Tage"),
    "urgent": ("dringend",),
    DAY_FORMAT: ("%(weekday)s, %(day)s. %(month)s",),
}
PAGE = """{{ _("Sign in") }}|{{ _("Sign out") }}|{{ _("Leave %(place)s", place=place) }}|\
{{ ngettext("%(num)s day", "%(num)s days", 3) }}|<a title="{{ _('Sign in') }}">"""


@pytest.fixture(autouse=True)
def german_language() -> Iterator[None]:
    activate(
        Catalog("de", TEXTS, frontend_texts=frozenset(["%(num)s day"]), thousands_separator=".")
    )
    yield
    activate(Catalog())


def test_a_template_keeps_the_language_it_was_compiled_in() -> None:
    page = install_translations(Environment(loader=DictLoader({"page": PAGE}), autoescape=True))
    template = page.get_template("page")

    activate(Catalog())
    parts = template.render(place="<The Quay>").split("|")

    assert parts[0] == "Ein &amp; aus"
    assert parts[4] == '<a title="Ein &amp; aus">'


def test_values_are_escaped_and_missing_translations_are_english() -> None:
    page = install_translations(Environment(loader=DictLoader({"page": PAGE}), autoescape=True))

    parts = page.get_template("page").render(place="<The Quay> %(x)s").split("|")

    assert parts[1:4] == ["Sign out", "&lt;The Quay&gt; %(x)s verlassen", "3 Tage"]


def test_wire_values_are_translated_and_other_words_unchanged() -> None:
    assert [translate_word("urgent"), translate_word("100 %s"), translate_word(None)] == [
        "dringend",
        "100 %s",
        "",
    ]


def test_a_page_carries_the_texts_of_its_scripts_and_the_plural_rule() -> None:
    brought = browser_catalog(Catalog("de", TEXTS, frontend_texts=frozenset(["%(num)s day"])))

    assert brought is not None
    assert brought["texts"] == {"%(num)s day": ["%(num)s Tag", "%(num)s Tage"]}
    assert str(brought["forms"])[:4] == "1011"
    assert len(str(brought["forms"])) == 200
    assert browser_catalog(Catalog()) is None


def test_numbers_and_dates_follow_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    assert format_number(20_000) == "20.000"
    assert find_plural("%(num)s day", "%(num)s days", 1) == "%(num)s Tag"
    assert format_date(date(2026, 11, 27)) == "27 Nov 2026"
    monkeypatch.setattr(
        "deskwire.web.rendering.time_zones.now", lambda: 1_795_348_800_000
    )  # 2026-11-22
    assert day_name(date(2026, 11, 20)) == "Friday, 20. November"
