"""Test random histories of access through the real database, worker, access and hub.

Memberships, tickets and links change at random; an oracle that implements only the written rules
says who may hear what.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures.hub import FakeWriter
from tests.fixtures.running_desk import RunningDesk, open_running_desk
from tests.fixtures.scale import scaled

GUILD = "800000000000000001"
USERS = {
    "ada": "900000000000000001",
    "bo": "900000000000000002",
    "dee": "900000000000000004",
}
ROLES = {"700000000000000001": "Tickets Support", "700000000000000002": "Helpers"}
STEPS = (
    "assign", "assign", "unassign", "rename", "rename", "delete_role", "create_role",
    "change_bits", "leave_server", "new_owner", "open_ticket", "open_ticket", "write", "write",
    "write", "write_unopened", "delete_ticket", "link", "unlink", "permit", "reconnect",
    "disconnect",
)  # fmt: skip


class AccessOracle:
    """Who may hear what, kept in plain sets as the events tell it."""

    def __init__(self) -> None:
        self.owner = USERS["ada"]
        self.names: dict[str, str] = {}  # of the roles told so far
        self.deleted: set[str] = set()
        self.bits: dict[str, bool] = {}  # role → TICKET_VIEW_ALL, where an event set it
        self.members: set[tuple[str, str]] = set()  # role, user
        self.permissions: dict[str, set[str]] = {}
        self.openers: dict[int, str] = {}
        self.authors: dict[int, set[str]] = {}  # of tickets whose creation was not reported
        self.linked: dict[str, str] = {}  # person → user

    def channels(self, person: str) -> set[str]:
        channels_held = {f"user:{person}"}
        user = self.linked.get(person)
        if user is None:
            return channels_held
        mine = [r for r in self.names if (r, user) in self.members and r not in self.deleted]
        permissions = self.permissions.get(user, set())
        owns = user == self.owner
        if owns or mine or permissions:
            channels_held.add("guild")
        if owns or any(map(self.sees_all, mine)) or "TICKET_VIEW_ALL" in permissions:
            channels_held.add("tickets")
        takes_part = [n for n, opener in self.openers.items() if opener == user]
        takes_part += [n for n, authors in self.authors.items() if user in authors]
        return channels_held | {f"ticket:{n}" for n in takes_part}

    def sees_all(self, role: str) -> bool:
        return self.bits.get(role, self.names[role] == "Tickets Support")

    def person_of(self, user: str) -> set[str]:
        return {f"user:{p}" for p, u in self.linked.items() if u == user}


class History:
    """One history: each step changes the desk and the oracle, then streams are compared."""

    def __init__(self, desk: RunningDesk, seed: int) -> None:
        self.desk, self.oracle, self.random = desk, AccessOracle(), random.Random(seed)
        self.people: dict[str, str] = {}
        self.streams: dict[str, FakeWriter] = {}
        self.cursors: dict[str, str] = {}
        self.said: list[tuple[int, set[str]]] = []  # position, event_channels
        self.expected: dict[str, list[int]] = {}
        self.tickets = 0
        self.written = 0

    async def begin(self) -> None:
        for name in USERS:
            self.people[name] = await self.desk.create_person(name)
        await self._post({"user:nobody"}, "guild.joined", **self._guild(USERS["ada"]))
        for name in USERS:
            await self._link(name)
            await self._connect(name, None)

    async def step(self, name: str) -> None:
        said_before, streams_before = len(self.said), dict(self.streams)
        await getattr(self, f"_{name}")()
        self._note_gained(self.said[said_before:], streams_before)
        for who, stream in self.streams.items():
            heard = positions(stream)
            assert heard == self.expected[who], f"{who} heard {heard} after {name}"
            announced = stream.subscription.announced_channels if stream.subscription else None
            assert simple(frozenset(announced or ())) == self._now(who), f"{who} holds {announced}"

    def _now(self, who: str) -> set[str]:
        return {c.partition(":")[0] for c in self.oracle.channels(self.people[who])}

    async def _post(self, event_channels: set[str], type_: str, **data: Any) -> None:
        """Post, and record who must get it: viewers that had one of its channels before."""
        before = {who: self.oracle.channels(self.people[who]) for who in self.streams}
        await self.desk.post_event(type_, guildId=GUILD, **data)
        self._note(event_channels, before)

    def _note(self, event_channels: set[str], before: dict[str, set[str]]) -> None:
        position = self.desk.hub.buffer.head
        self.said.append((position, event_channels))
        for who, channels_held in before.items():
            if channels_held & event_channels:
                self.expected[who].append(position)

    def _note_gained(
        self, said: list[tuple[int, set[str]]], streams: dict[str, FakeWriter]
    ) -> None:
        """Viewers who are given a channel of an event by it hear it, too."""
        for position, event_channels in said:
            for who in streams.keys() & self.streams.keys():
                gained = self.oracle.channels(self.people[who]) & event_channels
                if gained and position not in self.expected[who]:
                    self.expected[who].append(position)

    def _guild(self, owner: str) -> dict[str, Any]:
        return {"guildName": "Northwind", "ownerId": owner, "memberCount": 5}

    def _user(self) -> str:
        return self.random.choice(list(USERS.values()))

    def _role(self) -> str:
        return self.random.choice(list(ROLES))

    async def _membership(self, action: str, names: Sequence[str] = ()) -> None:
        """Someone is given or loses a role; with `names`, the role's name changes by the way."""
        role, user = self._role(), self._user()
        name = self.random.choice(names) if names else self._name(role)
        data = {"userId": user, "username": "u", "roleId": role, "roleName": name}
        event_channels = {"guild"} | self.oracle.person_of(user)
        await self._post(event_channels, f"team.member_{action}", **data, action=action)
        self.oracle.names[role] = name
        change = self.oracle.members.add if action == "assigned" else self.oracle.members.discard
        change((role, user))

    def _name(self, role: str) -> str:
        return self.oracle.names.get(role, ROLES[role])

    async def _assign(self) -> None:
        await self._membership("assigned")

    async def _unassign(self) -> None:
        await self._membership("unassigned")

    async def _rename(self) -> None:
        action = self.random.choice(["assigned", "unassigned"])
        await self._membership(action, list(ROLES.values()))

    async def _role_event(self, role: str, action: str, **more: Any) -> None:
        name = self._name(role)
        data = {"roleId": role, "roleName": name, "action": action, **more}
        await self._post({"guild"}, f"team.role_{action}", **data)
        self.oracle.names[role] = name

    async def _delete_role(self) -> None:
        role = self._role()
        await self._role_event(role, "deleted")
        self.oracle.deleted.add(role)

    async def _create_role(self) -> None:
        role = self._role()
        await self._role_event(role, "created")
        self.oracle.deleted.discard(role)

    async def _change_bits(self) -> None:
        role, sees = self._role(), self.random.random() < 0.5
        change = {"added" if sees else "removed": ["TICKET_VIEW_ALL", "NOT_A_BIT"]}
        await self._role_event(role, "updated", changes={"permissions": change})
        self.oracle.bits[role] = sees

    async def _leave_server(self) -> None:
        user = self._user()
        event_channels = {"guild"} | self.oracle.person_of(user)
        data = {"userId": user, "username": "u", "hadOpenTickets": False, "wasTeamMember": True}
        await self._post(event_channels, "member.left", **data)
        self.oracle.members = {m for m in self.oracle.members if m[1] != user}
        self.oracle.permissions.pop(user, None)

    async def _new_owner(self) -> None:
        owner = self._user()
        await self._post({"guild"}, "guild.joined", **self._guild(owner))
        self.oracle.owner = owner

    async def _open_ticket(self) -> None:
        if not self.oracle.authors or self.random.random() < 0.5:
            self.tickets += 1
            number = self.tickets
        else:
            number = self.random.choice(list(self.oracle.authors))
        opener = self._user()
        data = {"subject": "Help", "openerId": opener, "openerUsername": "u"}
        await self._ticket_event(number, "ticket.created", **data)
        self.oracle.authors.pop(number, None)
        self.oracle.openers[number] = opener

    async def _write_unopened(self) -> None:
        """A ticket is first heard of by a message."""
        self.tickets += 1
        self.oracle.authors[self.tickets] = set()
        await self._message(self.tickets)

    async def _write(self) -> None:
        if self.tickets:
            await self._message(self.random.randint(1, self.tickets))

    async def _message(self, number: int) -> None:
        self.written += 1
        author = self._user()
        await self._ticket_event(
            number,
            "ticket.message_sent",
            messageId=str(self.written),
            authorId=author,
            authorUsername="u",
            messageType="customer",
            hasAttachments=False,
            messageLength=3,
        )
        if number in self.oracle.authors:
            self.oracle.authors[number].add(author)

    async def _delete_ticket(self) -> None:
        if self.oracle.openers:
            number = self.random.choice(list(self.oracle.openers))
            await self._ticket_event(number, "ticket.deleted", deletedBy=self._user())
            del self.oracle.openers[number]
            self._erase_earlier_events(f"ticket:{number}")

    def _erase_earlier_events(self, ticket: str) -> None:
        """Expect that no one who connects later hears what came before the deletion."""
        *earlier, deletion = self.said
        erased = [(at, set() if ticket in channels else channels) for at, channels in earlier]
        self.said = [*erased, deletion]

    async def _ticket_event(self, number: int, type_: str, **data: Any) -> None:
        is_known = number in self.oracle.openers or number in self.oracle.authors
        is_gone = type_ == "ticket.message_sent" and not is_known
        event_channels = set() if is_gone else {"tickets", f"ticket:{number}"}
        await self._post(event_channels, type_, ticketId=number, ticketNumber=number, **data)

    async def _link(self, name: str | None = None) -> None:
        who = name or self.random.choice(list(USERS))
        person = self.people[who]
        if person in self.oracle.linked:
            return
        before = {each: self.oracle.channels(self.people[each]) for each in self.streams}
        email = f"{who}@example.org"
        await self.desk.run_command("people.link", email=email, discord=USERS[who])
        self._note({f"user:{person}"}, before)
        self.oracle.linked[person] = USERS[who]

    async def _unlink(self) -> None:
        who = self.random.choice(list(USERS))
        person = self.people[who]
        if person not in self.oracle.linked:
            return
        before = {each: self.oracle.channels(self.people[each]) for each in self.streams}
        await self.desk.run_command("people.unlink", email=f"{who}@example.org")
        self._note({f"user:{person}"}, before)
        del self.oracle.linked[person]

    async def _permit(self) -> None:
        user = self._user()
        names = self.random.choice([[], ["TAG_USE"], ["TICKET_VIEW_ALL"]])
        before = {who: self.oracle.channels(self.people[who]) for who in self.streams}
        event_channels = {"guild"} | self.oracle.person_of(user)
        await self.desk.run_command("guilds.permit", guild=GUILD, discord=user, permissions=names)
        self._note(event_channels, before)
        self.oracle.permissions[user] = set(names)

    async def _disconnect(self) -> None:
        if self.streams:
            who = self.random.choice(list(self.streams))
            stream = self.streams.pop(who)
            self.cursors[who] = str(self.desk.hub.cursor)
            assert stream.subscription is not None
            self.desk.hub.unsubscribe(stream.subscription)

    async def _reconnect(self) -> None:
        if gone := [who for who in USERS if who not in self.streams]:
            await self._connect(self.random.choice(gone), None)

    async def _connect(self, who: str, _: None) -> None:
        cursor = self.cursors.get(who)
        channels_held = self.oracle.channels(self.people[who])
        after = int(cursor.partition("-")[2]) if cursor else self.desk.hub.buffer.head
        self.expected[who] = [
            p for p, event_channels in self.said if p > after and channels_held & event_channels
        ]
        self.streams[who] = await self.desk.open_stream(self.people[who], cursor)


def positions(stream: FakeWriter) -> list[int]:
    """The positions of the events a stream wrote."""
    lines = stream.raw_bytes.decode().split("\n\n")
    blocks = [b for b in lines if b.startswith("data: ") and '"type":"connected"' not in b]
    return [int(b.rpartition("\nid: ")[2].partition("-")[2]) for b in blocks]


def simple(channels: frozenset[str]) -> set[str]:
    """The kinds of channels held."""
    return {channel.partition(":")[0] for channel in channels}


async def play(steps: list[str], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_running_desk(Path(folder)) as desk:
            history = History(desk, seed)
            await history.begin()
            for name in steps:
                await history.step(name)


@settings(max_examples=scaled(settings().max_examples // 8))
@given(st.lists(st.sampled_from(STEPS), min_size=15, max_size=40), st.integers(0, 2**32))
def test_every_stream_receives_exactly_the_permitted_events(steps: list[str], seed: int) -> None:
    asyncio.run(play(steps, seed))
