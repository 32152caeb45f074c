"""Test random histories in which API keys are created, used, edited and revoked.

They are the histories of an organization (`test_realtime_organization_histories.py`), with programs
beside its people. The oracle states a second time what docs/permissions.md says of keys.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from deskwire.accounts.api_keys import SCOPES, KeyFields, KeyKind
from deskwire.kit.clock import now
from deskwire.kit.ids import new_id
from deskwire.tickets.actions import create, post_message
from deskwire.tickets.actions.create import RequestInput
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.keys.actions import create_key_from_shell, revoke_key_from_shell
from tests.db.test_realtime_organization_histories import (
    STEPS,
    OrganizationHistory,
    OrganizationOracle,
    positions,
)
from tests.fixtures.running_desk import open_running_desk
from tests.fixtures.scale import scaled

KEY_STEPS = (
    "create_key", "create_key", "revoke_key", "edit_key", "delete_key", "file_by_key",
    "file_by_key", "reply_by_key", "reply_by_key",
)  # fmt: skip
DESK_KEY = "desk key"


class KeyOracle(OrganizationOracle):
    """Who may hear what, with keys: their roles, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.key_roles: dict[str, str] = {DESK_KEY: "support_analyst"}

    def channels(self, who: str) -> set[str]:
        if who == DESK_KEY:
            return {f"key:{who}", "staff"}
        if not who.startswith("key "):
            return super().channels(who)
        if who not in self.key_roles:
            return set()
        held = {f"key:{who}", "org"}
        if self.visibility == "members" or self.key_roles[who] == "admin":
            held.add(f"all:{self.generation}")
        return held | {f"ticket:{id_}" for id_, some in self.participants.items() if who in some}

    def event_channels(self, type_: str, data: dict[str, Any], names: dict[str, str]) -> set[str]:
        if type_.startswith("key."):
            return {f"key:{names['key:' + data['key']]}", "org", "staff"}
        return super().event_channels(type_, data, names)


class KeyHistory(OrganizationHistory):
    """A history with keys: `key 1`, `key 2` … of the organization, and one of the desk."""

    oracle: KeyOracle

    async def begin(self) -> None:
        self.oracle = KeyOracle()
        await super().begin()
        await self._issue(DESK_KEY, "desk", "support_analyst")
        await self.desk.wait_until_idle()
        await self._connect(DESK_KEY)
        self.expected = {who: positions(stream) for who, stream in self.streams.items()}

    async def _issue(self, name: str, kind: KeyKind, role: str) -> None:
        workspace = f"org:{self.organization_id}" if kind == "organization" else None
        fields = KeyFields(kind, name, SCOPES, workspace, role)
        new = await self.desk.db.write(create_key_from_shell, fields, "shell", now())
        subject = new.key.subject
        self.ids[name], self.names[subject] = subject, name
        self.desk.session_ids[subject] = subject

    def _name_of(self, channel: str) -> str | None:
        if channel.startswith("key:"):
            return f"key:{self.names[channel]}"
        return super()._name_of(channel)

    def _key(self) -> str | None:
        keys = [name for name in self.oracle.key_roles if name != DESK_KEY]
        return self.random.choice(keys) if keys else None

    async def _create_key(self) -> None:
        name, role = f"key {len(self.ids)}", self.random.choice(["admin", "manager", "member"])
        await self._issue(name, "organization", role)
        self.oracle.key_roles[name] = role
        await self.desk.wait_until_idle()
        self.cursors[name] = self.desk.hub.buffer.head  # it opens a stream after `key.created`
        self.pending_key = name

    async def step(self, name: str) -> None:
        self.pending_key = ""
        await super().step(name)
        if self.pending_key:
            await self._connect(self.pending_key)

    async def _revoke_key(self) -> None:
        if who := self._key():
            key_id = self.ids[who].removeprefix("key:")
            await self.desk.db.write(revoke_key_from_shell, key_id, "shell", now())
            await self._end(who)

    async def _delete_key(self) -> None:
        """An operator deletes a key's row with SQL."""
        if who := self._key():
            key_id = self.ids[who].removeprefix("key:")
            await self.desk.edit_database(f"DELETE FROM api_keys WHERE id = '{key_id}'")
            await self._end(who)

    async def _edit_key(self) -> None:
        """An operator changes a key's role with SQL."""
        if who := self._key():
            role = self.random.choice(["admin", "member"])
            key_id = self.ids[who].removeprefix("key:")
            await self.desk.edit_database(
                f"UPDATE api_keys SET role = '{role}' WHERE id = '{key_id}'"
            )
            self.oracle.key_roles[who] = role

    async def _end(self, who: str) -> None:
        await self.desk.wait_until_idle()
        del self.oracle.key_roles[who]
        if stream := self.streams.pop(who, None):
            assert stream.subscription is not None
            assert stream.subscription.is_closed
            assert stream.ended

    async def _file_by_key(self) -> None:
        if who := self._key():
            id_ = new_id()

            def file(tx: Connection, actor: Actor) -> None:
                organization = self._read_organization(tx, actor)
                create.create_request(tx, actor, organization, RequestInput(id_, "Help", "Now"))

            await self._act(who, file)
            self.oracle.participants[id_] = {who}

    async def _reply_by_key(self) -> None:
        who, request = self.random.choice([DESK_KEY, self._key()]), self._request()
        if who and request and self.oracle.can_see(who, request):
            await self._act(who, post_message.post_message, request, MessageInput(new_id(), "Yes"))


async def play(steps: list[str], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_running_desk(Path(folder)) as desk:
            history = KeyHistory(desk, seed)
            await history.begin()
            for name in steps:
                await history.step(name)


@settings(max_examples=scaled(settings().max_examples // 8))
@given(
    st.lists(st.sampled_from(KEY_STEPS + STEPS), min_size=15, max_size=40), st.integers(0, 2**32)
)
def test_every_key_receives_exactly_the_permitted_events(steps: list[str], seed: int) -> None:
    asyncio.run(play(steps, seed))
