"""Check settings, database, files, mail and server for `deskwire doctor`, and report findings."""

from __future__ import annotations

import json
import shutil
import smtplib
import sqlite3
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import IO

from sqlalchemy import Connection, true
from sqlalchemy.exc import OperationalError

from deskwire.accounts import people
from deskwire.direct_edits.change_log import list_problems
from deskwire.dispatches.admin import count_by_target_and_state
from deskwire.events.consumers.admin import ConsumerState, list_consumers
from deskwire.events.log import count_outbox, read_epoch, read_head
from deskwire.kit.clock import now
from deskwire.kit.connect import connect_database
from deskwire.kit.db import is_postgresql
from deskwire.kit.errors import Refusal, Unavailable, Upstream
from deskwire.kit.open_store import check_writable
from deskwire.kit.smtp_url import NO_TLS_PROBLEM, SmtpServer
from deskwire.kit.sqlite import URL_PREFIX, SQLite, parse_sqlite_path
from deskwire.kit.text import escape_control_characters
from deskwire.schema import is_newer_revision, read_revisions
from deskwire.server.database_lock import DatabaseLock, read_server_url
from deskwire.server.database_path import check_database_exists
from deskwire.server.open_database import explaining_damage
from deskwire.server.setting_warnings import find_foreign_names, find_warnings
from deskwire.settings import MIN_SECRET_LENGTH, Settings
from deskwire.webhooks.deliveries import DELIVERY_STATES, count_by_state
from deskwire.workspaces.key_events import list_live_keys
from deskwire.workspaces.keys.listing import ListedKey, describe_keys, needing_attention

