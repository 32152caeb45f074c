"""Pages of requests: what each of the cast is shown, and what stays as if it were not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, update

from deskwire.accounts import people, sessions
from deskwire.kit.clock import DAY, now
from deskwire.kit.ids import is_id, new_id
from deskwire.tickets import work
from deskwire.workspaces import invitations
from deskwire.workspaces.membership import strike
from deskwire.workspaces.organizations import (
    employ,
    ensure_internal,
    organization_members,
    read_visible,
)
from tests.accounts_house import dump_of
from tests.cast import ADA, BO, CY, EVE, MO, NOON, UNA, Actor, build
from tests.http.whole_site import MAX_FILE, WholeSite, browse
from tests.portal_house import Quay, found

MAST, SECRET = "The mast is dark", "They never pay on time"


@dataclass
class Shown:
    site: WholeSite
    quay: Quay
    ticket: str

    @property
    def address(self) -> str:
        return f"/requests/{self.ticket}"


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Shown]:
    house = build(tmp_path)
    quay = found(house)
    ticket = quay.file(BO, MAST, "<script>alert(1)</script> **dark**")
    quay.say(ADA, ticket, SECRET, "note")
    yield Shown(WholeSite(house), quay, ticket)
    house.db.close()


@pytest.mark.parametrize("actor", [ADA, BO, UNA])
def test_who_may_see_a_request_opens_it_and_finds_it(shown: Shown, actor: Actor) -> None:
    browser = browse(shown.site, actor)
    index = "/admin" if actor == ADA else "/requests"

    assert MAST in browser.get(shown.address).text
    for address in (index, f"{index}?q=mast", f"{index}?status=new"):
        assert f'data-row="ticket:{shown.ticket}"' in browser.get(address).text, address


@pytest.mark.parametrize("actor", [CY, EVE, MO])
def test_to_everybody_else_it_is_as_if_it_were_not_there(shown: Shown, actor: Actor) -> None:
    browser = browse(shown.site, actor)

    theirs, nobodys = browser.get(shown.address), browser.get(f"/requests/{new_id()}")

    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.text == nobodys.text
    for below in ("messages", "read", "delete", "messages/x", "messages/x/delete"):
        form = {"text": "Let me in", "status": "done"}
        assert browser.post(f"{shown.address}/{below}", data=form).status_code == 404, below
    assert browser.post(shown.address, data={"status": "done"}).status_code == 404
    assert MAST not in browser.get("/requests").text


def test_the_page_of_a_message_offers_what_its_forms_may_do(shown: Shown) -> None:
    db, quay = shown.site.house.db, shown.quay
    for actor in (MO, UNA):
        db.write_here(employ, shown.site.house.id_of(actor), "operations_manager", NOON)
    reply, note = quay.say(BO, shown.ticket, "It blinks"), quay.say(UNA, shown.ticket, "x", "note")
    team = db.read_here(ensure_internal, NOON)
    strike_una = partial(strike, id_=team, person=shown.site.house.id_of(UNA))

    def offered(actor: Actor, message: str) -> tuple[int, bool, bool]:
        page = browse(shown.site, actor).get(f"{shown.address}/messages/{message}")
        return page.status_code, "<textarea" in page.text, "/delete" in page.text

    as_team = offered(UNA, note)
    db.write_here(strike_una)

    assert as_team == (200, True, True)
    assert offered(UNA, note) == (404, False, False), "she is of the team no more"
    assert offered(BO, reply) == (200, True, True)
    assert offered(MO, reply) == (200, False, True)
    assert offered(UNA, reply) == offered(ADA, reply) == (404, False, False)
    gone = browse(shown.site, MO).post(f"{shown.address}/messages/{reply}/delete")
    assert gone.status_code == 303


def test_a_request_one_takes_part_in_is_no_ticket_of_a_server(shown: Shown) -> None:
    page = browse(shown.site, BO).get("/guilds")

    assert page.status_code == 200
    assert MAST not in page.text


@pytest.mark.parametrize("id_", [{}, {"id": "x"}])
def test_a_form_without_a_usable_id_comes_back_with_one(shown: Shown, id_: dict[str, str]) -> None:
    form = {"organization": shown.quay.ids["quay"], "subject": MAST, "text": "Again.", **id_}

    refused = browse(shown.site, UNA).post("/requests/new", data=form)

    assert refused.status_code == 422
    [given] = re.findall(r'name="id" value="([^"]*)"', refused.text)
    assert browse(shown.site, UNA).post("/requests/new", data=form | {"id": given}).is_redirect


@pytest.mark.parametrize("actor", [BO, UNA, CY, EVE, MO])
def test_the_pages_of_the_team_are_the_team_s(shown: Shown, actor: Actor) -> None:
    for address in ("/admin", "/admin?company=quay", "/admin?q=mast"):
        answer = browse(shown.site, actor).get(address)
        assert answer.status_code == 403
        assert MAST not in answer.text


def test_a_completed_request_is_reopened_for_as_many_days_as_the_desk_says(shown: Shown) -> None:
    shown.quay.house.at = now() - 2 * DAY
    shown.quay.act(ADA, work.move, shown.ticket, "done")
    strict, usual = WholeSite(shown.site.house, reopen_days=1), shown.site
    form = {"status": "active"}

    assert "Reopen" not in browse(strict, BO).get(shown.address).text
    assert browse(strict, BO).post(shown.address, data=form).status_code == 403
    assert "Reopen" in browse(usual, BO).get(shown.address).text
    assert browse(usual, BO).post(shown.address, data=form).status_code == 303


@pytest.mark.parametrize("label", ["billing", 'a/b & "c" +1 ~*(\'!)', "ärger"])
def test_a_label_leads_to_the_requests_that_have_it(shown: Shown, label: str) -> None:
    other = shown.quay.file(BO, "Without it")
    shown.quay.act(ADA, work.label, shown.ticket, add=[label])
    browser = browse(shown.site, ADA)

    page = browser.get("/admin?company=quay&status=new").text
    [link] = re.findall(r'href="(/admin\?company=quay&amp;label=[^"]+)"', page)
    found = browser.get(unescape(link)).text
    [clear] = re.findall(r'href="([^"]+)" title="Show all labels"', found)

    assert f"ticket:{shown.ticket}" in found
    assert f"ticket:{other}" not in found
    assert clear == "/admin?company=quay"
    assert f"ticket:{other}" in browser.get(clear).text


def test_a_note_is_shown_to_the_team_alone(shown: Shown) -> None:
    assert SECRET in browse(shown.site, ADA).get(shown.address).text
    for actor in (BO, UNA):
        browser = browse(shown.site, actor)
        for view in ("files", "history", "nonsense"):
            assert SECRET not in browser.get(f"{shown.address}?view={view}").text
        assert SECRET not in browser.get(shown.address).text
        assert SECRET not in browser.get(f"{shown.address}?fragment=timeline").text
        assert browser.get("/requests?q=pay").text.count("data-row=") == 0


def test_what_people_write_is_text_and_no_script(shown: Shown) -> None:
    page = browse(shown.site, BO).get(shown.address).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; <strong>dark</strong>" in page


def test_a_request_is_filed_with_nothing_but_a_form(shown: Shown) -> None:
    browser = browse(shown.site, UNA)
    page = browser.get("/requests/new").text
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))

    refused = browser.post("/requests/new", data={**hidden, "subject": "", "text": "Lost"})
    filed = browser.post("/requests/new", data={**hidden, "subject": "A buoy", "text": "Lost"})
    again = browser.post("/requests/new", data={**hidden, "subject": "A buoy", "text": "Lost"})

    assert refused.status_code == 422
    assert "Lost" in refused.text
    assert "ordinary characters" in refused.text
    assert filed.status_code == again.status_code == 303
    assert filed.headers["location"] == again.headers["location"]
    assert "A buoy" in browser.get(filed.headers["location"]).text
    assert f'data-max="{MAX_FILE}"' in page


def test_a_form_without_an_id_is_refused_and_gets_one(shown: Shown) -> None:
    form = {"organization": shown.quay.ids["quay"], "subject": "A buoy", "text": "Lost"}
    for more in ({}, {"id": "x"}):
        refused = browse(shown.site, BO).post("/requests/new", data=form | more)
        assert refused.status_code == 422
        [given] = re.findall(r'name="id" value="([^"]*)"', refused.text)
        assert is_id(given)


def test_a_deleted_message_takes_the_names_of_its_files_along(shown: Shown) -> None:
    id_, address = new_id(), f"{shown.address}/messages"
    form, file = {"id": id_, "text": "See the file"}, [("upload", ("dismissals.txt", b"a"))]
    assert browse(shown.site, BO).post(address, data=form, files=file).status_code == 303
    before = dump_of(shown.site.house.db)

    browse(shown.site, BO).post(f"{address}/{id_}/delete")

    assert "dismissals" in before
    assert "dismissals" not in dump_of(shown.site.house.db)
    assert "added a file to" in browse(shown.site, BO).get("/dashboard").text


def test_a_form_cannot_name_what_is_not_its_own(shown: Shown) -> None:
    browser = browse(shown.site, BO)
    loft, cy = shown.quay.ids["loft"], shown.site.house.id_of(CY)
    form = {"id": new_id(), "subject": "x", "text": "x"}

    elsewhere = browser.post("/requests/new", data={**form, "organization": loft})
    as_another = browser.post(
        "/requests/new", data={**form, "organization": shown.quay.ids["quay"], "requester": cy}
    )

    assert elsewhere.status_code == 404
    assert as_another.status_code == 403
    for field in ("assignee", "category", "priority", "label"):
        answer = browser.post(shown.address, data={field: cy})
        assert answer.status_code == 403, field
    assert browser.post(shown.address, data={"opener": cy, "revision": "9"}).status_code == 422


@pytest.mark.parametrize("name", ["company", "organization", "org", "workspace", "place", "slug"])
def test_a_parameter_names_no_company_but_one_s_own(shown: Shown, name: str) -> None:
    """What a client's pages show follows from who asks."""
    quay = shown.quay.ids["quay"]
    for value in ("quay", quay, f"org:{quay}"):
        for address in ("/requests", "/requests/new", "/orgs/loft", "/orgs/loft/settings"):
            answer = browse(shown.site, CY).get(address, params={name: value})
            assert answer.status_code == 200, address
            assert MAST not in answer.text, address
            assert "The Quay" not in answer.text, address


