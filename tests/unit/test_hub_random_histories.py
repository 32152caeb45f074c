"""Test that the hub neither leaks events to a viewer nor starves one, in random histories.

The model: writers commit events and changes of access to a log; the hub learns of them later, in
order; access is queried, reads what is committed at some moment, and answers at another; in
between, streams open, close, stall and return with the cursor they have reached.

Leaked: an event heard after the channel was lost, without a grant since. A channel that was lost
and regained before the answer counts as never lost (decision 0006), so events in between may
be heard. Starved: an event never heard although its channel was held without
interruption from the event to the end, also by what the event itself gave.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from deskwire.events.access import Authorization
from deskwire.events.channels import Channel, Grant
from deskwire.events.log import Entry
from deskwire.realtime.buffer import EventBuffer
from deskwire.realtime.hub import Hub
from deskwire.realtime.subscription import Caller
from tests.fixtures.hub import EPOCH, FAR_FUTURE, FakeWriter, make_entry
from tests.fixtures.scale import scaled

PEOPLE = ("ada", "dee")
CHANNELS = ("guild:1", "guild:2")
WEIGHTS = {
    "say": 6, "say_two": 2, "flip": 4, "flip_all": 1, "dispatch": 5, "dispatch_all": 2,
    "join": 2, "leave": 1, "return": 2, "read": 2, "answer": 6, "end_session": 0.3,
}  # fmt: skip


class HubHistory:
    """One random history, and what it should lead to."""

    def __init__(self, seed: int, buffer_bytes: int) -> None:
        self.random = random.Random(seed)
        self.log: list[Entry] = []
        self.dispatched = 0
        self.channels_by_person: dict[str, set[Channel]] = {
            person: set(CHANNELS) for person in PEOPLE
        }
        self.changes: list[tuple[int, str, Channel, bool]] = [
            (0, person, channel, True) for person in PEOPLE for channel in CHANNELS
        ]  # position, person, channel, whether it was given
        self.sessions = dict.fromkeys(PEOPLE, 0)
        self.ended: dict[str, int] = {}  # session → position of the entry that ended it
        self.gates: list[asyncio.Event] = []
        self.writers: list[tuple[str, str, int, FakeWriter]] = []  # person, session, joined at
        self.hub = Hub(
            EPOCH,
            EventBuffer(buffer_bytes),
            self._authorize,
            self._read_after,
            max_behind=10_000,
            slice_size=self.random.choice((1, 2, 1000)),
        )

    def session(self, person: str) -> str:
        return f"{person}/{self.sessions[person]}"

    async def _authorize(self, people: Collection[str], sessions: Collection[str]) -> Authorization:
        await self._gate()
        answer = Authorization(
            {p: [Grant(c, "guild:1", "test") for c in self.channels_by_person[p]] for p in people},
            {s: FAR_FUTURE for s in sessions if s not in self.ended},
        )
        await self._gate()
        return answer

    async def _read_after(self, position: int, limit: int) -> list[Entry]:
        await self._gate()
        return [e for e in self.log[: self.dispatched] if e.position > position][:limit]

    async def _gate(self) -> None:
        if self.random.random() < 0.5:
            return
        gate = asyncio.Event()
        self.gates.append(gate)
        await gate.wait()

    def step(self, name: str) -> None:
        getattr(self, f"_{name}")()

    def _commit(self, *channels: Channel, access_changes: tuple[Channel, ...] = ()) -> None:
        self.log.append(make_entry(len(self.log) + 1, *channels, access_changes=access_changes))

    def _say(self) -> None:
        self._commit(self.random.choice(CHANNELS))

    def _say_two(self) -> None:
        self._commit(*self.random.sample(CHANNELS, 2))

    def _flip(self) -> None:
        """One person gains or loses one channel."""
        person, channel = self.random.choice(PEOPLE), self.random.choice(CHANNELS)
        self._change(person, channel)
        self._commit(channel, access_changes=(f"user:{person}",))

    def _flip_all(self) -> None:
        """A role is deleted: everyone who holds the channel loses it."""
        channel = self.random.choice(CHANNELS)
        for person in PEOPLE:
            if channel in self.channels_by_person[person]:
                self._change(person, channel)
        self._commit(channel, access_changes=(channel,))

    def _change(self, person: str, channel: Channel) -> None:
        given = channel not in self.channels_by_person[person]
        (self.channels_by_person[person].add if given else self.channels_by_person[person].discard)(
            channel
        )
        self.changes.append((len(self.log) + 1, person, channel, given))

    def _dispatch(self) -> None:
        burst = self.random.randint(1, 4)
        self.hub.publish(self.log[self.dispatched : self.dispatched + burst])
        self.dispatched = min(len(self.log), self.dispatched + burst)

    def _dispatch_all(self) -> None:
        self.hub.publish(self.log[self.dispatched :])
        self.dispatched = len(self.log)

    def _join(self, after: int | None = None, person: str | None = None) -> None:
        who = person or self.random.choice(PEOPLE)
        if self.session(who) in self.ended:
            self.sessions[who] += 1
        session = self.session(who)
        writer = FakeWriter(self.hub, self.random.choice((300, 2000, FAR_FUTURE)))
        cursor = None if after is None else f"{EPOCH}-{after}"
        head = self.hub.buffer.head  # of what was published, some may still be queued
        writer.subscription = self.hub.subscribe(
            Caller(who, session, FAR_FUTURE), "all", writer, cursor
        )
        self.writers.append((who, session, head if after is None else after, writer))

    def _leave(self) -> None:
        if subscriptions := self.hub.subscriptions:
            self.hub.unsubscribe(self.random.choice(subscriptions))

    def _return(self) -> None:
        """A client comes back with the cursor of the last frame it received."""
        if gone := [
            each for each in self.writers if each[3].subscription and each[3].subscription.is_closed
        ]:
            person, _, joined, writer = self.random.choice(gone)
            self._join(max([joined, *writer.positions]), person)

    def _read(self) -> None:
        for *_, writer in self.writers:
            if self.random.random() < 0.5:
                writer.drain()

    def _answer(self) -> None:
        if self.gates:
            self.gates.pop(0).set()

    def _end_session(self) -> None:
        person = self.random.choice(PEOPLE)
        self.ended.setdefault(self.session(person), len(self.log) + 1)
        self._commit(f"user:{person}", access_changes=(f"user:{person}",))


async def play(steps: int, seed: int, buffer_bytes: int) -> HubHistory:
    history = HubHistory(seed, buffer_bytes)
    task = asyncio.create_task(history.hub.run())
    names = history.random.choices(list(WEIGHTS), list(WEIGHTS.values()), k=steps)
    try:
        for name in ["join", "join", *names]:
            history.step(name)
            for _ in range(history.random.randint(0, 3)):
                await asyncio.sleep(0)
        history.step("dispatch_all")
        for _ in range(400):  # in the end everything is answered and read
            history.step("answer")
            for *_, writer in history.writers:
                writer.drain()
            await asyncio.sleep(0)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task  # a hub that broke fails the test
    return history


def may_have_heard(history: HubHistory, person: str, entry: Entry) -> bool:
    """Whether some channel of `entry` was held at it, or was given to the person later."""
    for channel in entry.channels:
        held = False
        for position, who, what, gave in history.changes:
            if (who, what) == (person, channel) and (position <= entry.position or gave):
                held = gave
        if held or any(
            (who, what, gave) == (person, channel, True) and position > entry.position
            for position, who, what, gave in history.changes
        ):
            return True
        if any(  # the entry that takes it away may still be heard
            (position, who, what) == (entry.position, person, channel)
            for position, who, what, _ in history.changes
        ):
            return True
    return False


def must_have_heard(history: HubHistory, person: str, entry: Entry) -> bool:
    """Whether some channel of `entry` was held before it, or given by it, and never lost since."""
    for channel in entry.channels:
        mine = [c for c in history.changes if (c[1], c[2]) == (person, channel)]
        then = [gave for position, _, _, gave in mine if position <= entry.position]
        if then and then[-1] and not any(position > entry.position for position, *_ in mine):
            return True
    return False


def check(history: HubHistory) -> None:
    for person, session, joined, writer in history.writers:
        heard = writer.positions
        assert heard == sorted(set(heard)), f"{person} heard {heard}: doubled or out of order"
        assert all(position > joined for position in heard), f"{person} heard again: {heard}"
        for position in heard:
            entry = history.log[position - 1]
            assert may_have_heard(history, person, entry), f"{person} was leaked {position}"
            ended = history.ended.get(session)
            assert ended is None or position <= ended, f"{person} heard past the session's end"
        subscription = writer.subscription
        if subscription is None or subscription.is_closed:
            continue
        assert subscription.is_live, f"{person} is still waiting"
        assert set(subscription.channels) == history.channels_by_person[person]
        assert subscription.announced_channels == subscription.channels
        reloaded = int(str(writer.connected_frame["position"]).partition("-")[2])  # after a reset
        for entry in history.log[max(joined, reloaded) :]:
            if must_have_heard(history, person, entry):
                assert entry.position in heard, f"{person} never heard {entry.position}"


def check_counts(history: HubHistory) -> None:
    """The counters agree with what was written, whatever paused, closed or was replayed."""
    counts, writers = history.hub.stats, [writer for *_, writer in history.writers]
    heard = [position for writer in writers for position in writer.positions]
    size = sum(len(history.log[position - 1].frame) for position in heard)
    assert counts.sends + counts.replayed == len(heard)
    assert counts.sent_bytes + counts.replayed_bytes == size
    assert sum(counts.events.values()) == history.hub.buffer.head
    is_open = [
        subscription for subscription in history.hub.subscriptions if not subscription.is_closed
    ]
    assert counts.opened.total() == len(writers)
    assert counts.opened.total() - counts.closed.total() == len(is_open)
    assert counts.close_reasons.total() == counts.closed.total()


@settings(max_examples=scaled(settings().max_examples * 10))
@given(st.integers(5, 80), st.integers(0, 2**32), st.sampled_from((2500, 2**30)))
def test_no_random_history_leaks_or_withholds_an_event(
    steps: int, seed: int, buffer_bytes: int
) -> None:
    history = asyncio.run(play(steps, seed, buffer_bytes))
    check(history)
    check_counts(history)
