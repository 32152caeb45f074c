"""Check every page with axe, in both themes, as a client, as staff and signed out.

Nothing may scroll sideways at 360 px. Each visitor opens page after page in one tab.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from deskwire.server.services import run_admin_command
from tests.browser.test_page_layout import LONG, assert_fits
from tests.fixtures.guild import GuildFixture
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import Server
from tests.fixtures.visitor import Visitor

REPOSITORY_ROOT = Path(__file__).parents[2]
AXE = REPOSITORY_ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
# A theme that has just changed is there with the next frame.
RUN_AXE_SCRIPT = """() =>
    new Promise(next => requestAnimationFrame(() => requestAnimationFrame(next)))
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
        "/admin/deliveries/{delivery}", "/admin/dispatches", "/admin/dispatches/{dispatch}",
        "/admin/integrations", "/admin/keys", "/api/docs",
    ),
    "a stranger": (
        "/", "/sign-in", "/sign-up", "/welcome/{token}", "/forgot-password", "/reset/{token}",
        "/verify/{token}", "/mail", "/invitations/{token}", "/invitations/nonsense",
    ),
    "a newcomer": ("/dashboard", "/guilds"),
}  # fmt: skip
NO_PAGES = (
    *("/api", "/avatars", "/files", "/static", "/healthz", "/readyz", "/metrics"),
    "/settings/data",
)
OTHER_PAGES = {"/nowhere": 404, "/invitations/nonsense": 404, "/reset/{token}": 404}
OTHER_PAGES |= {"/verify/{token}": 404}
EVERY_PAGE = [(who, path) for who, paths in PAGES.items() for path in paths]


class FullServerFixture:
    """Everyone's tab, and what the addresses name."""

    def __init__(self, server: Server, browser: Browser) -> None:
        company, guild = HttpCompany(server), GuildFixture(server)
        request = company.create_request(company.clara, LONG, f"**{LONG}**\n\n> quoted\n\n`code`")
        company.claim_request(company.tess, request)
        company.post_message(company.tess, request, f"Which one? {LONG * 2}")
        company.post_message(company.tess, request, "They are new to this.", kind="note")
        company.set_status(company.tess, request, "waiting")
        company.post_message(company.carl, request, "The second one.")
        company.set_status(company.tess, request, "waiting")
        marks = {"priority": "urgent", "label": LONG[:40]}
        assert server.submit_form(f"/requests/{request}", company.tess, **marks).status == 303
        company.create_request(company.carl, "Nobody has taken this")
        tess = {"email": company.people[2].email}
        assert run_admin_command(
            server.database_url, "people.link", tess | {"discord": guild.ada.discord_id}
        )
        assert run_admin_command(
            server.database_url, "people.employ", tess | {"role": "super_admin"}
        )
        key = {"act": "create-key", "name": LONG, "role": "member", "expires": "2027-03-01"}
        key |= {"scope": "read", "kind": "guild", "guild": guild.guild_id}
        for path, cookie in (
            (f"/orgs/{company.slug}/settings", company.clara),
            ("/admin/keys", company.tess),
        ):
            assert server.submit_form(path, cookie, **key).status == 200
        guild.assign_role(guild.ada)
        guild.open_ticket(1, LONG)
        guild.claim_ticket(1, guild.ada)
        guild.post_message(1, guild.bo, "It does not turn.", side="customer")
        written = re.search(
            rf'href="/requests/{request}/messages/([^"]+)"',
            server.get(f"/requests/{request}", company.clara).text,
        )
        assert written is not None
        made = run_admin_command(server.database_url, "people.create", {"email": "new@desk.test"})
        invitation = urlsplit(company.create_invitation("guest@desk.test")).path
        self.parts = {"request": request, "message": written[1], "slug": company.slug}
        self.parts |= {"guild": guild.guild_id, "number": "1", "person": str(made["id"])}
        deliveries = server.get("/admin/deliveries", company.tess).text
        link = re.search(r'href="/admin/deliveries/(\d+)"', deliveries)
        assert link is not None
        self.parts["delivery"] = link[1]
        dispatches = server.get("/admin/dispatches", company.tess).text
        link = re.search(r'href="/admin/dispatches/(\d+)"', dispatches)
        assert link is not None
        self.parts["dispatch"] = link[1]
        self.tokens = {"/welcome/": made["token"], "/invitations/": invitation.split("/")[-1]}
        newcomer = server.create_account(guild.dee, linked=False)
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
def full_server(server: Server, browser: Browser) -> Iterator[FullServerFixture]:
    built = FullServerFixture(server, browser)
    yield built
    for visitor in built.visitors.values():
        visitor.context.close()


def test_every_documented_page_is_checked() -> None:
    rows = re.findall(
        r"^\| `(/[^`]*)` \| ([A-Z, ]+) \|", (REPOSITORY_ROOT / "docs/urls.md").read_text(), re.M
    )
    pages = {path for path, methods in rows if "GET" in methods and not path.startswith(NO_PAGES)}

    assert pages - {path.partition("?")[0] for _, path in EVERY_PAGE} == set(), "add it to PAGES"


@pytest.mark.parametrize(("who", "path"), EVERY_PAGE)
def test_a_page_has_no_accessibility_violations(
    full_server: FullServerFixture, who: str, path: str
) -> None:
    visitor = full_server.visitors[who]
    visitor.page.set_viewport_size({"width": 1280, "height": 900})
    visitor.page.emulate_media(color_scheme="light")

    visitor.open(full_server.address(path), status=OTHER_PAGES.get(path, 200))

    assert find_violations(visitor) == []
    visitor.page.emulate_media(color_scheme="dark")
    assert find_violations(visitor) == []
    visitor.page.set_viewport_size({"width": 360, "height": 800})
    assert_fits(visitor)
    assert visitor.console_problems == []


def test_on_a_phone_a_row_shows_its_priority(full_server: FullServerFixture) -> None:
    clara = full_server.visitors["a client"]
    clara.page.set_viewport_size({"width": 390, "height": 900})

    clara.open("/requests")

    row = clara.find_row(LONG)
    expect(row.locator(".priority")).to_be_visible()
    expect(row.locator(".priority")).to_have_text("urgent")
    expect(row.locator(".tag-link")).to_be_hidden()
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        clara.page.emulate_media(color_scheme=scheme)
        assert find_violations(clara) == []
    boxes = [row.locator(each).bounding_box() for each in (".priority", ".status")]
    priority, status = boxes
    assert priority is not None
    assert status is not None
    assert abs(priority["y"] + priority["height"] / 2 - status["y"] - status["height"] / 2) < 4
    clara.page.set_viewport_size({"width": 1280, "height": 900})
    expect(row.locator(".tag-link")).to_be_visible()


def test_the_skip_link_is_focused_first_and_focus_is_visible(
    full_server: FullServerFixture,
) -> None:
    visitor = full_server.visitors["a client"]
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


def find_violations(visitor: Visitor) -> list[str]:
    """What axe finds on the page, as sentences."""
    if not visitor.evaluate("() => 'axe' in window"):
        visitor.evaluate(f"() => {{ {AXE.read_text()} }}")
    found: list[str] = visitor.evaluate(RUN_AXE_SCRIPT)
    return found
