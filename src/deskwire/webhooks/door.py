"""The door: checks the raw bytes of a webhook, keeps the delivery, and only then says yes.

A plain ASGI function in front of the app: a route behind the framework's router costs two thirds
of the throughput (decision 0001). Deliveries that arrive together share a transaction.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache

from starlette.types import ASGIApp, Receive, Scope, Send

from deskwire.kit.clock import Clock, iso, now
from deskwire.kit.db import Database
from deskwire.kit.deadline import TimeLimit
from deskwire.kit.uvicorn_internals import leave_out_of_access_log, reply
from deskwire.webhooks.deliveries import AT_ONCE, keeping
from deskwire.webhooks.source import Arrived, Refused, Source

MAX_BODY = 1024 * 1024  # bytes; a hundred times the largest event
MAX_DRAINED = 16 * MAX_BODY  # bytes of a body too large that are read for politeness
MAX_READING = 64  # bodies read at once; a MiB each is what strangers may make us hold
BODY_TIMEOUT = 10.0  # s for a whole body; a sender that trickles is cut off
RETRY_AFTER = 5  # s; told with a 503

logger = logging.getLogger(__name__)


class Door:
    """Answers the sources' paths and hands everything else to `inner`."""

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
        self._reading = 0  # bodies under way
        self._time = TimeLimit(body_timeout)
        self.answers: Counter[tuple[str, int]] = Counter()  # (source, status)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        source = self._sources.get(scope["path"]) if scope["type"] == "http" else None
        if source is None:
            await self._inner(scope, receive, send)
            return
        status, message = await self._answer(source, scope, receive)
        self.answers[source.name, status] += 1
        if status != 200:
            logger.warning("webhook from %s: %d %s", source.name, status, message)
        await _respond(scope, send, status, message, iso(self._clock()))

    def log_answers(self) -> None:
        """Say what was answered since the start, refusals above all: nothing else keeps those."""
        for (source, status), times in sorted(self.answers.items()):
            logger.info("webhooks from %s: %d answered %d", source, times, status)

    async def _answer(self, source: Source, scope: Scope, receive: Receive) -> tuple[int, str]:
        if scope["method"] != "POST":
            return 405, "Method not allowed: send a POST"
        if not source.is_ready():
            return 503, "Webhook secret is not configured"
        claim = source.parse_claim(scope["headers"])
        if isinstance(claim, Refused):
            return claim.status, claim.message
        if self._reading >= MAX_READING:
            return 503, "Too many bodies are being read; send it again"
        self._reading += 1
        try:
            with self._time:
                body = await _read(receive)
        except TimeoutError:
            return 408, "The body did not arrive in time"
        finally:
            self._reading -= 1
        if body is None:
            return 413, f"Payload larger than {MAX_BODY} bytes"
        checked = source.check(claim, body, self._clock())
        if isinstance(checked, Refused):
            return checked.status, checked.message
        try:
            await self._intake().keep(checked)
        except Exception:
            logger.exception("a delivery could not be kept")
            return 503, "The delivery could not be kept; send it again"
        if checked.problem is not None:
            return 400, checked.problem
        return 200, f"Event {checked.type} processed successfully"


class Intake:
    """Keeps deliveries; those that come while one batch is written make up the next."""

    def __init__(self, db: Database, *rings: Callable[[], None]) -> None:
        self._db = db
        self._rings = rings  # called after each batch, on the loop
        self.is_refused = False  # the last batch could not be kept
        self._waiting: list[tuple[Arrived, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, arrived: Arrived) -> None:
        """Returns once the delivery is committed; raises if it could not be."""
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrived, kept))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        await kept

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                failure = await self._write([arrived for arrived, _ in batch])
                self.is_refused = failure is not None
                for _, kept in batch:
                    if not kept.done():  # the sender may have gone
                        _settle(kept, failure)
                for ring in self._rings:
                    ring()
        finally:
            self._writing = None

    async def _write(self, batch: list[Arrived]) -> Exception | None:
        try:
            await self._db.write_alone(*keeping(batch))
        except Exception as error:
            return error
        return None


def _settle(kept: asyncio.Future[None], failure: Exception | None) -> None:
    if failure is None:
        kept.set_result(None)
    else:
        kept.set_exception(failure)


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None where it is too large."""
    parts, size = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY:
            parts.append(part)
        else:
            parts.clear()  # what follows is read and dropped, or the sender would miss our answer
        if not message.get("more_body", False) or size > MAX_DRAINED:
            return b"".join(parts) if size <= MAX_BODY else None


@lru_cache(64)
def _opening(status: int, message: str) -> bytes:
    told = json.dumps({"success": status == 200, "message": message})
    return told.removesuffix("}").encode() + b","


async def _respond(scope: Scope, send: Send, status: int, message: str, timestamp: str) -> None:
    body = b'%s "timestamp": "%s"}' % (_opening(status, message), timestamp.encode())
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-content-type-options", b"nosniff"),
    ]
    if status == 200 and reply(scope, status, headers, body):
        return
    if status == 405:
        headers.append((b"allow", b"POST"))
    if status == 503:
        headers.append((b"retry-after", str(RETRY_AFTER).encode()))
    if status in (408, 413):
        headers.append((b"connection", b"close"))  # what is left of the body is not read
    leave_out_of_access_log(scope)  # it is counted, and told in a better way
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
