"""Serve the minimum of a durable, signed webhook door, as a yardstick.

It checks the HMAC, hands the bytes to one thread with a raw `sqlite3` connection that commits what
arrived together in one transaction, and answers 200. It stores no digest, detects no repeats,
parses no JSON, checks no age, and does nothing afterwards.
"""

from __future__ import annotations

import asyncio
import queue
import threading

from starlette.types import Receive, Scope, Send

from bench.baseline import is_readiness_check, open_database, read_signed, send_json, serve

MAX_BATCH = 500  # deliveries in one transaction

PendingDelivery = tuple[bytes, bytes, "asyncio.Future[None]"]


class BatchWriter:
    """Write deliveries in one thread; those that arrive during a write form the next batch."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[PendingDelivery] = queue.SimpleQueue()
        threading.Thread(target=self._write_batches, daemon=True).start()

    async def write(self, at: bytes, body: bytes) -> None:
        """Return once the bytes are committed."""
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put((at, body, committed))
        await committed

    def _write_batches(self) -> None:
        database = open_database()
        while True:
            batch = [self._queue.get()]
            while len(batch) < MAX_BATCH and not self._queue.empty():
                batch.append(self._queue.get())
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT INTO deliveries (at, body) VALUES (?, ?)", [each[:2] for each in batch]
            )
            database.execute("COMMIT")
            batch[0][2].get_loop().call_soon_threadsafe(_resolve, batch)


def _resolve(batch: list[PendingDelivery]) -> None:
    for _, _, committed in batch:
        if not committed.done():
            committed.set_result(None)


batch_writer = BatchWriter()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if is_readiness_check(dict(scope)):
        await send_json(send, 200)
        return
    signed = await read_signed(scope, receive)
    if signed is None:
        await send_json(send, 401)
        return
    await batch_writer.write(*signed)
    await send_json(send, 200)


if __name__ == "__main__":
    serve(app)
