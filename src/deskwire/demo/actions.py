"""Doing what the demo's texts say, by the actions that pages call; in the past, and live."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection

from deskwire.accounts.people import find_by_email
from deskwire.demo.cast import CLIENTS, TEAM
from deskwire.demo.tickets import Act, Matter, Verb
from deskwire.kit.clock import Millis
from deskwire.kit.errors import NotFound
from deskwire.kit.ids import new_id
from deskwire.server.services import ACCESS
from deskwire.tickets.actions import create, post_message, update
from deskwire.tickets.actions.create import Filing
from deskwire.tickets.actions.post_message import Written
from deskwire.tickets.statuses import STATUSES
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations.organizations import read_categories, read_own

ADDRESSES: Mapping[str, str] = {each.key: each.email for each in (*TEAM, *CLIENTS)}


def deed_of(tx: Connection, who: str, at: Millis) -> Deed:
    """A deed of one of the cast. NotFound where somebody has taken them out of the demo."""
    person = find_by_email(tx, ADDRESSES[who])
    if person is None:
        raise NotFound(f"{ADDRESSES[who]} is not there any more.")
    return Deed(ACCESS.read_viewer(tx, person.id), at)


def file_matter(tx: Connection, deed: Deed, ticket: str, matter: Matter) -> None:
    """File a request in the company of whoever does, however that is called by now; in no category
    where somebody has renamed or removed its own."""
    own = read_own(tx, deed.viewer)
    place = next((each for each in own if each.name == matter.company), own[0] if own else None)
    if place is None:
        raise NotFound(f"{ADDRESSES[matter.who]} is of no company any more.")
    known = {each.name: each.id for each in read_categories(tx, place.id) if not each.archived}
    filed = Filing(ticket, matter.title, matter.text, known.get(matter.category))
    create.file_request(tx, deed, place, filed)


def perform(tx: Connection, deed: Deed, ticket: str, act: Act, files: Sequence[str] = ()) -> None:
    """Do one thing in a request; `files`: uploaded before, by the same person."""
    if act.what == "send":
        text = act.value.partition(" ")[2]
        post_message.say(tx, deed, ticket, Written(new_id(), text, files=files))
        return
    _ACTIONS[act.what](tx, deed, ticket, act.value)


def _claim(tx: Connection, deed: Deed, ticket: str, _: str) -> None:
    update.assign(tx, deed, ticket, deed.person)


def _reply(tx: Connection, deed: Deed, ticket: str, text: str) -> None:
    post_message.say(tx, deed, ticket, Written(new_id(), text))


def _note(tx: Connection, deed: Deed, ticket: str, text: str) -> None:
    post_message.say(tx, deed, ticket, Written(new_id(), text, "note"))


def _label(tx: Connection, deed: Deed, ticket: str, label: str) -> None:
    update.label(tx, deed, ticket, add=[label])


def _move(tx: Connection, deed: Deed, ticket: str, word: str) -> None:
    update.move(tx, deed, ticket, next(each for each in STATUSES if each == word))


def _remove(tx: Connection, deed: Deed, ticket: str, _: str) -> None:
    update.remove(tx, deed, ticket)


_ACTIONS: Mapping[Verb, Callable[[Connection, Deed, str, str], object]] = {
    "claim": _claim,
    "reply": _reply,
    "note": _note,
    "label": _label,
    "priority": update.prioritise,
    "status": _move,
    "remove": _remove,
}
