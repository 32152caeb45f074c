"""Lock something that one person must not occupy: those who wait take turns by person."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairLock:
    """A lock for one task at a time.

    The task that has waited longest comes next within a key, and the keys take turns: a key with
    fifty waiting tasks delays another one by a single turn.
    """

    def __init__(self) -> None:
        self._is_held = False
        self._waiting = OrderedDict[str, deque[asyncio.Future[None]]]()  # the next key first

    @asynccontextmanager
    async def hold(self, key: str, max_wait: float) -> AsyncIterator[None]:
        """Hold the lock. Raises TimeoutError if that takes more than `max_wait` seconds."""
        await self._acquire(key, max_wait)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, key: str, max_wait: float) -> None:
        if not self._is_held:
            self._is_held = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        try:
            async with asyncio.timeout(max_wait):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._release()  # the turn came at the same moment
            else:
                self._forget(key, turn)
            raise

    def _release(self) -> None:
        """Give the lock to the next key's first task; its other tasks wait behind all keys."""
        if not self._waiting:
            self._is_held = False
            return
        key, turns = self._waiting.popitem(last=False)
        turn = turns.popleft()
        if turns:
            self._waiting[key] = turns
        turn.set_result(None)

    def _forget(self, key: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting[key]
        turns.remove(turn)
        if not turns:
            del self._waiting[key]
