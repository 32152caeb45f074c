"""The Quay: the organization of the standing cast, with requests in it.

Bo    admin      files requests there
Una   member     sees them, as long as its mode shows them to members
Ada   the team   support analyst: sees every organization's
Cy    outsider   admin of the Loft, another organization
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, insert

from deskwire.kit.clock import MINUTE
from deskwire.kit.ids import new_id
from deskwire.server.services import ACCESS
from deskwire.tickets.actions import create, post_message
from deskwire.tickets.actions.create import Filing
from deskwire.tickets.actions.post_message import Written
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations import organizations
from deskwire.workspaces.organizations.organizations import Organization
from tests.cast import ADA, BO, CY, UNA, Actor, House

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class Quay:
    """Two organizations in a house, and what their people do there, a minute apart."""

    house: House
    ids: dict[str, str] = field(default_factory=dict)  # organizations by slug

    def act(
        self,
        actor: Actor,
        what: Callable[Concatenate[Connection, Deed, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Have an actor do something, with all they may do at that moment."""
        self.house.at += MINUTE
        person, at = self.house.id_of(actor), self.house.at

        def run(tx: Connection) -> T:
            return what(tx, Deed(ACCESS.read_viewer(tx, person), at), *args, **kwargs)

        return self.house.db.write_here(run)

    def file(self, actor: Actor, subject: str, text: str = "See above.", at: str = "quay") -> str:
        """File a request; its id."""

        def run(tx: Connection, deed: Deed) -> str:
            place = self.place(tx, deed, at)
            row = create.file_request(tx, deed, place, Filing(new_id(), subject, text))
            return str(row.id)

        return self.act(actor, run)

    def say(self, actor: Actor, ticket: str, text: str, kind: post_message.Kind = "reply") -> str:
        """Write in a request; the message's id."""
        return str(self.act(actor, post_message.say, ticket, Written(new_id(), text, kind)).id)

    def place(self, tx: Connection, deed: Deed, slug: str) -> Organization:
        return organizations.read_visible_by_id(tx, deed.viewer, self.ids[slug])

    def set_mode(self, slug: str, visibility: str) -> None:
        """Another visibility mode, as its action leaves it."""
        table = organizations.organizations
        values = {
            "visibility": visibility,
            "generation": table.c.generation + 1,
            "revision": table.c.revision + 1,
        }
        mine = table.update().where(table.c.id == self.ids[slug])
        self.house.db.write_here(lambda tx: tx.execute(mine.values(values)))


def found(house: House) -> Quay:
    """The Quay and the Loft, with everybody in their part and no request yet."""
    quay = Quay(house)
    house.db.write_here(organizations.employ, house.id_of(ADA), "support_analyst", house.at)
    for slug, members in (("quay", {BO: "admin", UNA: "member"}), ("loft", {CY: "admin"})):
        quay.ids[slug] = new_id()
        row: dict[str, object] = {
            "id": quay.ids[slug],
            "slug": slug,
            "name": f"The {slug.title()}",
        }
        more = {"internal": False, "created_at": house.at, "revision": 1}
        rows = [
            {"organization": row["id"], "person": house.id_of(each), "role": role, "revision": 1}
            for each, role in members.items()
        ]

        def settle(
            tx: Connection,
            row: dict[str, object] = row | more,
            rows: list[dict[str, object]] = rows,
        ) -> None:
            tx.execute(insert(organizations.organizations).values(row))
            tx.execute(insert(organizations.organization_members), rows)

        house.db.write_here(settle)
    return quay
