"""Every page of the table, as a client, as the team and signed out, in both themes: axe finds
nothing to complain of, and at 360 px nothing scrolls sideways.

One visitor each opens page after page in one tab.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from deskwire.server.services import run_command
from tests.browser.test_page_layout import FITS, LONG, REACH
from tests.fixtures.guild import Place
from tests.fixtures.http_company import Company
from tests.fixtures.server import Server
from tests.fixtures.visitor import Visitor

HERE = Path(__file__).parents[2]
AXE = HERE / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
# A theme that has just changed is there with the next frame.
RUN = """() => new Promise(next => requestAnimationFrame(() => requestAnimationFrame(next)))
    .then(() => axe.run(document, { resultTypes: ["violations"] })).then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.slice(0, 3).map(node =>
        `${id}: ${node.target.join(" ")}: ${node.failureSummary}: ${node.html.slice(0, 160)}`)))"""

# Addresses below, by who opens them; {…} is filled in once the town is built.
PAGES = {
    "a client": (
        "/dashboard", "/dashboard?days=90", "/requests", "/requests?q=nothing", "/requests/new",
        "/requests/{request}", "/requests/{request}?view=files",
        "/requests/{request}?view=history", "/requests/{request}/messages/{message}",
        "/create-organization", "/organizations", "/orgs/{slug}", "/orgs/{slug}/settings",
        "/settings", "/settings/delete", "/settings/password", "/nowhere",
    ),
    "the team": (
        "/dashboard", "/admin", "/admin?company={slug}&sort=oldest", "/requests/new",
        "/requests/{request}", "/guilds", "/guilds/{guild}", "/guilds/{guild}/tickets",
        "/guilds/{guild}/tickets/{number}", "/orgs/{slug}", "/admin/people",
        "/admin/people/{person}", "/admin/organizations", "/admin/deliveries",
        "/admin/deliveries/{delivery}", "/api/docs",
    ),
    "a stranger": (
        "/", "/sign-in", "/sign-up", "/welcome/{token}", "/forgot-password", "/reset/{token}",
        "/verify/{token}", "/mail", "/invitations/{token}", "/invitations/nonsense",
    ),
    "a newcomer": ("/dashboard", "/guilds"),
}  # fmt: skip
NO_PAGES = (
    "/api", "/avatars", "/files", "/static", "/healthz", "/readyz", "/metrics", "/settings/data",
)  # fmt: skip
ELSEWHERE = {"/nowhere": 404, "/invitations/nonsense": 404, "/reset/{token}": 404}
ELSEWHERE |= {"/verify/{token}": 404}
EVERY = [(who, path) for who, paths in PAGES.items() for path in paths]


class Town:
    """Everybody's tab, and what the addresses name."""

    def __init__(self, server: Server, browser: Browser) -> None:
        company, place = Company(server), Place(server)
        request = company.file(company.clara, LONG, f"**{LONG}**\n\n> quoted\n\n`code`")
        company.claim(company.tess, request)
        company.say(company.tess, request, f"Which one? {LONG * 2}")
        company.say(company.tess, request, "They are new to this.", kind="note")
        company.move(company.tess, request, "waiting")
        company.say(company.carl, request, "The second one.")
        company.move(company.tess, request, "waiting")
        marks = {"priority": "urgent", "label": LONG[:40]}
        assert server.submit(f"/requests/{request}", company.tess, **marks).status == 303
        company.file(company.carl, "Nobody has taken this")
        tess = {"email": company.people[2].email}
        assert run_command(
            server.database_url, "people.link", tess | {"discord": place.ada.discord}
        )
        assert run_command(server.database_url, "people.employ", tess | {"role": "super_admin"})
        place.assign(place.ada)
        place.open_ticket(1, LONG)
        place.claim(1, place.ada)
        place.say(1, place.bo, "It does not turn.", side="customer")
        written = re.search(
            rf'href="/requests/{request}/messages/([^"]+)"',
            server.get(f"/requests/{request}", company.clara).text,
        )
        assert written is not None
        made = run_command(server.database_url, "people.create", {"email": "new@desk.test"})
        invitation = urlsplit(company.invite("guest@desk.test")).path
        self.parts = {"request": request, "message": written[1], "slug": company.slug}
        self.parts |= {"guild": place.guild, "number": "1", "person": str(made["id"])}
        deliveries = server.get("/admin/deliveries", company.tess).text
        told = re.search(r'href="/admin/deliveries/(\d+)"', deliveries)
        assert told is not None
        self.parts["delivery"] = told[1]
        self.tokens = {"/welcome/": made["token"], "/invitations/": invitation.split("/")[-1]}
        newcomer = server.move_in(place.dee, linked=False)
        cookies = dict(zip(PAGES, (company.clara, company.tess, "", newcomer), strict=True))
        self.visitors = {
            who: Visitor(
                browser.new_context(
                    base_url=server.url,
                    viewport={"width": 1280, "height": 900},
                    reduced_motion="reduce",
                ),
                cookie,
                server.url,
            )
            for who, cookie in cookies.items()
        }

    def address(self, path: str) -> str:
        tokens = [token for start, token in self.tokens.items() if path.startswith(start)]
        return path.format(**self.parts, token=(tokens or ["nonsense"])[0])