MIN_SAFE_SQLITE = (3, 51, 3)  # in older versions, two writing connections can corrupt the WAL
MIB = 1024 * 1024  # bytes
MIN_FREE_DISK = 512 * MIB  # bytes; a migration copies the file, and the WAL may add 64 MiB
OLD_SQLITE_WARNING = ": change the file only through `deskwire`"
MAX_EDITS = 20  # direct edits reported; more of them have a common cause
TIMEOUT = 3.0  # s for each connection to storage, mail server or Deskwire server
SHORT_PART_TEXT = (
    f"BOT_WEBHOOK_SECRET: a part between commas has fewer than {MIN_SECRET_LENGTH} characters and "
    "is valid only as part of the whole"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    is_ok: bool
    sentence: str


def run_checks(settings: Settings) -> list[Finding]:
    """Run all checks, from outside the server; return their findings."""
    return [
        *_check_settings(settings),
        *_check_database(settings),
        *_check_disk(settings),
        _check_files(settings),
        _check_mail(settings),
        _check_server(settings),
    ]


def _check_settings(settings: Settings) -> list[Finding]:
    findings = [Finding(False, warning) for warning in find_warnings(settings)]
    findings += [Finding(True, sentence) for sentence in find_foreign_names()]
    if not settings.bot_secrets:
        findings.append(Finding(False, "BOT_WEBHOOK_SECRET is not set: the bot gets a 503"))
    if settings.has_short_secret_part:
        findings.append(Finding(True, SHORT_PART_TEXT))
    if not settings.public_url:
        findings.append(Finding(True, "PUBLIC_URL is not set: links use HOST and PORT"))
    return findings or [Finding(True, "the settings are valid")]


def _check_database(settings: Settings) -> list[Finding]:
    try:
        db = connect_database(settings.database_url)
        if isinstance(db, SQLite):
            check_database_exists(db.path)
    except Refusal as refusal:
        return [Finding(False, str(refusal))]
    try:
        with explaining_damage(db):
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
        return [Finding(False, f"the database is at {before}, which is newer: upgrade Deskwire")]
    if before != after:
        return [Finding(False, f"the database is at {before}, not {after}: run `deskwire migrate`")]
    return [*_check_engine(tx, f"{name}: revision {after}"), *_check_contents(tx)]


def _check_engine(tx: Connection, database: str) -> list[Finding]:
    if is_postgresql(tx):
        version = tx.exec_driver_sql("SHOW server_version").scalar_one()
        return [Finding(True, f"database {database}, PostgreSQL {version}")]
    check = tx.exec_driver_sql("PRAGMA quick_check").scalar_one()
    warning = "" if sqlite3.sqlite_version_info >= MIN_SAFE_SQLITE else OLD_SQLITE_WARNING
    return [
        Finding(check == "ok", f"database {database}, {check}"),
        Finding(True, f"SQLite {sqlite3.sqlite_version}{warning}"),
    ]


def _check_contents(tx: Connection) -> list[Finding]:
    findings = [Finding(True, f"log at position {read_head(tx)} of epoch {read_epoch(tx)}")]
    if waiting := count_outbox(tx):
        findings.append(Finding(True, f"events waiting for a server: {waiting}"))
    return [
        *findings,
        _check_deliveries(count_by_state(tx)),
        *_check_direct_edits(tx),
        *map(_check_consumer, list_consumers(tx)),
        *_check_dispatches(count_by_target_and_state(tx)),
        *map(_check_key, needing_attention(describe_keys(tx, list_live_keys(tx, true()), now()))),
        *_check_addresses(tx),
    ]


def _check_key(listed: ListedKey) -> Finding:
    """Report an API key that has expired, is about to, or has not been used for 90 days."""
    key = listed.key
    text = f"API key {key.id} ({escape_control_characters(key.name)})"
    if listed.is_expired:
        return Finding(False, f"{text} has expired (`deskwire keys revoke {key.id}`)")
    if listed.days_left is not None:
        return Finding(False, f"{text} expires within {listed.days_left} days: replace it")
    return Finding(False, f"{text} has not been used for 90 days (`deskwire keys revoke {key.id}`)")


def _check_dispatches(counts: dict[tuple[str, str], int]) -> list[Finding]:
    """Report dispatches that wait for an operator, by target."""
    findings = list[Finding]()
    for (target, state), count in sorted(counts.items()):
        if state == "held":
            text = (
                f"{count:,} dispatches to {target} are held since the database was restored "
                "(`deskwire dispatches release`, or `dismiss --held`)"
            )
            findings.append(Finding(False, text))
        if state == "dead":
            text = (
                f"{count:,} dispatches to {target} were given up "
                f"(`deskwire dispatches list --target {target} --state dead`)"
            )
            findings.append(Finding(False, text))
    return findings


def _check_addresses(tx: Connection) -> list[Finding]:
    """Report how many people have an address that refuses mail."""
    if not (count := people.count_undeliverable(tx)):
        return []
    text = (
        f"{count:,} people have an address that refuses mail (/admin/people?group=undeliverable; "
        "`deskwire people retry-address`)"
    )
    return [Finding(False, text)]


def _check_consumer(state: ConsumerState) -> Finding:
    """Report a consumer that is stopped, or has set events aside or lost some."""
    problems = list[str]()
    if state.is_stopped:
        problems.append(f"is stopped (`deskwire consumers start {state.name}`)")
    if state.failure_count:
        problems.append(
            f"has set {state.failure_count:,} events aside, most recently after "
            f"{state.last_error} (`deskwire consumers list`, then `retry` or `dismiss`)"
        )
    if state.lost:
        problems.append(f"has lost {state.lost:,} events that LOG_DAYS removed before their turn")
    if problems:
        return Finding(False, f"consumer {state.name} {', and '.join(problems)}")
    return Finding(True, f"consumer {state.name}: {state.lag:,} events behind")


def _check_direct_edits(tx: Connection) -> list[Finding]:
    """Report direct edits that were not accepted; the next edit of the same row clears one."""
    return [
        Finding(False, f"edit {id_}: {problem} (to dismiss it, delete {id_} from outside_changes)")
        for id_, problem in list_problems(tx, MAX_EDITS)
    ]


def _check_deliveries(states: dict[str, int]) -> Finding:
    if not states:
        return Finding(True, "no deliveries yet")
    counts = ", ".join(f"{states[state]:,} {state}" for state in DELIVERY_STATES if state in states)
    if "parked" not in states:
        return Finding(True, f"deliveries: {counts}")
    hint = (
        "`deskwire deliveries list --state parked`, then `deskwire deliveries replay` or `dismiss`"
    )
    return Finding(False, f"deliveries: {counts} ({hint})")


def _check_disk(settings: Settings) -> list[Finding]:
    if not settings.database_url.startswith(URL_PREFIX):
        return []  # PostgreSQL's disk may be on another machine
    folder = parse_sqlite_path(settings.database_url).absolute().parent
    if not folder.exists():
        return []
    free = shutil.disk_usage(folder).free
    free_text = f"{free // MIB:,} MiB are free for the database in {folder}"
    if free < MIN_FREE_DISK:
        return [Finding(False, f"{free_text}: free up space, or webhooks will get a 503")]
    return [Finding(True, free_text)]


def _check_files(settings: Settings) -> Finding:
    try:
        check_writable(settings.files_url, TIMEOUT)
    except Unavailable as error:
        return Finding(False, f"files cannot be stored in {settings.files_url}: {error.reason}")
    except TimeoutError:
        text = f"files cannot be stored in {settings.files_url}: no answer within {TIMEOUT:.0f} s"
        return Finding(False, text)
    except Exception as error:  # such as a folder's own errors
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Finding(False, f"files cannot be stored in {settings.files_url}: {reason}")
    return Finding(True, f"files can be stored in {settings.files_url}")


def _check_mail(settings: Settings) -> Finding:
    server = settings.smtp_server
    if server is None:
        return Finding(True, "SMTP_URL is not set: no mail is sent")
    address = f"{server.host}:{server.port}"
    try:
        _connect_and_log_in(server)
    except smtplib.SMTPAuthenticationError:
        return Finding(
            False, f"the mail server at {address} rejects the user or password of SMTP_URL"
        )
    except Refusal as refusal:
        return Finding(False, f"the mail server at {address} cannot be used: {refusal}")
    except (smtplib.SMTPException, OSError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        return Finding(False, f"the mail server at {address} cannot be used: {reason}")
    return Finding(True, f"the mail server answers at {address}")


def _connect_and_log_in(server: SmtpServer) -> None:
    """Connect and log in as the mail sender does. Raises what `smtplib` raises, and Upstream."""
    connect = smtplib.SMTP_SSL if server.implicit_tls else smtplib.SMTP
    with connect(server.host, server.port, timeout=TIMEOUT) as connection:
        connection.ehlo()
        is_offered = connection.has_extn("starttls")
        if server.start_tls and not is_offered:
            raise Upstream(NO_TLS_PROBLEM, permanent=True)
        if server.start_tls is not False and is_offered:
            connection.starttls(context=ssl.create_default_context())
        if server.user and server.password:
            connection.login(server.user, server.password)


def _check_server(settings: Settings) -> Finding:
    if not settings.database_url.startswith(URL_PREFIX):
        return _check_readiness(settings, "no server answers at {url}: {reason}")
    if not DatabaseLock(parse_sqlite_path(settings.database_url)).is_held():
        return Finding(True, "no server is using this database")
    return _check_readiness(
        settings, "a server is using the database, but {url} does not answer: {reason}"
    )


def _read_list(response: IO[bytes], name: str) -> str:
    """Return the sentences that a server reports as `name`, or "" if something else answered."""
    try:
        return "; ".join(str(sentence) for sentence in json.loads(response.read())[name])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _check_readiness(settings: Settings, unreachable_text: str) -> Finding:
    url = f"{read_server_url(settings.database_url) or settings.local_url}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:  # noqa: S310
            if notes := _read_list(response, "notes"):
                return Finding(False, f"the server at {url} is ready, but {notes}")
            return Finding(True, f"the server answers at {url}: {response.status}")
    except urllib.error.HTTPError as error:
        problems = _read_list(error, "problems") or str(error.code)
        return Finding(False, f"the server at {url} is not ready: {problems}")
    except OSError as error:
        cause = getattr(error, "reason", None) or error  # unwrap urllib's own error
        reason = getattr(cause, "strerror", None) or str(cause)
        return Finding(False, unreachable_text.format(url=url, reason=reason))
