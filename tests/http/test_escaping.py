"""Test pages with hostile input: all of it is escaped."""

from __future__ import annotations

import pytest

from tests.fixtures.cast import ADA, BO, HARBOUR_GUILD, Persona
from tests.fixtures.site import SiteFixture, open_browser

pytestmark = pytest.mark.database("sqlite")  # what is typed is the same for both

LIST = f"/guilds/{HARBOUR_GUILD}/tickets"
SCRIPT = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    "query",
    ['"', "'", "%", "_", "\\", "*", "a AND", "NEAR(", "(((", "%00", "x" * 5000, "#", "#1e9",
     "' OR 1=1 --", "\u202e\u0000ü", "%ff%fe"],
)  # fmt: skip
def test_no_search_text_breaks_the_list_or_finds_too_much(site: SiteFixture, query: str) -> None:
    found = open_browser(site, BO).get(LIST, params={"q": query})

    assert found.status_code == 200
    assert "Where is my container?" not in found.text


@pytest.mark.parametrize(
    "state",
    ["page=0", "page=-1", "page=999999", "page=1e3", "page=²", "status=nope", "sort=;drop",
     "status=new&status=done", "fragment=%3Cscript%3E", "page=٣"],
)  # fmt: skip
def test_an_unknown_state_in_the_url_is_ignored(site: SiteFixture, state: str) -> None:
    page = open_browser(site, ADA).get(f"{LIST}?{state}")

    assert page.status_code == 200
    assert "<script>" not in page.text.replace('<script src="', "")


def test_markup_in_subjects_names_tags_and_messages_is_escaped(site: SiteFixture) -> None:
    villain = Persona(SCRIPT, "900000000000000066")
    site.desk.open_ticket(7, SCRIPT, villain)
    site.desk.update_ticket(7, tags={"added": [SCRIPT]}, priority={"new": SCRIPT})
    site.desk.post_message(
        7, villain, f"{SCRIPT} [x](javascript:alert(1)) ![y](https://evil.test/p)"
    )
    site.desk.close_ticket(7, reason=SCRIPT)
    site.desk.join_guild(HARBOUR_GUILD, SCRIPT, ADA)
    browser = open_browser(site, ADA)

    addresses = ("/guilds", f"/guilds/{HARBOUR_GUILD}", LIST, f"{LIST}/7", f"{LIST}?q=%3Cscript%3E")
    for address in addresses:
        page = browser.get(address).text
        assert "alert(" in page  # it is there to be read
        assert "<script>" not in page
        assert "<img" not in page.replace("<img data-src=", "")  # a face of ours
        assert "javascript:" not in page.lower().replace("(javascript:", "")


def test_a_search_text_is_escaped_when_shown_again(site: SiteFixture) -> None:
    page = open_browser(site, ADA).get(LIST, params={"q": '"><b>'}).text

    assert 'value="&#34;&gt;&lt;b&gt;"' in page
    assert "<b>" not in page


def test_pages_carry_no_inline_script_style_or_handler(site: SiteFixture) -> None:
    for address in (
        "/guilds",
        f"/guilds/{HARBOUR_GUILD}",
        LIST,
        f"{LIST}/1",
        "/settings",
        "/nothing",
    ):
        page = open_browser(site, ADA).get(address).text
        assert " style=" not in page
        assert " onclick=" not in page
        assert "<style" not in page
        assert page.count("<script") == page.count('<script src="/static/')
