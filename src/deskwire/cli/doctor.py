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

from deskwire.direct_edits.change_log import read_problems
from deskwire.events.log import count_waiting, read_epoch, read_head
from deskwire.kit.connect import connect
from deskwire.kit.db import is_shared
from deskwire.kit.errors import Refusal
from deskwire.kit.open_store import check_writable
from deskwire.kit.smtp_url import Relay
from deskwire.kit.sqlite import SCHEME, SQLite, path_of
from deskwire.schema import is_newer, read_state
from deskwire.server.control import Lock, read_url
from deskwire.server.database_path import check_written
from deskwire.settings import MIN_SECRET, Settings
from deskwire.webhooks.deliveries import STATES, count_by_state

SAFE_SQLITE = (3, 51, 3)  # before, two writing connections can corrupt a WAL
MIB = 1024 * 1024  # bytes
LITTLE = 512 * MIB  # bytes; a migration copies the file, and the WAL may take 64 MiB beside it
CAUTION = ": write to the file through `deskwire` only"
MOST_EDITS = 20  # told of; more have one cause
ANSWER_WITHIN = 3.0  # s
SHORT_PART = (
    f"BOT_WEBHOOK_SECRET: a part between commas has under {MIN_SECRET} characters, and is valid "
    "only as part of the whole"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    fine: bool
    sentence: str


def examine(settings: Settings) -> list[Finding]:
    """Everything that can be seen from outside the running server."""
    return [
        *_settings(settings),
        *_database(settings),
        *_disk(settings),
        _files(settings),
        _mail(settings),
        _server(settings),
    ]


def _settings(settings: Settings) -> list[Finding]:
    found = [Finding(False, weakness) for weakness in settings.weaknesses]
    if not settings.bot_secrets:
        found.append(Finding(False, "BOT_WEBHOOK_SECRET is not set: the bot is answered 503"))
    if settings.has_short_part:
        found.append(Finding(True, SHORT_PART))
    if not settings.public_url:
        found.append(Finding(True, "PUBLIC_URL is not set: links use HOST and PORT"))
    return found or [Finding(True, "settings are usable")]


def _database(settings: Settings) -> list[Finding]:
    try:
        db = connect(settings.database_url)
        if isinstance(db, SQLite):
            check_written(db.path)
    except Refusal as refusal:
        return [Finding(False, str(refusal))]
    try:
        return db.read_here(_state, db.name)
    except Refusal as refusal:
        return [Finding(False, str(refusal))]
    except OperationalError as error:
        return [Finding(False, f"the database does not answer: {error.orig}")]
    finally:
        db.close()


def _state(tx: Connection, name: str) -> list[Finding]:
    before, after = read_state(tx)
    if is_newer(before):
        return [Finding(False, f"database at {before}, newer than this Deskwire: upgrade Deskwire")]
    if before != after:
        return [Finding(False, f"database at {before}, needed {after}: `deskwire migrate`")]
    return [*_engine(tx, f"{name}: revision {after}"), *_contents(tx)]


def _engine(tx: Connection, place: str) -> list[Finding]:
    if is_shared(tx):
        version = tx.exec_driver_sql("SHOW server_version").scalar_one()
        return [Finding(True, f"database {place}, PostgreSQL {version}")]
    check = tx.exec_driver_sql("PRAGMA quick_check").scalar_one()
    caution = "" if sqlite3.sqlite_version_info >= SAFE_SQLITE else CAUTION
    return [
        Finding(check == "ok", f"database {place}, {check}"),
        Finding(True, f"SQLite {sqlite3.sqlite_version}{caution}"),
    ]


def _contents(tx: Connection) -> list[Finding]:
    found = [Finding(True, f"log at position {read_head(tx)} of epoch {read_epoch(tx)}")]
    if waiting := count_waiting(tx):
        found.append(Finding(True, f"events that wait for a serving process: {waiting}"))
    return [*found, _deliveries(count_by_state(tx)), *_edits(tx)]


def _edits(tx: Connection) -> list[Finding]:
    """What somebody wrote by hand that could not be so; each is forgotten with the next edit."""
    wrong = read_problems(tx, MOST_EDITS)
    return [
        Finding(False, f"edit {id_}: {problem} (to let it be, delete {id_} from outside_changes)")
        for id_, problem in wrong
    ]


def _deliveries(states: dict[str, int]) -> Finding:
    if not states:
        return Finding(True, "no deliveries yet")
    told = ", ".join(f"{states[state]:,} {state}" for state in STATES if state in states)
    if "parked" not in states:
        return Finding(True, f"deliveries: {told}")
    look = (
        "`deskwire deliveries list --state parked`, then `deskwire deliveries replay` or `dismiss`"
    )
    return Finding(False, f"deliveries: {told} ({look})")


def _disk(settings: Settings) -> list[Finding]:
    if not settings.database_url.startswith(SCHEME):
        return []  # its disk is not this machine's to look at
    folder = path_of(settings.database_url).absolute().parent
    if not folder.exists():
        return []
    free = shutil.disk_usage(folder).free
    said = f"{free // MIB:,} MiB are free for the database in {folder}"
    if free < LITTLE:
        return [Finding(False, f"{said}: make room before webhooks are answered 503")]
    return [Finding(True, said)]


def _files(settings: Settings) -> Finding:
    try:
        check_writable(settings.files_url, ANSWER_WITHIN)
    except Exception as error:  # each store fails in its own ways
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Finding(False, f"files cannot be kept in {settings.files_url}: {why}")
    return Finding(True, f"files are kept in {settings.files_url}")


def _mail(settings: Settings) -> Finding:
    relay = settings.relay
    if relay is None:
        return Finding(True, "SMTP_URL is not set: no mail is sent")
    place = f"{relay.host}:{relay.port}"
    try:
        _greet(relay)
    except smtplib.SMTPAuthenticationError:
        return Finding(
            False, f"the mail server at {place} refuses the user or password of SMTP_URL"
        )
    except (smtplib.SMTPException, OSError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return Finding(False, f"the mail server at {place} cannot be used: {why}")
    return Finding(True, f"the mail server answers at {place}")


def _greet(relay: Relay) -> None:
    """Connect, and sign in, as mail is sent. Raises what `smtplib` does."""
    connect = smtplib.SMTP_SSL if relay.tls else smtplib.SMTP
    with connect(relay.host, relay.port, timeout=ANSWER_WITHIN) as server:
        server.ehlo()
        if relay.start_tls or (relay.start_tls is None and server.has_extn("starttls")):
            server.starttls(context=ssl.create_default_context())
        if relay.user and relay.password:
            server.login(relay.user, relay.password)


def _server(settings: Settings) -> Finding:
    if not settings.database_url.startswith(SCHEME):
        return _readiness(settings, "no server answers at {url}: {why}")
    if not Lock(path_of(settings.database_url)).is_held():
        return Finding(True, "no server is running on this database")
    return _readiness(settings, "a server holds the database, but {url} does not answer: {why}")


def _problems(error: urllib.error.HTTPError) -> str:
    """What the server says is wrong, or the bare status of whatever answered instead."""
    try:
        return "; ".join(str(each) for each in json.loads(error.read())["problems"])
    except (OSError, ValueError, LookupError, TypeError):
        return str(error.code)


def _readiness(settings: Settings, absent: str) -> Finding:
    url = f"{read_url(settings.database_url) or settings.address}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_WITHIN) as answer:  # noqa: S310
            return Finding(True, f"the server answers at {url}: {answer.status}")
    except urllib.error.HTTPError as error:
        return Finding(False, f"the server at {url} is not ready: {_problems(error)}")
    except OSError as error:
        reason = getattr(error, "reason", None) or error  # of urllib's own, what is behind it
        why = getattr(reason, "strerror", None) or str(reason)
        return Finding(False, absent.format(url=url, why=why))
