"""Define `deskwire jobs`, and show how far a job has come."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from deskwire.cli.context import (
    check_id_range,
    is_served_locally,
    open_for_reading,
    print_escaped,
    read_settings,
    run_command,
)

if TYPE_CHECKING:
    from deskwire.jobs.store import Job
    from deskwire.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Run long work in the background.")

POLL_INTERVAL = 0.25  # s between two looks at a job
MAX_IDLE_SLICES = 10  # in a row, after which a job waits for what only a server does
LINE_INTERVAL = 60.0  # s between two lines where the output is no terminal

JobId = Annotated[int, typer.Argument(metavar="ID", callback=check_id_range, help="ID of the job.")]


@app.command("list")
def print_jobs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number to list.")] = 30,
) -> None:
    """List jobs, newest first."""
    from deskwire.jobs import store

    with open_for_reading(read_settings()) as db:
        newest = db.read_sync(store.list_jobs, limit)
    for line in format_table(newest):
        print_escaped(line)


@app.command("start")
def start(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="search-rebuild or replay-parked.")],
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Show its progress until it has ended.")
    ] = True,
) -> None:
    """Start a job and show its progress; Ctrl-C pauses it.

    The running server does the work; where none is running, this command does.
    """
    settings = read_settings()
    id_ = run_command(settings, "jobs.start", {"kind": kind})["id"]
    print(f"job {id_} is started")
    _follow(settings, id_, wait=wait)


@app.command("resume")
def resume_job(
    id_: JobId,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Show its progress until it has ended.")
    ] = True,
) -> None:
    """Resume a paused or failed job where it stopped."""
    settings = read_settings()
    run_command(settings, "jobs.resume", {"id": id_})
    print(f"job {id_} goes on")
    _follow(settings, id_, wait=wait)


@app.command("pause")
def pause_job(id_: JobId) -> None:
    """Pause a job."""
    run_command(read_settings(), "jobs.pause", {"id": id_})
    print(f"job {id_} is paused; `deskwire jobs resume {id_}` goes on")


@app.command("cancel")
def cancel(id_: JobId) -> None:
    """End a job; what it has done stays."""
    run_command(read_settings(), "jobs.cancel", {"id": id_})
    print(f"job {id_} is canceled")


def format_table(jobs: Iterable[Job]) -> Iterator[str]:
    """Yield a header line, then one line per job."""
    from deskwire.cli.deliveries import format_local_time

    yield f"{'ID':>6}  {'STARTED':25}  {'STATE':8}  {'DONE':>16}  KIND"
    for each in jobs:
        error = f"  {each.error}" if each.error else ""
        started = format_local_time(each.created_at)
        yield (
            f"{each.id:>6}  {started}  {each.state:8}  {format_progress(each):>16}  "
            f"{each.kind}{error}"
        )


def format_progress(job: Job) -> str:
    """Return how far a job has come, as "DONE of TOTAL"."""
    return f"{job.done:,}" if job.total is None else f"{job.done:,} of {job.total:,}"


def _follow(settings: Settings, id_: int, *, wait: bool) -> None:
    """Show a job until it has ended or is paused; do its work if no server does."""
    if is_served_locally(settings):
        if not wait:
            return
        states = _poll(settings, id_)
    else:
        states = _work(settings, id_)
    try:
        job = _show_progress(states)
    except KeyboardInterrupt:
        run_command(settings, "jobs.pause", {"id": id_})
        print(f"\njob {id_} is paused; `deskwire jobs resume {id_}` goes on")
        raise typer.Exit(130) from None
    print_escaped(f"job {id_} is {job.state}: {format_progress(job)}")
    if job.state != "done":
        raise typer.Exit(1)


def _poll(settings: Settings, id_: int) -> Iterator[Job]:
    """Yield the job as the server leaves it, until it has ended or is paused."""
    from deskwire.jobs import store

    with open_for_reading(settings) as db:
        while (job := db.read_sync(store.read_job, id_)).finished_at is None:
            yield job
            if job.state == "paused":
                return
            time.sleep(POLL_INTERVAL)
        yield job


def _work(settings: Settings, id_: int) -> Iterator[Job]:
    """Run the job in this process; yield it after each slice."""
    from deskwire.events.bus.open_bus import number_on_commit
    from deskwire.jobs import store
    from deskwire.jobs.runner import run_slice
    from deskwire.kit.clock import now
    from deskwire.server.open_database import open_database
    from deskwire.server.reach import JOB_KINDS

    opened = open_database(settings.database_url)
    try:
        db = number_on_commit(opened.db)
        idle_slices = 0
        while (job := db.read_sync(store.read_job, id_)).state in store.RUNNABLE_STATES:
            yield job
            done = db.write_sync(run_slice, JOB_KINDS, id_, now())
            idle_slices = 0 if done else idle_slices + 1
            if idle_slices > MAX_IDLE_SLICES:
                db.write_sync(store.pause_job, id_)
                print("The rest needs a running server: start one, then resume the job.")
        yield job
    finally:
        opened.close()


def _show_progress(states: Iterator[Job]) -> Job:
    """Show a bar on a terminal, and a line a minute elsewhere; return the job as it ended."""
    if not sys.stdout.isatty():
        return _print_lines(states)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        job = next(states)
        task = bar.add_task(job.kind, total=job.total)
        for job in states:
            bar.update(task, completed=job.done)
    return job


def _print_lines(states: Iterator[Job]) -> Job:
    printed_at = time.monotonic()
    for job in states:
        if time.monotonic() - printed_at >= LINE_INTERVAL:
            print_escaped(f"job {job.id}: {format_progress(job)}")
            printed_at = time.monotonic()
    return job
