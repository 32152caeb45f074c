"""Report liveness, readiness and metrics to monitoring."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deskwire.web.local_requests import LOCAL_REQUESTS, LocalRequests

FindProblems = Callable[[], Awaitable[Sequence[str]]]  # one message each; none if ready
ReadMetrics = Callable[[], Awaitable[bytes]]
TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus, whatever Accept says
NO_STORE = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class HealthPages:
    """`/healthz`, `/readyz` and `/metrics`.

    `find_problems` checks the database, the worker and the hub.
    """

    find_problems: FindProblems
    read_metrics: ReadMetrics
    list_notes: Callable[[], Sequence[str]] = tuple
    list_local_notes: Callable[[], Sequence[str]] = tuple  # may name addresses
    local_requests: LocalRequests = LOCAL_REQUESTS

    async def alive(self, _request: Request) -> Response:
        """GET /healthz: 200 as long as this process responds at all."""
        return JSONResponse({"status": "ok"}, headers=NO_STORE)

    async def ready(self, request: Request) -> Response:
        """GET /readyz: 200 if this process can serve requests, else 503 with the problems.

        `notes` tell what an operator should know although it can. Those that name addresses are
        only for programs on this machine.
        """
        problems = list(await self.find_problems())
        if problems:
            return JSONResponse({"status": "not ready", "problems": problems}, 503, NO_STORE)
        notes = list(self.list_notes())
        if (local := self.list_local_notes()) and self.local_requests.contains(request):
            notes += local
        body = {"status": "ready"} | ({"notes": notes} if notes else {})
        return JSONResponse(body, headers=NO_STORE)

    async def metrics(self, _request: Request) -> Response:
        """GET /metrics: the metrics that docs/metrics.md lists."""
        return Response(
            await self.read_metrics(), headers={**NO_STORE, "content-type": TEXT_FORMAT}
        )
