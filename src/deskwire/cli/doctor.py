"""Doctor: what an operator would look at first, said in sentences."""

from __future__ import annotations

import json
import shutil
import smtplib
import sqlite3
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from deskwire.direct_edits.change_log import list_problems
from deskwire.events.log import count_outbox, read_epoch, read_head
from deskwire.kit.connect import connect_database
from deskwire.kit.db import is_postgresql
from deskwire.kit.errors import Refusal
from deskwire.kit.open_store import check_writable
from deskwire.kit.smtp_url import SmtpServer
from deskwire.kit.sqlite import URL_PREFIX, SQLite, parse_sqlite_path
from deskwire.schema import is_newer_revision, read_revisions
from deskwire.server.control import DatabaseLock, read_server_url
from deskwire.server.database_path import check_database_exists
from deskwire.settings import MIN_SECRET_LENGTH, Settings
from deskwire.webhooks.deliveries import DELIVERY_STATES, count_by_state

MIN_SAFE_SQLITE = (3, 51, 3)  # before, two writing connections can corrupt a WAL
MIB = 1024 * 1024  # bytes
MIN_FREE_DISK = 512 * MIB  # bytes; a migration copies the file, and the WAL may add 64 MiB
OLD_SQLITE_CAUTION = ": write to the file through `deskwire` only"
MAX_EDITS = 20  # told of; more have one cause
TIMEOUT = 3.0  # s
SHORT_PART_TEXT = (
    f"BOT_WEBHOOK_SECRET: a part between commas has under {MIN_SECRET_LENGTH} characters, and is "
    "valid only as part of the whole"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    is_ok: bool
    sentence: str


def run_checks(settings: Settings) -> list[Finding]:
    """Everything that can be seen from outside the running server."""
    return [
        *_check_settings(settings),
        *_check_database(settings),
        *_check_disk(settings),
        _check_files(settings),
        _check_mail(settings),
        _check_server(settings),
    ]


def _check_settings(settings: Settings) -> list[Finding]:
    found = [Finding(False, weakness) for weakness in settings.weak_secret_warnings]
    if not settings.bot_secrets:
        found.append(Finding(False, "BOT_WEBHOOK_SECRET is not set: the bot is answered 503"))
    if settings.has_short_secret_part:
        found.append(Finding(True, SHORT_PART_TEXT))
    if not settings.public_url:
        found.append(Finding(True, "PUBLIC_URL is not set: links use HOST and PORT"))
    return found or [Finding(True, "settings are usable")]


def _check_database(settings: Settings) -> list[Finding]:
    try:
        db = connect_database(settings.database_url)
        if isinstance(db, SQLite):
            check_database_exists(db.path)
    except Refusal as refusal:
        return [Finding(False, str(refusal))]
    try:
        return db.read_sync(_check_schema, db.name)
    except Refusal as refusal:
        return [Finding(False, str(refusal))]
    except OperationalError as error:
        return [Finding(False, f"the database does not answer: {error.orig}")]
    finally:
        db.close()


def _check_schema(tx: Connection, name: str) -> list[Finding]:
    before, after = read_revisions(tx)
    if is_newer_revision(before):
        return [Finding(False, f"database at {before}, newer than this Deskwire: upgrade Deskwire")]
    if before != after:
        return [Finding(False, f"database at {before}, needed {after}: `deskwire migrate`")]
    return [*_check_engine(tx, f"{name}: revision {after}"), *_check_contents(tx)]


def _check_engine(tx: Connection, database: str) -> list[Finding]:
    if is_postgresql(tx):
        version = tx.exec_driver_sql("SHOW server_version").scalar_one()
        return [Finding(True, f"database {database}, PostgreSQL {version}")]
    check = tx.exec_driver_sql("PRAGMA quick_check").scalar_one()
    caution = "" if sqlite3.sqlite_version_info >= MIN_SAFE_SQLITE else OLD_SQLITE_CAUTION
    return [
        Finding(check == "ok", f"database {database}, {check}"),
        Finding(True, f"SQLite {sqlite3.sqlite_version}{caution}"),
    ]


def _check_contents(tx: Connection) -> list[Finding]:
    found = [Finding(True, f"log at position {read_head(tx)} of epoch {read_epoch(tx)}")]
    if waiting := count_outbox(tx):
        found.append(Finding(True, f"events that wait for a serving process: {waiting}"))
    return [*found, _check_deliveries(count_by_state(tx)), *_check_direct_edits(tx)]


def _check_direct_edits(tx: Connection) -> list[Finding]:
    """What somebody wrote by hand that could not be so; each is forgotten with the next edit."""
    wrong = list_problems(tx, MAX_EDITS)
    return [
        Finding(False, f"edit {id_}: {problem} (to let it be, delete {id_} from outside_changes)")
        for id_, problem in wrong
    ]


def _check_deliveries(states: dict[str, int]) -> Finding:
    if not states:
        return Finding(True, "no deliveries yet")
    told = ", ".join(f"{states[state]:,} {state}" for state in DELIVERY_STATES if state in states)
    if "parked" not in states:
        return Finding(True, f"deliveries: {told}")
    look = (
        "`deskwire deliveries list --state parked`, then `deskwire deliveries replay` or `dismiss`"
    )
    return Finding(False, f"deliveries: {told} ({look})")


def _check_disk(settings: Settings) -> list[Finding]:
    if not settings.database_url.startswith(URL_PREFIX):
        return []  # its disk is not this machine's to look at
    folder = parse_sqlite_path(settings.database_url).absolute().parent
    if not folder.exists():
        return []
    free = shutil.disk_usage(folder).free
    said = f"{free // MIB:,} MiB are free for the database in {folder}"
    if free < MIN_FREE_DISK:
        return [Finding(False, f"{said}: make room before webhooks are answered 503")]
    return [Finding(True, said)]


def _check_files(settings: Settings) -> Finding:
    try:
        check_writable(settings.files_url, TIMEOUT)
    except Exception as error:  # each store fails in its own ways
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Finding(False, f"files cannot be kept in {settings.files_url}: {why}")
    return Finding(True, f"files are kept in {settings.files_url}")


def _check_mail(settings: Settings) -> Finding:
    relay = settings.smtp_server
    if relay is None:
        return Finding(True, "SMTP_URL is not set: no mail is sent")
    place = f"{relay.host}:{relay.port}"
    try:
        _connect_and_sign_in(relay)
    except smtplib.SMTPAuthenticationError:
        return Finding(
            False, f"the mail server at {place} refuses the user or password of SMTP_URL"
        )
    except (smtplib.SMTPException, OSError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return Finding(False, f"the mail server at {place} cannot be used: {why}")
    return Finding(True, f"the mail server answers at {place}")


def _connect_and_sign_in(relay: SmtpServer) -> None:
    """Connect, and sign in, as mail is sent. Raises what `smtplib` does."""
    connect = smtplib.SMTP_SSL if relay.implicit_tls else smtplib.SMTP
    with connect(relay.host, relay.port, timeout=TIMEOUT) as server:
        server.ehlo()
        if relay.start_tls or (relay.start_tls is None and server.has_extn("starttls")):
            server.starttls(context=ssl.create_default_context())
        if relay.user and relay.password:
            server.login(relay.user, relay.password)


def _check_server(settings: Settings) -> Finding:
    if not settings.database_url.startswith(URL_PREFIX):
        return _check_readiness(settings, "no server answers at {url}: {why}")
    if not DatabaseLock(parse_sqlite_path(settings.database_url)).is_held():
        return Finding(True, "no server is running on this database")
    return _check_readiness(
        settings, "a server holds the database, but {url} does not answer: {why}"
    )


def _read_reported_problems(error: urllib.error.HTTPError) -> str:
    """What the server says is wrong, or the bare status of whatever answered instead."""
    try:
        return "; ".join(str(each) for each in json.loads(error.read())["problems"])
    except (OSError, ValueError, LookupError, TypeError):
        return str(error.code)


def _check_readiness(settings: Settings, unreachable_text: str) -> Finding:
    url = f"{read_server_url(settings.database_url) or settings.local_url}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310
            return Finding(True, f"the server answers at {url}: {answer.status}")
    except urllib.error.HTTPError as error:
        return Finding(False, f"the server at {url} is not ready: {_read_reported_problems(error)}")
    except OSError as error:
        reason = getattr(error, "reason", None) or error  # of urllib's own, what is behind it
        why = getattr(reason, "strerror", None) or str(reason)
        return Finding(False, unreachable_text.format(url=url, why=why))
