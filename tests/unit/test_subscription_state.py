"""Test a subscription's states: legal transitions, and that a closed one does no more work."""

from __future__ import annotations

import asyncio

import pytest

from deskwire.realtime.subscription import (
    TRANSITIONS,
    Caller,
    Subscription,
    SubscriptionState,
    check_transition,
)
from tests.fixtures.hub import FAR_FUTURE, FakeWriter, HubFixture, running_hub


def subscription_in(state: SubscriptionState) -> Subscription:
    writer = FakeWriter(HubFixture().hub)
    subscription = Subscription("1", Caller("ada", "s", FAR_FUTURE), "all", writer)
    subscription.state = state
    return subscription


def test_every_state_has_its_transitions():
    assert set(TRANSITIONS) == set(SubscriptionState)
    assert all(SubscriptionState.CLOSED in after for after in TRANSITIONS.values() if after)


async def test_nothing_leaves_the_closed_state():
    closed = subscription_in(SubscriptionState.CLOSED)

    for state in SubscriptionState:
        with pytest.raises(RuntimeError, match=f"cannot go from CLOSED to {state.name}"):
            check_transition(closed, state)


async def test_a_paused_subscription_cannot_become_live():
    subscription = subscription_in(SubscriptionState.SUSPENDED)
    check_transition(subscription, SubscriptionState.LIVE)

    subscription.is_paused = True

    with pytest.raises(RuntimeError, match="while it is paused"):
        check_transition(subscription, SubscriptionState.LIVE)


async def test_a_stream_closed_during_its_backfill_is_sent_no_reset():
    async with running_hub(HubFixture(buffer_bytes=2000)) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        for _ in range(40):
            fixture.publish("guild:1")
        fixture.log.clear()  # trimmed: the read ends in a reset
        fixture.read_gate = asyncio.Event()
        ada = fixture.open_stream("ada", after=10)
        await fixture.wait_until_idle()
        assert ada.subscription is not None
        assert ada.subscription.state is SubscriptionState.LOADING

        fixture.hub.unsubscribe(ada.subscription)
        fixture.read_gate.set()
        await fixture.wait_until_idle()

        assert ada.frames == []
        assert ada.subscription.is_closed
