"""Test streams that programs open with an API key: what they hear, and what ends them."""

from __future__ import annotations

import json
from typing import Any

from deskwire.workspaces.guilds.permissions import DiscordPermission
from tests.fixtures import sse
from tests.fixtures.guild import GuildFixture
from tests.fixtures.server_keys import create_guild_key, create_organization_key

VIEW_ALL = int(DiscordPermission.TICKET_VIEW_ALL)


def test_a_key_of_a_guild_hears_its_tickets_and_no_others(guild: GuildFixture) -> None:
    guild.sign_in_staff()
    token = create_guild_key(guild.server, guild.guild_id, VIEW_ALL)
    with open_stream(guild, token, "/api/guilds/events") as stream:
        guild.open_ticket(1, "The mast is dark")
        heard = stream.read_until_type("ticket.created")

    assert heard.data["data"]["subject"] == "The mast is dark"
    assert heard.data["data"]["workspace"] == guild.workspace


def test_revoking_a_key_ends_its_streams_and_refuses_new_ones(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    slug = found(guild, cookie)
    token = create_organization_key(guild.server, slug)
    with open_stream(guild, token) as stream:
        guild.server.run_command_line("keys", "revoke", key_id(guild, token))
        frames = stream.read_rest()
    with sse.connect(guild.server.port, "/api/events", token=token) as refused:
        status = refused.status

    assert {frame.type for frame in frames if frame.type} <= {"key.created", "key.revoked"}
    assert frames[-1].name == "goodbye"
    assert status == 401


def test_a_key_resumes_where_it_stopped(guild: GuildFixture) -> None:
    guild.sign_in_staff()
    token = create_guild_key(guild.server, guild.guild_id, VIEW_ALL)
    with open_stream(guild, token) as stream:
        guild.open_ticket(1, "Heard")
        stream.read_until_type("ticket.created")
    guild.open_ticket(2, "Missed")

    with sse.connect(
        guild.server.port, "/api/events", last_event_id=stream.cursor, token=token
    ) as again:
        missed = again.read_until_type("ticket.created")

    assert missed.data["data"]["subject"] == "Missed"


def test_a_key_without_the_scope_opens_no_stream(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    token = create_organization_key(guild.server, found(guild, cookie), scopes=["read", "write"])

    with sse.connect(guild.server.port, "/api/events", token=token) as stream:
        body = json.loads(stream.read_body())

    assert (stream.status, body["code"]) == (403, "forbidden")
    assert "`stream`" in body["detail"]


def open_stream(guild: GuildFixture, token: str, path: str = "/api/events") -> sse.SseClient:
    """Open a stream with a key and read its first frame."""
    stream = sse.connect(guild.server.port, path, token=token)
    assert stream.status == 200
    assert stream.next_frame().type == "connected"
    return stream


def found(guild: GuildFixture, cookie: str) -> str:
    """Create an organization; return its slug."""
    made = call(guild, "POST", "/api/organizations", {"Cookie": cookie}, name=guild.guild_id)
    return str(made["slug"])


def key_id(guild: GuildFixture, token: str) -> str:
    """Return the id of a key, as it says itself."""
    answer = call(guild, "GET", "/api/key", {"Authorization": f"Bearer {token}"})
    return str(answer["id"])


def call(
    guild: GuildFixture, method: str, path: str, headers: dict[str, str], **body: Any
) -> dict[str, Any]:
    """Call an operation of the API; return its result."""
    data = json.dumps(body).encode() if body else None
    sent = headers | {"Origin": guild.server.url, "Content-Type": "application/json"}
    reply = guild.server.request(method, path, data, sent)
    assert reply.status < 300, reply
    return dict(json.loads(reply.body))
