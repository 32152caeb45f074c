"""Test random histories of an organization through the real database, access and hub.

People join, leave, watch and are removed at random; an oracle that implements only the written
rules says who may hear what, live and after coming back with an old cursor.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from deskwire.accounts import people
from deskwire.events.log import log
from deskwire.kit.clock import now
from deskwire.kit.ids import new_id
from deskwire.server.services import ACCESS
from deskwire.tickets.actions import create, offboarding, post_message, update
from deskwire.tickets.actions.create import RequestInput
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.tickets.tables import tickets
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations import members, organizations
from deskwire.workspaces.organizations import settings as organization_settings
from deskwire.workspaces.organizations.create import create_organization
from deskwire.workspaces.organizations.organizations import Organization
from deskwire.workspaces.organizations.staff import set_staff_role_from_shell
from tests.fixtures.hub import FakeWriter
from tests.fixtures.running_desk import RunningDesk, open_running_desk
from tests.fixtures.scale import scaled

NAMES = ("ada", "bo", "una", "cy")  # Ada is a super admin, Bo stays the organization's admin
CHANGING = ("una", "cy")
STEPS = (
    "join", "join", "leave", "leave", "change_role", "change_visibility", "employ", "dismiss",
    "open_request", "open_request", "reply", "reply", "note", "watch", "watch", "unwatch",
    "unwatch", "disconnect", "reconnect", "edit_membership",
)  # fmt: skip


class OrganizationOracle:
    """Who may hear what, kept in plain sets."""

    def __init__(self) -> None:
        self.roles: dict[str, str] = {"bo": "admin"}
        self.staff = {"ada"}
        self.visibility, self.generation = "members", 1
        self.participants: dict[str, set[str]] = {}  # request → those who take part
        self.former: set[tuple[str, str]] = set()  # request, one who took part before they left

    def channels(self, who: str) -> set[str]:
        channels_held = {f"user:{who}"} | ({"staff"} if who in self.staff else set())
        if who not in self.roles:
            return channels_held
        channels_held.add("org")
        if self.visibility == "members" or self.roles[who] == "admin":
            channels_held.add(f"all:{self.generation}")
        return channels_held | {
            f"ticket:{each}" for each, taking in self.participants.items() if who in taking
        }

    def can_see(self, who: str, request: str) -> bool:
        return bool(self.channels(who) & {"staff", f"all:{self.generation}", f"ticket:{request}"})

    def end_role(self, who: str) -> None:
        """Without a role, somebody takes part in nothing, also not when they come back."""
        if who not in self.roles and who not in self.staff:
            self.former |= {(each, who) for each, some in self.participants.items() if who in some}
            for taking in self.participants.values():
                taking.discard(who)

    def event_channels(self, type_: str, data: dict[str, Any], names: dict[str, str]) -> set[str]:
        """The channels that an event is for, by the wording of docs/events.md."""
        if type_ == "ticket.read":
            return {f"user:{names[data['actor']]}"}
        if type_.startswith("ticket."):
            if data.get("line", {}).get("kind") == "note":
                return {"staff"}
            return {"staff", f"all:{self.generation}", f"ticket:{data['ticket']}"}
        if type_.startswith("member."):
            here = {"org"} if data["place"]["name"] == "The Quay" else set()
            return {"staff", f"user:{names[data['member']['id']]}"} | here
        assert type_ == "organization.visibility_changed"
        return {"staff", "org"}


class OrganizationHistory:
    """One history: each step changes the desk and the oracle, then streams are compared."""

    def __init__(self, desk: RunningDesk, seed: int) -> None:
        self.desk, self.oracle, self.random = desk, OrganizationOracle(), random.Random(seed)
        self.ids: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self.organization_id = ""
        self.streams: dict[str, FakeWriter] = {}
        self.cursors: dict[str, int] = {}
        self.said: list[tuple[int, set[str]]] = []  # position, event_channels
        self.expected: dict[str, list[int]] = {}

    async def begin(self) -> None:
        for name in NAMES:
            self.ids[name] = await self.desk.create_person(name)
        self.names = {id_: name for name, id_ in self.ids.items()}
        await self._employ("ada", "super_admin")
        made = await self._act("bo", create_organization, "The Quay")
        self.organization_id = made.id
        await self.desk.wait_until_idle()
        for name in NAMES:
            await self._connect(name)

    async def step(self, name: str) -> None:
        before = {who: self.oracle.channels(who) for who in self.streams}
        streams, head = dict(self.streams), self.desk.hub.buffer.head
        await getattr(self, f"_{name}")()
        await self.desk.wait_until_idle()
        await self._note_said(head, streams, before)
        for who, stream in self.streams.items():
            heard = positions(stream)
            assert heard == self.expected[who], f"{who} heard {heard} after {name}"
            assert self._held(stream) == self.oracle.channels(who), f"{who}'s channels after {name}"

    def _held(self, stream: FakeWriter) -> set[str]:
        """The channels a stream announced, in the oracle's words."""
        assert stream.subscription is not None
        return {
            name
            for channel in stream.subscription.announced_channels or ()
            if (name := self._name_of(channel))
        }

    def _name_of(self, channel: str) -> str | None:
        kind, _, rest = channel.partition(":")
        organization, _, generation = rest.partition(":")
        if kind == "user":
            return f"user:{self.names[rest]}"
        if kind == "org":  # the team's own is no matter here
            known = f"all:{generation}" if generation else "org"
            return known if organization == self.organization_id else None
        return None if kind == "people" else channel

    async def _note_said(
        self, head: int, streams: dict[str, FakeWriter], before: dict[str, set[str]]
    ) -> None:
        """Record who must get what a step said.

        Only the first event of a step changes access: those who lose by it and those who gain by
        it hear it, what follows goes by the new channels.
        """
        query = select(log.c.position, log.c.type, log.c.data).where(log.c.position > head)
        rows = await self.desk.db.read(lambda tx: tx.execute(query.order_by(log.c.position)).all())
        for index, (position, type_, data) in enumerate(rows):
            event_channels = self.oracle.event_channels(type_, json.loads(data), self.names)
            self.said.append((position, event_channels))
            for who, stream in self.streams.items():
                held = self.oracle.channels(who) | (before[who] if index == 0 else set())
                if streams.get(who) is stream and held & event_channels:
                    self.expected[who].append(position)

    async def _act(self, who: str, action: Callable[..., Any], *args: Any) -> Any:
        def run(tx: Connection) -> Any:
            return action(tx, Actor(ACCESS.read_viewer(tx, self.ids[who]), now()), *args)

        return await self.desk.db.write(run)

    def _any(self) -> str:
        return self.random.choice(CHANGING)

    async def _join(self) -> None:
        who, role = self._any(), self.random.choice(["admin", "member"])
        if who in self.oracle.roles:
            return

        def join(tx: Connection, actor: Actor) -> None:
            organization = self._read_organization(tx, actor)
            members.add_member(tx, actor, organization, self.ids[who], role)

        await self._act("bo", join)
        self.oracle.roles[who] = role

    def _read_organization(self, tx: Connection, actor: Actor) -> Organization:
        return organizations.read_visible_by_id(tx, actor.viewer, self.organization_id)

    async def _leave(self) -> None:
        who = self._any()
        if who in self.oracle.roles:
            by = self.random.choice(["bo", who])
            await self._act(by, offboarding.remove_member, self.organization_id, self.ids[who])
            del self.oracle.roles[who]
            self.oracle.end_role(who)

    async def _edit_membership(self) -> None:
        """An operator deletes a member's row with SQL."""
        who = self._any()
        if who in self.oracle.roles:
            of = f"organization = '{self.organization_id}' AND person = '{self.ids[who]}'"
            await self.desk.edit_database(f"DELETE FROM organization_members WHERE {of}")
            del self.oracle.roles[who]
            self.oracle.end_role(who)

    async def _change_role(self) -> None:
        who, role = self._any(), self.random.choice(["admin", "member"])
        if who in self.oracle.roles:
            args = self.organization_id, self.ids[who], role
            await self._act("bo", members.change_member_role, *args)
            self.oracle.roles[who] = role

    async def _change_visibility(self) -> None:
        new = "participants" if self.oracle.visibility == "members" else "members"
        action = organization_settings.set_visibility
        await self._act("bo", action, self.organization_id, new)
        self.oracle.visibility = new
        self.oracle.generation += 1

    async def _employ(self, who: str = "", role: str = "support_analyst") -> None:
        who = who or self._any()

        def employ(tx: Connection, actor: Actor) -> None:
            person = people.find(tx, self.ids[who])
            assert person is not None
            set_staff_role_from_shell(tx, person, role, actor.subject, actor.at)

        await self._act(who, employ)
        self.oracle.staff.add(who)

    async def _dismiss(self) -> None:
        who = self._any()
        if who in self.oracle.staff:
            await self._act("ada", offboarding.remove_staff, self.ids[who])
            self.oracle.staff.discard(who)
            self.oracle.end_role(who)

    async def _open_request(self) -> None:
        who, id_ = self.random.choice(["bo", *CHANGING]), new_id()
        if who not in self.oracle.roles:
            return

        def file(tx: Connection, actor: Actor) -> None:
            organization = self._read_organization(tx, actor)
            create.create_request(tx, actor, organization, RequestInput(id_, "Help", "Now"))

        await self._act(who, file)
        self.oracle.participants[id_] = {who}

    def _request(self) -> str:
        return self.random.choice([*self.oracle.participants, ""])

    async def _reply(self) -> None:
        who, request = self.random.choice(NAMES), self._request()
        if request and self.oracle.can_see(who, request):
            await self._act(who, post_message.post_message, request, MessageInput(new_id(), "Yes"))

    async def _note(self) -> None:
        request = self._request()
        if request:
            note = MessageInput(new_id(), "Between us", "note")
            await self._act("ada", post_message.post_message, request, note)

    async def _watch(self) -> None:
        who, request = self._any(), self._request()
        if request and (who in self.oracle.roles or who in self.oracle.staff):
            await self._act("bo", update.add_watcher, request, self.ids[who])
            self.oracle.participants[request].add(who)

    async def _unwatch(self) -> None:
        """An admin removes a watcher, also one who has left the organization."""
        who, request = self._any(), self._request()
        if self.oracle.former and self.random.random() < 0.5:
            request, who = self.random.choice(sorted(self.oracle.former))
        if request and not await self._is_opener(request, who):
            await self._act("bo", update.remove_watcher, request, self.ids[who])
            self.oracle.participants[request].discard(who)

    async def _is_opener(self, request: str, who: str) -> bool:
        opener = select(tickets.c.opener).where(tickets.c.id == request)
        found = await self.desk.db.read(lambda tx: tx.execute(opener).scalar_one())
        return bool(found == self.ids[who])

    async def _disconnect(self) -> None:
        if self.streams:
            who = self.random.choice(list(self.streams))
            stream = self.streams.pop(who)
            self.cursors[who] = self.desk.hub.buffer.head
            assert stream.subscription is not None
            self.desk.hub.unsubscribe(stream.subscription)

    async def _reconnect(self) -> None:
        if gone := [who for who in NAMES if who not in self.streams]:
            await self._connect(self.random.choice(gone))

    async def _connect(self, who: str) -> None:
        after = self.cursors.get(who, self.desk.hub.buffer.head)
        held = self.oracle.channels(who)
        self.expected[who] = [
            p for p, event_channels in self.said if p > after and held & event_channels
        ]
        cursor = f"{self.desk.hub.epoch}-{after}"
        self.streams[who] = await self.desk.open_stream(self.ids[who], cursor)


def positions(stream: FakeWriter) -> list[int]:
    """The positions of the events a stream wrote."""
    blocks = stream.raw_bytes.decode().split("\n\n")
    events = [b for b in blocks if b.startswith("data: ") and '"type":"connected"' not in b]
    return [int(b.rpartition("\nid: ")[2].partition("-")[2]) for b in events]


async def play(steps: list[str], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_running_desk(Path(folder)) as desk:
            history = OrganizationHistory(desk, seed)
            await history.begin()
            for name in steps:
                await history.step(name)


@settings(max_examples=scaled(settings().max_examples // 8))
@given(st.lists(st.sampled_from(STEPS), min_size=15, max_size=40), st.integers(0, 2**32))
def test_every_stream_receives_exactly_the_permitted_events(steps: list[str], seed: int) -> None:
    asyncio.run(play(steps, seed))
