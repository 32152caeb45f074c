"""Seed the demo's portal: two companies, the team, and their requests of the last sixty days.

Everything goes through the actions that pages call, each at its own time.
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

HISTORY_LENGTH = 60 * DAY  # ms
UNREAD_PERIOD = 2 * DAY  # ms; activity this recent is unread for the accounts visitors use
MAX_FILE_BYTES = 1_000_000  # bytes per file; the largest has a tenth of that

AttachmentRow = dict[str, Any]  # a row of `files` without workspace, uploader and time
ScheduledCall = tuple[Millis, Callable[[], None]]


async def store_attachments(uploads: Uploads) -> dict[str, AttachmentRow]:
    """Put the files of the requests into the store; return the values of their rows by name."""
    return {
        name: await uploads.store_file("demo", name, yield_once(make()))
        for name, make in ATTACHMENTS.items()
    }


async def drop_attachments(uploads: Uploads, attachments: Mapping[str, AttachmentRow]) -> None:
    """Delete the files from the store again, because no row refers to them."""
    for values in attachments.values():
        await uploads.delete_bytes(values["id"])


@dataclass
class PortalSeeder:
    """Seed the portal in one transaction. `attachments`: files in the store, by name."""

    tx: Connection
    attachments: Mapping[str, AttachmentRow]
    organization_ids: dict[str, str] = field(default_factory=dict)  # by company name

    def create_accounts(self, hashes: Sequence[str], at: Millis) -> None:
        """Create people and companies; `hashes`: password hashes, one for each person."""
        before = _read_log_head(self.tx)
        for client, hash_ in zip((*TEAM, *CLIENTS), hashes, strict=True):
            self._create_account(client, hash_, at)
        _backdate_log(self.tx, before, at)

    def iter_history(self, until: Millis) -> Iterator[ScheduledCall]:
        """Yield the calls that make the history, with their times; in order within each request."""
        for request in PORTAL_HISTORY:
            ticket, at = new_id(), until - request.age
            yield at, partial(self._run_at, at, partial(self._create_request, ticket, request, at))
            for action in request.actions:
                at += action.delay
                call = partial(self._perform_action, ticket, request, action, at)
                yield at, partial(self._run_at, at, call)
            at += HOUR
            if until - at > UNREAD_PERIOD:
                yield at, partial(self._run_at, at, partial(self._mark_read, ticket, request, at))

    def _create_account(self, client: PortalLogin, hash_: str, at: Millis) -> None:
        tx = self.tx
        person = people.create(tx, name=client.name, email=client.email, at=at)
        passwords.store_hash(tx, person.id, hash_, at)
        people.update_person_row(tx, person.id, email_verified_at=at, at=at)
        if not client.company:
            upsert_staff_row(tx, person.id, client.role, at)
        elif client.company not in self.organization_ids:
            organization = create_organization(
                tx, actor_for(tx, client.username, at), client.company
            )
            self.organization_ids[client.company] = organization.id
        else:
            first = next(each for each in CLIENTS if each.company == client.company)
            founder = actor_for(tx, first.username, at)
            organization = read_visible_by_id(
                tx, founder.viewer, self.organization_ids[client.company]
            )
            add_member(tx, founder, organization, person.id, client.role)

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
        actor = actor_for(self.tx, action.username, at)
        files = []
        if action.verb == "send":
            values = self.attachments[action.value.partition(" ")[0]]
            workspace = f"org:{self.organization_ids[request.company]}"
            owner = {"workspace": workspace, "uploader": actor.subject, "created_at": at}
            files = [insert_file_row(self.tx, values | owner).id]
        perform_action(self.tx, actor, ticket, action, files)


def _read_log_head(tx: Connection) -> int:
    newest = select(log.c.position).order_by(log.c.position.desc()).limit(1)
    return int(tx.execute(newest).scalar() or 0)


def _backdate_log(tx: Connection, after: int, at: Millis) -> None:
    """Set the time of the entries just appended; the log stays ordered by time."""
    tx.execute(update(log).where(log.c.position > after).values(at=at))
