"""Together: what is asked for at the same moment by many becomes one question."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

MOST = 500  # keys in one question; as many parameters as any database takes

K = TypeVar("K")
V = TypeVar("V")


class Together(Generic[K, V]):
    """Asks at once when nobody is asking; those who come meanwhile make up the next question."""

    def __init__(self, ask: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._ask = ask
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """The answer for `key`, None where there is none; raises what the question raised."""
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all())
        return await asyncio.shield(answer)  # who goes away must not take it from the others

    async def _ask_all(self) -> None:
        try:
            while self._waiting:
                batch = {key: self._waiting.pop(key) for key in list(self._waiting)[:MOST]}
                await self._answer(batch)
        finally:
            self._asking = None

    async def _answer(self, batch: Mapping[K, asyncio.Future[V | None]]) -> None:
        try:
            found = await self._ask(batch.keys())
        except Exception as error:
            for answer in batch.values():
                answer.set_exception(error)
                answer.exception()  # looked at: those who asked may all have gone
        else:
            for key, answer in batch.items():
                answer.set_result(found.get(key))