def test_a_reply_is_answered_as_who_sent_it_wants(shown: Shown) -> None:
    browser, id_ = browse(shown.site, BO), new_id()
    address = f"{shown.address}/messages"

    program = browser.post(
        address, data={"id": id_, "text": "Hello"}, headers={"accept": "application/json"}
    )
    by_hand = browser.post(address, data={"text": "Hello again"})
    nothing = browser.post(address, data={"text": " "}, headers={"accept": "application/json"})

    assert (program.status_code, program.json()["id"]) == (200, id_)
    assert (by_hand.status_code, by_hand.headers["location"]) == (303, shown.address)
    assert nothing.status_code == 422
    assert nothing.json()["fields"] == {"text": "Write something first."}


def test_an_organization_is_shown_to_its_own_and_to_the_team(shown: Shown) -> None:
    for actor, status in ((BO, 200), (UNA, 200), (ADA, 200), (CY, 404), (EVE, 404)):
        for address in ("/orgs/quay", "/orgs/quay/settings"):
            assert browse(shown.site, actor).get(address).status_code == status, actor.name


@pytest.mark.parametrize(
    "form",
    [
        {"act": "visibility", "visibility": "participants"},
        {"act": "profile", "name": "Mine", "slug": "mine"},
        {"act": "delete", "confirmed": "The Quay"},
        {"act": "invite", "email": "x@desk.test", "role": "member"},
        {"act": "add-category", "name": "Mine"},
    ],
)
def test_a_member_changes_nothing_of_an_organization(shown: Shown, form: dict[str, str]) -> None:
    assert browse(shown.site, UNA).post("/orgs/quay/settings", data=form).status_code == 403
    assert browse(shown.site, CY).post("/orgs/quay/settings", data=form).status_code == 404
    assert browse(shown.site).post("/orgs/quay/settings", data=form).status_code == 303


