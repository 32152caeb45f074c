"""Define `deskwire dispatches`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from deskwire.cli.context import (
    check_id_range,
    open_for_reading,
    print_escaped,
    read_settings,
    run_command,
)
from deskwire.kit.errors import Invalid

if TYPE_CHECKING:
    from deskwire.dispatches.admin import DispatchSummary

app = typer.Typer(no_args_is_help=True, help="Inspect and steer what is sent to other systems.")

DispatchId = Annotated[
    int, typer.Argument(metavar="ID", callback=check_id_range, help="ID of the dispatch.")
]
Target = Annotated[str, typer.Option(metavar="NAME", help="Only of this target, such as mail.")]


@app.command("list")
def print_dispatches(
    target: Target = "",
    state: Annotated[
        str,
        typer.Option(help="Only new, ready, waiting, held, done, dead or dismissed dispatches."),
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number to list.")] = 30,
) -> None:
    """List dispatches, newest first."""
    from deskwire.dispatches import admin
    from deskwire.dispatches.store import DISPATCH_STATES

    if state and state not in DISPATCH_STATES:
        raise Invalid(f"There is no state {state!r}; choose one of {', '.join(DISPATCH_STATES)}.")
    with open_for_reading(read_settings()) as db:
        newest = db.read_sync(admin.list_dispatches, limit, target=target, state=state)
    for line in format_table(newest):
        print_escaped(line)


@app.command("show")
def show_dispatch(id_: DispatchId) -> None:
    """Show a dispatch and the last answer of the other side, without its payload's values."""
    from deskwire.dispatches import admin

    with open_for_reading(read_settings()) as db:
        dispatch = db.read_sync(admin.read_dispatch, id_)
        behind = db.read_sync(admin.find_blocking, dispatch)
    for line in format_dispatch(dispatch, behind):
        print_escaped(line)


@app.command("retry")
def retry(id_: DispatchId) -> None:
    """Send a dead or dismissed dispatch again, or make its next attempt due now."""
    run_command(read_settings(), "dispatches.retry", {"id": id_})
    print(f"dispatch {id_} is due now")


@app.command("dismiss")
def dismiss(
    id_: DispatchId = 0,
    held: Annotated[bool, typer.Option("--held", help="Give up all that are held.")] = False,
    target: Target = "",
) -> None:
    """Give up a dispatch, or with --held all that are held since a restore."""
    if held == bool(id_):
        raise Invalid("Name the ID of one dispatch, or use --held for all that are held.")
    if held:
        result = run_command(read_settings(), "dispatches.dismiss-held", {"target": target})
        print(f"dismissed: {result['count']:,}")
        return
    run_command(read_settings(), "dispatches.dismiss", {"id": id_})
    print(f"dispatch {id_} is dismissed")


@app.command("release")
def release(target: Target = "") -> None:
    """Send the dispatches that are held since the database was restored."""
    result = run_command(read_settings(), "dispatches.release", {"target": target})
    print(f"released: {result['count']:,}")


def format_table(dispatches: Iterable[DispatchSummary]) -> Iterator[str]:
    """Yield a header line, then one line per dispatch."""
    from deskwire.cli.deliveries import format_local_time

    yield f"{'ID':>8}  {'QUEUED':25}  {'STATE':9}  {'TARGET':8}  KIND, KEY"
    for each in dispatches:
        error = f"  {each.last_error}" if each.last_error and each.state != "done" else ""
        yield (
            f"{each.id:>8}  {format_local_time(each.created_at)}  {each.state:9}  "
            f"{each.target:8}  {each.kind}, {each.key}{error}"
        )


def format_dispatch(dispatch: DispatchSummary, behind: int | None) -> Iterator[str]:
    """Yield the lines of one dispatch. Of its payload only the names of the fields are shown."""
    from deskwire.cli.deliveries import format_local_time

    position = f", for the event at position {dispatch.position}" if dispatch.position else ""
    yield f"dispatch {dispatch.id} to {dispatch.target}: {dispatch.kind}, {dispatch.key}{position}"
    yield f"queued   {format_local_time(dispatch.created_at)}"
    waits = f", behind dispatch {behind}" if behind is not None else ""
    yield f"state    {dispatch.state}{waits}; attempts refused: {dispatch.attempts}"
    if dispatch.finished_at is not None:
        yield f"finished {format_local_time(dispatch.finished_at)}"
    else:
        yield f"due      {format_local_time(dispatch.due_at)}"
    if dispatch.last_error:
        yield f"error    {dispatch.last_error}"
    if dispatch.result:
        yield f"answer   {dispatch.result}"
    yield f"payload  {', '.join(dispatch.payload) or 'empty'}"
