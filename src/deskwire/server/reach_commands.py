"""Define the admin commands for consumers, dispatches and jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from deskwire.dispatches import admin as dispatches
from deskwire.events.consumers import admin as consumers
from deskwire.jobs import store as jobs
from deskwire.kit.clock import now
from deskwire.server.reach import JOB_KINDS

Arguments = dict[str, Any]


def _rewind_consumer(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    consumers.rewind(tx, arguments["name"], int(arguments["position"]))
    return {}


def _stop_consumer(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    consumers.set_stopped(tx, arguments["name"], stopped=True)
    return {}


def _start_consumer(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    consumers.set_stopped(tx, arguments["name"], stopped=False)
    return {}


def _retry_consumer(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    consumers.retry_failures(tx, arguments["name"], now())
    return {}


def _dismiss_failure(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    consumers.dismiss_failure(tx, arguments["name"], int(arguments["position"]))
    return {}


def _retry_dispatch(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    dispatches.retry_dispatch(tx, int(arguments["id"]), now())
    return {}


def _dismiss_dispatch(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    dispatches.dismiss_dispatch(tx, int(arguments["id"]), now())
    return {}


def _release_dispatches(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    return {"count": dispatches.release_dispatches(tx, target=arguments["target"])}


def _dismiss_held(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    return {"count": dispatches.dismiss_held(tx, now(), target=arguments["target"])}


def _start_job(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    return {"id": jobs.start_job(tx, jobs.find_kind(JOB_KINDS, arguments["kind"]), now())}


def _pause_job(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    jobs.pause_job(tx, int(arguments["id"]))
    return {}


def _resume_job(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    jobs.resume_job(tx, int(arguments["id"]))
    return {}


def _cancel_job(tx: Connection, arguments: Arguments) -> dict[str, Any]:
    jobs.cancel_job(tx, int(arguments["id"]), now())
    return {}


REACH_COMMANDS: dict[str, Callable[[Connection, Arguments], Any]] = {
    "consumers.rewind": _rewind_consumer,
    "consumers.stop": _stop_consumer,
    "consumers.start": _start_consumer,
    "consumers.retry": _retry_consumer,
    "consumers.dismiss": _dismiss_failure,
    "dispatches.retry": _retry_dispatch,
    "dispatches.dismiss": _dismiss_dispatch,
    "dispatches.release": _release_dispatches,
    "dispatches.dismiss-held": _dismiss_held,
    "jobs.start": _start_job,
    "jobs.pause": _pause_job,
    "jobs.resume": _resume_job,
    "jobs.cancel": _cancel_job,
}
