"""Test the hub: who hears what, and in which order."""

from __future__ import annotations

import asyncio

import pytest

from tests.fixtures.hub import HubFixture, make_entry, running_hub


async def test_an_event_reaches_only_the_holders_of_its_channel():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}, "cy": {"guild:2"}}
        ada, cy = fixture.open_stream("ada"), fixture.open_stream("cy", session="t")
        await fixture.wait_until_idle()

        fixture.publish("guild:1")

        assert ada.positions == [1]
        assert cy.positions == []


async def test_an_event_on_two_of_a_persons_channels_is_written_once():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1", "ticket:7"}}
        ada = fixture.open_stream("ada")
        await fixture.wait_until_idle()

        fixture.publish("guild:1", "ticket:7")

        assert ada.positions == [1]


async def test_a_burst_leaves_in_order_in_one_write(monkeypatch: pytest.MonkeyPatch):
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1", "guild:2"}}
        ada = fixture.open_stream("ada")
        await fixture.wait_until_idle()
        writes: list[bytes] = []
        monkeypatch.setattr(ada, "write", writes.append)

        fixture.hub.publish(
            [make_entry(1, "guild:1"), make_entry(2, "guild:9"), make_entry(3, "guild:2")]
        )

        assert len(writes) == 1
        assert writes[0] == make_entry(1, "guild:1").frame + make_entry(3, "guild:2").frame


async def test_the_first_frame_names_the_outcome_and_the_channels():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1", "user:ada"}}

        ada = fixture.open_stream("ada")
        await fixture.wait_until_idle()

        assert ada.connected_frame["verdict"] == "live"
        assert ada.connected_frame["channels"] == ["guild:1", "user:ada"]


async def test_a_returning_stream_resumes_after_its_cursor():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        for _ in range(5):
            fixture.publish("guild:1")

        ada = fixture.open_stream("ada", after=2)
        await fixture.wait_until_idle()
        fixture.publish("guild:1")

        assert ada.connected_frame["verdict"] == "resumed"
        assert ada.positions == [3, 4, 5, 6]


async def test_a_replay_is_filtered_by_current_permissions():
    async with running_hub(HubFixture()) as fixture:
        for _ in range(3):
            fixture.publish("guild:1")
        fixture.channels_by_person = {"dee": set()}

        dee = fixture.open_stream("dee", after=0)
        await fixture.wait_until_idle()

        assert dee.positions == []


async def test_a_cursor_that_cannot_be_resumed_resets_with_a_new_one():
    for cursor, reason in (
        ("ffffffff-1", "epoch"),
        ("0123abcd-99", "future"),
        ("nonsense", "unreadable"),
    ):
        async with running_hub(HubFixture()) as fixture:
            fixture.channels_by_person = {"ada": {"guild:1"}}
            fixture.publish("guild:1")

            ada = fixture.open_stream("ada", after=cursor)
            await fixture.wait_until_idle()

            assert ada.connected_frame["verdict"] == "reset"
            assert ada.connected_frame["because"] == reason
            assert ada.connected_frame["position"] == "0123abcd-1"
            assert ada.control_frame_names == ["reset"]


async def test_more_visible_entries_behind_than_allowed_resets():
    async with running_hub(HubFixture(max_behind=3)) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        for _ in range(4):
            fixture.publish("guild:1")

        three, four = fixture.open_stream("ada", after=1), fixture.open_stream("ada", after=0)
        await fixture.wait_until_idle()

        assert three.connected_frame["verdict"] == "resumed"
        assert four.connected_frame["verdict"] == "reset"


async def test_entries_on_other_channels_do_not_count_as_behind():
    async with running_hub(HubFixture(max_behind=3)) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        for _ in range(50):
            fixture.publish("guild:2")
        fixture.publish("guild:1")

        ada = fixture.open_stream("ada", after=0)
        await fixture.wait_until_idle()

        assert ada.connected_frame["verdict"] == "resumed"
        assert ada.positions == [51]


