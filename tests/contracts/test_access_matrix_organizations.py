"""Who may see what of organizations, declared once and asked in every way there is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from deskwire.events import log
from deskwire.events.channels import PEOPLE
from deskwire.events.types.registry import PersonChanged
from deskwire.kit.ids import new_id
from deskwire.tickets.actions import offboarding, post_message, update
from deskwire.tickets.actions.post_message import Kind, Written
from deskwire.workspaces.organizations import settings
from deskwire.workspaces.organizations.organizations import employ, organization_members
from tests.fixtures.cast import ADA, BO, CAST, CY, DEE, EVE, MO, UNA, Actor, build
from tests.fixtures.portal import Quay, found
from tests.fixtures.site import WholeSite, browse
from tests.fixtures.stream_recorder import Crowd

EVENT = ("live", "replay")
REQUEST = (*EVENT, "list", "search", "address", "fragment", "file", "written to", "api")
NOTE = (*EVENT, "address", "fragment", "file", "api")  # its words are found by nobody
ORGANIZATION = (*EVENT, "address")

# Whoever is not named sees nothing of it, in any way.
#   Bo is admin of the Quay and Una a member, where all members see all requests. Cy is admin of
#   the Loft and Dee a member, where only who takes part sees one. Ada is of the team. Mo was
#   taking part in a request at the Wreck, which was deleted. Eve has nothing.
MATRIX: dict[str, tuple[tuple[str, ...], set[Actor]]] = {
    "the Quay": (ORGANIZATION, {ADA, BO, UNA}),
    "the Loft": (ORGANIZATION, {ADA, CY, DEE}),
    "Bo's request": (REQUEST, {ADA, BO, UNA}),
    "a note in Bo's request": (NOTE, {ADA}),
    "Cy's request": (REQUEST, {ADA, CY}),
    "Cy's request that Dee watches": (REQUEST, {ADA, CY, DEE}),
    "a note in the request that Dee watches": (NOTE, {ADA}),
    "what is told of everybody": (EVENT, {ADA}),
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
PLACES = {"Bo": "quay", "Cy": "loft", "Mo": "wreck"}
NOTES = {
    "a note in Bo's request": "Bo's request",
    "a note in the request that Dee watches": "Cy's request that Dee watches",
}


@pytest.mark.parametrize(("thing", "way"), CELLS)
def test_exactly_these_people_see_it(seen: Seen, thing: str, way: str) -> None:
    meant = {actor.name for actor in MATRIX[thing][1]}

    assert {actor.name for actor in CAST if seen.sees(actor, thing, way)} == meant


def test_every_one_of_the_cast_is_in_the_matrix_or_has_nothing() -> None:
    named = {actor for _, actors in MATRIX.values() for actor in actors}

    assert set(CAST) - named == {EVE, MO}


class Seen:
    """Two organizations after one of everything has happened, and what each stream was told."""

    def __init__(self, quay: Quay) -> None:
        self.quay = quay
        self.site = WholeSite(quay.house)
        self.crowd = Crowd(quay.house)
        self.requests: dict[str, str] = {}  # ids by thing
        self.files: dict[str, str] = {}  # addresses by thing

    def happen(self) -> None:
        wreck = self.quay.act(MO, settings.create, "The Wreck")
        self.quay.ids["wreck"] = wreck.id
        for slug, thing, actor in (("quay", "the Quay", BO), ("loft", "the Loft", CY)):
            self.quay.act(actor, settings.add_category, self.quay.ids[slug], "Boats")
            self.crowd.note(thing)
        for thing, actor, slug in (
            ("Bo's request", BO, "quay"),
            ("Cy's request", CY, "loft"),
            ("Cy's request that Dee watches", CY, "loft"),
            ("Bo's request that was deleted", BO, "quay"),
            ("Mo's request at the Wreck", MO, "wreck"),
        ):
            self.requests[thing] = self.quay.file(actor, f"The {WORDS[thing]}", at=slug)
        self.quay.act(
            CY, update.watch, self.requests["Cy's request that Dee watches"], self._id(DEE)
        )
        for thing in self.requests:
            self._say(thing, thing, WRITERS[thing[:2]], "reply")
        for thing, where in NOTES.items():
            self._say(thing, where, ADA, "note")
        self.quay.act(ADA, update.remove, self.requests["Bo's request that was deleted"])
        self.quay.act(MO, offboarding.delete_organization, wreck.id, wreck.name)
        told = PersonChanged(actor="shell", person="-", name="-", revision=1)
        self.quay.house.db.write_here(log.append, told, channels=[PEOPLE])
        self.crowd.note("what is told of everybody")

    def _say(self, thing: str, where: str, actor: Actor, kind: Kind) -> None:
        """Write something with a file."""
        id_ = self.requests[where]
        place = {"workspace": f"org:{self.quay.ids[PLACES[where[:2]]]}"}
        named = {"x-file-name": "a.txt"}
        sent = browse(self.site, actor).post("/files", params=place, content=b"x", headers=named)
        assert sent.status_code == 201, sent.text
        self.files[thing] = sent.json()["href"]
        text = f"Very {WORDS[thing]}"
        self.quay.act(
            actor, post_message.say, id_, Written(new_id(), text, kind, [sent.json()["id"]])
        )
        self.crowd.note(thing)

    def sees(self, actor: Actor, thing: str, way: str) -> bool:
        """Whether an actor sees `thing` in one way."""
        if way in EVENT:
            return self.crowd.heard(actor, thing, way)
        if thing not in WORDS:
            return self._get(actor, f"/orgs/{thing.split()[-1].lower()}")[0] == 200
        id_, word = self.requests[NOTES.get(thing, thing)], WORDS[thing]
        browser = browse(self.site, actor)
        match way:
            case "list" | "search":
                asked = "" if way == "list" else f"?q={word}"
                pages = [self._get(actor, f"/{index}{asked}")[1] for index in ("requests", "admin")]
                return any(f'data-row="ticket:{id_}"' in page for page in pages)
            case "fragment":
                return word in self._get(actor, f"/requests/{id_}", "timeline")[1]
            case "file":
                return browser.get(self.files[thing]).status_code == 200
            case "written to":
                answers = {
                    browser.post(f"/requests/{id_}/read").status_code,
                    browser.post(f"/requests/{id_}", data={"watch": "yes"}).status_code,
                    browser.post(f"/requests/{id_}/messages", data={"text": ""}).status_code,
                }
                assert answers in ({404}, {303, 422}), answers
                return answers != {404}
            case "api":
                one = f"/api/requests/{id_}"
                found = [f"/api/requests{each}?q={word}" for each in ("", "/all")]
                told = [self._get(actor, each)[1] for each in (one, f"{one}/messages", *found)]
                assert thing in NOTES or (word in told[0]) == (id_ in "".join(told[2:]))
                return word in "".join(told)
            case _:
                status, page = self._get(actor, f"/requests/{id_}")
                assert thing in NOTES or (status == 200) == (word in page)
                return word in page

    def _get(self, actor: Actor, address: str, fragment: str = "") -> tuple[int, str]:
        headers = {"x-deskwire-fragment": fragment} if fragment else {}
        asked = f"{address}?fragment={fragment}" if fragment else address
        answer = browse(self.site, actor).get(asked, headers=headers)
        return answer.status_code, answer.text

    def _id(self, actor: Actor) -> str:
        return self.quay.house.id_of(actor)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    quay = found(build(Path(tmp_path_factory.mktemp("portal-matrix"))))
    row = {"organization": quay.ids["loft"], "person": quay.house.id_of(DEE)}
    joined = insert(organization_members).values(**row, role="member", revision=1)
    quay.house.db.write_here(lambda tx: tx.execute(joined))
    quay.set_mode("loft", "participants")
    house = quay.house
    house.db.write_here(employ, house.id_of(ADA), "operations_manager", house.at)
    everything = Seen(quay)
    asyncio.run(everything.crowd.listen(everything.happen))
    yield everything
    quay.house.db.close()
