"""Check the access matrix of organizations: who may see what, through every way of reading it.

API keys are viewers like people, in every way whose URL accepts keys: no page does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert
from starlette.testclient import TestClient

from deskwire.events import log
from deskwire.events.channels import PEOPLE_CHANNEL
from deskwire.events.types.registry import PersonChanged
from deskwire.kit.ids import new_id
from deskwire.tickets.actions import offboarding, post_message, update
from deskwire.tickets.actions.post_message import MessageInput, MessageKind
from deskwire.workspaces.organizations import categories
from deskwire.workspaces.organizations.create import create_organization
from deskwire.workspaces.organizations.organizations import organization_members
from deskwire.workspaces.organizations.staff import upsert_staff_row
from tests.fixtures.cast import ADA, BO, CAST, CY, DEE, EVE, MO, UNA, Persona, create_desk
from tests.fixtures.key_viewers import (
    ANALYST_KEY_OF_DESK,
    KEY_OF_DESK,
    KEY_OF_LOFT,
    KEY_OF_QUAY,
    KEY_VIEWERS,
    LIVE_KEYS,
    MEMBER_KEY_OF_LOFT,
    VIEWERS,
    KeysByViewer,
    KeyViewer,
    Viewer,
    accepts_keys,
    create_keys,
    open_program,
)
from tests.fixtures.portal import PortalFixture, create_portal
from tests.fixtures.site import SiteFixture, open_browser
from tests.fixtures.stream_recorder import StreamRecorder

EVENT = ("live", "replay")
BY_API = ("api", "api written to")
REQUEST = (*EVENT, "list", "search", "address", "fragment", "file", "written to", *BY_API)
NOTE = (*EVENT, "address", "fragment", "file", "api")  # its words are found by no one
ORGANIZATION = (*EVENT, "address", "api")
PATHS = {
    **dict.fromkeys(EVENT, "/api/requests/events"),
    **dict.fromkeys(("list", "search"), "/requests"),
    "file": "/files/{file}",
    "written to": "/requests/{request}/messages",
    "api": "/api/requests/{request}",
    "api written to": "/api/requests/{request}/messages",
}  # others: the page of a request

# Viewers that are not named see nothing of it, in any way.
#   Bo is admin of the Quay and Una a member, where all members see all requests. Cy is admin of
#   the Loft and Dee a member, where only who takes part sees one. Ada is of the team. Mo was
#   taking part in a request at the Wreck, which was deleted. Eve has nothing.
#   A key has the role of a member at the Quay, of an admin or of a member at the Loft, and of an
#   operations manager or an analyst at the desk. Keys of guilds and of the bot see nothing of it.
DESK: set[Viewer] = {ADA, KEY_OF_DESK, ANALYST_KEY_OF_DESK}
MATRIX: dict[str, tuple[tuple[str, ...], set[Viewer]]] = {
    "the Quay": (ORGANIZATION, {*DESK, BO, UNA, KEY_OF_QUAY}),
    "the Loft": (ORGANIZATION, {*DESK, CY, DEE, KEY_OF_LOFT, MEMBER_KEY_OF_LOFT}),
    "Bo's request": (REQUEST, {*DESK, BO, UNA, KEY_OF_QUAY}),
    "a note in Bo's request": (NOTE, {*DESK}),
    "Cy's request": (REQUEST, {*DESK, CY, KEY_OF_LOFT}),
    "Cy's request that Dee watches": (REQUEST, {*DESK, CY, DEE, KEY_OF_LOFT}),
    "a note in the request that Dee watches": (NOTE, {*DESK}),
    "what is told of everybody": (EVENT, {ADA, KEY_OF_DESK}),
    "Bo's request that was deleted": (REQUEST[len(EVENT) :], set()),
    "Mo's request at the Wreck": (REQUEST[len(EVENT) :], set()),
}
CELLS = [(thing, way) for thing, (ways, _) in MATRIX.items() for way in ways]
WORDS = {  # one that is nowhere else, by which it is searched
    "Bo's request": "masthead",
    "a note in Bo's request": "insolvent",
    "Cy's request": "rudderless",
    "Cy's request that Dee watches": "keelhauled",
    "a note in the request that Dee watches": "quarrelsome",
    "Bo's request that was deleted": "shipwrecked",
    "Mo's request at the Wreck": "foundered",
}
WRITERS = {"Bo": BO, "Cy": CY, "Mo": MO}
ORGANIZATION_SLUGS = {"Bo": "quay", "Cy": "loft", "Mo": "wreck"}
NOTES = {
    "a note in Bo's request": "Bo's request",
    "a note in the request that Dee watches": "Cy's request that Dee watches",
}


@pytest.mark.parametrize(("thing", "way"), CELLS)
def test_exactly_the_listed_viewers_see_it(
    access_probe: OrganizationAccessProbe, thing: str, way: str
) -> None:
    is_keyed = accepts_keys(access_probe.site, PATHS.get(way, "/requests/{request}"))
    meant = {each.name for each in MATRIX[thing][1] if is_keyed or isinstance(each, Persona)}

    assert {each.name for each in VIEWERS if access_probe.sees(each, thing, way)} == meant


def test_the_whole_cast_is_in_the_matrix_or_has_no_access() -> None:
    named = {actor for _, actors in MATRIX.values() for actor in actors}

    assert set(CAST) - named == {EVE, MO}
    assert {key.kind for key in LIVE_KEYS if key not in named} == {"guild", "bot"}
    assert {key for key in KEY_VIEWERS if key.is_revoked}.isdisjoint(named)


class OrganizationAccessProbe:
    """Two organizations after one of every event, and what each stream has received."""

    def __init__(self, portal: PortalFixture, keys: KeysByViewer) -> None:
        self.quay, self.keys = portal, keys
        self.site = SiteFixture(portal.desk)
        self.crowd = StreamRecorder(portal.desk, keys)
        self.requests: dict[str, str] = {}  # ids by thing
        self.files: dict[str, str] = {}  # addresses by thing

    def happen(self) -> None:
        wreck = self.quay.act_as(MO, create_organization, "The Wreck")
        self.quay.organization_ids["wreck"] = wreck.id
        for slug, thing, actor in (("quay", "the Quay", BO), ("loft", "the Loft", CY)):
            self.quay.act_as(
                actor, categories.add_category, self.quay.organization_ids[slug], "Boats"
            )
            self.crowd.record_position(thing)
        for thing, actor, slug in (
            ("Bo's request", BO, "quay"),
            ("Cy's request", CY, "loft"),
            ("Cy's request that Dee watches", CY, "loft"),
            ("Bo's request that was deleted", BO, "quay"),
            ("Mo's request at the Wreck", MO, "wreck"),
        ):
            self.requests[thing] = self.quay.create_request(actor, f"The {WORDS[thing]}", slug=slug)
        self.quay.act_as(
            CY, update.add_watcher, self.requests["Cy's request that Dee watches"], self._id(DEE)
        )
        for thing in self.requests:
            self._say(thing, thing, WRITERS[thing[:2]], "reply")
        for thing, where in NOTES.items():
            self._say(thing, where, ADA, "note")
        self.quay.act_as(ADA, update.delete_request, self.requests["Bo's request that was deleted"])
        self.quay.act_as(MO, offboarding.delete_organization, wreck.id, wreck.name)
        event = PersonChanged(actor="shell", person="-", name="-", revision=1)
        self.quay.desk.db.write_sync(log.append, event, channels=[PEOPLE_CHANNEL])
        self.crowd.record_position("what is told of everybody")

    def _say(self, thing: str, where: str, persona: Persona, kind: MessageKind) -> None:
        """Write something with a file."""
        id_ = self.requests[where]
        parameters = {
            "workspace": f"org:{self.quay.organization_ids[ORGANIZATION_SLUGS[where[:2]]]}"
        }
        named = {"x-file-name": "a.txt"}
        sent = open_browser(self.site, persona).post(
            "/files", params=parameters, content=b"x", headers=named
        )
        assert sent.status_code == 201, sent.text
        self.files[thing] = sent.json()["href"]
        text = f"Very {WORDS[thing]}"
        self.quay.act_as(
            persona,
            post_message.post_message,
            id_,
            MessageInput(new_id(), text, kind, [sent.json()["id"]]),
        )
        self.crowd.record_position(thing)

    def sees(self, viewer: Viewer, thing: str, way: str) -> bool:
        """Whether a viewer sees `thing` in one way."""
        if way in EVENT:
            return self.crowd.has_heard(viewer, thing, way)
        if thing not in WORDS:
            return self._sees_organization(viewer, thing.split()[-1].lower(), way)
        id_, word = self.requests[NOTES.get(thing, thing)], WORDS[thing]
        browser = self._open(viewer)
        match way:
            case "list" | "search":
                asked = "" if way == "list" else f"?q={word}"
                pages = [
                    self._get(viewer, f"/{index}{asked}")[1] for index in ("requests", "admin")
                ]
                return any(f'data-row="ticket:{id_}"' in page for page in pages)
            case "fragment":
                return word in self._get(viewer, f"/requests/{id_}", "timeline")[1]
            case "file":
                return browser.get(self.files[thing]).status_code == 200
            case "written to":
                one = f"/requests/{id_}"
                forms: dict[str, dict[str, str]] = {"/read": {}, "": {"watch": "yes"}}
                forms["/messages"] = {"text": ""}
                answers = {browser.post(one + to, data=form).status_code
                           for to, form in forms.items()}  # fmt: skip
                assert answers in ({404}, {401}, {303, 422}), answers
                return answers == {303, 422}
            case "api written to":
                post, one = browser.post, f"/api/requests/{id_}"
                blank = post(f"{one}/messages", json={"text": ""}).status_code
                unchanged = browser.patch(one, json={}).status_code
                assert (blank, unchanged) in ((404, 404), (401, 401), (422, 422))
                return blank == 422
            case "api":
                one = f"/api/requests/{id_}"
                found = [f"/api/requests{each}?q={word}" for each in ("", "/all")]
                event = [self._get(viewer, each)[1] for each in (one, f"{one}/messages", *found)]
                assert thing in NOTES or (word in event[0]) == (id_ in "".join(event[2:]))
                return word in "".join(event)
            case _:
                status, page = self._get(viewer, f"/requests/{id_}")
                assert thing in NOTES or (status == 200) == (word in page)
                return word in page

    def _sees_organization(self, viewer: Viewer, slug: str, way: str) -> bool:
        if way == "address":
            return self._get(viewer, f"/orgs/{slug}")[0] == 200
        one = f"/api/organizations/{slug}"
        listed = f'"slug":"{slug}"' in self._get(viewer, "/api/organizations")[1]
        shown = {self._get(viewer, one + part)[0] for part in ("", "/members", "/categories")}
        assert (shown == {200}) == listed, shown
        return listed

    def _open(self, viewer: Viewer) -> TestClient:
        if isinstance(viewer, KeyViewer):
            return open_program(self.site, self.keys[viewer])
        return open_browser(self.site, viewer)

    def _get(self, viewer: Viewer, address: str, fragment: str = "") -> tuple[int, str]:
        headers = {"x-deskwire-fragment": fragment} if fragment else {}
        asked = f"{address}?fragment={fragment}" if fragment else address
        answer = self._open(viewer).get(asked, headers=headers)
        return answer.status_code, answer.text

    def _id(self, persona: Persona) -> str:
        return self.quay.desk.person_id(persona)


@pytest.fixture(scope="module")
def access_probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrganizationAccessProbe]:
    portal = create_portal(create_desk(Path(tmp_path_factory.mktemp("portal-matrix"))))
    row = {"organization": portal.organization_ids["loft"], "person": portal.desk.person_id(DEE)}
    joined = insert(organization_members).values(**row, role="member", revision=1)
    portal.desk.db.write_sync(lambda tx: tx.execute(joined))
    portal.set_visibility("loft", "participants")
    desk = portal.desk
    desk.db.write_sync(upsert_staff_row, desk.person_id(ADA), "operations_manager", desk.now)
    everything = OrganizationAccessProbe(portal, create_keys(portal))
    asyncio.run(everything.crowd.record(everything.happen))
    yield everything
    portal.desk.db.close()
