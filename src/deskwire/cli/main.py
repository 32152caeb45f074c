"""Define the commands of `deskwire` and their options.

Each prints what it did, or one sentence on why it failed. The exit code is 1 if a command fails and
2 if the command line is wrong. Commands import heavy modules themselves: `deskwire --version` must
be quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deskwire import __version__
from deskwire.cli import consumers, dispatches, events, jobs, keys
from deskwire.cli.context import (
    check_id_range,
    find_base_url,
    format_welcome_link,
    is_served_locally,
    open_for_reading,
    print_escaped,
    read_settings,
    run_command,
)
from deskwire.cli.errors import report_errors
from deskwire.kit.errors import Conflict, Invalid

if TYPE_CHECKING:
    from deskwire.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
people = typer.Typer(no_args_is_help=True, help="Manage people, roles and Discord links.")
guilds = typer.Typer(no_args_is_help=True, help="Manage permissions in Discord servers.")
webhook = typer.Typer(no_args_is_help=True, help="Send webhooks as the bot does.")
deliveries = typer.Typer(no_args_is_help=True, help="Inspect and replay received webhooks.")
app.add_typer(people, name="people")
app.add_typer(guilds, name="guilds")
app.add_typer(webhook, name="webhook")
app.add_typer(deliveries, name="deliveries")
app.add_typer(events.app, name="events")
app.add_typer(consumers.app, name="consumers")
app.add_typer(dispatches.app, name="dispatches")
app.add_typer(jobs.app, name="jobs")
app.add_typer(keys.app, name="keys")
app.command("audit")(consumers.print_audit)

Email = Annotated[str, typer.Argument(help="Email address of the person.")]
ROLE_HELP = "Role in the team: super_admin, operations_manager or support_analyst."
Snowflake = Annotated[
    str, typer.Option("--discord", metavar="ID", help="Discord user ID, 17 to 20 digits.")
]
DeliveryId = Annotated[
    int, typer.Argument(metavar="ID", callback=check_id_range, help="ID of the delivery.")
]


def main() -> None:
    """Run the command line and exit."""
    if sys.argv[1:] == ["--version"]:  # importing what parses arguments takes Typer 0.1 s
        print(f"deskwire {__version__}")
        return
    with report_errors():
        code = app(standalone_mode=False)  # or Typer would draw a box around errors
        raise SystemExit(code if isinstance(code, int) else 0)


@app.callback(invoke_without_command=True)
def print_version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Deskwire: a self-hosted, real-time support desk."""
    if version:
        print(f"deskwire {__version__}")
        raise typer.Exit


@app.command("serve")
def run_server() -> None:
    """Run the server until Ctrl-C or SIGTERM."""
    from deskwire.server.serve import serve

    serve(read_settings())


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Option(metavar="PATH", help="Folder for the demo's data.")
    ] = Path(".demo"),
) -> None:
    """Run a demo with sample data and simulated people."""
    from deskwire.demo.run import run_demo

    run_demo(folder)


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only check; exit with 1 if a migration is needed.")
    ] = False,
) -> None:
    """Migrate the database (for SQLite, `serve` does this, too)."""
    from deskwire.schema import read_revisions
    from deskwire.server.open_database import migrate_database

    settings = read_settings()
    if check:
        with open_for_reading(settings, require_current_schema=False) as db:
            before, after = db.read_sync(read_revisions)
        print(f"The database is at {before or 'nothing'}; this version needs {after}.")
        raise typer.Exit(0 if before == after else 1)
    opened = migrate_database(settings.database_url)
    print(f"{opened.db.name} is at {opened.db.read_sync(read_revisions)[0]}.")
    opened.close()


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="File to create; it must not exist yet.")],
) -> None:
    """Copy an SQLite database, even while the server is running."""
    from deskwire.kit.sqlite import SQLite
    from deskwire.schema import copy_database

    with open_for_reading(read_settings()) as db:
        if not isinstance(db, SQLite):
            raise Conflict(
                "This database is PostgreSQL: use pg_dump, and `deskwire restored` after a restore."
            )
        copy_database(db, target)
    print(f"{target}: {target.stat().st_size:,} bytes")


@app.command()
def restored() -> None:
    """Make open pages reload after a dump was restored, and hold what it has not sent."""
    from deskwire.dispatches.store import hold_unfinished
    from deskwire.events.log import begin_epoch
    from deskwire.server.open_database import open_database

    opened = open_database(read_settings().database_url)
    epoch = opened.db.write_sync(begin_epoch)
    held = opened.db.write_sync(hold_unfinished)
    opened.close()
    print(f"The log continues in epoch {epoch}; restart every server that uses this database.")
    if held:
        print(f"{held:,} dispatches are held: `deskwire dispatches release` sends them, `deskwire")
        print("dispatches dismiss --held` gives them up.")


