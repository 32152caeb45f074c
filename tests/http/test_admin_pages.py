"""Test the administration: each role opens its own pages, and can post nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deskwire.accounts import people
from deskwire.webhooks import deliveries
from deskwire.webhooks.source import IncomingDelivery
from tests.fixtures.cast import ADA, BO, CAST, CY, DEE, EVE, MO, NOON, UNA, Persona
from tests.fixtures.site import SiteFixture, open_browser
from tests.fixtures.staffed_portal import StaffedPortalFixture, create_staffed_portal, enable_mail

pytestmark = pytest.mark.database("sqlite")  # nothing here is said in SQL of its own

TEAM = {MO, DEE, ADA}
MANAGERS = {MO, DEE}
PAGES: dict[str, set[Persona]] = {
    "/admin": TEAM,
    "/admin/people": MANAGERS,
    "/admin/people?q=bo&group=team&after=x": MANAGERS,
    "/admin/people/{una}": MANAGERS,
    "/admin/organizations": TEAM,
    "/admin/deliveries": MANAGERS,
    "/admin/deliveries/1": MANAGERS,
    "/orgs/quay/settings": TEAM | {BO, UNA},
}
SECRETS = ("ticket.created", "The Quay", "data-held")
POSTS: list[tuple[str, dict[str, str], set[Persona]]] = [
    ("/admin/people/{eve}", {"act": "role", "role": "support_analyst"}, {MO}),
    ("/admin/people/{eve}", {"act": "take-role"}, {MO}),
    ("/admin/people/{eve}", {"act": "unlink"}, {MO}),
    ("/admin/people/{eve}", {"act": "link", "discord": "900000000000000005"}, {MO}),
    ("/admin/people/{eve}", {"act": "reset"}, MANAGERS),
    ("/admin/people/{eve}", {"act": "retry-address"}, {MO}),
    ("/admin/people/{eve}", {"act": "deactivate"}, {DEE}),
    ("/admin/people/{eve}", {"act": "readmit"}, {MO}),
    ("/admin/people/{ada}", {"act": "deactivate"}, {MO}),
    ("/admin/people/{ada}", {"act": "readmit"}, {MO}),
    ("/admin/people/{ada}", {"act": "reset"}, {MO}),
    ("/admin/deliveries/1", {"act": "dismiss"}, {DEE}),
    ("/admin/deliveries/1", {"act": "replay"}, {MO}),
]


@dataclass
class AdminPagesFixture:
    site: SiteFixture
    portal: StaffedPortalFixture

    def path(self, path: str) -> str:
        ids = {each.name.split()[0].lower(): self.portal.desk.person_id(each) for each in CAST}
        return path.format(**ids)


@pytest.fixture
def admin_pages(tmp_path: Path) -> Iterator[AdminPagesFixture]:
    portal = create_staffed_portal(tmp_path)
    arrived = IncomingDelivery("bot", "d", "1", "ticket.created", NOON, NOON, b'{"token":"x"}')
    portal.desk.db.write_sync(deliveries.store_deliveries, [arrived])
    portal.desk.db.write_sync(deliveries.record_outcome, 1, "parked", ["No such server."], NOON)
    eve = portal.read_person(EVE)
    portal.desk.db.write_sync(people.mark_undeliverable, eve, "desk", NOON)
    yield AdminPagesFixture(enable_mail(SiteFixture(portal.desk)), portal)
    portal.desk.db.close()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_shown_to_its_roles_and_reveals_nothing_to_others(
    admin_pages: AdminPagesFixture, page: str
) -> None:
    for actor in CAST:
        answer = open_browser(admin_pages.site, actor).get(admin_pages.path(page))
        if actor in PAGES[page]:
            assert answer.status_code == 200, actor.name
        else:
            assert answer.status_code in (403, 404), actor.name
            theirs = [each.email for each in CAST if each != actor]
            leaked = [each for each in (*SECRETS, *theirs) if each in answer.text]
            assert leaked == [], actor.name
    assert open_browser(admin_pages.site).get(admin_pages.path(page)).status_code == 303


def test_an_action_is_allowed_for_its_roles_only(admin_pages: AdminPagesFixture) -> None:
    for page, form, allowed in POSTS:
        for actor in [each for each in CAST if each not in allowed | MANAGERS] + [*allowed]:
            answer = open_browser(admin_pages.site, actor).post(admin_pages.path(page), data=form)
            meant = 303 if actor in allowed else 403
            assert answer.status_code == meant, f"{form} by {actor.name}: {answer.text}"


def test_an_operations_manager_cannot_change_staff(admin_pages: AdminPagesFixture) -> None:
    for act in ("deactivate", "reset", "role", "take-role", "link", "unlink"):
        form = {"act": act, "role": "super_admin", "discord": "900000000000000009"}
        answer = open_browser(admin_pages.site, DEE).post(
            admin_pages.path("/admin/people/{ada}"), data=form
        )
        assert answer.status_code == 403, act
    page = open_browser(admin_pages.site, DEE).get(admin_pages.path("/admin/people/{ada}")).text
    assert 'name="act"' not in page, "what would be refused is not offered"


def test_staff_see_the_tabs_of_their_role(admin_pages: AdminPagesFixture) -> None:
    seen = {
        actor: [
            tab
            for tab in ("", "/people", "/organizations", "/deliveries")
            if f'href="/admin{tab}"' in open_browser(admin_pages.site, actor).get("/admin").text
        ]
        for actor in TEAM
    }

    assert seen[MO] == seen[DEE] == ["", "/people", "/organizations", "/deliveries"]
    assert seen[ADA] == ["", "/organizations"]


@pytest.mark.parametrize("held", ["people", "people/{una}", "organizations", "deliveries"])
def test_live_fragments_are_rendered_alone(admin_pages: AdminPagesFixture, held: str) -> None:
    header = {"x-deskwire-fragment": "1"}
    path = admin_pages.path(f"/admin/{held}")

    part = (
        open_browser(admin_pages.site, MO, **header)
        .get(f"{path}?fragment=content,title,crumbs")
        .text
    )

    assert [part.count(f'id="{each}"') for each in ("content", "title", "crumbs")] == [1, 1, 1]
    assert "<header" not in part


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/admin/people?after=%00&q=%00%27%22%3Cb%3E&group=x", 200),
        ("/admin/people?q=%25_", 200),
        ("/admin/people/%00", 404),
        ("/admin/people/%27 OR 1=1", 404),
        ("/admin/organizations?after=../../x&q=%ff", 200),
        ("/admin/deliveries?state=x&source=%00&before=-1", 200),
        ("/admin/deliveries?before=99999999999999999999999", 200),
        ("/admin/deliveries/0", 404),
        ("/admin/deliveries/²", 404),
        ("/admin/deliveries/99999999999999999999999", 404),
    ],
)
def test_a_malicious_url_breaks_nothing(
    admin_pages: AdminPagesFixture, path: str, status: int
) -> None:
    answer = open_browser(admin_pages.site, MO).get(path)

    assert answer.status_code == status
    assert "<b>" not in answer.text


@pytest.mark.parametrize("form", [{"act": ""}, {"act": "x"}, {"act": "role", "role": "admin"}])
@pytest.mark.parametrize("page", ["people/{eve}", "deliveries/1"])
def test_an_empty_form_is_refused_on_its_page(
    admin_pages: AdminPagesFixture, page: str, form: dict[str, str]
) -> None:
    browser, path = open_browser(admin_pages.site, MO), admin_pages.path(f"/admin/{page}")

    answer = browser.post(path, data=form)

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert browser.post(path, content=b"{}").status_code == 422
    assert CY.email not in answer.text
    assert open_browser(admin_pages.site, EVE).post(path, data=form).status_code == 403