async def test_entries_older_than_the_buffer_are_read_from_the_log():
    async with running_hub(HubFixture(buffer_bytes=2000)) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        for _ in range(40):
            fixture.publish("guild:1")
        assert fixture.hub.buffer.floor > 10

        ada = fixture.open_stream("ada", after=10)
        await fixture.wait_until_idle()

        assert ada.connected_frame["verdict"] == "resumed"
        assert ada.positions == list(range(11, 41))


async def test_a_revoked_person_hears_nothing_after_the_event_that_removed_them():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"dee": {"guild:1", "user:dee"}}
        dee = fixture.open_stream("dee")
        await fixture.wait_until_idle()

        fixture.channels_by_person = {"dee": {"user:dee"}}
        fixture.publish("guild:1", access_changes=("user:dee",))
        fixture.publish("guild:1")
        await fixture.wait_until_idle()
        fixture.publish("guild:1")
        fixture.publish("user:dee")

        assert dee.positions == [1, 4]
        assert dee.control_frame_names == ["revoked"]


async def test_a_burst_does_not_carry_events_past_a_revocation():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"dee": {"guild:1"}}
        dee = fixture.open_stream("dee")
        await fixture.wait_until_idle()

        fixture.channels_by_person = {}
        removed = make_entry(2, "guild:1", access_changes=("guild:1",))
        fixture.hub.publish([make_entry(1, "guild:1"), removed, make_entry(3, "guild:1")])
        await fixture.wait_until_idle()

        assert dee.positions == [1, 2]


async def test_a_new_grant_is_announced_and_heard_at_once():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"bo": {"user:bo"}}
        bo = fixture.open_stream("bo")
        await fixture.wait_until_idle()

        fixture.channels_by_person = {"bo": {"user:bo", "guild:1"}}
        fixture.publish("user:bo", access_changes=("user:bo",))
        await fixture.wait_until_idle()
        fixture.publish("guild:1")

        assert bo.control_frame_names == ["granted"]
        assert bo.positions == [1, 2]


async def test_access_lost_and_regained_before_the_answer_counts_as_never_lost():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"bo": {"guild:1"}}
        bo = fixture.open_stream("bo", session="b")
        await fixture.wait_until_idle()

        fixture.answer_gate = asyncio.Event()
        fixture.channels_by_person = {"bo": set()}
        fixture.publish("guild:9", access_changes=("user:bo",))
        await fixture.wait_until_idle()
        fixture.channels_by_person = {"bo": {"guild:1"}}
        fixture.publish("guild:9", access_changes=("user:bo",))
        fixture.publish("guild:1")
        fixture.answer_gate.set()
        await fixture.wait_until_idle()

        assert bo.control_frame_names == []
        assert bo.positions == [3]


async def test_a_revocation_between_query_and_answer_is_not_missed():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"dee": {"guild:1"}}
        fixture.answer_gate = asyncio.Event()
        dee = fixture.open_stream("dee")
        await fixture.wait_until_idle()

        fixture.channels_by_person = {"dee": set()}
        fixture.publish("guild:1", access_changes=("user:dee",))
        fixture.answer_gate.set()
        fixture.publish("guild:1")
        await fixture.wait_until_idle()

        assert dee.positions == []
        assert dee.connected_frame["channels"] == []


async def test_an_event_that_grants_its_channel_is_sent_after_the_grant():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"user:ada"}, "bo": {"user:bo", "ticket:7"}}
        ada, bo = fixture.open_stream("ada"), fixture.open_stream("bo", session="t")
        await fixture.wait_until_idle()

        fixture.channels_by_person["ada"] = {"user:ada", "ticket:7"}
        fixture.publish("ticket:7", access_changes=("user:ada", "user:bo"))
        await fixture.wait_until_idle()
        fixture.publish("ticket:7")

        assert ada.control_frame_names == ["granted"]
        assert (ada.positions, bo.positions) == ([1, 2], [1, 2])


async def test_an_access_change_is_not_sent_to_people_without_its_channel():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"cy": {"user:cy"}}
        cy = fixture.open_stream("cy")
        await fixture.wait_until_idle()

        fixture.publish("ticket:7", access_changes=("user:cy",))
        await fixture.wait_until_idle()

        assert cy.positions == []
