"""Record one of every event of the portal, by calling the actions that pages call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sqlalchemy import Connection, insert, true

from deskwire.accounts import people
from deskwire.accounts.api_keys import SCOPES, KeyFields
from deskwire.direct_edits.processor import record_edits
from deskwire.events.channels import organization
from deskwire.kit.clock import MINUTE
from deskwire.kit.ids import new_id
from deskwire.server.services import ACCESS
from deskwire.tickets.actions import create, offboarding, post_message, update
from deskwire.tickets.actions.create import RequestInput
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.tickets.files.attachments import files
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.key_events import list_live_keys, revoke_live_key
from deskwire.workspaces.keys.actions import create_key, create_key_from_shell
from deskwire.workspaces.organizations import (
    invitation_acceptance,
    invitations,
    members,
    organizations,
    settings,
    staff,
)
from deskwire.workspaces.organizations.create import create_organization
from deskwire.workspaces.organizations.invitation_expiry import expire
from deskwire.workspaces.organizations.mail_recipients import mark_invitations
from tests.fixtures.bot_deliveries import NOON

PROFILE = {"slug": "acme", "about": ""}
PROFILE_WITH_TEXT = {"slug": "acme", "about": "Boats, mostly."}
PORTAL_START = NOON + 600 * MINUTE  # after all that the bot tells


class PortalRecorder:
    """An organization with a client, and one of the team; what they do, a minute apart."""

    def __init__(self) -> None:
        self.at = PORTAL_START
        self.clara = self.tim = self.dan = self.organization_id = self.ticket = self.message = ""
        self.secret = ""

    def create_people(self, tx: Connection) -> None:
        self.clara = people.create(tx, name="Clara Client", email="clara@desk.test", at=NOON).id
        self.tim = people.create(tx, name="Tim Team", email="tim@desk.test", at=NOON).id
        staff.upsert_staff_row(tx, self.tim, "operations_manager", NOON)
        self.dan = people.create(tx, name="Dan Client", email="dan@desk.test", at=NOON).id
        self.ticket, self.message = new_id(), new_id()

    def actor_for(self, tx: Connection, person: str) -> Actor:
        self.at += MINUTE
        return Actor(ACCESS.read_viewer(tx, person), self.at)

    def create_request(self, tx: Connection) -> None:
        actor = self.actor_for(tx, self.clara)
        organization = organizations.read_visible_by_id(tx, actor.viewer, self.organization_id)
        create.create_request(
            tx, actor, organization, RequestInput(self.ticket, "No light", "Since **Monday**.")
        )

    def post_file(self, tx: Connection) -> None:
        id_ = new_id()
        row = {
            "id": id_,
            "workspace": organization(self.organization_id),
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
        written = MessageInput(self.message, "See here", file_ids=[id_])
        post_message.post_message(tx, self.actor_for(tx, self.clara), self.ticket, written)

    def post_note(self, tx: Connection) -> None:
        written = MessageInput(new_id(), "They pay late.", "note")
        post_message.post_message(tx, self.actor_for(tx, self.tim), self.ticket, written)

    def iter_steps(self) -> Iterator[Callable[[Connection], None]]:
        """Every step, as a function of a transaction."""
        yield self.create_people
        yield self.create_organization
        yield partial(
            self.change_organization,
            action=settings.update_profile,
            given={"name": "Acme Ltd", **PROFILE},
        )
        yield partial(
            self.change_organization,
            action=settings.update_profile,
            given={"name": "Acme Ltd", **PROFILE_WITH_TEXT},
        )
        yield self.create_request
        yield self.post_file
        yield self.post_note
        for act, who, arguments in (
            (post_message.edit_message, "clara", ("@message", "See there")),
            (post_message.delete_message, "clara", ("@message",)),
            (self.assign_to_tim, "tim", ()),
            (update.update, "tim", ({"assignee": None},)),
            (update.add_watcher, "tim", ("@tim",)),
            (update.remove_watcher, "tim", ("@tim",)),
            (update.update, "tim", ({"priority": "high"},)),
            (update.update, "tim", ({"status": "review"},)),
            (update.update, "tim", ({"status": "done"},)),
            (update.update, "clara", ({"status": "active"},)),
        ):
            yield partial(self.change_request, action=act, who=who, arguments=arguments)
        yield self.assign_to_colleague
        yield partial(self.change_request, action=update.delete_request, who="tim", arguments=())
        yield self.invite
        yield self.accept
        yield partial(
            self.change_organization,
            action=members.change_member_role,
            given={"role": "manager"},
            who="dan",
        )
        yield partial(
            self.change_organization, action=offboarding.remove_member, given={}, who="dan"
        )
        yield self.invite
        yield self.revoke
        yield self.create_keys
        yield self.edit_keys
        yield self.revoke_keys
        yield self.invite
        yield self.expire
        yield self.invite
        yield self.refuse_mail
        mode = {"visibility": "participants"}
        yield partial(self.change_organization, action=settings.set_visibility, given=mode)
        yield partial(
            self.change_organization,
            action=settings.mark_organization_deleted,
            given={"typed_name": "Acme Ltd", "outsider_channels": ()},
        )

    def create_organization(self, tx: Connection) -> None:
        self.organization_id = create_organization(tx, self.actor_for(tx, self.clara), "Acme").id

    def change_organization(
        self, tx: Connection, *, action: Callable[..., Any], given: dict[str, Any], who: str = ""
    ) -> None:
        person = [getattr(self, who)] if who else []
        action(tx, self.actor_for(tx, self.clara), self.organization_id, *person, **given)

    def invite(self, tx: Connection) -> None:
        actor = self.actor_for(tx, self.clara)
        self.secret = invitations.invite(tx, actor, self.organization_id, "dan@desk.test", "member")

    def accept(self, tx: Connection) -> None:
        invitation_acceptance.accept(
            tx, self.actor_for(tx, self.dan), self.secret, sends_mail=False
        )

    def revoke(self, tx: Connection) -> None:
        actor = self.actor_for(tx, self.clara)
        [open_one] = invitations.list_open_invitations(tx, self.organization_id, actor.at)
        invitations.revoke(tx, actor, self.organization_id, open_one.id)

    def create_keys(self, tx: Connection) -> None:
        workspace = organization(self.organization_id)
        own = KeyFields("organization", "Monitoring", SCOPES, workspace, "member")
        create_key(tx, self.actor_for(tx, self.clara), own)
        desk_fields = KeyFields("desk", "Reports", SCOPES, role="support_analyst")
        create_key_from_shell(tx, desk_fields, "shell", self.at + MINUTE)

    def edit_keys(self, tx: Connection) -> None:
        tx.exec_driver_sql("UPDATE api_keys SET scopes = 'read'")
        tx.exec_driver_sql("UPDATE outside_changes SET at = ?", (self.at,))
        record_edits(tx)

    def revoke_keys(self, tx: Connection) -> None:
        actor = self.actor_for(tx, self.clara)
        for key in list_live_keys(tx, true()):
            revoke_live_key(tx, key, actor.subject, actor.at)

    def expire(self, tx: Connection) -> None:
        actor = self.actor_for(tx, self.clara)
        [open_one] = invitations.list_open_invitations(tx, self.organization_id, actor.at)
        expire(tx, open_one.id, {}, open_one.expires_at)

    def refuse_mail(self, tx: Connection) -> None:
        mark_invitations(tx, "dan@desk.test", self.actor_for(tx, self.clara).at)

    def assign_to_colleague(self, tx: Connection) -> None:
        uma = people.create(tx, name="Uma Team", email="uma@desk.test", at=NOON).id
        staff.upsert_staff_row(tx, uma, "support_analyst", NOON)
        update.update(tx, self.actor_for(tx, self.tim), self.ticket, {"assignee": uma})

    def assign_to_tim(self, tx: Connection, actor: Actor, ticket: str) -> None:
        update.update(tx, actor, ticket, {"assignee": self.tim})

    def change_request(
        self, tx: Connection, *, action, who: str, arguments: tuple[Any, ...]
    ) -> None:
        given = [
            getattr(self, each[1:]) if isinstance(each, str) and each.startswith("@") else each
            for each in arguments
        ]
        action(tx, self.actor_for(tx, getattr(self, who)), self.ticket, *given)
