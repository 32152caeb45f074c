"""The shell: `deskwire …`. Says what it did, or in one sentence why not (exit code 1; 2: mistyped).

Heavy parts are imported by the commands that need them: `deskwire --version` must be quick.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deskwire import __version__
from deskwire.cli.context import is_served_locally, open_for_reading, read_settings, run_command
from deskwire.cli.errors import report_errors

if TYPE_CHECKING:
    from deskwire.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
people = typer.Typer(no_args_is_help=True, help="Who may sign in, and who they are at Discord.")
guilds = typer.Typer(no_args_is_help=True, help="Single permissions in a Discord server.")
webhook = typer.Typer(no_args_is_help=True, help="Post events as the bot does.")
deliveries = typer.Typer(no_args_is_help=True, help="What senders posted, and what became of it.")
events = typer.Typer(no_args_is_help=True, help="The log of everything that happened.")
for group, name in (
    (people, "people"),
    (guilds, "guilds"),
    (webhook, "webhook"),
    (deliveries, "deliveries"),
    (events, "events"),
):
    app.add_typer(group, name=name)

TAIL_LENGTH = 20  # events; what is shown of the log without following it
MAX_ID = 2**63 - 1  # the largest number a database column holds

Email = Annotated[str, typer.Argument(help="their e-mail address")]
ROLE_HELP = "super_admin, operations_manager or support_analyst"
Snowflake = Annotated[str, typer.Option("--discord", help="their Discord id, 17 to 20 digits")]


def main() -> None:
    """The entry point."""
    if sys.argv[1:] == ["--version"]:  # Typer would first load what understands arguments: 0.1 s
        print(f"deskwire {__version__}")
        return
    with report_errors():
        code = app(standalone_mode=False)  # or Typer would draw a box around what it refuses
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
    """Serve until Ctrl-C or SIGTERM, with the settings of the environment."""
    from deskwire.server.serve import serve

    serve(read_settings())


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="where the demo keeps its data")] = Path(".demo"),
) -> None:
    """Serve a desk full of believable data, kept busy by simulated people and a simulated bot."""
    from deskwire.demo.run import run_demo

    run_demo(folder)


@app.command()
def migrate(
    check: Annotated[bool, typer.Option("--check", help="Only say; exit 1 if behind.")] = False,
) -> None:
    """Bring the database to the schema this version needs (with SQLite `serve` does it, too)."""
    from deskwire.schema import read_revisions
    from deskwire.server.services import migrate_database

    settings = read_settings()
    if check:
        with open_for_reading(settings, require_current_schema=False) as db:
            before, after = db.read_sync(read_revisions)
        print(f"database at {before or 'nothing'}, this version needs {after}")
        raise typer.Exit(0 if before == after else 1)
    opened = migrate_database(settings.database_url)
    print(f"database at {opened.db.read_sync(read_revisions)[0]}: {opened.db.name}")
    opened.close()


@app.command()
def backup(target: Annotated[Path, typer.Argument(help="a file that does not exist yet")]) -> None:
    """Copy the database, also while it is being served."""
    from deskwire.kit.errors import Conflict
    from deskwire.kit.sqlite import SQLite
    from deskwire.schema import copy_database

    if target.exists():
        raise Conflict(f"{target} exists already; choose another name.")
    with open_for_reading(read_settings()) as db:
        if not isinstance(db, SQLite):
            raise Conflict("PostgreSQL has pg_dump for this. After a restore: `deskwire restored`.")
        copy_database(db, target)
    print(f"{target}: {target.stat().st_size:,} bytes")


@app.command()
def restored() -> None:
    """Say that the database was put back from a copy, so that every open page loads anew."""
    from deskwire.events.log import begin_epoch
    from deskwire.server.services import open_database

    opened = open_database(read_settings().database_url)
    epoch = opened.db.write_sync(begin_epoch)
    opened.close()
    print(f"the log goes on as epoch {epoch}; start every server of this database anew")


@app.command()
def doctor() -> None:
    """Look at settings, database and server, and say what needs attention (exit 1 if anything)."""
    from deskwire.cli.doctor import run_checks

    findings = run_checks(read_settings())
    for finding in findings:
        print(f"{'ok  ' if finding.is_ok else 'LOOK'}  {finding.sentence}")
    raise typer.Exit(0 if all(finding.is_ok for finding in findings) else 1)


@app.command()
def sql(statement: Annotated[str, typer.Argument(help='e.g. "SELECT * FROM guilds"')]) -> None:
    """Run one statement on an SQLite database, also while it is served; edits show at once."""
    from deskwire.server.admin_sql import format_result

    for line in format_result(run_command(read_settings(), "sql", {"statement": statement})):
        _print_escaped(line)


@people.command("create")
def create_person(
    email: Email,
    name: Annotated[str, typer.Option(help="what they are called")] = "",
    role: Annotated[str, typer.Option(help=ROLE_HELP)] = "",
) -> None:
    """Add a person and print a link (1 h, once) with which they choose their password."""
    arguments = {"email": email, "name": name or None, "role": role or None}
    settings = read_settings()
    made = run_command(settings, "people.create", arguments, create_if_missing=True)
    link = _format_welcome_link(settings, made)
    print(f"{made['email']} can choose a password within an hour:\n{link}")


@people.command("employ")
def employ_person(email: Email, role: Annotated[str, typer.Option(help=ROLE_HELP)]) -> None:
    """Give somebody who has an account a role in the team, or another one."""
    made = run_command(read_settings(), "people.employ", {"email": email, "role": role})
    print(f"{made['name']} is {role} now")
    if not made["proven"]:
        print("Nobody has proven that this address is theirs: ask them whether they signed up.")


@people.command("reset-password")
def reset_password(email: Email) -> None:
    """Print a link (1 h, once) with which a person sets a new password."""
    settings = read_settings()
    made = run_command(settings, "people.reset-password", {"email": email})
    print(f"{made['email']} can choose a new password within an hour:")
    print(_format_welcome_link(settings, made))


@people.command("link")
def link_person(email: Email, discord: Snowflake) -> None:
    """Say that a Discord user is this person; their open pages follow at once."""
    made = run_command(read_settings(), "people.link", {"email": email, "discord": discord})
    print(f"{made['name']} is Discord user {discord}")


@people.command("unlink")
def unlink_person(email: Email) -> None:
    """Forget who a person is at Discord, and all it let them see."""
    made = run_command(read_settings(), "people.unlink", {"email": email})
    print(f"{made['name']} is no Discord user any more")


@people.command("list")
def print_people() -> None:
    """Everybody, with their role in the team and their identities."""
    from deskwire.accounts.admin_actions import list_people
    from deskwire.workspaces.organizations.staff import read_staff_roles

    with open_for_reading(read_settings()) as db:
        roles, everybody = db.read_sync(read_staff_roles), db.read_sync(list_people)
    for each in everybody:
        person, identities = each.person, ", ".join(each.principals) or "-"
        role = roles.get(person.id, "-")
        _print_escaped(f"{person.email or '-':32}  {person.name:24}  {role:18}  {identities}")


@guilds.command("permit")
def set_permissions(
    guild: Annotated[str, typer.Argument(help="the server's Discord id")],
    discord: Snowflake,
    permission: Annotated[
        list[str] | None, typer.Option(help="e.g. TICKET_VIEW_ALL; none takes all away")
    ] = None,
) -> None:
    """Give a Discord user exactly these individual permissions in a server."""
    arguments = {"guild": guild, "discord": discord, "permissions": permission or []}
    made = run_command(read_settings(), "guilds.permit", arguments)
    print(f"{discord} may now: {', '.join(made['permissions']) or 'nothing'}")
    if not made["known"]:
        print(f"No server {guild} has told of itself yet. Is the id right?", file=sys.stderr)


@webhook.command("send")
def send_webhook(
    type_: Annotated[str, typer.Argument(metavar="TYPE", help="e.g. ticket.created")],
    guild: Annotated[str, typer.Option(help="the server's Discord id")] = "",
    owner: Annotated[str, typer.Option(help="the server owner's Discord id")] = "",
    user: Annotated[str, typer.Option(help="the Discord id of who writes, joins, leaves")] = "",
    ticket: Annotated[int, typer.Option(help="the ticket's id and number")] = 0,
    role: Annotated[str, typer.Option(help="the team role's Discord id")] = "",
    role_name: Annotated[str, typer.Option(help="e.g. 'Tickets Support'")] = "",
    data: Annotated[str, typer.Option(help="JSON whose fields replace the sample's")] = "{}",
    url: Annotated[str, typer.Option(help="where Deskwire is")] = "",
    secret: Annotated[str, typer.Option(help="instead of BOT_WEBHOOK_SECRET")] = "",
) -> None:
    """Post one event as the bot does; exit code 1 on any answer but 2xx."""
    from deskwire.integrations.discord.samples import build_sample_data
    from deskwire.integrations.discord.sender import send_event
    from deskwire.kit.ids import new_secret
    from deskwire.kit.strict_json import parse_json_object
    from deskwire.webhooks.deliveries import find_by_envelope_id

    settings = read_settings()
    base = url or _find_base_url(settings)
    keys = [secret] if secret else settings.bot_secrets
    if not keys:
        raise _create_invalid(
            "There is no secret to sign with: set BOT_WEBHOOK_SECRET or give --secret."
        )
    scene: dict[str, Any] = {"guild": guild, "owner": owner, "user": user, "ticket": ticket}
    scene |= {"number": ticket, "role": role, "role_name": role_name}
    told = {name: value for name, value in scene.items() if value}
    data_ = {**build_sample_data(type_, **told), **parse_json_object("--data", data)}
    id_ = new_secret()  # only to find it again
    answer = send_event(base, keys[0], type_, data_, id_=id_)
    _print_escaped(f"{answer.status} {answer.message}")
    if not answer.is_accepted:
        raise typer.Exit(1)
    if not url and is_served_locally(settings):  # else it went to a database elsewhere
        _print_outcome(settings, lambda tx: find_by_envelope_id(tx, "bot", f'"{id_}"'), quiet=True)


@deliveries.command("list")
def list_deliveries(
    state: Annotated[
        str, typer.Option(help="pending, done, parked, repeat, refused or dismissed")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 30,
) -> None:
    """The newest deliveries, newest first."""
    from deskwire.cli.deliveries import format_table
    from deskwire.webhooks.deliveries import DELIVERY_STATES, list_stored

    if state and state not in DELIVERY_STATES:
        raise _create_invalid(
            f"There is no state {state!r}; choose one of {', '.join(DELIVERY_STATES)}."
        )
    chosen = next((known for known in DELIVERY_STATES if known == state), None)
    with open_for_reading(read_settings()) as db:
        newest = db.read_sync(list_stored, limit, chosen)
    for line in format_table(newest):
        _print_escaped(line)


@deliveries.command("show")
def show_delivery(id_: Annotated[int, typer.Argument(metavar="ID", min=1, max=MAX_ID)]) -> None:
    """One delivery: what arrived, what became of it, and the events it brought about."""
    from deskwire.cli.deliveries import format_delivery
    from deskwire.events.log import list_caused_events
    from deskwire.webhooks.deliveries import read_delivery

    with open_for_reading(read_settings()) as db:
        kept = db.read_sync(read_delivery, id_)
        caused = db.read_sync(list_caused_events, f"delivery:{id_}")
    for line in format_delivery(kept, caused):
        _print_escaped(line)


@deliveries.command("replay")
def replay_delivery(id_: Annotated[int, typer.Argument(metavar="ID", min=1, max=MAX_ID)]) -> None:
    """Have a parked delivery understood once more; exit code 1 if it is parked again."""
    from deskwire.webhooks.deliveries import read_delivery

    settings = read_settings()
    run_command(settings, "deliveries.replay", {"id": id_})
    _print_outcome(settings, lambda tx: read_delivery(tx, id_))


@deliveries.command("dismiss")
def dismiss_delivery(id_: Annotated[int, typer.Argument(metavar="ID", min=1, max=MAX_ID)]) -> None:
    """Let a parked delivery be: it is kept, and `doctor` speaks of it no more."""
    run_command(read_settings(), "deliveries.dismiss", {"id": id_})
    print(f"delivery {id_} is dismissed")


@events.command("tail")
def tail_events(
    after: Annotated[
        int | None,
        typer.Option(min=0, max=MAX_ID, help="start after this position; 0: from the beginning"),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", "-f", help="without: the last 20, then end")
    ] = True,
) -> None:
    """Print events as they are written to the log (until Ctrl-C)."""
    import time

    from deskwire.cli.deliveries import format_local_time
    from deskwire.events.log import read_after, read_head

    with suppress(KeyboardInterrupt), open_for_reading(read_settings()) as db:
        head = db.read_sync(read_head)
        position = after if after is not None else head if follow else max(0, head - TAIL_LENGTH)
        while True:
            entries = db.read_sync(read_after, position, 500)
            for entry in entries:
                position = entry.position
                at, data = format_local_time(entry.at), _extract_event_data(entry.frame)
                _print_escaped(f"{position:>8}  {at}  {entry.type}  {data}")
            if not entries and not follow:
                return
            if not entries:
                sys.stdout.flush()
                time.sleep(0.2)


def _format_welcome_link(settings: Settings, result: dict[str, Any]) -> str:
    return f"{_find_base_url(settings)}/welcome/{result['token']}"


def _find_base_url(settings: Settings) -> str:
    """The address people use, or where the running server says it listens, or where it would."""
    from deskwire.server.control import read_server_url

    return settings.public_url or read_server_url(settings.database_url) or settings.local_url


def _print_outcome(settings: Settings, find: Any, *, quiet: bool = False) -> None:  # noqa: ANN401
    """Wait for what becomes of a delivery and say it; exit code 1 if it is not understood."""
    from deskwire.cli.deliveries import format_outcome, wait_for_outcome

    with open_for_reading(settings) as db:
        kept = wait_for_outcome(db, find)
    if kept is None or (quiet and kept.state in ("done", "repeat")):
        return
    _print_escaped(format_outcome(kept))
    if kept.state == "parked":
        print(f"`deskwire deliveries show {kept.id}` shows all of it.")
        raise typer.Exit(1)


def _create_invalid(sentence: str) -> Exception:
    from deskwire.kit.errors import Invalid

    return Invalid(sentence)


def _print_escaped(line: str) -> None:
    """Print a line that holds what others wrote: it must not speak to the terminal."""
    from deskwire.kit.text import escape_control_characters

    print(escape_control_characters(line))


def _extract_event_data(frame: bytes) -> str:
    return frame.decode().partition("\ndata: ")[2].strip()
