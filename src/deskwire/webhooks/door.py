"""Verify the raw bytes of a webhook, store the delivery, and only then answer 200.

The door is an ASGI function in front of the app: a route behind the framework's router costs two
thirds of the throughput (decision 0001). Deliveries that arrive together share a transaction.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import astuple

from sqlalchemy.exc import OperationalError
from starlette.types import ASGIApp, Receive, Scope, Send

from deskwire.kit.client_network import network_of
from deskwire.kit.clock import Clock, format_iso, now
from deskwire.kit.db import Database
from deskwire.kit.deadline import Deadline
from deskwire.kit.uvicorn_internals import send_short_response, skip_access_log
from deskwire.webhooks.body_budget import BodyBudget, IncomingBody, TooManyBodies
from deskwire.webhooks.deliveries import BATCH_SIZE, build_insert
from deskwire.webhooks.source import IncomingDelivery, Rejection, Source, header_values

MAX_DISCARDED = 16  # times the largest body that are read, so that the sender sees our answer
BODY_TIMEOUT = 10.0  # s for a whole body; a sender that trickles gets a 408
RETRY_AFTER = 5  # s; sent with a 503

logger = logging.getLogger(__name__)


class Door:
    """Answer requests to the sources' paths, and pass everything else to `inner`."""

    def __init__(
        self,
        inner: ASGIApp,
        sources: Iterable[Source],
        intake: Callable[[], Intake],
        clock: Clock = now,
        body_timeout: float = BODY_TIMEOUT,
    ) -> None:
        self._inner = inner
        self._sources = {source.path: source for source in sources}
        self._intake = intake
        self._clock = clock
        self._budget = BodyBudget()
        self._deadline = Deadline(body_timeout)
        self.responses: Counter[tuple[str, int]] = Counter()  # (source, status)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        source = self._sources.get(scope["path"]) if scope["type"] == "http" else None
        if source is None:
            await self._inner(scope, receive, send)
            return
        answer = await self._accept(source, scope, receive)
        status, message, reason = (*answer, "") if isinstance(answer, tuple) else astuple(answer)
        self.responses[source.name, status] += 1
        if status != 200:
            logger.warning(
                "webhook from %s: %d %s%s",
                source.name,
                status,
                message,
                reason and f" ({reason})",
                extra={"kind": message},
            )
        body = source.format_answer(status, message, format_iso(self._clock()))
        await _respond(scope, send, status, body)

    def log_responses(self) -> None:
        """Log the number of responses since the start; no other record of refusals exists."""
        for (source, status), count in sorted(self.responses.items()):
            logger.info("webhooks from %s: %d answered %d", source, count, status)

    async def _accept(
        self, source: Source, scope: Scope, receive: Receive
    ) -> tuple[int, str] | Rejection:
        if scope["method"] != "POST":
            return 405, "Method not allowed: send a POST"
        if not source.is_configured():
            return 503, "Webhook secret is not configured"
        if len(header_values(scope["headers"], b"host")) > 1:
            return 400, "More than one Host header"
        signature = source.parse_signature_headers(scope["headers"], self._clock())
        if isinstance(signature, Rejection):
            return signature
        client = scope.get("client")
        try:
            with self._budget.admit(network_of(client and client[0])) as incoming, self._deadline:
                body = await _read_body(receive, incoming, source.max_body)
        except TooManyBodies:
            return 503, "Too many bodies are being read; send it again"
        except TimeoutError:
            return 408, "The body did not arrive in time"
        if body is None:
            return 413, f"Payload larger than {source.max_body} bytes"
        delivery = source.verify(signature, body, self._clock())
        if isinstance(delivery, Rejection):
            return delivery
        try:
            await self._intake().store(delivery)
        except OperationalError as error:
            logger.error(  # noqa: TRY400 - the traceback adds nothing
                "a delivery could not be stored: %s", error.orig, extra={"kind": "database"}
            )
            return 503, "The delivery could not be stored; send it again"
        except Exception:
            logger.exception("a delivery could not be stored")
            return 503, "The delivery could not be stored; send it again"
        if delivery.problem is not None:
            return source.problem_status, delivery.problem
        return 200, f"Event {delivery.type} processed successfully"


class Intake:
    """Store deliveries in batches; those that arrive during one batch form the next."""

    def __init__(self, db: Database, *on_stored: Callable[[], None]) -> None:
        self._db = db
        self._on_stored = on_stored  # called after each stored batch, on the event loop
        self._queue: list[tuple[IncomingDelivery, asyncio.Future[None]]] = []
        self._store_task: asyncio.Task[None] | None = None

    async def store(self, incoming: IncomingDelivery) -> None:
        """Return once the delivery is committed. Raises the database's error if it is not."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((incoming, stored))
        if self._store_task is None:
            self._store_task = asyncio.create_task(self._store_batches())
        await stored

    async def _store_batches(self) -> None:
        try:
            while self._queue:
                batch, self._queue = self._queue[:BATCH_SIZE], self._queue[BATCH_SIZE:]
                failure = await self._store_batch([incoming for incoming, _ in batch])
                for _, stored in batch:
                    if not stored.done():  # cancelled if the sender has disconnected
                        _resolve(stored, failure)
                if failure is None:
                    for callback in self._on_stored:
                        callback()
        finally:
            self._store_task = None

    async def _store_batch(self, batch: list[IncomingDelivery]) -> Exception | None:
        try:
            await self._db.write_raw_sql(*build_insert(batch))
        except Exception as error:
            return error
        return None


def _resolve(future: asyncio.Future[None], failure: Exception | None) -> None:
    if failure is None:
        future.set_result(None)
    else:
        future.set_exception(failure)


async def _read_body(receive: Receive, incoming: IncomingBody, max_size: int) -> bytes | None:
    """Return the whole body, or None if it is larger than `max_size` bytes."""
    parts, size = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        part = message.get("body", b"")
        size += len(part)
        incoming.size = size
        if size <= max_size:
            parts.append(part)
        else:
            parts.clear()  # the rest is read and dropped, or the sender would miss our answer
        if not message.get("more_body", False) or size > MAX_DISCARDED * max_size:
            return b"".join(parts) if size <= max_size else None


async def _respond(scope: Scope, send: Send, status: int, body: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-content-type-options", b"nosniff"),
    ]
    if status == 200 and send_short_response(scope, status, headers, body):
        return
    if status == 405:
        headers.append((b"allow", b"POST"))
    if status == 503:
        headers.append((b"retry-after", str(RETRY_AFTER).encode()))
    if status in (408, 413):
        headers.append((b"connection", b"close"))  # the rest of the body is not read
    skip_access_log(scope)  # `responses` counts it, and refusals have a log line of their own
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