@app.command()
def doctor() -> None:
    """Check settings, database and server; exit with 1 on a problem."""
    from deskwire.cli.doctor import run_checks

    findings = run_checks(read_settings())
    for finding in findings:
        print(f"{'ok  ' if finding.is_ok else 'WARN'}  {finding.sentence}")
    raise typer.Exit(0 if all(finding.is_ok for finding in findings) else 1)


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help='For example "SELECT * FROM guilds".')],
) -> None:
    """Run one SQL statement on an SQLite database."""
    from deskwire.server.admin_sql import format_result

    for line in format_result(run_command(read_settings(), "sql", {"statement": statement})):
        print_escaped(line)


@people.command("create")
def create_person(
    email: Email,
    name: Annotated[str, typer.Option(help="Display name.")] = "",
    role: Annotated[str, typer.Option(help=ROLE_HELP)] = "",
) -> None:
    """Add a person and print a link to set a password (works once, for 1 h)."""
    arguments = {"email": email, "name": name or None, "role": role or None}
    settings = read_settings()
    result = run_command(settings, "people.create", arguments, create_if_missing=True)
    print(f"{result['email']} can set a password within one hour:")
    print(format_welcome_link(settings, result))


@people.command("employ")
def employ_person(email: Email, role: Annotated[str, typer.Option(help=ROLE_HELP)]) -> None:
    """Give a person with an account a staff role, or change it."""
    result = run_command(read_settings(), "people.employ", {"email": email, "role": role})
    print(f"{result['name']} is now {role}.")
    if not result["proven"]:
        print("This email address is not verified: ask its owner whether they signed up.")


@people.command("reset-password")
def reset_password(email: Email) -> None:
    """Print a link to set a new password (works once, for 1 h)."""
    settings = read_settings()
    result = run_command(settings, "people.reset-password", {"email": email})
    print(f"{result['email']} can set a new password within one hour:")
    print(format_welcome_link(settings, result))


@people.command("link")
def link_person(email: Email, discord: Snowflake) -> None:
    """Link a person to a Discord user."""
    result = run_command(read_settings(), "people.link", {"email": email, "discord": discord})
    print(f"{result['name']} is now linked to Discord user {discord}.")


@people.command("unlink")
def unlink_person(email: Email) -> None:
    """Remove a person's Discord link and the access it gave."""
    result = run_command(read_settings(), "people.unlink", {"email": email})
    print(f"{result['name']} is no longer linked to a Discord user.")


@people.command("retry-address")
def retry_address(email: Email) -> None:
    """Send mail again to an address that a mail server has refused."""
    result = run_command(read_settings(), "people.retry-address", {"email": email})
    print(f"Mail is sent to {result['email']} again.")


@people.command("list")
def print_people() -> None:
    """List everyone with their staff role and identities."""
    from deskwire.accounts.admin_actions import list_people
    from deskwire.workspaces.organizations.staff import read_staff_roles

    with open_for_reading(read_settings()) as db:
        roles, accounts = db.read_sync(read_staff_roles), db.read_sync(list_people)
    for account in accounts:
        person, identities = account.person, ", ".join(account.principals) or "-"
        role = roles.get(person.id, "-")
        print_escaped(f"{person.email or '-':32}  {person.name:24}  {role:18}  {identities}")


@guilds.command("permit")
def set_permissions(
    guild: Annotated[str, typer.Argument(help="Discord ID of the server.")],
    discord: Snowflake,
    permission: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="For example TICKET_VIEW_ALL; repeat for more, omit to remove all."
        ),
    ] = None,
) -> None:
    """Set a Discord user's individual permissions in a server."""
    arguments = {"guild": guild, "discord": discord, "permissions": permission or []}
    result = run_command(read_settings(), "guilds.permit", arguments)
    print(f"{discord} now has: {', '.join(result['permissions']) or 'no permissions'}")
    if not result["known"]:
        print(f"The bot has not reported server {guild} yet. Is the ID right?", file=sys.stderr)


