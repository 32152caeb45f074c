"""The demo's portal: two companies, the team that helps them, and their requests of sixty days.

Everything is done by the actions that pages call, each at its own time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection, select, update

from deskwire.accounts import passwords, people
from deskwire.demo.actions import deed_of, file_matter, perform
from deskwire.demo.attachments import PAPERS
from deskwire.demo.cast import CLIENTS, TEAM, VISITORS, Client
from deskwire.demo.portal_history import CHRONICLE
from deskwire.demo.tickets import Act, Matter
from deskwire.events.log import log
from deskwire.kit.clock import DAY, HOUR, Millis
from deskwire.kit.ids import new_id
from deskwire.tickets.actions import post_message
from deskwire.tickets.files.uploads import Uploads, once, record
from deskwire.workspaces.organizations import settings
from deskwire.workspaces.organizations.members import join
from deskwire.workspaces.organizations.organizations import employ, read_visible_by_id

LENGTH = 60 * DAY
UNREAD = 2 * DAY  # for so long visitors have not looked into what is new
LIMIT = 1_000_000  # bytes of a file; the largest is a tenth of that

Paper = dict[str, Any]  # the row of a file, but for whose it is
Moment = tuple[Millis, Callable[[], None]]


async def keep_papers(uploads: Uploads) -> dict[str, Paper]:
    """Put the files of the requests into the store; their rows, by name, yet to be written."""
    return {name: await uploads.take_in(name, once(make())) for name, make in PAPERS.items()}


async def drop_papers(uploads: Uploads, papers: Mapping[str, Paper]) -> None:
    """Take them out of it again: they are in no row."""
    for paper in papers.values():
        await uploads.drop(paper["id"])


@dataclass
class Town:
    """The portal's world in one transaction. `papers`: files in the store, by their name."""

    tx: Connection
    papers: Mapping[str, Paper]
    places: dict[str, str] = field(default_factory=dict)  # organizations' ids by name

    def found(self, hashes: Sequence[str], at: Millis) -> None:
        """Make people and companies; `hashes`: of the password, one for each person."""
        before = _head(self.tx)
        for client, hash_ in zip((*TEAM, *CLIENTS), hashes, strict=True):
            self._move_in(client, hash_, at)
        _date_log(self.tx, before, at)

    def moments(self, until: Millis) -> Iterator[Moment]:
        """Whatever people did up to now: when, and the doing of it; of each request in order."""
        for matter in CHRONICLE:
            ticket, at = new_id(), until - matter.ago
            yield at, partial(self._at, at, partial(self._file, ticket, matter, at))
            for act in matter.acts:
                at += act.after
                doing = partial(self._do, ticket, matter, act, at)
                yield at, partial(self._at, at, doing)
            at += HOUR
            if until - at > UNREAD:
                yield at, partial(self._at, at, partial(self._read, ticket, matter, at))

    def _move_in(self, client: Client, hash_: str, at: Millis) -> None:
        tx = self.tx
        person = people.create(tx, name=client.name, email=client.email, at=at)
        passwords.store(tx, person.id, hash_, at)
        people.change(tx, person.id, email_verified_at=at, at=at)
        if not client.company:
            employ(tx, person.id, client.role, at)
        elif client.company not in self.places:
            made = settings.create(tx, deed_of(tx, client.key, at), client.company)
            self.places[client.company] = made.id
        else:
            first = next(each for each in CLIENTS if each.company == client.company)
            founder = deed_of(tx, first.key, at)
            place = read_visible_by_id(tx, founder.viewer, self.places[client.company])
            join(tx, founder, place, person.id, client.role)

    def _at(self, at: Millis, do: Callable[[], None]) -> None:
        before = _head(self.tx)
        do()
        _date_log(self.tx, before, at)

    def _file(self, ticket: str, matter: Matter, at: Millis) -> None:
        file_matter(self.tx, deed_of(self.tx, matter.who, at), ticket, matter)

    def _read(self, ticket: str, matter: Matter, at: Millis) -> None:
        for each in (*TEAM, *CLIENTS):
            if each.key in VISITORS and each.company in ("", matter.company):
                post_message.mark_read(self.tx, deed_of(self.tx, each.key, at), ticket, at)

    def _do(self, ticket: str, matter: Matter, act: Act, at: Millis) -> None:
        deed = deed_of(self.tx, act.who, at)
        files = []
        if act.what == "send":
            paper = self.papers[act.value.partition(" ")[0]]
            place = f"org:{self.places[matter.company]}"
            whose = {"workspace": place, "uploader": deed.person, "created_at": at}
            files = [record(self.tx, paper | whose).id]
        perform(self.tx, deed, ticket, act, files)


def _head(tx: Connection) -> int:
    newest = select(log.c.position).order_by(log.c.position.desc()).limit(1)
    return int(tx.execute(newest).scalar() or 0)


def _date_log(tx: Connection, after: int, at: Millis) -> None:
    """Say of what was just appended that it happened then: the log is in the order of time."""
    tx.execute(update(log).where(log.c.position > after).values(at=at))
