"""Write events to every open stream of this process; the order of steps is decision 0006.

What changes access silences at once; `pump` filters by the channels held when it writes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from deskwire.events.channels import Channel, Channels, PersonId, person_of_channel
from deskwire.events.cursor import Cursor, parse_cursor
from deskwire.events.frames import control_frame, reconnect_delay_ms, reset_frame, retry_frame
from deskwire.events.log import Entry
from deskwire.kit.clock import Clock, Millis, now
from deskwire.kit.ids import new_id
from deskwire.realtime.authorization import AuthorizationQueue, Authorize
from deskwire.realtime.backfill import MAX_BEHIND, PAGE_SIZE, ReadAfter, TooFarBehind, read_backfill
from deskwire.realtime.buffer import EventBuffer
from deskwire.realtime.fanout import SLICE_SIZE, Fanout
from deskwire.realtime.grant_cache import GrantCache
from deskwire.realtime.heartbeat import Heartbeat
from deskwire.realtime.replay import (
    access_change_frames,
    connected_frames,
    is_evicted,
    should_reload,
    take_next_slice,
)
from deskwire.realtime.slow_subscriptions import SlowSubscriptions
from deskwire.realtime.stats import CloseReason, HubStats
from deskwire.realtime.subscription import (
    Caller,
    ChannelSets,
    Draining,
    GoodbyeReason,
    ResumeReason,
    StreamScope,
    Subscription,
    Transport,
    Writer,
)

STREAMS_PER_PERSON = 8  # a dozen tabs in two browsers share fewer; leaked ones must not add up

logger = logging.getLogger(__name__)


class Hub:
    """The seats of this process over one window of the log."""

    def __init__(
        self,
        epoch: str,
        buffer: EventBuffer,
        authorize: Authorize,
        read_after: ReadAfter,
        *,
        max_behind: int = MAX_BEHIND,
        streams_per_person: int = STREAMS_PER_PERSON,
        slice_size: int = SLICE_SIZE,
        clock: Clock = now,
    ) -> None:
        self.epoch = epoch
        self.buffer = buffer
        self._read_after = read_after
        self._max_behind = max_behind
        self._streams_per_person = streams_per_person
        self._clock = clock
        self.stats = HubStats()
        self._fanout = Fanout(self._close_broken, self.stats, slice_size)
        self._grant_cache = GrantCache()
        self._authorization_queue = AuthorizationQueue(
            authorize, self._grant_cache, self._session_ids_of, self._apply_authorization
        )
        self._by_person: dict[
            PersonId, list[Subscription]
        ] = {}  # with open streams here, oldest first
        self._heartbeat = Heartbeat(
            clock, lambda: self.cursor, self._send_tick, self._reauthorize_expired
        )
        self._batch: Sequence[Entry] = ()  # being written
        self._queue = deque[Entry]()  # to be written after it
        self._has_gap = False  # the bus named an entry before the ones it follows
        self._gap_task: asyncio.Task[None] | None = None
        self._backfill_tasks: set[asyncio.Task[None]] = set()
        self._slow_subscriptions = SlowSubscriptions()
        self.is_draining = False  # this process goes down and takes no more streams

    # What the rest of the process sees

    @property
    def cursor(self) -> Cursor:
        """The place of the newest entry dispatched here. Pages read it before their rows."""
        return Cursor(self.epoch, self.buffer.head)

    @property
    def subscriptions(self) -> list[Subscription]:
        """Every open stream, by person."""
        return [seat for seats in self._by_person.values() for seat in seats]

    @property
    def awaiting_access(self) -> int:
        """How many streams stand still until access has answered."""
        return sum(
            len(self._by_person.get(person, ())) for person in self._authorization_queue.pending
        )

    def subscribe(
        self, caller: Caller, scope: StreamScope, writer: Writer, last_event_id: str | None
    ) -> Subscription:
        """Seat a stream, silent until access has answered.

        `after` is the cursor the client has reached (None: it starts now). A person's oldest
        stream makes room when there are too many. Raises Draining while the process goes down.
        """
        if self.is_draining:
            raise Draining
        seat = Subscription(new_id(), caller, scope, writer)
        self.stats.opened[scope] += 1
        self._set_start_position(seat, last_event_id)
        seats = self._by_person.setdefault(caller.person, [])
        seats.append(seat)
        self._heartbeat.add(seat)
        for oldest in seats[: -self._streams_per_person]:
            self._close_with_goodbye(oldest, "too-many-streams")
        self._authorization_queue.enqueue(caller.person)
        return seat

    def unsubscribe(self, subscription: Subscription, reason: CloseReason = "left") -> None:
        """Forget a stream whose connection has ended (again is harmless)."""
        if subscription.closed:
            return
        self.stats.count_closed(subscription.scope, reason)
        subscription.closed = True
        self._suspend(subscription)
        self._set_channels(subscription, ())
        self._heartbeat.remove(subscription)
        person = subscription.caller.person
        self._by_person[person].remove(subscription)
        if not self._by_person[person]:
            del self._by_person[person]
            self._authorization_queue.remove(person)

    def pause(self, subscription: Subscription) -> None:
        """Called by an outlet that is full: the seat stands where it is."""
        subscription.paused = True
        self._suspend(subscription)

    def resume(self, subscription: Subscription) -> None:
        """Called by an outlet that has room again."""
        subscription.paused = False
        self.pump(subscription)

    def publish(self, entries: Sequence[Entry]) -> None:
        """Write `entries`, the next ones of the log, to every live seat that may hear them.

        Never waits. An entry that touches access ends the run: what came before it, and itself,
        is written; those it touches hear nothing more until access has been asked. While a run
        that very many hear is being written, a slice per turn, what follows stands in a queue.
        """
        self._queue.extend(entries)
        if not self._fanout.is_writing:
            self._write_batches()

    def send_notice(self, channel: Channel, about: str) -> None:
        """Say that what is shown of `about` has changed (decision 0033). No log keeps that."""
        self._fanout.send_notice(channel, control_frame("notice", about=about))

    def pump(self, subscription: Subscription) -> None:
        """Bring a seat from its position towards the head, by the channels it holds now."""
        if subscription.closed or subscription.paused or subscription.loading:
            return
        if self._authorization_queue.is_pending(subscription.caller.person):
            return
        if (
            subscription.announced_channels != subscription.channels
        ):  # live too: an answer may be newer than the dispatched
            self._announce_channels(subscription)
        if subscription.live or subscription.paused:
            return
        if is_evicted(subscription, self.buffer):
            self._close_slow(subscription)
        elif subscription.position >= self.buffer.head:
            self._fanout.activate(subscription)
            subscription.resuming = False
        else:
            part = take_next_slice(subscription, self.buffer)
            if part:
                self.stats.count_replayed(part)
                subscription.writer.write(part)
            asyncio.get_running_loop().call_soon(self.pump, subscription)

    def drain(self) -> None:
        """End every stream, each with a slot of its own for coming back, and take no more."""
        self.is_draining = True
        seats = self.subscriptions
        random.shuffle(seats)
        for place, seat in enumerate(seats):
            wait = reconnect_delay_ms(place)
            seat.writer.write(retry_frame(wait))
            self._close_with_goodbye(seat, "restart", retry=wait)

    async def run(self) -> None:
        """Ask access and keep the heart beating until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._authorization_queue.run())
            tasks.create_task(self._heartbeat.run())

    # Runs

    def _write_batches(self) -> None:
        """Write run after run, until one takes more than this turn of the loop."""
        if self._fanout.is_writing:
            self._fanout.write_next_slice()
        while not self._fanout.is_writing:
            if self._batch and self._batch[-1].access_changes:
                self._apply_access_change(self._batch[-1])
            self._batch = run = self._next_batch()
            if not run:
                return
            self._fanout.start_batch(run)
        asyncio.get_running_loop().call_soon(self._write_batches)

    def _next_batch(self) -> list[Entry]:
        """The entries that are next to be written, up to one that touches access."""
        run: list[Entry] = []
        while self._queue and not (run and run[-1].access_changes):
            entry = self._queue.popleft()
            if entry.position > self.buffer.head + 1:
                self._queue.clear()
                self._start_gap_fill()
            elif entry.position == self.buffer.head + 1:  # else read from the log already
                self.buffer.append(entry)
                run.append(entry)
        return run

    # A gap in what the bus told

    def _start_gap_fill(self) -> None:
        """Read from the log what the bus lost; it may lose, the log may not."""
        self._has_gap = True
        if self._gap_task is None:
            logger.warning("events after position %s are read from the log", self.buffer.head)
            self._gap_task = asyncio.get_running_loop().create_task(self._read_gap())

    async def _read_gap(self) -> None:
        try:
            while self._has_gap:
                self._has_gap = False
                while page := await self._read_after(self.buffer.head, PAGE_SIZE):
                    self.publish(page)
                    while self._queue:  # noqa: ASYNC110 - slices, each a turn of the loop
                        await asyncio.sleep(0)
        finally:
            self._gap_task = None

    # Placing a seat

    def _set_start_position(self, subscription: Subscription, last_event_id: str | None) -> None:
        subscription.position = self.buffer.head
        if last_event_id is None:
            subscription.outcome = "live"
            return
        cursor = parse_cursor(last_event_id)
        if cursor is None:
            self._reset(subscription, "unreadable")
        elif cursor.epoch != self.epoch:
            self._reset(subscription, "epoch")
        elif cursor.position > self.buffer.head:
            self._reset(subscription, "future")
        else:
            subscription.outcome, subscription.position, subscription.resuming = (
                "resumed",
                cursor.position,
                True,
            )
            if self._slow_subscriptions.pop_if_returned(
                subscription.caller.session, cursor.position
            ):
                subscription.reason = "slow"

    def _reset(self, subscription: Subscription, reason: ResumeReason) -> None:
        subscription.outcome, subscription.position, subscription.resuming = (
            "reset",
            self.buffer.head,
            False,
        )
        subscription.reason = subscription.reason or reason
        if (
            subscription.announced_channels is not None
        ):  # it is connected already, so the first frame cannot say it
            self.stats.resets[subscription.reason] += 1
            subscription.writer.write(
                reset_frame(Cursor(self.epoch, subscription.position), subscription.reason)
            )

    async def _load_backfill(self, subscription: Subscription) -> None:
        """Read what lies between the seat and the window from the log, then let it go on."""
        channels, window = frozenset(subscription.channels), self.buffer
        try:
            found, reached = await read_backfill(
                self._read_after, window, subscription.position, channels, self._max_behind
            )
        except TooFarBehind:
            self._reset(subscription, "behind")
        except Exception:
            logger.exception("reading the log for a returning stream failed; it reloads instead")
            self._reset(subscription, "behind")
        else:
            if channels.issuperset(
                subscription.channels
            ):  # or what it gained was left out: read again
                subscription.backfill, subscription.backfill_end = found, reached
        subscription.loading = False
        self._start_replay(subscription)

    # Access

    def _apply_access_change(self, entry: Entry) -> None:
        """Silence everyone whose access `entry` may have changed, and ask again for them."""
        self._grant_cache.invalidate_channels(entry.access_changes)
        touched: set[PersonId] = set()
        for channel in entry.access_changes:
            touched.update(seat.caller.person for seat in self._fanout.subscriptions_on(channel))
            if person := person_of_channel(channel):
                touched.add(person)  # also before the first answer
            else:
                touched.update(self._authorization_queue.in_flight)  # they may turn out to hold it
        for person in touched & self._by_person.keys():
            self._authorization_queue.enqueue(person)
            for seat in self._by_person[person]:
                self._suspend(seat)

    def _suspend(self, subscription: Subscription) -> None:
        if subscription.live:
            reached = self._fanout.suspend(subscription)
            subscription.position = self.buffer.head if reached is None else reached

    def _session_ids_of(self, person: PersonId) -> Collection[str]:
        return {seat.caller.session for seat in self._by_person.get(person, ())}

    def _apply_authorization(
        self, person: PersonId, channel_sets: ChannelSets, sessions: Mapping[str, Millis]
    ) -> None:
        for seat in list(self._by_person.get(person, ())):  # they may be gone meanwhile
            expires_at = sessions.get(seat.caller.session)
            if expires_at is None or expires_at <= self._clock():
                self._close_with_goodbye(seat, "signed-out")
                continue
            if expires_at != seat.caller.expires_at:
                seat.caller = replace(seat.caller, expires_at=expires_at)
            self._heartbeat.schedule_expiry(expires_at)
            if self._fanout.is_pending(seat):
                self._suspend(seat)  # what it is still to hear is filtered by the new answer
            self._set_channels(seat, channel_sets.in_scope(seat.scope))
            self._start_replay(seat)

    def _start_replay(self, subscription: Subscription) -> None:
        if subscription.closed or subscription.loading:
            return
        if subscription.resuming and is_evicted(subscription, self.buffer):
            subscription.loading = True
            task = asyncio.get_running_loop().create_task(self._load_backfill(subscription))
            self._backfill_tasks.add(task)
            task.add_done_callback(self._backfill_tasks.discard)
            return
        if should_reload(subscription, self.buffer, self._max_behind):
            self._reset(subscription, "behind")
        self.pump(subscription)

    def _set_channels(self, subscription: Subscription, channels: Channels) -> None:
        if not set(channels) <= set(subscription.channels):  # the backlog lacks what is gained now
            subscription.backfill, subscription.backfill_end = (), 0
        self._fanout.set_channels(subscription, channels)

    # Writing

    def _announce_channels(self, subscription: Subscription) -> None:
        """Say what the seat holds: at first all of it, later what was lost and gained."""
        news = (
            connected_frames(subscription, self.epoch)
            if subscription.announced_channels is None
            else access_change_frames(subscription)
        )
        self.stats.count_start(subscription)
        subscription.announced_channels = subscription.channels
        subscription.writer.write(news)

    def _send_tick(self, subscriptions: Sequence[Subscription], tick: bytes) -> None:
        for seat in subscriptions:
            if self._fanout.is_pending(seat):  # the tick would tell of a place it has not reached
                self._suspend(seat)
                self.pump(seat)
            elif seat.live:
                try:
                    seat.writer.write(tick)
                except Exception:
                    self._close_broken(seat.writer.transport)
            elif not (seat.closed or seat.loading or seat.resuming) and is_evicted(
                seat, self.buffer
            ):
                self._close_slow(seat)

    def _reauthorize_expired(self, subscription: Subscription) -> None:
        self._suspend(subscription)
        self._authorization_queue.enqueue(subscription.caller.person)

    # Endings

    def _close_slow(self, subscription: Subscription) -> None:
        """The seat fell out of the window. It comes back with its cursor and is told why."""
        if subscription.resuming:
            self._start_replay(subscription)  # the window moved on while it caught up: read again
            return
        if (
            subscription.announced_channels is None
        ):  # it never connected: it only waited too long for access
            self._reset(subscription, "behind")
            self.pump(subscription)
            return
        self._slow_subscriptions.record(subscription.caller.session, subscription.position)
        logger.warning("a stream was let go: its reader is too slow (seat %s)", subscription.id)
        self.unsubscribe(subscription, "slow")
        subscription.writer.abort()

    def _close_broken(self, transport: Transport) -> None:
        """A way out that broke: whoever reads it comes back with its cursor."""
        for seat in (each for each in self.subscriptions if each.writer.transport is transport):
            logger.exception("a stream broke (seat %s)", seat.id)
            self.unsubscribe(seat, "broken")
            seat.writer.abort()

    def _close_with_goodbye(
        self, subscription: Subscription, reason: GoodbyeReason, **fields: object
    ) -> None:
        self.unsubscribe(subscription, reason)
        if subscription.paused:  # it reads nothing, so it would not read a goodbye
            logger.info("a stream was cut off: %s (seat %s)", reason, subscription.id)
            subscription.writer.abort()
            return
        subscription.writer.write(control_frame("goodbye", reason=reason, **fields))
        subscription.writer.end()
