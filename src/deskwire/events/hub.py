"""The hub: every open stream of this process, and the one place that writes to them.

The order of steps that does not leak (decision 0006): a seat is registered under its person,
silent, before access is asked; dispatching an entry that touches access silences at once, without
await, everyone it touches, and ends the burst; access is asked for all of them in one query, and
again if another such entry came meanwhile; then `pump`, the only writer of anything not live,
goes on and filters by the channels held at that moment.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from deskwire.events.audience import Audience
from deskwire.events.backlog import MAX_BEHIND, PAGE, ReadAfter, TooFar, has_more_than, read_backlog
from deskwire.events.channels import Channel, PersonId, is_personal
from deskwire.events.counts import Counts, Ending
from deskwire.events.cursor import Cursor, parse_cursor
from deskwire.events.frames import connected_frame, control_frame, reset_frame, retry_frame
from deskwire.events.heart import Heart
from deskwire.events.log import Entry
from deskwire.events.questions import Answer, Authorise, Questions
from deskwire.events.seat import Because, Caller, Farewell, Outlet, Scope, Seat
from deskwire.events.window import Window
from deskwire.kit.clock import Clock, now
from deskwire.kit.ids import new_id

STREAMS_PER_PERSON = 8  # a dozen tabs in two browsers share fewer; leaked ones must not add up
SLICE_BYTES = 32 * 1024  # one write of a seat that catches up; half of what an outlet takes
SLICE_ENTRIES = 2_000  # entries looked at per slice, so that a quiet viewer holds no one up
ACCEPT_RATE = 500  # streams a second we want to see coming back after a restart
FIRST_RETURN_MS = 500  # ms; nobody comes back before the new process listens
REMEMBERED = 10_000  # sessions whose last stream was let go for being slow

logger = logging.getLogger(__name__)


class Draining(Exception):
    """This process is going down and takes no more streams."""


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
        clock: Clock = now,
    ) -> None:
        self.epoch = epoch
        self.window = window
        self._read_after = read_after
        self._max_behind = max_behind
        self._streams_per_person = streams_per_person
        self._clock = clock
        self.counts = Counts()
        self._audience = Audience(self._drop, self.counts)
        self._questions = Questions(authorise, self._sessions_of, self._apply)
        self._people: dict[PersonId, list[Seat]] = {}  # with open streams here, oldest first
        self._heart = Heart(clock, lambda: self.cursor, self._visit, self._expire)
        self._is_behind = False  # the bus named an entry before the ones it follows
        self._filling: asyncio.Task[None] | None = None
        self._loads: set[asyncio.Task[None]] = set()
        self._slow: OrderedDict[str, int] = OrderedDict()  # session → where its stream stood
        self._draining = False

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

    @property
    def is_draining(self) -> bool:
        """Whether this process goes down and takes no more streams."""
        return self._draining

    def join(self, caller: Caller, scope: Scope, outlet: Outlet, after: str | None) -> Seat:
        """Seat a stream, silent until access has answered.

        `after` is the cursor the client has reached (None: it starts now). A person's oldest
        stream makes room when there are too many. Raises Draining while the process goes down.
        """
        if self._draining:
            raise Draining
        seat = Seat(new_id(), caller, scope, outlet, self.counts.skip)
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
        seat.closed, seat.live, seat.write = True, False, self.counts.skip
        self._retune(seat, frozenset())
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
        is written; those it touches hear nothing more until access has been asked.
        """
        run: list[Entry] = []
        for entry in entries:
            if entry.position <= self.window.head:
                continue  # read from the log already
            if entry.position > self.window.head + 1:
                self._fill_gap()
                break
            self.window.append(entry)
            run.append(entry)
            if entry.touches:
                self._audience.write(run)
                run = []
                self._touch(entry)
        if run:
            self._audience.write(run)

    def pump(self, seat: Seat) -> None:
        """Bring a seat from its position towards the head, by the channels it holds now."""
        if (
            seat.closed
            or seat.paused
            or seat.loading
            or self._questions.is_open(seat.caller.person)
        ):
            return
        if seat.told != seat.channels:  # live too: an answer may be newer than the dispatched
            self._tell(seat)
        if seat.live or seat.paused:
            return
        if self._is_lost(seat):
            self._let_go(seat)
        elif seat.position >= self.window.head:
            seat.live, seat.write, seat.resuming = True, seat.outlet.write, False
        else:
            part = self._next_slice(seat)
            if part:
                self.counts.catch_up(part)
                seat.outlet.write(part)
            asyncio.get_running_loop().call_soon(self.pump, seat)

    def drain(self) -> None:
        """End every stream, each with a slot of its own for coming back, and take no more."""
        self._draining = True
        seats = self.seats
        random.shuffle(seats)
        for place, seat in enumerate(seats):
            wait = FIRST_RETURN_MS + place * 1000 // ACCEPT_RATE
            seat.outlet.write(retry_frame(wait))
            self._dismiss(seat, "restart", retry=wait)

    async def run(self) -> None:
        """Ask access and keep the heart beating until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._questions.run())
            tasks.create_task(self._heart.run())

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
            # Another tab of the session that comes back first stood further on.
            if cursor.position <= self._slow.get(seat.caller.session, -1):
                seat.because = "slow"
                del self._slow[seat.caller.session]

    def _reset(self, seat: Seat, because: Because) -> None:
        seat.verdict, seat.position, seat.resuming = "reset", self.window.head, False
        seat.because = seat.because or because
        if seat.told is not None:  # it is connected already, so the first frame cannot say it
            self.counts.resets[seat.because] += 1
            seat.outlet.write(reset_frame(Cursor(self.epoch, seat.position), seat.because))

    async def _load(self, seat: Seat) -> None:
        """Read what lies between the seat and the window from the log, then let it go on."""
        channels, window = seat.channels, self.window
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
            if seat.channels <= channels:  # else what it gained was filtered away: read again
                seat.backlog, seat.backlog_end = found, reached
        seat.loading = False
        self._start(seat)

    def _is_too_far(self, seat: Seat) -> bool:
        newer = self.window.after(max(seat.position, seat.backlog_end))
        return has_more_than(self._max_behind, seat.channels, seat.backlog, newer)

    # Access

    def _touch(self, entry: Entry) -> None:
        """Silence everyone whose access `entry` may have changed, and ask again for them."""
        touched: set[PersonId] = set()
        for channel in entry.touches:
            touched.update(seat.caller.person for seat in self._audience.on(channel))
            if is_personal(channel):
                touched.add(channel.partition(":")[2])  # also before the first answer
            else:
                touched.update(self._questions.in_flight)  # they may turn out to hold it
        for person in touched & self._people.keys():
            self._questions.raise_for(person)
            for seat in self._people[person]:
                self._silence(seat)

    def _silence(self, seat: Seat) -> None:
        if seat.live:
            seat.live, seat.write, seat.position = False, self.counts.skip, self.window.head

    def _sessions_of(self, person: PersonId) -> Collection[str]:
        return {seat.caller.session for seat in self._people.get(person, ())}

    def _apply(self, person: PersonId, answer: Answer) -> None:
        grants = answer.grants.get(person, ())
        for seat in list(self._people.get(person, ())):  # they may be gone meanwhile
            expires_at = answer.sessions.get(seat.caller.session)
            if expires_at is None or expires_at <= self._clock():
                self._dismiss(seat, "signed-out")
                continue
            seat.caller = replace(seat.caller, expires_at=expires_at)
            self._heart.expect(expires_at)
            self._retune(seat, frozenset(g.channel for g in grants if seat.wants(g.workspace)))
            self._start(seat)

    def _start(self, seat: Seat) -> None:
        if seat.closed or seat.loading:
            return
        if seat.resuming and self._is_lost(seat):
            seat.loading = True
            task = asyncio.get_running_loop().create_task(self._load(seat))
            self._loads.add(task)
            task.add_done_callback(self._loads.discard)
            return
        if seat.resuming and seat.told is None and self._is_too_far(seat):
            self._reset(seat, "behind")
        self.pump(seat)

    def _retune(self, seat: Seat, channels: frozenset[Channel]) -> None:
        if not channels <= seat.channels:  # the backlog was filtered without what is gained now
            seat.backlog, seat.backlog_end = (), 0
        self._audience.tune(seat, channels)

    # Writing

    def _tell(self, seat: Seat) -> None:
        """Say what the seat holds: at first all of it, later what was lost and gained."""
        told, seat.told = seat.told, seat.channels
        here = Cursor(self.epoch, seat.position)
        if told is None:
            self.counts.starts[seat.verdict or "live", seat.because] += 1
            frame = connected_frame(
                here,
                verdict=seat.verdict or "live",
                seat=seat.id,
                because=seat.because,
                channels=seat.channels,
            )
            if seat.verdict == "reset":
                frame += reset_frame(Cursor(self.epoch, seat.position), seat.because)
            seat.outlet.write(frame)
            return
        if lost := told - seat.channels:
            seat.outlet.write(control_frame("revoked", channels=sorted(lost)))
        if gained := seat.channels - told:
            seat.outlet.write(control_frame("granted", channels=sorted(gained)))

    def _next_slice(self, seat: Seat) -> bytes:
        """The next frames the seat may hear; moves its position past what was looked at."""
        parts, size = list[bytes](), 0
        in_backlog = seat.backlog_end > seat.position
        source: Iterable[Entry] = seat.backlog if in_backlog else self.window.after(seat.position)
        for looked, entry in enumerate(source, 1):
            seat.position = entry.position
            if not seat.channels.isdisjoint(entry.channels):
                parts.append(entry.frame)
                size += len(entry.frame)
            if size >= SLICE_BYTES or looked >= SLICE_ENTRIES:
                break
        if in_backlog:
            seat.backlog = [e for e in seat.backlog if e.position > seat.position]
            if not seat.backlog:  # it was filtered when it was read: the rest is not for this seat
                seat.position = seat.backlog_end
        return b"".join(parts)

    def _visit(self, seats: Sequence[Seat], tick: bytes) -> None:
        for seat in seats:
            if seat.live:
                try:
                    seat.write(tick)
                except Exception:
                    self._drop(seat)
            elif not (seat.closed or seat.loading or seat.resuming) and self._is_lost(seat):
                self._let_go(seat)

    def _expire(self, seat: Seat) -> None:
        self._silence(seat)
        self._questions.raise_for(seat.caller.person)

    # Endings

    def _is_lost(self, seat: Seat) -> bool:
        return max(seat.position, seat.backlog_end) < self.window.floor

    def _let_go(self, seat: Seat) -> None:
        """The seat fell out of the window. It comes back with its cursor and is told why."""
        if seat.resuming:
            self._start(seat)  # the window moved on while it caught up: read again
            return
        if seat.told is None:  # it never connected: it only waited too long for access
            self._reset(seat, "behind")
            self.pump(seat)
            return
        self._slow[seat.caller.session] = seat.position
        if len(self._slow) > REMEMBERED:
            self._slow.popitem(last=False)
        logger.warning("a stream was let go: its reader is too slow (seat %s)", seat.id)
        self.leave(seat, "slow")
        seat.outlet.abort()

    def _drop(self, seat: Seat) -> None:
        """A seat whose outlet broke: whoever reads it comes back with its cursor."""
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
