"""The least a durable, signed webhook door can do, as a yardstick.

It checks the HMAC, hands the bytes to one thread with a raw `sqlite3` connection that commits
together what arrived together, and then says yes. It keeps no digest, knows no repeats, reads no
JSON, judges no age, and nothing comes after it.
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
    """One thread that writes; what comes while it writes makes up the next batch."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[PendingDelivery] = queue.SimpleQueue()
        threading.Thread(target=self._write_batches, daemon=True).start()

    async def write(self, at: bytes, body: bytes) -> None:
        """Returns once the bytes are committed."""
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put((at, body, kept))
        await kept

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
    for _, _, kept in batch:
        if not kept.done():
            kept.set_result(None)


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
