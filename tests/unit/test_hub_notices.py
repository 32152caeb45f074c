"""Test that notices, which are not logged, reach every holder, also on suspended streams."""

from __future__ import annotations

from tests.fixtures.hub import FakeWriter, HubFixture, running_hub


def notices(writer: FakeWriter) -> list[object]:
    return [data["about"] for name, data in writer.frames if name == "notice"]


async def test_a_notice_reaches_the_holders_of_its_channel_and_moves_no_cursor():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"mo": {"people"}, "bo": {"user:bo"}}
        mo, bo = fixture.open_stream("mo"), fixture.open_stream("bo", session="t")
        await fixture.wait_until_idle()
        before = len(mo.raw_bytes)

        fixture.hub.send_notice("people", "deliveries")

        assert (notices(mo), notices(bo)) == (["deliveries"], [])
        assert b"id:" not in mo.raw_bytes[before:]


async def test_a_paused_stream_gets_the_notice_once_it_continues_if_it_still_holds_the_channel():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"mo": {"people"}, "dee": {"people"}}
        mo, dee = (
            fixture.open_stream("mo", capacity=1),
            fixture.open_stream("dee", session="t", capacity=1),
        )
        await fixture.wait_until_idle()

        for _ in range(3):
            fixture.hub.send_notice("people", "deliveries")
        fixture.channels_by_person["dee"] = set()
        fixture.publish("user:dee", access_changes=("user:dee",))
        await fixture.wait_until_idle()
        mo.drain()
        dee.drain()
        await fixture.wait_until_idle()

        assert (notices(mo), notices(dee)) == (["deliveries"], [])
