"""The Quay over the API: the cast with a program each, and something of everything to ask about.

As in `portal_house`, and beside it Mo, of the team: operations manager, who moderates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from deskwire.kit.ids import new_id
from deskwire.tickets.actions import post_message
from deskwire.tickets.actions.post_message import Written
from deskwire.workspaces.organizations import invitations, settings
from deskwire.workspaces.organizations.organizations import employ, read_categories
from tests.cast import ADA, BO, MO, UNA, Actor, build
from tests.http.whole_site import AS, WholeSite
from tests.portal_house import Quay, found

MAST = "The mast is dark"


@dataclass(frozen=True)
class ApiHouse:
    """A site, the Quay in it, and the programs of its people."""

    site: WholeSite
    quay: Quay

    def program(self, actor: Actor | None = None) -> TestClient:
        """Somebody's program: it asks for JSON, and follows nothing."""
        headers = {AS: actor.email} if actor is not None else {}
        return TestClient(
            self.site.app, headers=headers, follow_redirects=False, raise_server_exceptions=False
        )

    def person(self, actor: Actor) -> str:
        return self.site.house.id_of(actor)

    def parts(self) -> dict[str, str]:
        """Something fresh of everything that stands in a path, and whom bodies name."""
        quay = self.quay
        request = quay.file(BO, MAST)
        [category, *_] = self.site.house.db.read_here(read_categories, quay.ids["quay"])
        email = "fresh@desk.test"  # the invitation before ends with the new one
        secret = quay.act(BO, invitations.invite, quay.ids["quay"], email, "member")
        at = quay.house.at
        invited = self.site.house.db.read_here(invitations.find, secret, at)[1]
        return {
            "slug": "quay",
            "request": request,
            "message": quay.say(BO, request, "It blinks."),
            "category": category.id,
            "invitation": invited.id,
            "person": self.person(UNA),
        }

    def files(self, request: str) -> dict[str, str]:
        """Files of a request, where a path names one: Bo's, and one of a note."""
        sent = self._sent
        return {"file": sent(BO, request, "reply"), "noted": sent(ADA, request, "note")}

    def _sent(self, actor: Actor, request: str, kind: post_message.Kind) -> str:
        place = {"workspace": f"org:{self.quay.ids['quay']}"}
        named = {"x-file-name": "a.txt"}
        given = self.program(actor).post("/files", params=place, content=b"x", headers=named)
        file = str(given.json()["id"])
        self.quay.act(
            actor, post_message.say, request, Written(new_id(), "See here.", kind, [file])
        )
        return file


def build_api(folder: Path) -> ApiHouse:
    house = build(folder)
    quay = found(house)
    house.db.write_here(employ, house.id_of(MO), "operations_manager", house.at)
    quay.act(BO, settings.add_category, quay.ids["quay"], "Buoys")
    return ApiHouse(WholeSite(house), quay)


def filled(given: Any, parts: dict[str, str]) -> Any:
    """A path or a body with its `{…}` replaced."""
    match given:
        case str():
            for name, value in parts.items():
                given = given.replace(f"{{{name}}}", value)
            return given
        case dict():
            return {name: filled(value, parts) for name, value in given.items()}
        case list():
            return [filled(each, parts) for each in given]
        case _:
            return given