@pytest.fixture(scope="module")
def town(server: Server, browser: Browser) -> Iterator[Town]:
    built = Town(server, browser)
    yield built
    for visitor in built.visitors.values():
        visitor.context.close()


def test_every_page_of_the_table_is_looked_at() -> None:
    rows = re.findall(r"^\| `(/[^`]*)` \| ([A-Z, ]+) \|", (HERE / "docs/urls.md").read_text(), re.M)
    pages = {path for path, methods in rows if "GET" in methods and not path.startswith(NO_PAGES)}

    assert pages - {path.partition("?")[0] for _, path in EVERY} == set(), "add it to PAGES"


@pytest.mark.parametrize(("who", "path"), EVERY)
def test_a_page_can_be_read_by_everybody(town: Town, who: str, path: str) -> None:
    visitor = town.visitors[who]
    visitor.page.set_viewport_size({"width": 1280, "height": 900})
    visitor.page.emulate_media(color_scheme="light")

    visitor.open(town.address(path), status=ELSEWHERE.get(path, 200))

    assert complaints(visitor) == []
    visitor.page.emulate_media(color_scheme="dark")
    assert complaints(visitor) == []
    visitor.page.set_viewport_size({"width": 360, "height": 800})
    assert visitor.evaluate(REACH) == FITS
    assert visitor.complaints == []


def test_on_a_telephone_a_row_says_how_urgent_it_is(town: Town) -> None:
    clara = town.visitors["a client"]
    clara.page.set_viewport_size({"width": 390, "height": 900})

    clara.open("/requests")

    row = clara.row(LONG)
    expect(row.locator(".priority")).to_be_visible()
    expect(row.locator(".priority")).to_have_text("urgent")
    expect(row.locator(".tag-link")).to_be_hidden()
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        clara.page.emulate_media(color_scheme=scheme)
        assert complaints(clara) == []
    boxes = [row.locator(each).bounding_box() for each in (".priority", ".status")]
    priority, status = boxes
    assert priority is not None
    assert status is not None
    assert abs(priority["y"] + priority["height"] / 2 - status["y"] - status["height"] / 2) < 4
    clara.page.set_viewport_size({"width": 1280, "height": 900})
    expect(row.locator(".tag-link")).to_be_visible()


def test_the_keyboard_comes_to_the_content_first_and_sees_where_it_is(town: Town) -> None:
    visitor = town.visitors["a client"]
    visitor.page.set_viewport_size({"width": 1280, "height": 900})
    visitor.open("/dashboard")

    visitor.page.keyboard.press("Tab")

    skip = visitor.find(".skip-link")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    visitor.page.keyboard.press("Enter")
    expect(visitor.find("main")).to_be_focused()
    visitor.page.keyboard.press("Tab")
    outline = "() => getComputedStyle(document.activeElement).outlineStyle"
    assert visitor.evaluate(outline) != "none"


def complaints(visitor: Visitor) -> list[str]:
    """What axe finds on the page, as sentences."""
    if not visitor.evaluate("() => 'axe' in window"):
        visitor.evaluate(f"() => {{ {AXE.read_text()} }}")
    found: list[str] = visitor.evaluate(RUN)
    return found
