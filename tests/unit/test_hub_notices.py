"""Notices: what no log keeps reaches who holds the channel, also who stands still just then."""

from __future__ import annotations

from tests.fixtures.hub import Bench, Outlet, running


def notices(outlet: Outlet) -> list[object]:
    return [told["about"] for name, told in outlet.frames if name == "notice"]


async def test_a_notice_reaches_who_holds_its_channel_and_moves_nobodys_place():
    async with running(Bench()) as bench:
        bench.access = {"mo": {"people"}, "bo": {"user:bo"}}
        mo, bo = bench.join("mo"), bench.join("bo", session="t")
        await bench.settle()
        before = len(mo.data)

        bench.hub.notify("people", "deliveries")

        assert (notices(mo), notices(bo)) == (["deliveries"], [])
        assert b"id:" not in mo.data[before:]


async def test_who_stands_still_is_told_once_they_go_on_and_only_what_they_still_hold():
    async with running(Bench()) as bench:
        bench.access = {"mo": {"people"}, "dee": {"people"}}
        mo, dee = bench.join("mo", room=1), bench.join("dee", session="t", room=1)
        await bench.settle()

        for _ in range(3):
            bench.hub.notify("people", "deliveries")
        bench.access["dee"] = set()
        bench.say("user:dee", touches=("user:dee",))
        await bench.settle()
        mo.drain()
        dee.drain()
        await bench.settle()

        assert (notices(mo), notices(dee)) == (["deliveries"], [])
