"""Define `deskwire consumers` and `deskwire audit`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deskwire.cli.context import (
    check_id_range,
    open_for_reading,
    print_escaped,
    read_settings,
    run_command,
)

if TYPE_CHECKING:
    from deskwire.events.consumers.admin import ConsumerState
    from deskwire.workspaces.role_audit import RoleChange

app = typer.Typer(no_args_is_help=True, help="Inspect and steer the durable readers of the log.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the consumer.")]


@app.command("list")
def print_consumers() -> None:
    """List the consumers, how far they have come, and what they have set aside."""
    from deskwire.events.consumers import admin

    with open_for_reading(read_settings()) as db:
        states = db.read_sync(admin.list_consumers)
    for line in format_consumers(states):
        print_escaped(line)


@app.command("rewind")
def rewind_consumer(
    name: Name,
    position: Annotated[
        int,
        typer.Option(
            "--to",
            metavar="N",
            callback=check_id_range,
            help="Plan the events after position N again.",
        ),
    ],
) -> None:
    """Let a consumer plan events again, or skip some.

    What it planned before is planned a second time.
    """
    _change("rewind", name, position=position)
    print(f"{name} goes on after position {position}.")


@app.command("stop")
def stop_consumer(name: Name) -> None:
    """Stop a consumer; it keeps its position."""
    _change("stop", name)
    print(f"{name} is stopped. The log does not wait for it: entries older than LOG_DAYS are lost.")


@app.command("start")
def start_consumer(name: Name) -> None:
    """Let a stopped consumer go on."""
    _change("start", name)
    print(f"{name} goes on.")


@app.command("retry")
def retry_consumer(name: Name) -> None:
    """Plan what a consumer has set aside again, now."""
    _change("retry", name)
    print(f"{name} plans the events it set aside again.")


@app.command("dismiss")
def dismiss_failure(
    name: Name,
    position: Annotated[
        int,
        typer.Argument(
            metavar="POSITION", callback=check_id_range, help="Position of an event set aside."
        ),
    ],
) -> None:
    """Give up one event that a consumer has set aside."""
    _change("dismiss", name, position=position)
    print(f"{name} gives up the event at position {position}.")


def print_audit(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number to list.")] = 30,
    workspace: Annotated[str, typer.Option(metavar="ID", help="Only of org:ID or guild:ID.")] = "",
) -> None:
    """List who was given a role or permissions and who lost them, newest first."""
    from deskwire.workspaces.role_audit import list_role_changes

    with open_for_reading(read_settings()) as db:
        changes = db.read_sync(list_role_changes, limit, workspace=workspace or None)
    for line in format_audit(changes):
        print_escaped(line)


def format_consumers(states: Iterable[ConsumerState]) -> Iterator[str]:
    """Yield a header line, a line per consumer, and one per event it has set aside."""
    yield f"{'NAME':16}  {'STATE':8}  {'POSITION':>10}  {'LAG':>8}  {'SET ASIDE':>9}  {'LOST':>6}"
    for each in states:
        yield (
            f"{each.name:16}  {describe_state(each):8}  {each.position:>10}  {each.lag:>8}  "
            f"{each.failure_count:>9}  {each.lost:>6}"
        )
        for failure in each.failures:
            reason = failure.error or "waits behind an earlier event of its ticket"
            tries = f", {failure.tries} tries" if failure.tries > 1 else ""
            yield f"  position {failure.position}: {reason}{tries}"


def describe_state(state: ConsumerState) -> str:
    """Return a consumer's state in one word."""
    if state.is_stopped:
        return "stopped"
    return "failing" if state.failure_count else "running"


def format_audit(changes: Iterable[RoleChange]) -> Iterator[str]:
    """Yield a header line, then one line per change."""
    from deskwire.cli.deliveries import format_local_time

    yield f"{'AT':25}  {'WHERE':40}  {'CHANGE':7}  WHO"
    for each in changes:
        who = each.who or "everyone who had it"
        role = f" ({each.role})" if each.role else ""
        yield (
            f"{format_local_time(each.at)}  {each.workspace:40}  {each.kind:7}  "
            f"{who}{role}, by {each.actor}"
        )


def _change(command: str, name: str, **arguments: Any) -> None:  # noqa: ANN401 - JSON
    run_command(read_settings(), f"consumers.{command}", {"name": name, **arguments})
