"""Together: what is asked for at the same moment by many becomes one question."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

MAX_BATCH_SIZE = 500  # keys in one question; as many parameters as any database takes

K = TypeVar("K")
V = TypeVar("V")


class BatchLoader(Generic[K, V]):
    """Asks at once when nobody is asking; those who come meanwhile make up the next question."""

    def __init__(self, load_batch: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._load_batch = load_batch
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def load(self, key: K) -> V | None:
        """The answer for `key`, None where there is none; raises what the question raised."""
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._load_waiting())
        return await asyncio.shield(answer)  # who goes away must not take it from the others

    async def _load_waiting(self) -> None:
        try:
            while self._waiting:
                batch = {
                    key: self._waiting.pop(key) for key in list(self._waiting)[:MAX_BATCH_SIZE]
                }
                await self._load_and_resolve(batch)
        finally:
            self._task = None

    async def _load_and_resolve(self, batch: Mapping[K, asyncio.Future[V | None]]) -> None:
        try:
            found = await self._load_batch(batch.keys())
        except Exception as error:
            for answer in batch.values():
                answer.set_exception(error)
                answer.exception()  # looked at: those who asked may all have gone
        else:
            for key, answer in batch.items():
                answer.set_result(found.get(key))
