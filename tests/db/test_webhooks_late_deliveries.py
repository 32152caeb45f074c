"""Test that late deliveries send nothing to people who have lost access since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fixtures.running_desk import open_running_desk

GUILD, ADA, DEE = "800000000000000001", "900000000000000001", "900000000000000004"


async def test_a_late_delivery_sends_a_former_owner_no_current_state(tmp_path: Path) -> None:
    async with open_running_desk(tmp_path) as desk:
        dee = await desk.create_person("dee")
        await desk.run_command("people.link", email="dee@example.org", discord=DEE)
        stream = await desk.open_stream(dee)
        guild: dict[str, Any] = {"guildId": GUILD, "guildName": "Secret plans", "memberCount": 3}

        await desk.post_event("guild.joined", **guild, ownerId=ADA)
        await desk.post_event("guild.joined", sent_at=1_000, **guild, ownerId=DEE)

        assert stream.positions == []
        assert b"Secret plans" not in stream.raw_bytes


async def test_a_late_role_name_changes_the_permissions_of_all_holders(tmp_path: Path) -> None:
    async with open_running_desk(tmp_path) as desk:
        bo = await desk.create_person("bo")
        await desk.run_command("people.link", email="bo@example.org", discord=DEE)
        role: dict[str, Any] = {
            "guildId": GUILD,
            "roleId": "700000000000000001",
            "action": "assigned",
        }
        await desk.post_event(
            "team.member_assigned", **role, roleName="Tickets Viewer", userId=DEE, username="bo"
        )
        stream = await desk.open_stream(bo)

        await desk.post_event(
            "team.member_assigned", **role, roleName="Muted", userId=ADA, username="ada"
        )

        assert stream.control_frame_names == ["revoked"]


async def test_a_member_who_left_hears_nothing_through_a_late_role_event(tmp_path: Path) -> None:
    async with open_running_desk(tmp_path) as desk:
        dee = await desk.create_person("dee")
        await desk.run_command("people.link", email="dee@example.org", discord=DEE)
        stream = await desk.open_stream(dee)
        who: dict[str, Any] = {"guildId": GUILD, "userId": DEE, "username": "dee"}

        await desk.post_event("member.left", **who, hadOpenTickets=False, wasTeamMember=True)
        heard = list(stream.positions)
        role = {"roleId": "700000000000000001", "roleName": "Secret", "action": "assigned"}
        await desk.post_event("team.member_assigned", sent_at=1_000, **who, **role)

        assert stream.positions == heard
        assert b"Secret" not in stream.raw_bytes
