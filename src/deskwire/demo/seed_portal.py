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
from deskwire.demo.actions import actor_for, perform_action, submit_request
from deskwire.demo.attachments import ATTACHMENTS
from deskwire.demo.cast import CLIENTS, TEAM, VISITOR_USERNAMES, PortalLogin
from deskwire.demo.portal_history import PORTAL_HISTORY
from deskwire.demo.tickets import Action, RequestScript
from deskwire.events.log import log
from deskwire.kit.clock import DAY, HOUR, Millis
from deskwire.kit.ids import new_id
from deskwire.tickets.actions import mark_read
from deskwire.tickets.files.uploads import Uploads, insert_file_row, yield_once
from deskwire.workspaces.organizations.create import create_organization
from deskwire.workspaces.organizations.members import add_member
from deskwire.workspaces.organizations.organizations import read_visible_by_id
from deskwire.workspaces.organizations.staff import upsert_staff_row

HISTORY_LENGTH = 60 * DAY
UNREAD_PERIOD = 2 * DAY  # for so long visitors have not looked into what is new
MAX_FILE_BYTES = 1_000_000  # bytes of a file; the largest is a tenth of that

AttachmentRow = dict[str, Any]  # the row of a file, but for whose it is
ScheduledCall = tuple[Millis, Callable[[], None]]


async def store_attachments(uploads: Uploads) -> dict[str, AttachmentRow]:
    """Put the files of the requests into the store; their rows, by name, yet to be written."""
    return {
        name: await uploads.store_file(name, yield_once(make()))
        for name, make in ATTACHMENTS.items()
    }


async def drop_attachments(uploads: Uploads, attachments: Mapping[str, AttachmentRow]) -> None:
    """Take them out of it again: they are in no row."""
    for paper in attachments.values():
        await uploads.delete_bytes(paper["id"])


@dataclass
class PortalSeeder:
    """The portal's world in one transaction. `papers`: files in the store, by their name."""

    tx: Connection
    attachments: Mapping[str, AttachmentRow]
    organization_ids: dict[str, str] = field(default_factory=dict)  # organizations' ids by name

    def create_accounts(self, hashes: Sequence[str], at: Millis) -> None:
        """Make people and companies; `hashes`: of the password, one for each person."""
        before = _read_log_head(self.tx)
        for client, hash_ in zip((*TEAM, *CLIENTS), hashes, strict=True):
            self._create_account(client, hash_, at)
        _backdate_log(self.tx, before, at)

    def iter_history(self, until: Millis) -> Iterator[ScheduledCall]:
        """Whatever people did up to now: when, and the doing of it; of each request in order."""
        for matter in PORTAL_HISTORY:
            ticket, at = new_id(), until - matter.age
            yield at, partial(self._run_at, at, partial(self._create_request, ticket, matter, at))
            for act in matter.actions:
                at += act.delay
                doing = partial(self._perform_action, ticket, matter, act, at)
                yield at, partial(self._run_at, at, doing)
            at += HOUR
            if until - at > UNREAD_PERIOD:
                yield at, partial(self._run_at, at, partial(self._mark_read, ticket, matter, at))

    def _create_account(self, client: PortalLogin, hash_: str, at: Millis) -> None:
        tx = self.tx
        person = people.create(tx, name=client.name, email=client.email, at=at)
        passwords.store_hash(tx, person.id, hash_, at)
        people.update_person_row(tx, person.id, email_verified_at=at, at=at)
        if not client.company:
            upsert_staff_row(tx, person.id, client.role, at)
        elif client.company not in self.organization_ids:
            made = create_organization(tx, actor_for(tx, client.username, at), client.company)
            self.organization_ids[client.company] = made.id
        else:
            first = next(each for each in CLIENTS if each.company == client.company)
            founder = actor_for(tx, first.username, at)
            place = read_visible_by_id(tx, founder.viewer, self.organization_ids[client.company])
            add_member(tx, founder, place, person.id, client.role)

    def _run_at(self, at: Millis, call: Callable[[], None]) -> None:
        before = _read_log_head(self.tx)
        call()
        _backdate_log(self.tx, before, at)

    def _create_request(self, ticket: str, request: RequestScript, at: Millis) -> None:
        submit_request(self.tx, actor_for(self.tx, request.username, at), ticket, request)

    def _mark_read(self, ticket: str, request: RequestScript, at: Millis) -> None:
        for each in (*TEAM, *CLIENTS):
            if each.username in VISITOR_USERNAMES and each.company in ("", request.company):
                mark_read.mark_read(self.tx, actor_for(self.tx, each.username, at), ticket, at)

    def _perform_action(
        self, ticket: str, request: RequestScript, action: Action, at: Millis
    ) -> None:
        deed = actor_for(self.tx, action.username, at)
        files = []
        if action.verb == "send":
            paper = self.attachments[action.value.partition(" ")[0]]
            place = f"org:{self.organization_ids[request.company]}"
            whose = {"workspace": place, "uploader": deed.person_id, "created_at": at}
            files = [insert_file_row(self.tx, paper | whose).id]
        perform_action(self.tx, deed, ticket, action, files)


def _read_log_head(tx: Connection) -> int:
    newest = select(log.c.position).order_by(log.c.position.desc()).limit(1)
    return int(tx.execute(newest).scalar() or 0)


def _backdate_log(tx: Connection, after: int, at: Millis) -> None:
    """Say of what was just appended that it happened then: the log is in the order of time."""
    tx.execute(update(log).where(log.c.position > after).values(at=at))
