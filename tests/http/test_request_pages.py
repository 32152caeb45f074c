"""Test the pages of requests: what each of the cast sees, and what looks nonexistent to them."""

from __future__ import annotations

import re
from functools import partial
from html import unescape

import pytest

from deskwire.kit.clock import DAY, now
from deskwire.kit.ids import is_id, new_id
from deskwire.tickets.actions import update
from deskwire.tickets.field_changes import LabelChange
from deskwire.web.http.fragments import FRAGMENT_HEADER
from deskwire.workspaces.organizations.members import delete_membership_row
from deskwire.workspaces.organizations.staff import ensure_internal_organization, upsert_staff_row
from tests.fixtures.accounts import dump_database
from tests.fixtures.cast import ADA, BO, CY, EVE, MO, NOON, UNA, Persona
from tests.fixtures.request_page import NOTE_TEXT, REQUEST_TITLE, RequestPageFixture
from tests.fixtures.site import MAX_FILE_BYTES, SiteFixture, open_browser


@pytest.mark.parametrize("persona", [ADA, BO, UNA])
def test_a_viewer_can_open_and_find_a_request(
    request_page: RequestPageFixture, persona: Persona
) -> None:
    browser = open_browser(request_page.site, persona)
    index = "/admin" if persona == ADA else "/requests"

    assert REQUEST_TITLE in browser.get(request_page.path).text
    for address in (index, f"{index}?q=mast", f"{index}?status=new"):
        assert f'data-row="ticket:{request_page.ticket}"' in browser.get(address).text, address


@pytest.mark.parametrize("persona", [CY, EVE, MO])
def test_for_everyone_else_a_request_does_not_exist(
    request_page: RequestPageFixture, persona: Persona
) -> None:
    browser = open_browser(request_page.site, persona)

    theirs, nobodys = browser.get(request_page.path), browser.get(f"/requests/{new_id()}")

    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.text == nobodys.text
    for below in ("messages", "read", "delete", "messages/x", "messages/x/delete"):
        form = {"text": "Let me in", "status": "done"}
        assert browser.post(f"{request_page.path}/{below}", data=form).status_code == 404, below
    assert browser.post(request_page.path, data={"status": "done"}).status_code == 404
    assert REQUEST_TITLE not in browser.get("/requests").text


def test_the_page_of_a_message_offers_only_permitted_actions(
    request_page: RequestPageFixture,
) -> None:
    db, portal = request_page.site.desk.db, request_page.portal
    for actor in (MO, UNA):
        db.write_sync(
            upsert_staff_row, request_page.site.desk.person_id(actor), "operations_manager", NOON
        )
    reply, note = (
        portal.post_message(BO, request_page.ticket, "It blinks"),
        portal.post_message(UNA, request_page.ticket, "x", "note"),
    )
    team = db.read_sync(ensure_internal_organization, NOON)
    strike_una = partial(
        delete_membership_row, organization_id=team, person_id=request_page.site.desk.person_id(UNA)
    )

    def offered(persona: Persona, message: str) -> tuple[int, bool, bool]:
        page = open_browser(request_page.site, persona).get(
            f"{request_page.path}/messages/{message}"
        )
        is_offered = re.search(r'<details id="sure-message".*\n.*/delete"', page.text)
        return page.status_code, "<textarea" in page.text, is_offered is not None

    as_team = offered(UNA, note)
    db.write_sync(strike_una)

    assert as_team == (200, True, True)
    assert offered(UNA, note) == (404, False, False), "she is of the team no more"
    assert offered(BO, reply) == (200, True, True)
    assert offered(MO, reply) == (200, False, True)
    assert offered(UNA, reply) == offered(ADA, reply) == (404, False, False)
    gone = open_browser(request_page.site, MO).post(f"{request_page.path}/messages/{reply}/delete")
    assert gone.status_code == 303


def test_a_moderator_deletes_a_request_on_its_page(request_page: RequestPageFixture) -> None:
    request_page.site.desk.db.write_sync(
        upsert_staff_row, request_page.site.desk.person_id(MO), "operations_manager", NOON
    )
    for actor in (ADA, BO, UNA):
        assert (
            f"{request_page.path}/delete"
            not in open_browser(request_page.site, actor).get(request_page.path).text
        )

    page = open_browser(request_page.site, MO).get(request_page.path).text
    gone = open_browser(request_page.site, MO).post(f"{request_page.path}/delete")

    assert re.search(rf'<details.*\n.*action="{request_page.path}/delete"', page)
    assert gone.status_code == 303
    assert open_browser(request_page.site, BO).get(request_page.path).status_code == 404


def test_a_request_is_not_listed_among_tickets_of_servers(
    request_page: RequestPageFixture,
) -> None:
    page = open_browser(request_page.site, BO).get("/guilds")

    assert page.status_code == 200
    assert REQUEST_TITLE not in page.text


