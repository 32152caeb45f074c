"""Authorize people in batches, and again whenever their access may have changed.

If access changes while a query is in flight, its result is discarded and the query repeated: it may
have been read too early. For people in the grant cache (`realtime/grant_cache.py`) only the
sessions are read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from itertools import islice

from deskwire.events.access import Authorization
from deskwire.events.channels import SubjectId
from deskwire.kit.backoff import FIRST_DELAY, Backoff
from deskwire.kit.clock import Millis
from deskwire.realtime.grant_cache import GrantCache, build_channel_sets
from deskwire.realtime.subscription import ChannelSets

BATCH_SIZE = 500  # people per query
TIMEOUT = 10.0  # s for a query; it is then repeated

logger = logging.getLogger(__name__)


Authorize = Callable[[Collection[SubjectId], Collection[str]], Awaitable[Authorization]]
ListSessionIds = Callable[[SubjectId], Collection[str]]  # of the streams a person has open here
ApplyAuthorization = Callable[[SubjectId, ChannelSets, Mapping[str, Millis]], None]


class AuthorizationQueue:
    """Queue people to be authorized. `apply` receives each result that is still valid."""

    def __init__(
        self,
        authorize: Authorize,
        grant_cache: GrantCache,
        list_session_ids: ListSessionIds,
        apply: ApplyAuthorization,
        first_retry_delay: float = FIRST_DELAY,
    ) -> None:
        self._authorize = authorize
        self._grant_cache = grant_cache
        self._list_session_ids = list_session_ids
        self._apply = apply
        self._queued: dict[SubjectId, None] = {}  # to be authorized, or authorized again
        self._in_flight: frozenset[SubjectId] = frozenset()
        self._wake_event = asyncio.Event()
        self._backoff = Backoff(self._wake_event, first=first_retry_delay)

    @property
    def in_flight(self) -> frozenset[SubjectId]:
        """The people whose query is running."""
        return self._in_flight

    @property
    def pending(self) -> Collection[SubjectId]:
        """The people who are queued or whose query is running."""
        return self._queued.keys() | self._in_flight

    def enqueue(self, person: SubjectId) -> None:
        """Authorize a person; the result of a query in flight for them is then discarded."""
        self._queued[person] = None
        self._wake_event.set()

    def remove(self, person: SubjectId) -> None:
        """Take a person without open streams out of the queue."""
        self._queued.pop(person, None)

    def is_pending(self, person: SubjectId) -> bool:
        """Whether a person is queued or their query is running."""
        return person in self._queued or person in self._in_flight

    async def run(self) -> None:
        """Authorize the queued people until cancelled."""
        while True:
            if not self._queued:
                await self._wake_event.wait()
            self._wake_event.clear()
            while self._queued:
                if await self._authorize_batch():
                    self._backoff.reset()
                    continue
                await self._backoff.wait()  # at most until another person is to be authorized
                self._wake_event.clear()

    async def _authorize_batch(self) -> bool:
        """Authorize a batch of people and apply the valid results; False if the query failed."""
        batch = self._in_flight = frozenset(islice(self._queued, BATCH_SIZE))
        for person in batch:
            del self._queued[person]
        sessions = {session for person in batch for session in self._list_session_ids(person)}
        version_before = self._grant_cache.version
        cached = {person: sets for person in batch if (sets := self._grant_cache.get(person))}
        try:
            async with asyncio.timeout(TIMEOUT):  # `wait_for` of Python 3.11 loses cancellations
                answer = await self._authorize(batch - cached.keys(), sessions)
            self._in_flight = frozenset()
            for person in batch - self._queued.keys():  # those queued again wait for the next
                sets = cached.get(person) or build_channel_sets(answer.grants.get(person, ()))
                if self._grant_cache.version == version_before:
                    self._grant_cache.put(person, sets)
                self._apply(person, sets, answer.sessions)
        except Exception:
            logger.exception("authorizing streams failed; they hear nothing until a retry succeeds")
            self._requeue(batch)
            return False
        except BaseException:
            self._requeue(batch)  # a cancelled query has no result
            raise
        return True

    def _requeue(self, batch: frozenset[SubjectId]) -> None:
        self._queued.update(dict.fromkeys(batch))  # without waking: it would end the back-off
        self._in_flight = frozenset()
