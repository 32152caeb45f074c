"""Deliver events to every open stream of this process.

The order of the steps is decision 0006: an access change suspends the streams it concerns at once,
and `pump` filters by the channels held at the moment it writes.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from deskwire.events.channels import Channel, SubjectId
from deskwire.events.cursor import Cursor
from deskwire.events.frames import control_frame, reconnect_delay_ms, reset_frame, retry_frame
from deskwire.events.log import Entry
from deskwire.kit.clock import Clock, Millis, now
from deskwire.kit.ids import new_id
from deskwire.realtime.access_changes import AdmittingEntry, find_affected_people
from deskwire.realtime.authorization import AuthorizationQueue, Authorize
from deskwire.realtime.backfill import MAX_BEHIND, LogPages, ReadAfter, TooFarBehind
from deskwire.realtime.buffer import EventBuffer
from deskwire.realtime.fanout import SLICE_SIZE, Fanout
from deskwire.realtime.grant_cache import GrantCache
from deskwire.realtime.heartbeat import Heartbeat
from deskwire.realtime.publisher import Publisher
from deskwire.realtime.replay import (
    access_change_frames,
    choose_start,
    connected_frames,
    is_evicted,
    needs_page,
    should_reload,
    take_next_slice,
)
from deskwire.realtime.slow_subscriptions import SlowSubscriptions
from deskwire.realtime.stats import CloseReason, HubStats
from deskwire.realtime.subscription import (
    CANNOT_REPLAY,
    LIVE,
    Caller,
    ChannelSets,
    Draining,
    GoodbyeReason,
    ResumeReason,
    StreamScope,
    Subscription,
    SubscriptionState,
    Transport,
    Writer,
    check_transition,
)

STREAMS_PER_PERSON = 8  # a dozen tabs in two browsers share fewer; leaked ones must not add up

logger = logging.getLogger(__name__)


class Hub:
    """The subscriptions of this process, over one buffer of the log's newest entries."""

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
        self.stats = HubStats()
        self.is_draining = False  # the process is shutting down and accepts no more streams
        self._pages = LogPages(read_after, buffer)
        self._max_behind = max_behind
        self._streams_per_person = streams_per_person
        self._clock = clock
        self._fanout = Fanout(self._close_broken, self.stats, slice_size)
        self._publisher = Publisher(
            buffer, self._fanout, read_after, self._expect_access_change, self._apply_access_change
        )
        self._admitting_entry = AdmittingEntry()
        self._grant_cache = GrantCache()
        self._authorization_queue = AuthorizationQueue(
            authorize, self._grant_cache, self._session_ids_of, self._apply_authorization
        )
        self._heartbeat = Heartbeat(
            clock, lambda: self.cursor, self._send_tick, self._reauthorize_expired
        )
        self._by_person: dict[SubjectId, list[Subscription]] = {}  # each list oldest first
        self._backfill_tasks: set[asyncio.Task[None]] = set()
        self._slow_subscriptions = SlowSubscriptions()

    @property
    def cursor(self) -> Cursor:
        """The position of the newest entry published here. Pages read it before their rows."""
        return Cursor(self.epoch, self.buffer.head)

    @property
    def subscriptions(self) -> list[Subscription]:
        """Every open stream, grouped by person."""
        return [each for subscriptions in self._by_person.values() for each in subscriptions]

    @property
    def awaiting_access(self) -> int:
        """The number of streams that are suspended until their person has been authorized."""
        return sum(
            len(self._by_person.get(person, ())) for person in self._authorization_queue.pending
        )

    def subscribe(
        self, caller: Caller, scope: StreamScope, writer: Writer, last_event_id: str | None
    ) -> Subscription:
        """Open a stream; nothing is written to it until its person has been authorized.

        `last_event_id` is the cursor the client has reached (None: start now). When a person has
        too many streams, the oldest one is closed. Raises Draining while the process shuts down.
        """
        if self.is_draining:
            raise Draining
        subscription = Subscription(new_id(), caller, scope, writer)
        self.stats.opened[scope] += 1
        self._set_start_position(subscription, last_event_id)
        open_streams = self._by_person.setdefault(caller.subject, [])
        open_streams.append(subscription)
        self._heartbeat.add(subscription)
        for oldest in open_streams[: -self._streams_per_person]:
            self._close_with_goodbye(oldest, "too-many-streams")
        self._authorization_queue.enqueue(caller.subject)
        return subscription

    def unsubscribe(self, subscription: Subscription, reason: CloseReason = "left") -> None:
        """Forget a stream whose connection has ended. Calling it twice is harmless."""
        if subscription.is_closed:
            return
        self.stats.count_closed(subscription.scope, reason)
        self._enter_state(subscription, SubscriptionState.CLOSED)
        self._fanout.set_channels(subscription, ())
        self._heartbeat.remove(subscription)
        person = subscription.caller.subject
        self._by_person[person].remove(subscription)
        if not self._by_person[person]:
            del self._by_person[person]
            self._authorization_queue.remove(person)

    def pause(self, subscription: Subscription) -> None:
        """Stop writing to a stream; called by its writer when it is full."""
        subscription.is_paused = True
        self._suspend(subscription)

    def resume(self, subscription: Subscription) -> None:
        """Continue a paused stream; called by its writer when it has room again."""
        subscription.is_paused = False
        self.pump(subscription)

    def publish(self, entries: Sequence[Entry]) -> None:
        """Write `entries`, the next ones of the log, to every live stream that may hear them.

        Never waits. An entry that changes access ends the batch: the streams it concerns receive
        nothing after it until they have been authorized again. A batch with very many listeners
        is written in slices, one per turn of the loop, and later entries wait in a queue.
        """
        self._publisher.publish(entries)

    def send_notice(self, channel: Channel, about: str) -> None:
        """Tell a channel's listeners that `about` has changed. Not logged (decision 0033)."""
        self._fanout.send_notice(channel, control_frame("notice", about=about))

    def pump(self, subscription: Subscription) -> None:
        """Move a stream from its position towards the head, filtered by the channels it holds."""
        if subscription.is_paused or subscription.state in CANNOT_REPLAY:
            return
        if self._authorization_queue.is_pending(subscription.caller.subject):
            return
        if should_reload(subscription, self.buffer, self._max_behind):
            self._reset(subscription, "behind")
        elif needs_page(subscription, self.buffer, self._pages):
            self._load_page(subscription)
            return
        # Live streams too: the authorization may be newer than what has been published.
        if subscription.announced_channels != subscription.channels:
            self._announce_channels(subscription)
        if subscription.is_live or subscription.is_paused:
            return
        is_behind_buffer = is_evicted(subscription, self.buffer)
        if is_behind_buffer and subscription.state is not SubscriptionState.RESUMING:
            self._close_slow(subscription)
        elif subscription.position >= self.buffer.head:
            self._enter_state(subscription, LIVE)
        else:
            source = self._pages if is_behind_buffer else self.buffer
            frames = take_next_slice(subscription, source)
            self._admitting_entry.note_replay(subscription)
            if frames:
                self.stats.count_replayed(frames)
                subscription.writer.write(frames)
            asyncio.get_running_loop().call_soon(self.pump, subscription)

    def begin_epoch(self, epoch: str, entries: list[Entry], head: int) -> None:
        """Start over with a log that went back in time: every page reloads its state."""
        for task in self._backfill_tasks:
            task.cancel()
        self.epoch = epoch
        self._publisher.start_over(entries, head)
        self._grant_cache.clear()
        for subscription in self.subscriptions:
            subscription.forget_replay()
            self._reset(subscription, "epoch")
            self._authorization_queue.enqueue(subscription.caller.subject)

    def drain(self) -> None:
        """End every stream, each with a reconnect delay of its own, and accept no more."""
        self.is_draining = True
        subscriptions = self.subscriptions
        random.shuffle(subscriptions)
        for index, subscription in enumerate(subscriptions):
            delay = reconnect_delay_ms(index)
            subscription.writer.write(retry_frame(delay))
            self._close_with_goodbye(subscription, "restart", retry=delay)

    async def run(self) -> None:
        """Authorize streams and send heartbeats until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._authorization_queue.run())
            tasks.create_task(self._heartbeat.run())

    def _enter_state(self, subscription: Subscription, state: SubscriptionState) -> None:
        """Move a subscription to `state`; nothing else writes `Subscription.state`.

        Leaving LIVE takes it out of the fan-out and records the position it has reached; entering
        LIVE puts it in and sends its pending notices. Raises RuntimeError on an illegal transition.
        """
        previous = subscription.state
        if state is previous:
            return
        check_transition(subscription, state)
        subscription.state = state
        if previous is LIVE:
            subscription.position = self._fanout.deactivate(subscription, self.buffer.head)
        elif state is LIVE:
            self._fanout.activate(subscription)

    def _suspend(self, subscription: Subscription) -> None:
        if subscription.is_live:
            self._enter_state(subscription, SubscriptionState.SUSPENDED)

    def _set_start_position(self, subscription: Subscription, last_event_id: str | None) -> None:
        start = choose_start(last_event_id, self.cursor)
        subscription.outcome, subscription.position, subscription.reason = start
        if start.outcome == "resumed":
            self._enter_state(subscription, SubscriptionState.RESUMING)
            if self._slow_subscriptions.pop_if_returned(
                subscription.caller.session, start.position
            ):
                subscription.reason = "slow"

    def _reset(self, subscription: Subscription, reason: ResumeReason) -> None:
        """Give up replaying: the client reloads its page and continues from the head."""
        self._enter_state(subscription, SubscriptionState.SUSPENDED)
        subscription.outcome, subscription.position = "reset", self.buffer.head
        subscription.reason = subscription.reason or reason
        if subscription.announced_channels is not None:  # else the connected frame says so
            self.stats.resets[subscription.reason] += 1
            subscription.writer.write(
                reset_frame(Cursor(self.epoch, subscription.position), subscription.reason)
            )

    def _load_page(self, subscription: Subscription) -> None:
        self._enter_state(subscription, SubscriptionState.LOADING)
        task = asyncio.get_running_loop().create_task(self._load_page_and_pump(subscription))
        self._backfill_tasks.add(task)
        task.add_done_callback(self._backfill_tasks.discard)

    async def _load_page_and_pump(self, subscription: Subscription) -> None:
        can_replay = False
        try:
            await self._pages.load(subscription.position)
            can_replay = True
        except TooFarBehind:
            pass  # the page reloads
        except Exception:
            logger.exception("reading the backfill of a stream failed; its page reloads instead")
        if subscription.is_closed:
            return
        self._enter_state(subscription, SubscriptionState.RESUMING)
        if not can_replay:
            self._reset(subscription, "behind")
        self.pump(subscription)

    def _expect_access_change(self, entry: Entry) -> None:
        self._admitting_entry.expect(entry, self._by_person)

    def _apply_access_change(self, entry: Entry) -> None:
        """Suspend everyone whose access `entry` may have changed, and authorize them again."""
        self._grant_cache.invalidate_channels(entry.access_changes)
        in_flight = self._authorization_queue.in_flight
        affected = find_affected_people(entry, self._fanout, in_flight)
        for person in affected & self._by_person.keys():
            self._authorization_queue.enqueue(person)
            for subscription in self._by_person[person]:
                self._suspend(subscription)
        self._admitting_entry.rewind()

    def _session_ids_of(self, person: SubjectId) -> Collection[str]:
        return {each.caller.session for each in self._by_person.get(person, ())}

    def _apply_authorization(
        self, person: SubjectId, channel_sets: ChannelSets, sessions: Mapping[str, Millis]
    ) -> None:
        for subscription in list(self._by_person.get(person, ())):  # closing one changes the list
            expires_at = sessions.get(subscription.caller.session)
            if expires_at is None or expires_at <= self._clock():
                self._close_with_goodbye(subscription, "signed-out")
                continue
            if expires_at != subscription.caller.expires_at:
                subscription.caller = replace(subscription.caller, expires_at=expires_at)
            self._heartbeat.schedule_expiry(expires_at)
            if self._fanout.is_pending(subscription):
                self._suspend(subscription)  # the rest of the batch is filtered by the new channels
            self._fanout.set_channels(subscription, channel_sets.in_scope(subscription.scope))
            self.pump(subscription)

    def _announce_channels(self, subscription: Subscription) -> None:
        """Send the client its channels: all of them at first, later only the changes."""
        frames = (
            connected_frames(subscription, self.epoch)
            if subscription.announced_channels is None
            else access_change_frames(subscription)
        )
        self.stats.count_start(subscription)
        subscription.announced_channels = subscription.channels
        subscription.writer.write(frames)

    def _send_tick(self, subscriptions: Sequence[Subscription], tick: bytes) -> None:
        for subscription in subscriptions:
            if self._fanout.is_pending(subscription):  # the tick names a position not reached yet
                self._suspend(subscription)
                self.pump(subscription)
            elif subscription.is_live:
                try:
                    subscription.writer.write(tick)
                except Exception:
                    self._close_broken(subscription.writer.transport)
            elif subscription.state is SubscriptionState.SUSPENDED and is_evicted(
                subscription, self.buffer
            ):
                self._close_slow(subscription)

    def _reauthorize_expired(self, subscription: Subscription) -> None:
        self._suspend(subscription)
        self._authorization_queue.enqueue(subscription.caller.subject)

    def _close_slow(self, subscription: Subscription) -> None:
        """Close a stream whose next entry has left the buffer.

        The client returns with its cursor, and its `connected` frame says that it was slow.
        """
        if subscription.announced_channels is None:  # not slow: it waited too long for access
            self._reset(subscription, "behind")
            self.pump(subscription)
            return
        self._slow_subscriptions.record(subscription.caller.session, subscription.position)
        logger.warning("closed a stream whose reader is too slow (seat %s)", subscription.id)
        self.unsubscribe(subscription, "slow")
        subscription.writer.abort()

    def _close_broken(self, transport: Transport) -> None:
        """Close the stream whose transport failed; the client returns with its cursor."""
        for subscription in self.subscriptions:
            if subscription.writer.transport is transport:
                logger.exception("closed a stream that failed (seat %s)", subscription.id)
                self.unsubscribe(subscription, "broken")
                subscription.writer.abort()

    def _close_with_goodbye(
        self, subscription: Subscription, reason: GoodbyeReason, **fields: object
    ) -> None:
        self.unsubscribe(subscription, reason)
        if subscription.is_paused:  # its client reads nothing, so it would not read a goodbye
            logger.info("aborted a paused stream: %s (seat %s)", reason, subscription.id)
            subscription.writer.abort()
            return
        subscription.writer.write(control_frame("goodbye", reason=reason, **fields))
        subscription.writer.end()