@pytest.mark.parametrize("id_", [{}, {"id": "x"}])
def test_a_form_with_an_unusable_id_is_returned_with_a_new_one(
    request_page: RequestPageFixture, id_: dict[str, str]
) -> None:
    form = {
        "organization": request_page.portal.organization_ids["quay"],
        "subject": REQUEST_TITLE,
        "text": "Again.",
        **id_,
    }

    refused = open_browser(request_page.site, UNA).post("/requests/new", data=form)

    assert refused.status_code == 422
    [given] = re.findall(r'name="id" value="([^"]*)"', refused.text)
    assert (
        open_browser(request_page.site, UNA)
        .post("/requests/new", data=form | {"id": given})
        .is_redirect
    )


@pytest.mark.parametrize("persona", [BO, UNA, CY, EVE, MO])
def test_staff_pages_are_closed_to_clients(
    request_page: RequestPageFixture, persona: Persona
) -> None:
    for address in ("/admin", "/admin?company=quay", "/admin?q=mast"):
        answer = open_browser(request_page.site, persona).get(address)
        assert answer.status_code == 403
        assert REQUEST_TITLE not in answer.text


def test_a_completed_request_can_be_reopened_for_the_configured_days(
    request_page: RequestPageFixture,
) -> None:
    request_page.portal.desk.now = now() - 2 * DAY
    request_page.portal.act_as(ADA, update.update, request_page.ticket, {"status": "done"})
    strict, usual = SiteFixture(request_page.site.desk, reopen_days=1), request_page.site
    form = {"status": "active"}

    assert "Reopen" not in open_browser(strict, BO).get(request_page.path).text
    assert open_browser(strict, BO).post(request_page.path, data=form).status_code == 403
    assert "Reopen" in open_browser(usual, BO).get(request_page.path).text
    assert open_browser(usual, BO).post(request_page.path, data=form).status_code == 303


@pytest.mark.parametrize("label", ["billing", 'a/b & "c" +1 ~*(\'!)', "ärger"])
def test_a_label_links_to_the_requests_that_have_it(
    request_page: RequestPageFixture, label: str
) -> None:
    other = request_page.portal.create_request(BO, "Without it")
    request_page.portal.act_as(
        ADA, update.update, request_page.ticket, {"labels": LabelChange(add=[label])}
    )
    browser = open_browser(request_page.site, ADA)

    page = browser.get("/admin?company=quay&status=new").text
    [link] = re.findall(r'href="(/admin\?company=quay&amp;label=[^"]+)"', page)
    found = browser.get(unescape(link)).text
    [clear] = re.findall(r'href="([^"]+)" title="Show all labels"', found)

    assert f"ticket:{request_page.ticket}" in found
    assert f"ticket:{other}" not in found
    assert clear == "/admin?company=quay"
    assert f"ticket:{other}" in browser.get(clear).text


def test_a_note_is_shown_to_staff_only(request_page: RequestPageFixture) -> None:
    assert NOTE_TEXT in open_browser(request_page.site, ADA).get(request_page.path).text
    for actor in (BO, UNA):
        browser = open_browser(request_page.site, actor)
        for view in ("files", "history", "nonsense"):
            assert NOTE_TEXT not in browser.get(f"{request_page.path}?view={view}").text
        assert NOTE_TEXT not in browser.get(request_page.path).text
        assert NOTE_TEXT not in browser.get(f"{request_page.path}?fragment=timeline").text
        assert browser.get("/requests?q=pay").text.count("data-row=") == 0


def test_user_text_is_escaped(request_page: RequestPageFixture) -> None:
    page = open_browser(request_page.site, BO).get(request_page.path).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; <strong>dark</strong>" in page


def test_a_request_can_be_filed_with_a_plain_form(request_page: RequestPageFixture) -> None:
    browser = open_browser(request_page.site, UNA)
    page = browser.get("/requests/new").text
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))

    refused = browser.post("/requests/new", data={**hidden, "subject": "", "text": "Lost"})
    filed = browser.post("/requests/new", data={**hidden, "subject": "A buoy", "text": "Lost"})
    again = browser.post("/requests/new", data={**hidden, "subject": "A buoy", "text": "Lost"})

    scripted = browser.post(
        "/requests/new",
        data={**hidden, "subject": "A buoy", "text": "Lost"},
        headers={"accept": "application/json"},
    )

    assert scripted.json() == {
        "href": filed.headers["location"],
        "id": filed.headers["location"].rpartition("/")[2],
    }
    assert refused.status_code == 422
    assert "Lost" in refused.text
    assert "printable characters" in refused.text
    assert filed.status_code == again.status_code == 303
    assert filed.headers["location"] == again.headers["location"]
    assert "A buoy" in browser.get(filed.headers["location"]).text
    assert f'data-max="{MAX_FILE_BYTES}"' in page


