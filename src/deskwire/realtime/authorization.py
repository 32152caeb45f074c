"""Questions: for whom access is to be asked, and asking it in batches.

A person who is asked about once more while the answer is on its way is asked about again: the
answer that comes first was read too early and counts for nothing. Whose grants are known already
(`realtime/grant_cache.py`) is asked about only as to the session.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from itertools import islice

from deskwire.events.access import Authorization
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.realtime.grant_cache import GrantCache, build_channel_sets
from deskwire.realtime.subscription import ChannelSets

BATCH_SIZE = 500  # people per query
TIMEOUT = 10.0  # s; then it is asked again
MAX_RETRY_DELAY = 30.0  # s between tries while the database fails

logger = logging.getLogger(__name__)


Authorize = Callable[[Collection[PersonId], Collection[str]], Awaitable[Authorization]]
ListSessionIds = Callable[[PersonId], Collection[str]]  # of the streams a person has open here
ApplyAuthorization = Callable[[PersonId, ChannelSets, Mapping[str, Millis]], None]


class AuthorizationQueue:
    """Who is being asked about. `apply` gets each answer that still counts."""

    def __init__(
        self,
        authorize: Authorize,
        grant_cache: GrantCache,
        list_session_ids: ListSessionIds,
        apply: ApplyAuthorization,
    ) -> None:
        self._authorize = authorize
        self._grant_cache = grant_cache
        self._sessions_of = list_session_ids
        self._apply = apply
        self._queued: dict[PersonId, None] = {}  # to be asked about, or asked about again
        self._in_flight: frozenset[PersonId] = frozenset()
        self._wake_event = asyncio.Event()

    @property
    def in_flight(self) -> frozenset[PersonId]:
        """Whose answer is on its way."""
        return self._in_flight

    @property
    def pending(self) -> Collection[PersonId]:
        """For whom we wait for an answer."""
        return self._queued.keys() | self._in_flight

    def enqueue(self, person: PersonId) -> None:
        """Ask about a person; an answer already on its way will not count."""
        self._queued[person] = None
        self._wake_event.set()

    def remove(self, person: PersonId) -> None:
        """Nobody listens as this person any more."""
        self._queued.pop(person, None)

    def is_pending(self, person: PersonId) -> bool:
        """Whether we wait for an answer about a person."""
        return person in self._queued or person in self._in_flight

    async def run(self) -> None:
        """Ask until cancelled."""
        failures = 0
        while True:
            await self._wake_event.wait()
            self._wake_event.clear()
            while self._queued:
                if await self._authorize_batch():
                    failures = 0
                    continue
                failures += 1
                await asyncio.sleep(min(MAX_RETRY_DELAY, 0.1 * 2**failures))

    async def _authorize_batch(self) -> bool:
        """Ask about some who wait, and apply what counts; False where it failed."""
        batch = self._in_flight = frozenset(islice(self._queued, BATCH_SIZE))
        for person in batch:
            del self._queued[person]
        sessions = {session for person in batch for session in self._sessions_of(person)}
        before = self._grant_cache.version
        known = {person: held for person in batch if (held := self._grant_cache.get(person))}
        try:
            question = self._authorize(batch - known.keys(), sessions)
            answer = await asyncio.wait_for(question, TIMEOUT)
            self._in_flight = frozenset()
            for person in batch - self._queued.keys():  # else it was raised again meanwhile
                held = known.get(person) or build_channel_sets(answer.grants.get(person, ()))
                if self._grant_cache.version == before:
                    self._grant_cache.put(person, held)
                self._apply(person, held, answer.sessions)
        except Exception:
            logger.exception("asking for access failed; the streams wait in silence")
            self._requeue(batch)
            return False
        except BaseException:
            self._requeue(batch)  # a question cut off is a question without an answer
            raise
        return True

    def _requeue(self, batch: frozenset[PersonId]) -> None:
        for person in batch:
            self.enqueue(person)
        self._in_flight = frozenset()
