"""Test that a macro rendered with a state equals its template filled by the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from deskwire.events.types.registry import GuildSnapshot, Line, PrincipalRef, TicketSnapshot
from deskwire.web.rendering import render
from tests.fixtures.dom_snapshot import SNAPSHOT_SCRIPT

PAGE_FUNCTIONS = Path(__file__).parents[2] / "frontend" / "build" / "browser" / "page_functions.js"
NOW = 1_795_348_800_000  # ms; 2026-11-22T12:00:00Z
TICKET = "0192f0c1-2b3c-7d4e-8f50-61728394a5b6"
GUILD = "710000000000000001"
HOSTILE = "<b>\"'&amp;</b><script>alert(1)</script> & ${x} {{ y }}"
LONG = "Donaudampfschifffahrtsgesellschaft " * 20

TICKETS: dict[str, dict[str, Any]] = {
    "plain": {},
    "everything": {
        "opener": PrincipalRef(id="discord:1", name="Bo Castellanos"),
        "assignee": PrincipalRef(id="2", name="Ada Lindqvist", picture="/avatars/0192f0c1"),
        "priority": "urgent",
        "tags": ["login", "billing"],
        "messages": 12,
        "status": "active",
        "status_label": "In Progress",
    },
    "nulls": {"opener": None, "assignee": None, "priority": None, "tags": []},
    "a priority nobody knows": {"priority": "whenever"},
    "no color": {"status": "canceled", "status_label": "Canceled", "priority": "low"},
    "hostile": {
        "subject": HOSTILE,
        "opener": PrincipalRef(id="3", name=HOSTILE),
        "assignee": PrincipalRef(id="3", name=HOSTILE),
        "priority": HOSTILE,
        "tags": [HOSTILE, "a, b", " "],
    },
    "long": {"subject": LONG, "assignee": PrincipalRef(id="3", name=LONG), "tags": [LONG] * 9},
    "strange letters": {
        "subject": "𝔘nicode 🇪🇺 👩‍👩‍👧 \u202eabc",
        "assignee": PrincipalRef(id="4", name="🦜 ßarrot"),
        "opener": PrincipalRef(id="5", name="  x   y  "),
    },
    "a name of one letter": {"assignee": PrincipalRef(id="6", name="q")},
    "a name of nothing": {"assignee": PrincipalRef(id="7", name=" ")},
    "old": {"active_at": NOW - 400 * 24 * 3_600_000},
    "from the future": {"active_at": NOW + 60_000},
}
GUILDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "without the bot": {"bot_installed": False},
    "nulls": {"members": None},
    "nobody": {"members": 0},
    "hostile": {"name": HOSTILE, "initials": "<&"},
    "crowded": {"members": 12_345_678, "name": LONG},
}
ADA = PrincipalRef(id="2", name="Ada Lindqvist")
LINES: dict[str, dict[str, Any]] = {
    "a customer": {"side": "customer", "author": ADA, "html": "<p>Hello <em>you</em></p>"},
    "staff": {"side": "staff", "author": ADA, "html": "<pre><code>x\n  y</code></pre>"},
    "a bot": {"side": "bot", "author": ADA, "html": "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"},
    "nulls": {"side": None, "author": None, "html": ""},
    "a note": {"kind": "note", "side": "staff", "author": ADA, "html": "<p>Careful</p>"},
    "a system line": {"kind": "system", "author": ADA, "html": "claimed the ticket: &lt;b&gt;"},
    "nobody's system line": {"kind": "system", "author": None, "html": "closed the ticket"},
    "hostile": {
        "side": "customer",
        "author": PrincipalRef(id="3", name=HOSTILE),
        "html": "&lt;script&gt;",
    },
    "quotes": {"side": "customer", "author": ADA, "html": "<blockquote>\n<p>so</p>\n</blockquote>"},
}

COMPARE = f"""([page, events, now]) => {{
    {SNAPSHOT_SCRIPT}
    document.body.innerHTML = page;
    for (const event of events) applyEvent(event, now);
    const [updated, rendered] = ["updated", "rendered"].map(id => document.getElementById(id));
    return [likeness(updated).slice(2), likeness(rendered).slice(2)];
}}"""


@pytest.fixture(scope="module")
def blank_page(browser: Browser) -> Iterator[Page]:
    """An empty page with the store's own code in it."""
    assert PAGE_FUNCTIONS.exists(), "run `npm test` in frontend/ first: it builds this file"
    page = browser.new_page()
    page.set_content("<!doctype html><title>Blank</title>")
    page.add_script_tag(path=PAGE_FUNCTIONS)
    yield page
    page.close()


def compare(blank: Page, source: str, events: list[dict[str, Any]], **values: Any) -> None:
    """Render `source`, apply the events to #updated, and compare it with #rendered."""
    html = render._environment().from_string(source).render(values)
    data, rendered = blank.evaluate(COMPARE, [html, events, NOW])
    assert rendered != []
    assert data == rendered


def ticket_now(changed: dict[str, Any]) -> TicketSnapshot:
    plain: dict[str, Any] = {
        "id": TICKET,
        "number": 7,
        "subject": "The crane is stuck",
        "status": "new",
        "status_label": "Submitted",
        "tags": [],
        "messages": 0,
        "opened_at": NOW - 3_600_000,
        "active_at": NOW - 120_000,
        "href": f"/guilds/{GUILD}/tickets/7",
    }
    return TicketSnapshot.model_validate(plain | changed)