def test_a_form_without_an_id_is_refused_and_returned_with_one(
    request_page: RequestPageFixture,
) -> None:
    form = {
        "organization": request_page.portal.organization_ids["quay"],
        "subject": "A buoy",
        "text": "Lost",
    }
    for more in ({}, {"id": "x"}):
        refused = open_browser(request_page.site, BO).post("/requests/new", data=form | more)
        assert refused.status_code == 422
        [given] = re.findall(r'name="id" value="([^"]*)"', refused.text)
        assert is_id(given)


def test_a_deleted_message_no_longer_names_its_files(
    request_page: RequestPageFixture,
) -> None:
    id_, address = new_id(), f"{request_page.path}/messages"
    form, file = {"id": id_, "text": "See the file"}, [("upload", ("dismissals.txt", b"a"))]
    assert (
        open_browser(request_page.site, BO).post(address, data=form, files=file).status_code == 303
    )
    before = dump_database(request_page.site.desk.db)

    open_browser(request_page.site, BO).post(f"{address}/{id_}/delete")

    assert "dismissals" in before
    assert "dismissals" not in dump_database(request_page.site.desk.db)
    assert "added a file to" in open_browser(request_page.site, BO).get("/dashboard").text


def test_a_form_cannot_name_a_foreign_organization_or_person(
    request_page: RequestPageFixture,
) -> None:
    browser = open_browser(request_page.site, BO)
    loft, cy = request_page.portal.organization_ids["loft"], request_page.site.desk.person_id(CY)
    form = {"id": new_id(), "subject": "x", "text": "x"}

    elsewhere = browser.post("/requests/new", data={**form, "organization": loft})
    as_another = browser.post(
        "/requests/new",
        data={
            **form,
            "organization": request_page.portal.organization_ids["quay"],
            "requester": cy,
        },
    )

    assert elsewhere.status_code == 404
    assert as_another.status_code == 403
    for field in ("assignee", "category", "priority", "label"):
        answer = browser.post(request_page.path, data={field: cy})
        assert answer.status_code == 403, field
    assert browser.post(request_page.path, data={"opener": cy, "revision": "9"}).status_code == 422


@pytest.mark.parametrize("name", ["company", "organization", "org", "workspace", "place", "slug"])
def test_no_url_parameter_selects_a_foreign_company(
    request_page: RequestPageFixture, name: str
) -> None:
    """What a client's pages show follows from who asks."""
    organization_id = request_page.portal.organization_ids["quay"]
    for value in ("quay", organization_id, f"org:{organization_id}"):
        for address in ("/requests", "/requests/new", "/orgs/loft", "/orgs/loft/settings"):
            answer = open_browser(request_page.site, CY).get(address, params={name: value})
            assert answer.status_code == 200, address
            assert REQUEST_TITLE not in answer.text, address
            assert "The Quay" not in answer.text, address


def test_the_response_to_a_reply_follows_the_accept_header(
    request_page: RequestPageFixture,
) -> None:
    browser, id_ = open_browser(request_page.site, BO), new_id()
    address = f"{request_page.path}/messages"

    program = browser.post(
        address, data={"id": id_, "text": "Hello"}, headers={"accept": "application/json"}
    )
    by_hand = browser.post(address, data={"text": "Hello again"})
    nothing = browser.post(address, data={"text": " "}, headers={"accept": "application/json"})

    assert (program.status_code, program.json()["id"]) == (200, id_)
    assert (by_hand.status_code, by_hand.headers["location"]) == (303, request_page.path)
    assert nothing.status_code == 422
    assert nothing.json()["fields"] == {"text": "Write a message first."}


def test_fragments_other_than_the_timeline_do_not_mark_a_request_read(
    request_page: RequestPageFixture,
) -> None:
    request_page.portal.post_message(ADA, request_page.ticket, "Which mast?")
    browser, part = open_browser(request_page.site, BO), {FRAGMENT_HEADER: "1"}

    browser.get(f"{request_page.path}?fragment=controls", headers=part)
    browser.get(f"{request_page.path}?view=files")
    before = browser.get("/requests?unread=yes").text
    page = browser.get(f"{request_page.path}?fragment=timeline", headers=part).text

    assert REQUEST_TITLE in before
    assert "Which mast?" in page
    assert REQUEST_TITLE not in browser.get("/requests?unread=yes").text


def test_a_label_links_to_requests_of_the_same_organization(
    request_page: RequestPageFixture,
) -> None:
    request_page.portal.act_as(
        ADA, update.update, request_page.ticket, {"labels": LabelChange(add=["winch"])}
    )

    page = open_browser(request_page.site, BO).get(request_page.path).text

    assert 'href="/requests?organization=quay&amp;label=winch"' in page
    assert 'href="/requests?organization=quay"' in page
