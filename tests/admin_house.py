"""The Quay with a team in every role, some of whom have proven their address.

Mo    super admin         Ada   support analyst
Dee   operations manager  Bo, Una, Cy are clients; Eve has an account and nothing else
"""

from __future__ import annotations

from pathlib import Path

from deskwire.accounts import people
from deskwire.tickets.tables import tickets
from deskwire.web.auth.mail_templates import Letters
from deskwire.workspaces.organizations.organizations import employ
from tests.cast import ADA, CAST, DEE, MO, NOON, Actor, build
from tests.http.whole_site import WholeSite
from tests.portal_house import Quay, found


class Office(Quay):
    """The Quay, and what the team does to accounts."""

    def person(self, actor: Actor) -> people.Person:
        found_ = self.house.db.read_here(people.find, self.house.id_of(actor))
        assert found_ is not None
        return found_

    def assignee(self, ticket: str) -> str | None:
        """Who has taken a request on."""
        row = self.house.db.read_here(
            lambda tx: tx.execute(tickets.select().where(tickets.c.id == ticket)).one()
        )
        return None if row.assignee is None else str(row.assignee)


def open_office(folder: Path) -> Office:
    """Everybody in their part, with proven addresses, and no request yet."""
    house = build(folder)
    ids = found(house).ids
    for actor, role in ((MO, "super_admin"), (DEE, "operations_manager")):
        house.db.write_here(employ, house.id_of(actor), role, house.at)
    for actor in CAST:
        house.db.write_here(people.change, house.id_of(actor), email_verified_at=NOON, at=NOON)
    assert house.viewer(ADA).channels >= {"staff"}
    return Office(house, ids)


def with_mail(site: WholeSite) -> WholeSite:
    """The same site where mail is sent."""
    object.__setattr__(site.site, "letters", Letters("http://testserver", "sent"))
    return site
