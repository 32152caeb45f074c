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

from bench.baseline import answer, is_health, open_database, read_signed, serve

MAX_BATCH = 500  # deliveries in one transaction

Kept = tuple[bytes, bytes, "asyncio.Future[None]"]


class Keeper:
    """One thread that writes; what comes while it writes makes up the next batch."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Kept] = queue.SimpleQueue()
        threading.Thread(target=self._write, daemon=True).start()

    async def keep(self, at: bytes, body: bytes) -> None:
        """Returns once the bytes are committed."""
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put((at, body, kept))
        await kept

    def _write(self) -> None:
        database = open_database()
        while True:
            batch = [self._waiting.get()]
            while len(batch) < MAX_BATCH and not self._waiting.empty():
                batch.append(self._waiting.get())
            database.execute("BEGIN IMMEDIATE")
            database.executemany(
                "INSERT INTO deliveries (at, body) VALUES (?, ?)", [each[:2] for each in batch]
            )
            database.execute("COMMIT")
            batch[0][2].get_loop().call_soon_threadsafe(_tell, batch)


def _tell(batch: list[Kept]) -> None:
    for _, _, kept in batch:
        if not kept.done():
            kept.set_result(None)


keeper = Keeper()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if is_health(dict(scope)):
        await answer(send, 200)
        return
    signed = await read_signed(scope, receive)
    if signed is None:
        await answer(send, 401)
        return
    await keeper.keep(*signed)
    await answer(send, 200)


if __name__ == "__main__":
    serve(app)
