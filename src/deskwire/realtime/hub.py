"""Write events to every open stream of this process; the order of steps is decision 0006.

What changes access silences at once; `pump` filters by the channels held when it writes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from deskwire.events.channels import Channel, Channels, PersonId, person_of
from deskwire.events.cursor import Cursor, parse_cursor
from deskwire.events.frames import control_frame, reset_frame, retry_frame, return_slot
from deskwire.events.log import Entry
from deskwire.kit.clock import Clock, Millis, now
from deskwire.kit.ids import new_id
from deskwire.realtime.authorization import Authorise, Questions
from deskwire.realtime.backfill import MAX_BEHIND, PAGE, ReadAfter, TooFar, read_backlog
from deskwire.realtime.buffer import Window
from deskwire.realtime.fanout import SLICE, Audience
from deskwire.realtime.grant_cache import Known
from deskwire.realtime.heartbeat import Heart
from deskwire.realtime.replay import changes_of, first_frames, is_lost, must_reload, next_slice
from deskwire.realtime.slow_subscriptions import Slow
from deskwire.realtime.stats import Counts, Ending
from deskwire.realtime.subscription import (
    Because,
    Caller,
    Draining,
    Farewell,
    Held,
    Outlet,
    Scope,
    Seat,
    Sink,
)

STREAMS_PER_PERSON = 8  # a dozen tabs in two browsers share fewer; leaked ones must not add up

logger = logging.getLogger(__name__)


class Hub:
    """The seats of this process over one window of the log."""

    def __init__(
        self,
        epoch: str,
        window: Window,
        authorise: Authorise,
        read_after: ReadAfter,
        *,
        max_behind: int = MAX_BEHIND,
        streams_per_person: int = STREAMS_PER_PERSON,
        seats_per_turn: int = SLICE,
        clock: Clock = now,
    ) -> None:
        self.epoch = epoch
        self.window = window
        self._read_after = read_after
        self._max_behind = max_behind
        self._streams_per_person = streams_per_person
        self._clock = clock
        self.counts = Counts()
        self._audience = Audience(self._drop, self.counts, seats_per_turn)
        self._known = Known()
        self._questions = Questions(authorise, self._known, self._sessions_of, self._apply)
        self._people: dict[PersonId, list[Seat]] = {}  # with open streams here, oldest first
        self._heart = Heart(clock, lambda: self.cursor, self._visit, self._expire)
        self._run: Sequence[Entry] = ()  # being written
        self._queue = deque[Entry]()  # to be written after it
        self._is_behind = False  # the bus named an entry before the ones it follows
        self._filling: asyncio.Task[None] | None = None
        self._loads: set[asyncio.Task[None]] = set()
        self._slow = Slow()
        self.is_draining = False  # this process goes down and takes no more streams

    # What the rest of the process sees

    @property
    def cursor(self) -> Cursor:
        """The place of the newest entry dispatched here. Pages read it before their rows."""
        return Cursor(self.epoch, self.window.head)

    @property
    def seats(self) -> list[Seat]:
        """Every open stream, by person."""
        return [seat for seats in self._people.values() for seat in seats]

    @property
    def waiting(self) -> int:
        """How many streams stand still until access has answered."""
        return sum(len(self._people.get(person, ())) for person in self._questions.open)

    def join(self, caller: Caller, scope: Scope, outlet: Outlet, after: str | None) -> Seat:
        """Seat a stream, silent until access has answered.

        `after` is the cursor the client has reached (None: it starts now). A person's oldest
        stream makes room when there are too many. Raises Draining while the process goes down.
        """
        if self.is_draining:
            raise Draining
        seat = Seat(new_id(), caller, scope, outlet)
        self.counts.opened[scope] += 1
        self._place(seat, after)
        seats = self._people.setdefault(caller.person, [])
        seats.append(seat)
        self._heart.add(seat)
        for oldest in seats[: -self._streams_per_person]:
            self._dismiss(oldest, "too-many-streams")
        self._questions.raise_for(caller.person)
        return seat

    def leave(self, seat: Seat, why: Ending = "left") -> None:
        """Forget a stream whose connection has ended (again is harmless)."""
        if seat.closed:
            return
        self.counts.end(seat.scope, why)
        seat.closed = True
        self._silence(seat)
        self._retune(seat, ())
        self._heart.remove(seat)
        person = seat.caller.person
        self._people[person].remove(seat)
        if not self._people[person]:
            del self._people[person]
            self._questions.withdraw(person)

    def pause(self, seat: Seat) -> None:
        """Called by an outlet that is full: the seat stands where it is."""
        seat.paused = True
        self._silence(seat)

    def resume(self, seat: Seat) -> None:
        """Called by an outlet that has room again."""
        seat.paused = False
        self.pump(seat)

    def dispatch(self, entries: Sequence[Entry]) -> None:
        """Write `entries`, the next ones of the log, to every live seat that may hear them.

        Never waits. An entry that touches access ends the run: what came before it, and itself,
        is written; those it touches hear nothing more until access has been asked. While a run
        that very many hear is being written, a slice per turn, what follows stands in a queue.
        """
        self._queue.extend(entries)
        if not self._audience.is_writing:
            self._go_on()

    def notify(self, channel: Channel, about: str) -> None:
        """Say that what is shown of `about` has changed (decision 0033). No log keeps that."""
        self._audience.notify(channel, control_frame("notice", about=about))

    def pump(self, seat: Seat) -> None:
        """Bring a seat from its position towards the head, by the channels it holds now."""
        if seat.closed or seat.paused or seat.loading:
            return
        if self._questions.is_open(seat.caller.person):
            return
        if seat.told != seat.channels:  # live too: an answer may be newer than the dispatched
            self._tell(seat)
        if seat.live or seat.paused:
            return
        if is_lost(seat, self.window):
            self._let_go(seat)
        elif seat.position >= self.window.head:
            self._audience.enliven(seat)
            seat.resuming = False
        else:
            part = next_slice(seat, self.window)
            if part:
                self.counts.catch_up(part)
                seat.outlet.write(part)
            asyncio.get_running_loop().call_soon(self.pump, seat)

    def drain(self) -> None:
        """End every stream, each with a slot of its own for coming back, and take no more."""
        self.is_draining = True
        seats = self.seats
        random.shuffle(seats)
        for place, seat in enumerate(seats):
            wait = return_slot(place)
            seat.outlet.write(retry_frame(wait))
            self._dismiss(seat, "restart", retry=wait)

    async def run(self) -> None:
        """Ask access and keep the heart beating until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._questions.run())
            tasks.create_task(self._heart.run())

    # Runs

    def _go_on(self) -> None:
        """Write run after run, until one takes more than this turn of the loop."""
        if self._audience.is_writing:
            self._audience.go_on()
        while not self._audience.is_writing:
            if self._run and self._run[-1].touches:
                self._touch(self._run[-1])
            self._run = run = self._next_run()
            if not run:
                return
            self._audience.write(run)
        asyncio.get_running_loop().call_soon(self._go_on)

    def _next_run(self) -> list[Entry]:
        """The entries that are next to be written, up to one that touches access."""
        run: list[Entry] = []
        while self._queue and not (run and run[-1].touches):
            entry = self._queue.popleft()
            if entry.position > self.window.head + 1:
                self._queue.clear()
                self._fill_gap()
            elif entry.position == self.window.head + 1:  # else read from the log already
                self.window.append(entry)
                run.append(entry)
        return run

    # A gap in what the bus told

    def _fill_gap(self) -> None:
        """Read from the log what the bus lost; it may lose, the log may not."""
        self._is_behind = True
        if self._filling is None:
            logger.warning("events after position %s are read from the log", self.window.head)
            self._filling = asyncio.get_running_loop().create_task(self._fill())

    async def _fill(self) -> None:
        try:
            while self._is_behind:
                self._is_behind = False
                while page := await self._read_after(self.window.head, PAGE):
                    self.dispatch(page)
                    while self._queue:  # noqa: ASYNC110 - slices, each a turn of the loop
                        await asyncio.sleep(0)
        finally:
            self._filling = None

    # Placing a seat

    def _place(self, seat: Seat, after: str | None) -> None:
        seat.position = self.window.head
        if after is None:
            seat.verdict = "live"
            return
        cursor = parse_cursor(after)
        if cursor is None:
            self._reset(seat, "unreadable")
        elif cursor.epoch != self.epoch:
            self._reset(seat, "epoch")
        elif cursor.position > self.window.head:
            self._reset(seat, "future")
        else:
            seat.verdict, seat.position, seat.resuming = "resumed", cursor.position, True
            if self._slow.came_back(seat.caller.session, cursor.position):
                seat.because = "slow"

    def _reset(self, seat: Seat, because: Because) -> None:
        seat.verdict, seat.position, seat.resuming = "reset", self.window.head, False
        seat.because = seat.because or because
        if seat.told is not None:  # it is connected already, so the first frame cannot say it
            self.counts.resets[seat.because] += 1
            seat.outlet.write(reset_frame(Cursor(self.epoch, seat.position), seat.because))

    async def _load(self, seat: Seat) -> None:
        """Read what lies between the seat and the window from the log, then let it go on."""
        channels, window = frozenset(seat.channels), self.window
        try:
            found, reached = await read_backlog(
                self._read_after, window, seat.position, channels, self._max_behind
            )
        except TooFar:
            self._reset(seat, "behind")
        except Exception:
            logger.exception("reading the log for a returning stream failed; it reloads instead")
            self._reset(seat, "behind")
        else:
            if channels.issuperset(seat.channels):  # or what it gained was left out: read again
                seat.backlog, seat.backlog_end = found, reached
        seat.loading = False
        self._start(seat)

    # Access

    def _touch(self, entry: Entry) -> None:
        """Silence everyone whose access `entry` may have changed, and ask again for them."""
        self._known.forget_touched(entry.touches)
        touched: set[PersonId] = set()
        for channel in entry.touches:
            touched.update(seat.caller.person for seat in self._audience.on(channel))
            if person := person_of(channel):
                touched.add(person)  # also before the first answer
            else:
                touched.update(self._questions.in_flight)  # they may turn out to hold it
        for person in touched & self._people.keys():
            self._questions.raise_for(person)
            for seat in self._people[person]:
                self._silence(seat)

    def _silence(self, seat: Seat) -> None:
        if seat.live:
            reached = self._audience.silence(seat)
            seat.position = self.window.head if reached is None else reached

    def _sessions_of(self, person: PersonId) -> Collection[str]:
        return {seat.caller.session for seat in self._people.get(person, ())}

    def _apply(self, person: PersonId, held: Held, sessions: Mapping[str, Millis]) -> None:
        for seat in list(self._people.get(person, ())):  # they may be gone meanwhile
            expires_at = sessions.get(seat.caller.session)
            if expires_at is None or expires_at <= self._clock():
                self._dismiss(seat, "signed-out")
                continue
            if expires_at != seat.caller.expires_at:
                seat.caller = replace(seat.caller, expires_at=expires_at)
            self._heart.expect(expires_at)
            if self._audience.is_to_come(seat):
                self._silence(seat)  # what it is still to hear is filtered by the new answer
            self._retune(seat, held.on(seat.scope))
            self._start(seat)

    def _start(self, seat: Seat) -> None:
        if seat.closed or seat.loading:
            return
        if seat.resuming and is_lost(seat, self.window):
            seat.loading = True
            task = asyncio.get_running_loop().create_task(self._load(seat))
            self._loads.add(task)
            task.add_done_callback(self._loads.discard)
            return
        if must_reload(seat, self.window, self._max_behind):
            self._reset(seat, "behind")
        self.pump(seat)

    def _retune(self, seat: Seat, channels: Channels) -> None:
        if not set(channels) <= set(seat.channels):  # the backlog lacks what is gained now
            seat.backlog, seat.backlog_end = (), 0
        self._audience.tune(seat, channels)

    # Writing

    def _tell(self, seat: Seat) -> None:
        """Say what the seat holds: at first all of it, later what was lost and gained."""
        news = first_frames(seat, self.epoch) if seat.told is None else changes_of(seat)
        self.counts.tell(seat)
        seat.told = seat.channels
        seat.outlet.write(news)

    def _visit(self, seats: Sequence[Seat], tick: bytes) -> None:
        for seat in seats:
            if self._audience.is_to_come(seat):  # the tick would tell of a place it has not reached
                self._silence(seat)
                self.pump(seat)
            elif seat.live:
                try:
                    seat.outlet.write(tick)
                except Exception:
                    self._drop(seat.outlet.sink)
            elif not (seat.closed or seat.loading or seat.resuming) and is_lost(seat, self.window):
                self._let_go(seat)

    def _expire(self, seat: Seat) -> None:
        self._silence(seat)
        self._questions.raise_for(seat.caller.person)

    # Endings

    def _let_go(self, seat: Seat) -> None:
        """The seat fell out of the window. It comes back with its cursor and is told why."""
        if seat.resuming:
            self._start(seat)  # the window moved on while it caught up: read again
            return
        if seat.told is None:  # it never connected: it only waited too long for access
            self._reset(seat, "behind")
            self.pump(seat)
            return
        self._slow.note(seat.caller.session, seat.position)
        logger.warning("a stream was let go: its reader is too slow (seat %s)", seat.id)
        self.leave(seat, "slow")
        seat.outlet.abort()

    def _drop(self, sink: Sink) -> None:
        """A way out that broke: whoever reads it comes back with its cursor."""
        for seat in (each for each in self.seats if each.outlet.sink is sink):
            logger.exception("a stream broke (seat %s)", seat.id)
            self.leave(seat, "broken")
            seat.outlet.abort()

    def _dismiss(self, seat: Seat, reason: Farewell, **more: object) -> None:
        self.leave(seat, reason)
        if seat.paused:  # it reads nothing, so it would not read a goodbye
            logger.info("a stream was cut off: %s (seat %s)", reason, seat.id)
            seat.outlet.abort()
            return
        seat.outlet.write(control_frame("goodbye", reason=reason, **more))
        seat.outlet.end()