def test_one_goes_on_in_one_s_own_organization_only(shown: Shown) -> None:
    browser, quay = browse(shown.site, CY), shown.quay.ids["quay"]

    refused = browser.post("/organizations", data={"organization": quay})
    taken = browser.post("/organizations", data={"organization": shown.quay.ids["loft"]})

    assert refused.status_code == 404
    assert (taken.status_code, taken.headers["location"]) == (303, "/requests")
    assert "The Quay" not in browser.get("/organizations").text


def test_who_goes_to_an_organization_goes_on_in_it_and_who_is_led_there_does_not(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(sessions, "choose", lambda _tx, _session, place: chosen.append(place))
    made = shown.quay.act(CY, invitations.invite, shown.quay.ids["loft"], BO.email, "member")
    verified = update(people.people).values(email_verified_at=NOON)
    shown.site.house.db.write_here(Connection.execute, verified)
    browser = browse(shown.site, BO)

    joined = browser.post(f"/invitations/{made}")
    founded = browser.post("/create-organization", data={"name": "Pier"})
    came = list(chosen)
    assert browser.get("/orgs/quay").status_code == 200
    went, link = list(chosen), {"sec-fetch-site": "cross-site"}
    assert browser.get("/orgs/loft", headers=link).status_code == 200
    for path in (
        "/dashboard?organization=loft",
        "/requests?organization=loft",
    ):
        assert browser.get(path).status_code == 200
    db, bo = shown.site.house.db, shown.site.house.viewer(BO)
    pier = db.read_here(read_visible, bo, "pier")

    assert (joined.headers["location"], founded.headers["location"]) == ("/orgs/loft", "/orgs/pier")
    assert came == [shown.quay.ids["loft"], pier.id]
    assert went == chosen == [*came, shown.quay.ids["quay"]]


def test_a_list_is_of_the_organization_its_address_names(shown: Shown) -> None:
    rudder = shown.quay.file(CY, "A rudder of ours", at="loft")
    row = {"organization": shown.quay.ids["loft"], "person": shown.site.house.id_of(UNA)}
    joined = insert(organization_members).values(**row, role="member", revision=1)
    shown.site.house.db.write_here(Connection.execute, joined)
    browser = browse(shown.site, UNA)

    lofts, quays = (
        browser.get(f"/requests?organization={slug}&status=new").text for slug in ("loft", "quay")
    )
    board = browser.get("/dashboard?organization=quay").text
    page, stranger = browser.get("/orgs/quay").text, browse(shown.site, EVE)

    assert rudder in lofts
    assert rudder not in quays
    assert MAST in quays
    assert 'href="/requests?status=done&amp;organization=quay"' in quays
    assert '<input type="hidden" name="organization" value="quay">' in quays
    assert 'href="/requests?organization=quay&amp;status=done"' in board
    assert 'href="/requests?organization=quay&amp;status=done"' in page
    assert browser.get("/requests?organization=%00").status_code == 200
    assert stranger.get("/requests?organization=quay").status_code == 303


def test_the_last_admin_stays(shown: Shown) -> None:
    browser, una = browse(shown.site, BO), shown.site.house.id_of(UNA)
    leave = {"act": "leave"}

    refused = browser.post("/orgs/quay/settings", data=leave)
    promoted = browser.post(
        "/orgs/quay/settings", data={"act": "role", "person": una, "role": "admin"}
    )
    left = browser.post("/orgs/quay/settings", data=leave)

    assert refused.status_code == 409
    assert "needs an admin" in refused.text
    assert (promoted.status_code, left.status_code) == (303, 303)
    assert browser.get(shown.address).status_code == 404, "whoever left sees nothing more"


def test_an_invitation_is_for_one_address_and_one_time(shown: Shown) -> None:
    admin = browse(shown.site, BO)
    page = admin.post(
        "/orgs/quay/settings", data={"act": "invite", "email": EVE.email, "role": "member"}
    ).text
    [link] = re.findall(r"/invitations/[\w-]+", page)

    stolen = browse(shown.site, CY).post(link)
    joined = browse(shown.site, EVE).post(link)
    again = browse(shown.site, EVE).post(link)

    assert stolen.status_code == 403
    assert "e…@desk.test" in stolen.text
    assert (joined.status_code, joined.headers["location"]) == (303, "/orgs/quay")
    assert again.status_code == 404
    assert browse(shown.site, EVE).get(shown.address).status_code == 200
    assert link.rpartition("/")[2] not in admin.get("/orgs/quay/settings").text