def guild_now(changed: dict[str, Any]) -> GuildSnapshot:
    plain: dict[str, Any] = {
        "id": GUILD,
        "name": "The Harbour",
        "initials": "TH",
        "members": 1200,
        "bot_installed": True,
        "href": f"/guilds/{GUILD}",
    }
    return GuildSnapshot.model_validate(plain | changed)


def line(changed: dict[str, Any]) -> Line:
    plain: dict[str, Any] = {"id": "m1", "kind": "reply", "html": "", "at": NOW - 60_000}
    return Line.model_validate(plain | changed)


def ticket_event(now: TicketSnapshot, revision: int, line: Line | None = None) -> dict[str, Any]:
    data = {"workspace": f"guild:{GUILD}", "ticket": TICKET, "revision": revision}
    data["now"] = now.model_dump(by_alias=True, exclude_unset=True)
    if line is not None:
        data["line"] = line.model_dump(by_alias=True, exclude_unset=True)
    return {"type": "ticket.updated", "data": data}


def guild_event(now: GuildSnapshot, revision: int) -> dict[str, Any]:
    data = now.model_dump(by_alias=True, exclude_unset=True)
    return {"type": "guild.joined", "data": {"guildId": GUILD, "revision": revision, "now": data}}


TICKET_ROWS = """
<template data-of="ticket-row">{{ tickets.row(EMPTY) }}</template>
<ul id="updated" data-list="tickets"></ul>
<ul id="rendered">{{ tickets.row(now, held, revision) }}</ul>"""
HELD_CHANNELS = f"tickets:guild:{GUILD} ticket:{TICKET}"


@pytest.mark.parametrize("name", TICKETS)
def test_a_new_ticket_row_equals_the_servers(blank_page: Page, name: str) -> None:
    now = ticket_now(TICKETS[name])

    compare(
        blank_page, TICKET_ROWS, [ticket_event(now, 1)], now=now, held=HELD_CHANNELS, revision=1
    )


@pytest.mark.parametrize("name", TICKETS)
@pytest.mark.parametrize("before", ["everything", "nulls", "hostile"])
def test_an_updated_ticket_row_equals_the_servers(blank_page: Page, before: str, name: str) -> None:
    was, now = ticket_now(TICKETS[before]), ticket_now(TICKETS[name])
    events = [ticket_event(was, 1), ticket_event(now, 2)]

    compare(blank_page, TICKET_ROWS, events, now=now, held=HELD_CHANNELS, revision=2)


REQUEST_ROWS = """
<template data-of="ticket-row">
{{ requests.row(EMPTY, shows_organization=true, label_url_prefix=list) }}</template>
<ul id="updated" data-list="tickets"></ul>
<ul id="rendered">
{{ requests.row(now, held, revision, shows_organization=true, label_url_prefix=list) }}</ul>"""


@pytest.mark.parametrize("name", ["everything", "nulls", "hostile", "long"])
def test_a_request_row_equals_the_servers(blank_page: Page, name: str) -> None:
    now = ticket_now(TICKETS[name])
    values = {"held": HELD_CHANNELS, "revision": 1, "list": "/admin?company=quay&label="}

    compare(blank_page, REQUEST_ROWS, [ticket_event(now, 1)], now=now, **values)


GUILD_ROWS = """
<template data-of="guild-row">{{ guilds.row(EMPTY) }}</template>
<ul id="updated" data-list="guilds"></ul>
<ul id="rendered">{{ guilds.row(now, revision) }}</ul>"""


@pytest.mark.parametrize("name", GUILDS)
def test_a_server_row_equals_the_servers(blank_page: Page, name: str) -> None:
    was, now = guild_now(GUILDS["nulls"]), guild_now(GUILDS[name])

    compare(blank_page, GUILD_ROWS, [guild_event(now, 1)], now=now, revision=1)
    compare(blank_page, GUILD_ROWS, [guild_event(was, 1), guild_event(now, 2)], now=now, revision=2)


TIMELINES = """
<template data-of="line-reply">{{ lines.reply(EMPTY) }}</template>
<template data-of="line-note">{{ lines.note(EMPTY) }}</template>
<template data-of="line-system">{{ lines.system(EMPTY) }}</template>
<article data-ticket="{{ ticket }}"><ol id="updated" data-list="timeline"></ol></article>
<ol id="rendered">{% for line in several %}{{ lines.entry(line) }}{% endfor %}</ol>"""


@pytest.mark.parametrize("name", LINES)
def test_a_timeline_line_equals_the_servers(blank_page: Page, name: str) -> None:
    one = line(LINES[name])
    event = ticket_event(ticket_now({}), 1, one)

    compare(blank_page, TIMELINES, [event], several=[one], ticket=TICKET)


def test_timeline_lines_are_ordered_however_they_arrive(blank_page: Page) -> None:
    several = [
        line({"id": id_, "at": NOW + at, "author": ADA, "html": f"<p>{id_}</p>"})
        for id_, at in (("a", 1), ("b", 2), ("c", 2), ("d", 3))
    ]
    events = [
        ticket_event(ticket_now({}), revision, several[index])
        for revision, index in enumerate((3, 0, 2, 1, 0), 1)
    ]

    compare(blank_page, TIMELINES, events, several=several, ticket=TICKET)
