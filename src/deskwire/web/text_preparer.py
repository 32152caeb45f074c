"""Prepare what people write in threads of its own, at a pace for each person.

A text can be written to be expensive. Threads keep it out of the transaction and off the event
loop; the pace keeps one person from taking the processor from everyone else.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from weakref import WeakValueDictionary

from deskwire.events.channels import PersonId
from deskwire.kit.errors import RateLimited
from deskwire.kit.i18n import ngettext
from deskwire.kit.token_bucket import TokenBuckets
from deskwire.tickets.prepared_text import PreparedText, prepare_input
from deskwire.tickets.validation import MAX_TEXT_LENGTH

PACE = 2_000  # characters per second and person; no one types, or reads, as fast
MAX_BURST = 100_000  # characters a person may write at once: five texts of the greatest length
MIN_CHARGE = 200  # characters; a short message costs a transaction, too
SHORT_LENGTH = 2_000  # characters; takes up to 15 ms, so it need not wait for longer texts


class TextPreparer:
    """Two threads: one for short texts, one for long ones, where each person waits their turn."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets = TokenBuckets(MAX_BURST, PACE, clock)
        self._short_texts = ThreadPoolExecutor(1, thread_name_prefix="short-texts")
        self._long_texts = ThreadPoolExecutor(1, thread_name_prefix="long-texts")
        self._turns: WeakValueDictionary[PersonId, asyncio.Lock] = WeakValueDictionary()

    async def prepare(self, person_id: PersonId, text: str) -> str | PreparedText:
        """Prepare a text for an action, as `prepare_input` does.

        Raises RateLimited if the person has written too much in a short time.
        """
        self._charge(person_id, text)
        loop = asyncio.get_running_loop()
        if len(text) <= SHORT_LENGTH:
            return await loop.run_in_executor(self._short_texts, prepare_input, text)
        turn = self._turns.setdefault(person_id, asyncio.Lock())
        async with turn:
            return await loop.run_in_executor(self._long_texts, prepare_input, text)

    def close(self) -> None:
        """Drop queued texts and wait for the running ones, then stop the threads."""
        for pool in (self._short_texts, self._long_texts):
            pool.shutdown(wait=True, cancel_futures=True)

    def _charge(self, person_id: PersonId, text: str) -> None:
        charge = min(max(len(text), MIN_CHARGE), MAX_TEXT_LENGTH)
        wait = self._buckets.take(person_id, charge)
        if wait > 0:
            seconds = math.ceil(wait)
            sentence = ngettext(
                "You have written a lot in a short time. Try again in %(num)s second.",
                "You have written a lot in a short time. Try again in %(num)s seconds.",
                seconds,
            )
            raise RateLimited(sentence, seconds)
