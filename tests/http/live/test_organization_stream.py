"""Test the stream of requests: who may open it, and that it carries nothing else."""

from __future__ import annotations

import json
from typing import Any

from deskwire.kit.ids import new_id
from tests.fixtures import sse
from tests.fixtures.guild import GuildFixture

PATH = "/api/requests/events"
EMPLOY = ("people", "employ", "--role", "support_analyst")


def test_it_sends_requests_and_the_guild_stream_does_not(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    made = ask(guild, cookie, "POST", "/api/organizations", {"name": f"Quay {guild.guild_id}"})
    listening = guild.open_stream(cookie, PATH), guild.open_stream(cookie, "/api/guilds/events")
    with listening[0] as requests, listening[1] as guilds:
        filed = {"subject": "A buoy", "text": "It drifts."}
        here = f"/api/requests?organization={made['slug']}"
        id_ = ask(guild, cookie, "POST", here, filed)["id"]
        guild.open_ticket(1, "In the server")
        ask(guild, cookie, "POST", f"/api/requests/{id_}/messages", {"text": "Still."})
        frames = requests.read_until(lambda sent: sent.type == "ticket.message_sent")
        elsewhere = guilds.read_until(lambda sent: sent.type == "ticket.created")

    assert workspaces_of(frames) == {f"org:{made['id']}"}
    assert workspaces_of(elsewhere) == {guild.workspace}


def test_without_an_organization_the_stream_is_refused_with_a_solution(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    with sse.connect(guild.server.port, PATH, cookie) as stream:
        refused = json.loads(stream.read_body())
        status = stream.status
    with sse.connect(guild.server.port, PATH) as stream:
        stranger = json.loads(stream.read_body())

    assert (status, refused["code"]) == (403, "no-active-organization")
    assert refused["href"] == "/create-organization"
    assert (stranger["status"], stranger["code"]) == (401, "signed-out")


def test_a_new_member_hears_the_organization_at_once(guild: GuildFixture) -> None:
    owner, guest = guild.sign_in_staff(), guild.server.create_account(guild.bo)
    ask(guild, guest, "POST", "/api/organizations", {"name": f"Own {guild.guild_id}"})
    made = ask(guild, owner, "POST", "/api/organizations", {"name": f"Quay {guild.guild_id}"})
    invited = {"email": guild.bo.email, "role": "member"}
    ask(guild, owner, "POST", f"/api/organizations/{made['id']}/invitations", invited)
    with guild.open_stream(guest, PATH) as stream:
        guild.server.submit_form(
            guild.server.read_mailed_link(guild.bo.email, "/invitations/"), guest
        )
        filed = {"id": new_id(), "subject": "A buoy", "text": "It drifts."}
        ask(guild, owner, "POST", f"/api/requests?organization={made['id']}", filed)
        frames = stream.read_until(lambda sent: sent.type == "ticket.created")

    assert frames[-1].data["data"]["ticket"] == filed["id"]


def test_a_new_member_replays_only_what_they_may_read(guild: GuildFixture) -> None:
    owner, guest = guild.sign_in_staff(), guild.server.create_account(guild.bo)
    with guild.open_stream(guest, "/api/events") as stream:
        cursor = stream.cursor
    made = ask(guild, owner, "POST", "/api/organizations", {"name": f"Quay {guild.guild_id}"})
    here = f"/api/requests?organization={made['id']}"
    filed = ask(guild, owner, "POST", here, {"subject": "A buoy", "text": "It drifts."})
    elsewhere = ask(guild, owner, "POST", "/api/organizations", {"name": f"Loft {guild.guild_id}"})
    there = f"/api/requests?organization={elsewhere['id']}"
    ask(guild, owner, "POST", there, {"subject": "A window", "text": "It is open."})
    invited = {"email": guild.bo.email, "role": "member"}
    ask(guild, owner, "POST", f"/api/organizations/{made['id']}/invitations", invited)
    link = guild.server.read_mailed_link(guild.bo.email, "/invitations/")

    def is_joining(sent: sse.Frame) -> bool:
        member = sent.data["data"]["member"] if sent.type == "member.joined" else {}
        return bool(member.get("name") == guild.bo.name)

    with guild.open_stream(owner, "/api/events") as published:
        guild.server.submit_form(link, guest)
        published.read_until(is_joining)  # before, the server knows no more than who was a member
    with sse.connect(guild.server.port, f"/api/events?after={cursor}", guest) as stream:
        frames = stream.read_until(is_joining)
    listed = guild.server.get(here, guest)

    created = [sent.data["data"]["ticket"] for sent in frames if sent.type == "ticket.created"]
    assert created == [filed["id"]]
    assert [each["id"] for each in json.loads(listed.body)["items"]] == created


def test_a_new_team_member_replays_what_the_team_may_read_and_nothing_of_servers(
    guild: GuildFixture,
) -> None:
    owner, staff = guild.sign_in_staff(), guild.server.create_account(guild.dee)
    guest = guild.server.create_account(guild.bo)
    guild.server.run_command_line(*EMPLOY, guild.dee.email)
    with guild.open_stream(guest, "/api/events") as stream:
        cursor = stream.cursor
    made = ask(guild, owner, "POST", "/api/organizations", {"name": f"Quay {guild.guild_id}"})
    filed = {"id": new_id(), "subject": "A buoy", "text": "It drifts."}
    ask(guild, owner, "POST", f"/api/requests?organization={made['id']}", filed)
    note = {"id": new_id(), "text": "They lost it.", "kind": "note"}
    ask(guild, staff, "POST", f"/api/requests/{filed['id']}/messages", note)
    guild.open_ticket(1, "In the server")

    before = replay(guild, guest, cursor, "Before")

    guild.server.run_command_line(*EMPLOY, guild.bo.email)

    after = replay(guild, guest, cursor, "After")
    timeline = ask(guild, guest, "GET", f"/api/requests/{filed['id']}/messages", None)
    assert not {f"org:{made['id']}", guild.workspace} & workspaces_of(before)
    assert f"org:{made['id']}" in workspaces_of(after)
    assert guild.workspace not in workspaces_of(after)
    told = [sent.data["data"]["content"] for sent in after if sent.type == "ticket.message_sent"]
    assert told == [note["text"]]
    assert told[0] in [each["text"] for each in timeline["items"]], "as its page shows"


def replay(guild: GuildFixture, cookie: str, cursor: str, name: str) -> list[sse.Frame]:
    """Return what a person hears from a cursor on, up to an organization that they create now."""
    last = {"name": f"{name} {guild.guild_id}"}
    made = ask(guild, cookie, "POST", "/api/organizations", last)
    with sse.connect(guild.server.port, f"/api/events?after={cursor}", cookie) as stream:
        return stream.read_until(lambda sent: "." in sent.type and made["id"] in str(sent.data))


def workspaces_of(sent: list[sse.Frame]) -> set[str]:
    """The workspaces events were of; what is one's own, and the stream itself, are of none."""
    frames = (each.data["data"].get("workspace") for each in sent if "." in each.type)
    return {workspace for workspace in frames if workspace is not None}


def ask(guild: GuildFixture, cookie: str, method: str, path: str, body: Any) -> Any:
    """One call of the API as a browser makes it; what it answers."""
    head = {"Content-Type": "application/json", "Origin": guild.server.url, "Cookie": cookie}
    answer = guild.server.request(
        method, path, None if body is None else json.dumps(body).encode(), head
    )
    assert answer.status < 400, answer.text
    return json.loads(answer.body)
