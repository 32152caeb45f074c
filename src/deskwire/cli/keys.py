"""Define `deskwire keys`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from deskwire.cli.context import open_for_reading, print_escaped, read_settings, run_command

if TYPE_CHECKING:
    from deskwire.workspaces.keys.listing import ListedKey

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys.")


@app.command("create")
def create(
    kind: Annotated[str, typer.Option(help="organization, guild, desk or bot.")],
    name: Annotated[str, typer.Option(help="What uses it, such as Monitoring.")],
    scope: Annotated[list[str], typer.Option(help="read, write or stream; repeat for more.")],
    organization: Annotated[str, typer.Option(metavar="SLUG", help="Whose key it is.")] = "",
    guild: Annotated[str, typer.Option(metavar="ID", help="Discord ID of the server.")] = "",
    role: Annotated[
        str,
        typer.Option(
            help="Of an organization: admin, manager, member. "
            "Of the desk: support_analyst, operations_manager."
        ),
    ] = "",
    permission: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="In a server, such as TICKET_VIEW_ALL; repeatable."),
    ] = None,
    expires: Annotated[
        str, typer.Option(metavar="DAY", help="Last day in UTC, such as 2027-03-01.")
    ] = "",
) -> None:
    """Create an API key, and print it. It is not stored, and cannot be shown again."""
    arguments = {
        "kind": kind,
        "name": name,
        "scopes": scope,
        "organization": organization,
        "guild": guild,
        "role": role,
        "permissions": permission or [],
        "expires": expires,
    }
    result = run_command(read_settings(), "keys.create", arguments)
    print(result["token"])  # alone on stdout, for `KEY=$(deskwire keys create …)`
    typer.echo(f"key {result['id']} is created; it won't be shown again", err=True)


@app.command("list")
def print_keys() -> None:
    """List the API keys that are not revoked, newest first."""
    from sqlalchemy import true

    from deskwire.kit.clock import now
    from deskwire.workspaces.key_events import list_live_keys
    from deskwire.workspaces.keys.listing import describe_keys
    from deskwire.workspaces.organizations.organizations import read_organizations_by_id

    with open_for_reading(read_settings()) as db:
        keys = db.read_sync(list_live_keys, true())
        listed = db.read_sync(describe_keys, keys, now())
        ids = {(key.workspace or "").removeprefix("org:") for key in keys}
        organizations = db.read_sync(read_organizations_by_id, ids)
    slugs = {each.workspace: each.slug for each in organizations.values()}
    for line in format_table(listed, slugs):
        print_escaped(line)


@app.command("revoke")
def revoke(id_: Annotated[str, typer.Argument(metavar="ID", help="ID of the key.")]) -> None:
    """Revoke an API key. Programs that use it are refused at once, and its streams end."""
    result = run_command(read_settings(), "keys.revoke", {"id": id_})
    print_escaped(f"key {result['id']} ({result['name']}) is revoked")


def format_table(keys: Iterable[ListedKey], slugs: Mapping[str, str]) -> Iterator[str]:
    """Yield a header line, then one line per key; `slugs` are those of organizations."""
    from deskwire.cli.deliveries import format_local_time

    yield f"{'ID':36}  {'KIND':12}  {'ROLE':18}  {'SCOPES':17}  {'LAST USED':25}  NAME"
    for each in keys:
        key = each.key
        used = format_local_time(key.used_at) if key.used_at is not None else "never"
        scopes = ",".join(key.scopes)
        notes = "".join(f"; {note}" for note in describe_state(each))
        workspace = key.workspace or ""
        owner = each.guild_name or slugs.get(workspace, workspace)
        suffix = f" of {owner}" if owner else ""
        yield (
            f"{key.id}  {key.kind:12}  {key.role or '-':18}  {scopes:17}  {used:25}  "
            f"{key.name}{suffix}{notes}"
        )


def describe_state(listed: ListedKey) -> Iterator[str]:
    """Yield notes on a key: its expiry, that it is unused, that the person who made it has left."""
    from deskwire.cli.deliveries import format_local_time

    if listed.key.expires_at is not None:
        verb = "expired" if listed.is_expired else "expires"
        yield f"{verb} {format_local_time(listed.key.expires_at)}"
    if listed.is_unused:
        yield "unused for 90 days"
    if listed.maker is not None and listed.maker.has_left:
        is_deleted, name = listed.maker.is_deleted, listed.maker.name
        yield "created by a former member" if is_deleted else f"created by {name}, who left"
