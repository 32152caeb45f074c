"""Batch concurrent lookups into one query (the DataLoader pattern)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

MAX_BATCH_SIZE = 500  # keys per query; within the parameter limit of every supported database

K = TypeVar("K")
V = TypeVar("V")


class BatchLoader(Generic[K, V]):
    """Load values by key with `load_batch`, one batch at a time.

    If no batch is running, a lookup starts one right away. Keys requested while a batch runs form
    the next batch.
    """

    def __init__(self, load_batch: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._load_batch = load_batch
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def load(self, key: K) -> V | None:
        """Return the value for `key`, or None if there is none.

        Raises what `load_batch` raised.
        """
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._load_waiting())
        # Other callers share the future: cancelling one of them must not cancel it.
        return await asyncio.shield(future)

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
            values = await self._load_batch(batch.keys())
        except Exception as error:
            for future in batch.values():
                future.set_exception(error)
                future.exception()  # mark as retrieved: every caller may have been cancelled
        else:
            for key, future in batch.items():
                future.set_result(values.get(key))
