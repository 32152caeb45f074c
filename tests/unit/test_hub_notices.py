"""Test notices: unlogged messages reach every subscription of the channel, paused ones too."""

from __future__ import annotations

from tests.fixtures.hub import FakeWriter, HubFixture, running_hub


def notices(writer: FakeWriter) -> list[object]:
    return [data["about"] for name, data in writer.frames if name == "notice"]


async def test_a_notice_reaches_who_holds_its_channel_and_moves_nobodys_place():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {"mo": {"people"}, "bo": {"user:bo"}}
        mo, bo = hub_fixture.open_stream("mo"), hub_fixture.open_stream("bo", session="t")
        await hub_fixture.wait_until_idle()
        before = len(mo.data)

        hub_fixture.hub.send_notice("people", "deliveries")

        assert (notices(mo), notices(bo)) == (["deliveries"], [])
        assert b"id:" not in mo.data[before:]


async def test_a_paused_stream_gets_notices_on_resuming_and_only_of_channels_it_still_has():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {"mo": {"people"}, "dee": {"people"}}
        mo, dee = (
            hub_fixture.open_stream("mo", capacity=1),
            hub_fixture.open_stream("dee", session="t", capacity=1),
        )
        await hub_fixture.wait_until_idle()

        for _ in range(3):
            hub_fixture.hub.send_notice("people", "deliveries")
        hub_fixture.channels_by_person["dee"] = set()
        hub_fixture.publish("user:dee", touches=("user:dee",))
        await hub_fixture.wait_until_idle()
        mo.drain()
        dee.drain()
        await hub_fixture.wait_until_idle()

        assert (notices(mo), notices(dee)) == (["deliveries"], [])