@webhook.command("send")
def send_webhook(
    type_: Annotated[str, typer.Argument(metavar="TYPE", help="For example ticket.created.")],
    guild: Annotated[str, typer.Option(metavar="ID", help="Discord ID of the server.")] = "",
    owner: Annotated[str, typer.Option(metavar="ID", help="Discord ID of its owner.")] = "",
    user: Annotated[str, typer.Option(metavar="ID", help="Discord ID of the user who acts.")] = "",
    ticket: Annotated[int, typer.Option(metavar="N", help="ID and number of the ticket.")] = 0,
    role: Annotated[str, typer.Option(metavar="ID", help="Discord ID of the team role.")] = "",
    role_name: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the role, such as 'Tickets Support'.")
    ] = "",
    data: Annotated[
        str, typer.Option(metavar="JSON", help="JSON object that overrides fields of the sample.")
    ] = "{}",
    url: Annotated[str, typer.Option(help="URL of another Deskwire server.")] = "",
    secret: Annotated[str, typer.Option(help="Secret to use instead of BOT_WEBHOOK_SECRET.")] = "",
) -> None:
    """Send one event as the bot does; exit with 1 on any response but 2xx."""
    from deskwire.integrations.discord.samples import build_sample_data
    from deskwire.integrations.discord.sender import send_event
    from deskwire.kit.ids import new_secret
    from deskwire.kit.strict_json import parse_json_object
    from deskwire.webhooks.deliveries import find_by_envelope_id

    settings = read_settings()
    base = url or find_base_url(settings)
    secrets = [secret] if secret else settings.bot_secrets
    if not secrets:
        raise Invalid("There is no secret to sign with: set BOT_WEBHOOK_SECRET, or use --secret.")
    options: dict[str, Any] = {"guild": guild, "owner": owner, "user": user, "ticket": ticket}
    options |= {"number": ticket, "role": role, "role_name": role_name}
    given = {name: value for name, value in options.items() if value}
    data_ = {**build_sample_data(type_, **given), **parse_json_object("--data", data)}
    id_ = new_secret()  # identifies the delivery afterwards
    response = send_event(base, secrets[0], type_, data_, id_=id_)
    print_escaped(f"{response.status} {response.message}")
    if not response.is_accepted:
        raise typer.Exit(1)
    if not url and is_served_locally(settings):  # else it is in another database
        _print_outcome(settings, lambda tx: find_by_envelope_id(tx, "bot", f'"{id_}"'), quiet=True)


@deliveries.command("list")
def list_deliveries(
    state: Annotated[
        str,
        typer.Option(help="Only pending, done, parked, repeat, refused or dismissed deliveries."),
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number to list.")] = 30,
) -> None:
    """List deliveries, newest first."""
    from deskwire.cli.deliveries import format_table
    from deskwire.webhooks.deliveries import DELIVERY_STATES, list_stored

    if state and state not in DELIVERY_STATES:
        raise Invalid(f"There is no state {state!r}; choose one of {', '.join(DELIVERY_STATES)}.")
    chosen = next((known for known in DELIVERY_STATES if known == state), None)
    with open_for_reading(read_settings()) as db:
        newest = db.read_sync(list_stored, limit, chosen)
    for line in format_table(newest):
        print_escaped(line)


@deliveries.command("show")
def show_delivery(id_: DeliveryId) -> None:
    """Show a delivery: its body, its state and the events it caused."""
    from deskwire.cli.deliveries import format_delivery
    from deskwire.events.log import list_caused_events
    from deskwire.webhooks.deliveries import read_delivery

    with open_for_reading(read_settings()) as db:
        delivery = db.read_sync(read_delivery, id_)
        caused = db.read_sync(list_caused_events, f"delivery:{id_}")
    for line in format_delivery(delivery, caused):
        print_escaped(line)


@deliveries.command("replay")
def replay_delivery(id_: DeliveryId) -> None:
    """Process a parked or dismissed delivery again; exit with 1 if it is parked again."""
    from deskwire.webhooks.deliveries import read_delivery

    settings = read_settings()
    run_command(settings, "deliveries.replay", {"id": id_})
    _print_outcome(settings, lambda tx: read_delivery(tx, id_))


@deliveries.command("dismiss")
def dismiss_delivery(id_: DeliveryId) -> None:
    """Dismiss a parked delivery; it stays stored, but `doctor` ignores it."""
    run_command(read_settings(), "deliveries.dismiss", {"id": id_})
    print(f"delivery {id_} is dismissed")


def _print_outcome(settings: Settings, find: Any, *, quiet: bool = False) -> None:  # noqa: ANN401
    """Wait for the outcome of a delivery and print it; exit with 1 if it is parked.

    With `quiet`, prints nothing if it was processed.
    """
    from deskwire.cli.deliveries import format_outcome, wait_for_outcome

    with open_for_reading(settings) as db:
        delivery = wait_for_outcome(db, find)
    if delivery is None or (quiet and delivery.state in ("done", "repeat")):
        return
    print_escaped(format_outcome(delivery))
    if delivery.state == "parked":
        print(f"Show all of it: `deskwire deliveries show {delivery.id}`")
        raise typer.Exit(1)
