"""One of everything that can happen in the portal, by the actions that pages call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sqlalchemy import Connection, insert

from deskwire.accounts import people
from deskwire.events.channels import organization
from deskwire.kit.clock import MINUTE
from deskwire.kit.ids import new_id
from deskwire.server.services import ACCESS
from deskwire.tickets.actions import create, post_message, update
from deskwire.tickets.actions.create import Filing
from deskwire.tickets.actions.post_message import Written
from deskwire.tickets.files.attachments import files
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations import invitations, members, organizations, settings
from tests.fixtures.bot_deliveries import NOON

NAMED = {"slug": "acme", "about": ""}
DESCRIBED = {"slug": "acme", "about": "Boats, mostly."}
LATER = NOON + 600 * MINUTE  # after all that the bot tells


class Portal:
    """An organization with a client, and one of the team; what they do, a minute apart."""

    def __init__(self) -> None:
        self.at = LATER
        self.clara = self.tim = self.dan = self.place = self.ticket = self.message = ""
        self.secret = ""

    def open(self, tx: Connection) -> None:
        self.clara = people.create(tx, name="Clara Client", email="clara@desk.test", at=NOON).id
        self.tim = people.create(tx, name="Tim Team", email="tim@desk.test", at=NOON).id
        organizations.employ(tx, self.tim, "operations_manager", NOON)
        self.dan = people.create(tx, name="Dan Client", email="dan@desk.test", at=NOON).id
        self.ticket, self.message = new_id(), new_id()

    def deed(self, tx: Connection, person: str) -> Deed:
        self.at += MINUTE
        return Deed(ACCESS.read_viewer(tx, person), self.at)

    def file(self, tx: Connection) -> None:
        deed = self.deed(tx, self.clara)
        place = organizations.read_visible_by_id(tx, deed.viewer, self.place)
        create.file_request(tx, deed, place, Filing(self.ticket, "No light", "Since **Monday**."))

    def attach(self, tx: Connection) -> None:
        id_ = new_id()
        row = {
            "id": id_,
            "workspace": organization(self.place),
            "note": False,
            "uploader": self.clara,
            "name": "mast.png",
            "type": "image/png",
            "size": 1400,
            "sha256": "-",
            "thumbnail": True,
            "created_at": NOON,
        }
        tx.execute(insert(files).values(row))
        written = Written(self.message, "See here", files=[id_])
        post_message.say(tx, self.deed(tx, self.clara), self.ticket, written)

    def note(self, tx: Connection) -> None:
        written = Written(new_id(), "They pay late.", "note")
        post_message.say(tx, self.deed(tx, self.tim), self.ticket, written)

    def steps(self) -> Iterator[Callable[[Connection], None]]:
        """Every step, as a function of a transaction."""
        yield self.open
        yield self.found
        yield partial(self.settle, act=settings.rename, given={"name": "Acme Ltd", **NAMED})
        yield partial(self.settle, act=settings.rename, given={"name": "Acme Ltd", **DESCRIBED})
        yield self.file
        yield self.attach
        yield self.note
        for act, who, arguments in (
            (post_message.edit, "clara", ("@message", "See there")),
            (post_message.erase, "clara", ("@message",)),
            (update.assign, "tim", ("@tim",)),
            (update.assign, "tim", (None,)),
            (update.watch, "tim", ("@tim",)),
            (update.unwatch, "tim", ("@tim",)),
            (update.prioritise, "tim", ("high",)),
            (update.move, "tim", ("review",)),
            (update.move, "tim", ("done",)),
            (update.move, "clara", ("active",)),
        ):
            yield partial(self.act, act=act, who=who, arguments=arguments)
        yield self.hand_over
        yield partial(self.act, act=update.remove, who="tim", arguments=())
        yield self.invite
        yield self.accept
        yield partial(self.settle, act=members.change_role, given={"role": "manager"}, who="dan")
        yield partial(self.settle, act=members.remove, given={}, who="dan")
        yield self.invite
        yield self.revoke
        mode = {"visibility": "participants"}
        yield partial(self.settle, act=settings.set_visibility, given=mode)
        yield partial(self.settle, act=settings.delete, given={"confirmed": "Acme Ltd"})

    def found(self, tx: Connection) -> None:
        self.place = settings.create(tx, self.deed(tx, self.clara), "Acme").id

    def settle(
        self, tx: Connection, *, act: Callable[..., Any], given: dict[str, str], who: str = ""
    ) -> None:
        person = [getattr(self, who)] if who else []
        act(tx, self.deed(tx, self.clara), self.place, *person, **given)

    def invite(self, tx: Connection) -> None:
        deed = self.deed(tx, self.clara)
        self.secret = invitations.invite(tx, deed, self.place, "dan@desk.test", "member")

    def accept(self, tx: Connection) -> None:
        invitations.accept(tx, self.deed(tx, self.dan), self.secret, mails=False)

    def revoke(self, tx: Connection) -> None:
        deed = self.deed(tx, self.clara)
        [open_one] = invitations.read_open(tx, self.place, deed.at)
        invitations.revoke(tx, deed, self.place, open_one.id)

    def hand_over(self, tx: Connection) -> None:
        uma = people.create(tx, name="Uma Team", email="uma@desk.test", at=NOON).id
        organizations.employ(tx, uma, "support_analyst", NOON)
        update.assign(tx, self.deed(tx, self.tim), self.ticket, uma)

    def act(self, tx: Connection, *, act, who: str, arguments: tuple[Any, ...]) -> None:
        given = [
            getattr(self, each[1:]) if isinstance(each, str) and each.startswith("@") else each
            for each in arguments
        ]
        act(tx, self.deed(tx, getattr(self, who)), self.ticket, *given)
