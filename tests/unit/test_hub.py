"""The hub: who hears what, in which order, and how a stream ends."""

from __future__ import annotations

import asyncio

import pytest

from tests.fixtures.hub import Bench, entry, running


async def test_an_event_reaches_who_holds_its_channel_and_no_other():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1"}, "cy": {"guild:2"}}
        ada, cy = bench.join("ada"), bench.join("cy", session="t")
        await bench.settle()

        bench.say("guild:1")

        assert ada.heard == [1]
        assert cy.heard == []


async def test_an_event_on_two_held_channels_is_written_once():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1", "ticket:7"}}
        ada = bench.join("ada")
        await bench.settle()

        bench.say("guild:1", "ticket:7")

        assert ada.heard == [1]


async def test_a_burst_leaves_in_order_in_one_write(monkeypatch: pytest.MonkeyPatch):
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1", "guild:2"}}
        ada = bench.join("ada")
        await bench.settle()
        writes: list[bytes] = []
        monkeypatch.setattr(ada, "write", writes.append)

        bench.hub.dispatch([entry(1, "guild:1"), entry(2, "guild:9"), entry(3, "guild:2")])

        assert len(writes) == 1
        assert writes[0] == entry(1, "guild:1").frame + entry(3, "guild:2").frame


async def test_the_first_frame_says_how_it_went_and_what_is_held():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1", "user:ada"}}

        ada = bench.join("ada")
        await bench.settle()

        assert ada.connected["verdict"] == "live"
        assert ada.connected["channels"] == ["guild:1", "user:ada"]


async def test_a_returning_stream_resumes_after_its_cursor():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1"}}
        for _ in range(5):
            bench.say("guild:1")

        ada = bench.join("ada", after=2)
        await bench.settle()
        bench.say("guild:1")

        assert ada.connected["verdict"] == "resumed"
        assert ada.heard == [3, 4, 5, 6]


async def test_replay_asks_for_the_permissions_of_today():
    async with running(Bench()) as bench:
        for _ in range(3):
            bench.say("guild:1")
        bench.access = {"dee": set()}

        dee = bench.join("dee", after=0)
        await bench.settle()

        assert dee.heard == []


async def test_a_cursor_that_cannot_be_resumed_resets_with_a_new_one():
    for cursor, because in (
        ("ffffffff-1", "epoch"),
        ("0123abcd-99", "future"),
        ("nonsense", "unreadable"),
    ):
        async with running(Bench()) as bench:
            bench.access = {"ada": {"guild:1"}}
            bench.say("guild:1")

            ada = bench.join("ada", after=cursor)
            await bench.settle()

            assert ada.connected["verdict"] == "reset"
            assert ada.connected["because"] == because
            assert ada.connected["position"] == "0123abcd-1"
            assert ada.names == ["reset"]


async def test_more_visible_entries_behind_than_allowed_resets():
    async with running(Bench(max_behind=3)) as bench:
        bench.access = {"ada": {"guild:1"}}
        for _ in range(4):
            bench.say("guild:1")

        three, four = bench.join("ada", after=1), bench.join("ada", after=0)
        await bench.settle()

        assert three.connected["verdict"] == "resumed"
        assert four.connected["verdict"] == "reset"


async def test_entries_of_others_do_not_count_as_behind():
    async with running(Bench(max_behind=3)) as bench:
        bench.access = {"ada": {"guild:1"}}
        for _ in range(50):
            bench.say("guild:2")
        bench.say("guild:1")

        ada = bench.join("ada", after=0)
        await bench.settle()

        assert ada.connected["verdict"] == "resumed"
        assert ada.heard == [51]


async def test_what_is_older_than_the_window_is_read_from_the_log():
    async with running(Bench(window=2000)) as bench:
        bench.access = {"ada": {"guild:1"}}
        for _ in range(40):
            bench.say("guild:1")
        assert bench.hub.window.floor > 10

        ada = bench.join("ada", after=10)
        await bench.settle()

        assert ada.connected["verdict"] == "resumed"
        assert ada.heard == list(range(11, 41))


async def test_a_revoked_person_hears_nothing_after_the_event_that_removed_them():
    async with running(Bench()) as bench:
        bench.access = {"dee": {"guild:1", "user:dee"}}
        dee = bench.join("dee")
        await bench.settle()

        bench.access = {"dee": {"user:dee"}}
        bench.say("guild:1", touches=("user:dee",))
        bench.say("guild:1")
        await bench.settle()
        bench.say("guild:1")
        bench.say("user:dee")

        assert dee.heard == [1, 4]
        assert dee.names == ["revoked"]


async def test_a_burst_does_not_carry_events_past_a_revocation():
    async with running(Bench()) as bench:
        bench.access = {"dee": {"guild:1"}}
        dee = bench.join("dee")
        await bench.settle()

        bench.access = {}
        removed = entry(2, "guild:1", touches=("guild:1",))
        bench.hub.dispatch([entry(1, "guild:1"), removed, entry(3, "guild:1")])
        await bench.settle()

        assert dee.heard == [1, 2]


async def test_a_grant_is_told_and_heard_at_once():
    async with running(Bench()) as bench:
        bench.access = {"bo": {"user:bo"}}
        bo = bench.join("bo")
        await bench.settle()

        bench.access = {"bo": {"user:bo", "guild:1"}}
        bench.say("user:bo", touches=("user:bo",))
        await bench.settle()
        bench.say("guild:1")

        assert bo.names == ["granted"]
        assert bo.heard == [1, 2]


async def test_lost_and_given_again_before_the_answer_counts_as_never_lost():
    async with running(Bench()) as bench:
        bench.access = {"bo": {"guild:1"}}
        bo = bench.join("bo", session="b")
        await bench.settle()

        bench.gate = asyncio.Event()
        bench.access = {"bo": set()}
        bench.say("guild:9", touches=("user:bo",))
        await bench.settle()
        bench.access = {"bo": {"guild:1"}}
        bench.say("guild:9", touches=("user:bo",))
        bench.say("guild:1")
        bench.gate.set()
        await bench.settle()

        assert bo.names == []
        assert bo.heard == [3]


async def test_a_revocation_between_question_and_answer_is_not_missed():
    async with running(Bench()) as bench:
        bench.access = {"dee": {"guild:1"}}
        bench.gate = asyncio.Event()
        dee = bench.join("dee")
        await bench.settle()

        bench.access = {"dee": set()}
        bench.say("guild:1", touches=("user:dee",))
        bench.gate.set()
        bench.say("guild:1")
        await bench.settle()

        assert dee.heard == []
        assert dee.connected["channels"] == []
