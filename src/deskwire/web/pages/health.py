"""Whether the process is up, whether it can do its work, and its figures: for who watches it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

FindProblems = Callable[[], Awaitable[Sequence[str]]]  # sentences; none: ready
ReadMetrics = Callable[[], Awaitable[bytes]]
TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus; also without an Accept
NO_STORE = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class HealthPages:
    """The answers. `find_problems` asks the database, the worker and the hub."""

    find_problems: FindProblems
    read_metrics: ReadMetrics

    async def alive(self, _request: Request) -> Response:
        """GET /healthz: 200 as long as this process answers at all."""
        return JSONResponse({"status": "ok"}, headers=NO_STORE)

    async def ready(self, _request: Request) -> Response:
        """GET /readyz: 200 if requests may be sent here, else 503 with what is wrong."""
        problems = list(await self.find_problems())
        if problems:
            body = {"status": "not ready", "problems": problems}
            return JSONResponse(body, 503, NO_STORE)
        return JSONResponse({"status": "ready"}, headers=NO_STORE)

    async def metrics(self, _request: Request) -> Response:
        """GET /metrics: what docs/metrics.md lists."""
        return Response(
            await self.read_metrics(), headers={**NO_STORE, "content-type": TEXT_FORMAT}
        )
