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

from deskwire.events.access import Answer
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.realtime.grant_cache import Known, held_by
from deskwire.realtime.subscription import Held

BATCH = 500  # people per query
TIMEOUT = 10.0  # s; then it is asked again
MAX_WAIT = 30.0  # s between tries while the database fails

logger = logging.getLogger(__name__)


Authorise = Callable[[Collection[PersonId], Collection[str]], Awaitable[Answer]]
SessionsOf = Callable[[PersonId], Collection[str]]  # of the streams a person has open here
Apply = Callable[[PersonId, Held, Mapping[str, Millis]], None]


class Questions:
    """Who is being asked about. `apply` gets each answer that still counts."""

    def __init__(
        self, authorise: Authorise, known: Known, sessions_of: SessionsOf, apply: Apply
    ) -> None:
        self._authorise = authorise
        self._known = known
        self._sessions_of = sessions_of
        self._apply = apply
        self._wanted: dict[PersonId, None] = {}  # to be asked about, or asked about again
        self._in_flight: frozenset[PersonId] = frozenset()
        self._raised = asyncio.Event()

    @property
    def in_flight(self) -> frozenset[PersonId]:
        """Whose answer is on its way."""
        return self._in_flight

    @property
    def open(self) -> Collection[PersonId]:
        """For whom we wait for an answer."""
        return self._wanted.keys() | self._in_flight

    def raise_for(self, person: PersonId) -> None:
        """Ask about a person; an answer already on its way will not count."""
        self._wanted[person] = None
        self._raised.set()

    def withdraw(self, person: PersonId) -> None:
        """Nobody listens as this person any more."""
        self._wanted.pop(person, None)

    def is_open(self, person: PersonId) -> bool:
        """Whether we wait for an answer about a person."""
        return person in self._wanted or person in self._in_flight

    async def run(self) -> None:
        """Ask until cancelled."""
        failures = 0
        while True:
            await self._raised.wait()
            self._raised.clear()
            while self._wanted:
                if await self._ask():
                    failures = 0
                    continue
                failures += 1
                await asyncio.sleep(min(MAX_WAIT, 0.1 * 2**failures))

    async def _ask(self) -> bool:
        """Ask about some who wait, and apply what counts; False where it failed."""
        batch = self._in_flight = frozenset(islice(self._wanted, BATCH))
        for person in batch:
            del self._wanted[person]
        sessions = {session for person in batch for session in self._sessions_of(person)}
        before = self._known.changes
        known = {person: held for person in batch if (held := self._known.get(person))}
        try:
            question = self._authorise(batch - known.keys(), sessions)
            answer = await asyncio.wait_for(question, TIMEOUT)
            self._in_flight = frozenset()
            for person in batch - self._wanted.keys():  # else it was raised again meanwhile
                held = known.get(person) or held_by(answer.grants.get(person, ()))
                if self._known.changes == before:
                    self._known.keep(person, held)
                self._apply(person, held, answer.sessions)
        except Exception:
            logger.exception("asking for access failed; the streams wait in silence")
            self._ask_again(batch)
            return False
        except BaseException:
            self._ask_again(batch)  # a question cut off is a question without an answer
            raise
        return True

    def _ask_again(self, batch: frozenset[PersonId]) -> None:
        for person in batch:
            self.raise_for(person)
        self._in_flight = frozenset()
