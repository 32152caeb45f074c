"""Test the API of Discord servers: who may read what, and pages that miss nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from deskwire.tickets import messages
from deskwire.tickets.queries import list_tickets
from deskwire.web.api.operations import Operation
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.guilds.permissions import DiscordPermission
from tests.fixtures.api import ApiFixture, create_api
from tests.fixtures.api_keys import key_client, make_key
from tests.fixtures.cast import (
    ADA,
    ATTIC_GUILD,
    BO,
    CY,
    DEE,
    EVE,
    HARBOUR_GUILD,
    MO,
    UNA,
    UNKNOWN_GUILD,
)

HARBOUR = f"/api/guilds/{HARBOUR_GUILD}"
MEMBER_VIEW = int(DiscordPermission.MEMBER_VIEW)

Callers = dict[str, Callable[[ApiFixture], TestClient]]
PEOPLE: Callers = {
    persona.name.split()[0]: lambda api, persona=persona: api.client(persona)  # type: ignore[misc]
    for persona in (ADA, MO, UNA, BO, EVE, DEE)
}
KEYS: Callers = {
    "guild": lambda api: key_client(api, make_key(api, "guild").token),
    "guild, no tickets": lambda api: key_client(
        api, make_key(api, "guild", permissions=MEMBER_VIEW).token
    ),
    "attic": lambda api: key_client(api, make_key(api, "guild", guild=ATTIC_GUILD).token),
    "bot": lambda api: key_client(api, make_key(api, "bot").token),
    "organization": lambda api: key_client(api, make_key(api, "organization").token),
    "desk": lambda api: key_client(api, make_key(api, "desk").token),
}
# For each path the statuses of PEOPLE, then of KEYS, in their order.
ROWS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "/api/guilds": ((200,) * 6, (200,) * 6),
    HARBOUR: ((200, 200, 200, 404, 404, 404), (200, 200, 404, 200, 404, 404)),
    f"{HARBOUR}/tickets": ((200, 200, 200, 200, 404, 404), (200, 200, 404, 200, 404, 404)),
    f"{HARBOUR}/tickets/1": ((200, 200, 404, 200, 404, 404), (200, 404, 404, 200, 404, 404)),
    f"{HARBOUR}/tickets/1/messages": (
        (200, 200, 404, 200, 404, 404),
        (200, 404, 404, 200, 404, 404),
    ),
}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiFixture]:
    """Create a desk on which Bo has a ticket in the Harbour, and Mo another."""
    found = create_api(tmp_path)
    desk = found.site.desk
    desk.open_ticket(1, "The crane is stuck")
    desk.claim_ticket(1)
    desk.post_message(1, BO, "It **squeaks**.")
    desk.post_message(1, ADA, None)
    desk.open_ticket(2, "Where is my container?", MO)
    desk.close_ticket(2)
    yield found
    desk.db.close()


def read_pages(program: TestClient, path: str) -> list[Any]:
    """Return the items of all pages, following the links."""
    items, link = [], f"<{path}>"
    while link:
        found = re.match(r"<([^>]+)>", link)
        assert found is not None
        answer = program.get(found[1])
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        link = answer.headers.get("link", "")
        assert bool(link) == (answer.json()["next"] is not None)
    return items


@pytest.mark.parametrize("path", ROWS)
def test_every_caller_gets_the_documented_response(api: ApiFixture, path: str) -> None:
    callers = PEOPLE | KEYS

    statuses = {name: client(api).get(path).status_code for name, client in callers.items()}

    people, keys = ROWS[path]
    assert statuses == dict(zip(callers, (*people, *keys), strict=True))


def test_every_operation_is_in_the_table(api: ApiFixture) -> None:
    here = {
        url.path
        for url in api.site.urls
        for endpoint in url.methods.values()
        if url.path.startswith("/api/guilds") and isinstance(endpoint, Operation)
    }

    asked = {
        re.sub(r"/tickets/1", "/tickets/{number}", path.replace(HARBOUR_GUILD, "{guild}"))
        for path in ROWS
    }
    assert asked == here, "add a row to ROWS in tests/http/test_api_guilds.py"


def test_forbidden_and_missing_are_answered_with_the_same_bytes(api: ApiFixture) -> None:
    unknown = f"/api/guilds/{UNKNOWN_GUILD}"
    for path in list(ROWS)[1:]:
        theirs, nobodys = (
            api.client(EVE).get(each) for each in (path, path.replace(HARBOUR, unknown))
        )
        assert (theirs.status_code, theirs.content) == (404, nobodys.content), path
    for persona, number in ((BO, 2), (UNA, 1)):
        for rest in ("", "/messages"):
            theirs, nobodys, malformed = (
                api.client(persona).get(f"{HARBOUR}/tickets/{each}{rest}")
                for each in (number, 99, "01")
            )
            assert theirs.status_code == 404
            assert theirs.content == nobodys.content == malformed.content


def test_people_and_keys_list_the_guilds_they_may_open(api: ApiFixture) -> None:
    expected = {
        "Ada": [HARBOUR_GUILD],
        "Una": [HARBOUR_GUILD],
        "Bo": [],
        "guild": [HARBOUR_GUILD],
        "attic": [ATTIC_GUILD],
        "bot": [HARBOUR_GUILD, ATTIC_GUILD],
        "desk": [],
    }
    callers = PEOPLE | KEYS

    found = {name: read_pages(callers[name](api), "/api/guilds") for name in expected}

    assert {name: [each["id"] for each in items] for name, items in found.items()} == expected
    assert found["Ada"] == [
        {
            "id": HARBOUR_GUILD,
            "name": "The Harbour",
            "members": 1200,
            "botInstalled": True,
            "setUp": False,
            "openTickets": 1,
            "revision": found["Ada"][0]["revision"],
            "href": f"/guilds/{HARBOUR_GUILD}",
        }
    ]
    assert api.client(ADA).get(HARBOUR).json() == found["Ada"][0]


def test_a_list_has_only_the_tickets_its_caller_may_see(api: ApiFixture) -> None:
    expected = {"Ada": [2, 1], "Bo": [1], "Una": [], "guild": [2, 1], "guild, no tickets": []}
    callers = PEOPLE | KEYS

    found = {name: callers[name](api).get(f"{HARBOUR}/tickets").json() for name in expected}

    assert {name: [each["number"] for each in page["items"]] for name, page in found.items()} == (
        expected
    )
    assert {name: sum(page["counts"].values()) for name, page in found.items()} == {
        name: len(numbers) for name, numbers in expected.items()
    }


def test_a_ticket_has_the_fields_of_a_request(api: ApiFixture) -> None:
    request = api.client(BO).get(f"/api/requests/{api.portal.create_request(BO, 'A')}").json()
    ticket = api.client(ADA).get(f"{HARBOUR}/tickets/1").json()
    [_, listed] = api.client(ADA).get(f"{HARBOUR}/tickets").json()["items"]

    assert ticket.keys() - request.keys() == {"guild"}
    assert request.keys() - ticket.keys() == {"organization", "reference", "category", "unread"}
    assert listed == {name: each for name, each in ticket.items() if name != "participants"}
    assert ticket["guild"] == {"id": HARBOUR_GUILD, "name": "The Harbour"}
    assert (ticket["subject"], ticket["status"]) == ("The crane is stuck", "active")
    assert ticket["requester"]["name"] == BO.name
    assert ticket["assignee"]["name"] == ADA.name
    assert ticket["participants"][0]["role"] == "opener"


def test_the_messages_of_a_ticket_have_the_fields_of_those_of_a_request(api: ApiFixture) -> None:
    request = api.portal.create_request(BO, "The mast")
    theirs = api.client(BO).get(f"/api/requests/{request}/messages").json()["items"]

    found = api.client(BO).get(f"{HARBOUR}/tickets/1/messages").json()["items"]

    assert found[0].keys() == theirs[0].keys()
    replies = [each for each in found if each["kind"] == "reply"]
    assert [each["text"] for each in replies] == ["It **squeaks**.", None]
    assert "<strong>squeaks</strong>" in replies[0]["html"]
    assert [each["side"] for each in replies] == ["customer", "staff"]


def test_notes_are_in_no_guild_message_list(api: ApiFixture) -> None:
    [reply, *_] = api.client(ADA).get(f"{HARBOUR}/tickets/1/messages").json()["items"]
    turn_into_note = messages.messages.update().where(messages.messages.c.id == reply["id"])
    api.site.desk.db.write_sync(lambda tx: tx.execute(turn_into_note.values(kind="note")))

    for client in (PEOPLE["Ada"], PEOPLE["Bo"], KEYS["bot"]):
        found = client(api).get(f"{HARBOUR}/tickets/1/messages").json()["items"]
        assert reply["id"] not in [each["id"] for each in found]


def test_tickets_are_filtered_by_status(api: ApiFixture) -> None:
    found = api.client(ADA).get(f"{HARBOUR}/tickets", params={"status": "done"}).json()

    assert [each["number"] for each in found["items"]] == [2]
    assert (found["counts"]["done"], found["counts"]["active"]) == (1, 1)


def test_pages_have_every_ticket_once_while_others_are_opened_and_answered(
    api: ApiFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_tickets, "PAGE_SIZE", 2)
    desk, program = api.site.desk, api.client(ADA)
    for number in range(3, 8):
        desk.open_ticket(number, f"Crate {number}")

    first = program.get(f"{HARBOUR}/tickets")
    desk.open_ticket(8, "Too late")
    desk.post_message(3, ADA, "This one moves up elsewhere.")
    rest = read_pages(program, re.findall("<(.+)>", first.headers["link"])[0])

    numbers = [each["number"] for each in [*first.json()["items"], *rest]]
    assert numbers == [7, 6, 5, 4, 3, 2, 1]


def test_guilds_and_messages_come_in_pages_too(
    api: ApiFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = KEYS["bot"](api)
    path = f"{HARBOUR}/tickets/1/messages"
    all_messages = bot.get(path).json()["items"]
    monkeypatch.setattr(guilds, "PAGE_SIZE", 1)
    monkeypatch.setattr(messages, "PAGE_SIZE", 1)

    assert [each["id"] for each in read_pages(bot, "/api/guilds")] == [HARBOUR_GUILD, ATTIC_GUILD]
    assert read_pages(bot, path) == all_messages
    assert len(all_messages) > 2


@pytest.mark.parametrize(
    "path", ["/api/guilds", f"{HARBOUR}/tickets", f"{HARBOUR}/tickets/1/messages"]
)
def test_a_page_key_that_is_none_is_refused(api: ApiFixture, path: str) -> None:
    answer = api.client(ADA).get(path, params={"after": "yesterday"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "after"


def test_a_guild_that_is_lost_is_lost_at_the_next_call(api: ApiFixture) -> None:
    desk, program = api.site.desk, api.client(ADA)
    assert program.get(f"{HARBOUR}/tickets/2").status_code == 200

    desk.unassign_role(ADA)

    assert [program.get(path).status_code for path in ROWS] == [200, 404, 404, 404, 404]
    assert api.client(CY).get(f"/api/guilds/{ATTIC_GUILD}").status_code == 200
