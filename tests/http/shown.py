"""A request in the portal, with a note that its requester must not see."""

from __future__ import annotations

from dataclasses import dataclass

from tests.cast import ADA, BO, House
from tests.http.whole_site import WholeSite
from tests.portal_house import Quay, found

MAST, SECRET = "The mast is dark", "They never pay on time"


@dataclass
class Shown:
    """Bo's request of the Quay, and the site that shows it."""

    site: WholeSite
    quay: Quay
    ticket: str

    @property
    def address(self) -> str:
        return f"/requests/{self.ticket}"


def show(house: House) -> Shown:
    """File it."""
    quay = found(house)
    ticket = quay.file(BO, MAST, "<script>alert(1)</script> **dark**")
    quay.say(ADA, ticket, SECRET, "note")
    return Shown(WholeSite(house), quay, ticket)
