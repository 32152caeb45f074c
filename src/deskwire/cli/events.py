"""Define `deskwire events`."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated

import typer

from deskwire.cli.context import check_id_range, open_for_reading, print_escaped, read_settings

app = typer.Typer(no_args_is_help=True, help="Read the event log.")

TAIL_LENGTH = 20  # events that `events tail --no-follow` prints
TAIL_BATCH_SIZE = 500  # events per query
TAIL_INTERVAL = 0.2  # s between queries of `events tail`


@app.command("tail")
def tail_events(
    after: Annotated[
        int | None,
        typer.Option(
            metavar="N", callback=check_id_range, help="Start after position N; 0 for all."
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", "-f", help="Wait for more, or print and exit.")
    ] = True,
) -> None:
    """Print events as they are added to the log, until Ctrl-C."""
    import time

    from deskwire.cli.deliveries import format_event
    from deskwire.events.log import read_after, read_head

    with suppress(KeyboardInterrupt), open_for_reading(read_settings()) as db:
        head = db.read_sync(read_head)
        position = after if after is not None else head if follow else max(0, head - TAIL_LENGTH)
        while True:
            entries = db.read_sync(read_after, position, TAIL_BATCH_SIZE)
            for entry in entries:
                position = entry.position
                print_escaped(format_event(entry))
            if not entries and not follow:
                return
            if not entries:
                sys.stdout.flush()
                time.sleep(TAIL_INTERVAL)
