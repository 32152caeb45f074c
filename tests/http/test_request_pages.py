"""Pages of requests: what each of the cast is shown, and what stays as if it were not there."""

from __future__ import annotations

import re
from functools import partial
from html import unescape

import pytest

from deskwire.kit.clock import DAY, now
from deskwire.kit.ids import is_id, new_id
from deskwire.tickets.actions import update
from deskwire.web.rendering.render import FRAGMENT_HEADER
from deskwire.workspaces.organizations.members import strike
from deskwire.workspaces.organizations.organizations import employ, ensure_internal
from tests.fixtures.accounts import dump_of
from tests.fixtures.cast import ADA, BO, CY, EVE, MO, NOON, UNA, Actor
from tests.fixtures.request_page import MAST, SECRET, Shown
from tests.fixtures.site import MAX_FILE, WholeSite, browse


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
        is_offered = re.search(r'<details id="sure-message".*\n.*/delete"', page.text)
        return page.status_code, "<textarea" in page.text, is_offered is not None

    as_team = offered(UNA, note)
    db.write_here(strike_una)

    assert as_team == (200, True, True)
    assert offered(UNA, note) == (404, False, False), "she is of the team no more"
    assert offered(BO, reply) == (200, True, True)
    assert offered(MO, reply) == (200, False, True)
    assert offered(UNA, reply) == offered(ADA, reply) == (404, False, False)
    gone = browse(shown.site, MO).post(f"{shown.address}/messages/{reply}/delete")
    assert gone.status_code == 303


def test_who_moderates_deletes_a_request_by_its_page(shown: Shown) -> None:
    shown.site.house.db.write_here(employ, shown.site.house.id_of(MO), "operations_manager", NOON)
    for actor in (ADA, BO, UNA):
        assert f"{shown.address}/delete" not in browse(shown.site, actor).get(shown.address).text

    page = browse(shown.site, MO).get(shown.address).text
    gone = browse(shown.site, MO).post(f"{shown.address}/delete")

    assert re.search(rf'<details.*\n.*action="{shown.address}/delete"', page)
    assert gone.status_code == 303
    assert browse(shown.site, BO).get(shown.address).status_code == 404


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
    shown.quay.act(ADA, update.move, shown.ticket, "done")
    strict, usual = WholeSite(shown.site.house, reopen_days=1), shown.site
    form = {"status": "active"}

    assert "Reopen" not in browse(strict, BO).get(shown.address).text
    assert browse(strict, BO).post(shown.address, data=form).status_code == 403
    assert "Reopen" in browse(usual, BO).get(shown.address).text
    assert browse(usual, BO).post(shown.address, data=form).status_code == 303


@pytest.mark.parametrize("label", ["billing", 'a/b & "c" +1 ~*(\'!)', "ärger"])
def test_a_label_leads_to_the_requests_that_have_it(shown: Shown, label: str) -> None:
    other = shown.quay.file(BO, "Without it")
    shown.quay.act(ADA, update.label, shown.ticket, add=[label])
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


def test_a_part_of_a_request_is_no_look_at_its_conversation(shown: Shown) -> None:
    shown.quay.say(ADA, shown.ticket, "Which mast?")
    browser, part = browse(shown.site, BO), {FRAGMENT_HEADER: "1"}

    browser.get(f"{shown.address}?fragment=controls", headers=part)
    browser.get(f"{shown.address}?view=files")
    before = browser.get("/requests?unread=yes").text
    page = browser.get(f"{shown.address}?fragment=timeline", headers=part).text

    assert MAST in before
    assert "Which mast?" in page
    assert MAST not in browser.get("/requests?unread=yes").text


def test_a_label_leads_to_requests_of_the_same_organization(shown: Shown) -> None:
    shown.quay.act(ADA, update.label, shown.ticket, add=["winch"])

    page = browse(shown.site, BO).get(shown.address).text

    assert 'href="/requests?organization=quay&amp;label=winch"' in page
    assert 'href="/requests?organization=quay"' in page
