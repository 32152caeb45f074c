"""The demo's portal: two companies, the team that helps them, and requests with a past.

Everything is done by the actions that pages call, each at its own time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select, update

from deskwire.accounts import passwords, people
from deskwire.demo.past import LENGTH
from deskwire.demo.world import CLIENTS, TEAM, Client
from deskwire.events.log import log
from deskwire.kit.clock import DAY, HOUR, MINUTE, Millis
from deskwire.kit.ids import new_id
from deskwire.services import ACCESS
from deskwire.tickets import filing, talk, work
from deskwire.tickets.filing import Filing
from deskwire.tickets.talk import Written
from deskwire.workspaces import founding
from deskwire.workspaces.deeds import Deed
from deskwire.workspaces.membership import join
from deskwire.workspaces.organizations import employ, read_categories, read_visible_by_id

Act = tuple[str, str, Any]  # who (the beginning of an address), what, with what

# Days ago, company, title, category, description, and what came of it an hour apart.
STORY: Sequence[tuple[float, str, str, str, str, str, Sequence[Act]]] = (
    (
        21, "Harbor Analytics", "clara", "Exports stop at 10,000 rows", "Problem",
        "Since the update the CSV export ends after **10,000 rows**, without a word.\n\n"
        "1. Open *Reports → Berths*\n2. Choose the whole year\n3. Export",
        (
            ("tess", "claim", None),
            ("tess", "reply", "Thank you, Clara. I can see it here too."),
            ("tess", "note", "The limit came with the new exporter. @Uma Holt knows it."),
            ("uma", "reply", "Fixed; it goes out tonight. Could you try again tomorrow?"),
            ("tess", "status", "waiting"),
            ("clara", "reply", "214,380 rows, all there. Thank you!"),
            ("uma", "status", "done"),
        ),
    ),
    (
        9, "Fjord Bikes", "finn", "Add Norwegian to the shop", "Change",
        "Our customers ask for it daily. We can translate the texts ourselves.",
        (
            ("uma", "claim", None),
            ("uma", "reply", "With pleasure. I attach nothing yet, but the list is 312 texts."),
            ("finn", "reply", "We start on Monday."),
        ),
    ),
    (
        6, "Harbor Analytics", "carl", "Invoice for October has the wrong address", "Question",
        "We moved to Quay 7 in September. Could you send it again?",
        (
            ("tess", "claim", None),
            ("tess", "reply", "Sorry about that. Is “Quay 7, 20457 Hamburg” right?"),
            ("tess", "status", "waiting"),
        ),
    ),
    (
        3, "Harbor Analytics", "clara", "Dashboard for the night shift", "Change",
        "The night shift needs **three tiles only**: berths, tugs, weather. Large, and dark.",
        (
            ("uma", "claim", None),
            ("uma", "priority", "normal"),
            ("uma", "label", "dashboards"),
            ("uma", "reply", "A first version is on your test desk, @Clara Vance."),
            ("uma", "status", "review"),
        ),
    ),
    (
        1.2, "Harbor Analytics", "carl", "Two people cannot sign in since this morning", "Problem",
        "Both see *“This account is locked”*. Nobody changed anything.",
        (("tess", "priority", "urgent"), ("tess", "label", "sign-in")),
    ),
    (
        0.3, "Fjord Bikes", "freya", "Stock shows minus two for wheel W-28", "Problem",
        "It has been like this since the inventory. Selling is blocked.",
        (("tess", "claim", None), ("tess", "reply", "On it.")),
    ),
)  # fmt: skip


@dataclass
class _Town:
    """Who is who, by the beginning of their address; organizations by name."""

    tx: Connection
    people: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def deed(self, who: str, at: Millis) -> Deed:
        return Deed(ACCESS.read_viewer(self.tx, self.people[who]), at)


def settle(tx: Connection, hashes: Sequence[str], at: Millis) -> None:
    """Make the portal's people, companies and requests; `hashes`: a password's for each person."""
    town, before = _Town(tx), _head(tx)
    began = at - LENGTH - DAY + HOUR  # after the others have moved in
    for client, hash_ in zip((*TEAM, *CLIENTS), hashes, strict=True):
        _move_in(town, client, hash_, began)
    for member, role in zip(TEAM, ("super_admin", "support_analyst"), strict=True):
        employ(tx, town.people[member.key], role, began)
    for client in CLIENTS:
        _settle_in(town, client, began)
    for days, place, who, title, category, text, acts in STORY:
        _live(town, at - int(days * DAY), place, who, (title, category, text), acts)
    _date_log(tx, before, began)


def _move_in(town: _Town, client: Client, hash_: str, at: Millis) -> None:
    person = people.create(town.tx, name=client.name, email=client.email, at=at)
    passwords.store(town.tx, person.id, hash_, at)
    people.change(town.tx, person.id, email_verified_at=at, at=at)
    town.people[client.key] = person.id


def _settle_in(town: _Town, client: Client, at: Millis) -> None:
    if client.company not in town.places:
        made = founding.create(town.tx, town.deed(client.key, at), client.company)
        town.places[client.company] = made.id
        return
    id_ = town.places[client.company]
    first = next(each for each in CLIENTS if each.company == client.company)
    founder = town.deed(first.key, at)
    place = read_visible_by_id(town.tx, founder.viewer, id_)
    join(town.tx, founder, place, town.people[client.key], "member")


def _live(
    town: _Town,
    at: Millis,
    place: str,
    who: str,
    told: tuple[str, str, str],
    acts: Sequence[Act],
) -> None:
    ticket, (title, category, text) = new_id(), told
    deed = town.deed(who, at)
    organization = read_visible_by_id(town.tx, deed.viewer, town.places[place])
    known = {each.name: each.id for each in read_categories(town.tx, organization.id)}
    filing_ = Filing(ticket, title, text, known[category])
    filing.file_request(town.tx, deed, organization, filing_)
    for nth, (actor, what, value) in enumerate(acts, start=1):
        moment = min(at + nth * HOUR + nth * nth * MINUTE, at + 5 * HOUR + nth * MINUTE)
        _ACTS[what](town.tx, town.deed(actor, moment), ticket, value)


def _claim(tx: Connection, deed: Deed, ticket: str, _: object) -> None:
    work.assign(tx, deed, ticket, deed.person)


def _reply(tx: Connection, deed: Deed, ticket: str, text: str) -> None:
    talk.say(tx, deed, ticket, Written(new_id(), text))


def _note(tx: Connection, deed: Deed, ticket: str, text: str) -> None:
    talk.say(tx, deed, ticket, Written(new_id(), text, "note"))


def _label(tx: Connection, deed: Deed, ticket: str, label: str) -> None:
    work.label(tx, deed, ticket, add=[label])


_ACTS: dict[str, Callable[[Connection, Deed, str, Any], object]] = {
    "claim": _claim,
    "reply": _reply,
    "note": _note,
    "label": _label,
    "priority": work.prioritise,
    "status": work.move,
}


def _head(tx: Connection) -> int:
    newest = select(log.c.position).order_by(log.c.position.desc()).limit(1)
    return int(tx.execute(newest).scalar() or 0)


def _date_log(tx: Connection, after: int, at: Millis) -> None:
    """Say of what was just appended that it happened then: the log is in the order of time."""
    tx.execute(update(log).where(log.c.position > after).values(at=at))
