"""Store API keys: credentials of programs, each with one role, which outlive their creators.

A key is `dw_ID_SECRET`: the id in 32 hexadecimal digits, 256 random bits, and a checksum that
distinguishes a key that was copied in part from an unknown one. The row stores only the digest of
the secret.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args
from zlib import crc32

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Table,
    Text,
    and_,
    insert,
    select,
)

from deskwire.accounts import sessions
from deskwire.events import channels
from deskwire.events.channels import SubjectId, Workspace
from deskwire.kit.clock import DAY, MINUTE, Millis, format_iso, now
from deskwire.kit.db import metadata, pad_in_list
from deskwire.kit.errors import Unauthenticated
from deskwire.kit.ids import hash_secret, new_id, new_secret
from deskwire.kit.rows import fetch_all, fetch_first

KeyKind = Literal["organization", "guild", "desk", "bot"]
Scope = Literal["read", "write", "stream"]
KEY_KINDS: tuple[KeyKind, ...] = get_args(KeyKind)
SCOPES: tuple[Scope, ...] = get_args(Scope)

TOKEN_PREFIX = "dw_"  # noqa: S105 - how every key begins
TOKEN_REGEX = re.compile(r"dw_[0-9a-f]{32}_[A-Za-z0-9_-]{43}[0-9a-f]{8}")
CHECKSUM_LENGTH = 8  # characters
USE_INTERVAL = MINUTE  # ms between two updates of `used_at`, which is a write for each
NEVER: Millis = 2**53 - 1  # ms; the expiry of a key without one
UNUSED_AFTER = 90 * DAY  # ms without a use after which a key is called unused

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),  # public: in events, pages and channel names
    Column("secret_hash", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),  # KeyKind
    Column("workspace", Text),  # of keys of an organization or a guild
    Column("name", Text, nullable=False),
    Column("role", Text),  # of keys of an organization or the desk
    Column("permissions", BigInteger, nullable=False, server_default="0"),  # bits, in a guild
    Column("scopes", Text, nullable=False),  # separated by spaces
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("created_by", Text),  # a person's id; None: created in the shell
    Column("expires_at", BigInteger),  # ms; None: never
    Column("used_at", BigInteger),  # ms; up to a minute behind
    Column("revoked_at", BigInteger),  # ms
    Column("revoked_by", Text),  # a principal
    Column("revision", Integer, nullable=False, server_default="0"),
    Index("ix_api_keys_workspace", "workspace"),
    Index("ix_api_keys_created_by", "created_by"),
)

_PUBLIC_COLUMNS = [column for column in api_keys.c if column is not api_keys.c.secret_hash]


class PublicKeyColumns:
    """A row of `api_keys` without its secret."""

    id: str
    kind: KeyKind
    workspace: Workspace | None
    name: str
    role: str | None
    permissions: int
    scopes: str
    created_at: Millis
    created_by: str | None
    expires_at: Millis | None
    used_at: Millis | None
    revoked_at: Millis | None
    revoked_by: str | None
    revision: int


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret."""

    id: str
    kind: KeyKind
    workspace: Workspace | None
    name: str
    role: str | None
    permissions: int
    scopes: tuple[Scope, ...]  # in the order of SCOPES
    created_at: Millis
    created_by: str | None
    expires_at: Millis | None
    used_at: Millis | None
    revoked_at: Millis | None

    @property
    def subject(self) -> SubjectId:
        return channels.key(self.id)

    def is_live(self, at: Millis) -> bool:
        """Whether the key is accepted at a time (ms)."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)

    def is_unused(self, at: Millis) -> bool:
        """Whether the key has not been used for 90 days."""
        return at - (self.used_at or self.created_at) >= UNUSED_AFTER


@dataclass(frozen=True, slots=True)
class KeyFields:
    """What a new key is for; checked by `workspaces.keys.actions`.

    A form chooses the id, so that sending it twice creates one key; None: a new id.
    """

    kind: KeyKind
    name: str
    scopes: Collection[Scope]
    workspace: Workspace | None = None
    role: str | None = None
    permissions: int = 0
    expires_at: Millis | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just created, with the token that is shown once and not stored."""

    key: ApiKey
    token: str = field(repr=False)


def insert_key(tx: Connection, fields: KeyFields, created_by: str | None, at: Millis) -> NewKey:
    """Insert a key with a new secret, without an event: `workspaces.keys.actions` appends it."""
    id_, secret = fields.id or new_id(at), new_secret()
    tx.execute(
        insert(api_keys).values(
            id=id_,
            secret_hash=hash_secret(secret),
            kind=fields.kind,
            workspace=fields.workspace,
            name=fields.name,
            role=fields.role,
            permissions=fields.permissions,
            scopes=" ".join(scope for scope in SCOPES if scope in fields.scopes),
            created_at=at,
            created_by=created_by,
            expires_at=fields.expires_at,
            revision=1,
        )
    )
    return NewKey(read_key(tx, id_), format_token(id_, secret))


def format_token(key_id: str, secret: str) -> str:
    """Return the token of a key: what programs send."""
    unchecked = f"{TOKEN_PREFIX}{key_id.replace('-', '')}_{secret}"
    return f"{unchecked}{crc32(unchecked.encode()):08x}"


def find_by_token(tx: Connection, token: str, at: Millis) -> ApiKey:
    """Return the live key with this token.

    Raises Unauthenticated, which says whether the token was copied in part, is unknown, expired or
    revoked.
    """
    id_, secret = _parse_token(token)
    condition = and_(api_keys.c.id == id_, api_keys.c.secret_hash == hash_secret(secret))
    row = fetch_first(tx, select(*_PUBLIC_COLUMNS).where(condition), PublicKeyColumns)
    if row is None:
        raise Unauthenticated("This API key doesn’t exist.")
    key = key_from_row(row)
    if key.revoked_at is not None:
        raise Unauthenticated("This API key was revoked. Ask for a new one.")
    if not key.is_live(at):
        expired = format_iso(key.expires_at or at)
        raise Unauthenticated(f"This API key expired at {expired}. Ask for a new one.")
    return key


def _parse_token(token: str) -> tuple[str, str]:
    """Return the id and the secret in a token. Raises Unauthenticated if it is malformed."""
    unchecked, checksum = token[:-CHECKSUM_LENGTH], token[-CHECKSUM_LENGTH:]
    if TOKEN_REGEX.fullmatch(token) is None or f"{crc32(unchecked.encode()):08x}" != checksum:
        raise Unauthenticated(
            "This is not a complete API key. Copy the whole key; it begins with `dw_`."
        )
    digits, _, secret = unchecked.removeprefix(TOKEN_PREFIX).partition("_")
    ends = (0, 8, 12, 16, 20, 32)  # digits at which the groups of a UUID begin and end
    groups = [digits[begin:end] for begin, end in pairwise(ends)]
    return "-".join(groups), secret


def read_key(tx: Connection, key_id: str) -> ApiKey:
    """Return a key, live or not. Raises KeyError if there is none."""
    row = fetch_first(tx, select(*_PUBLIC_COLUMNS).where(api_keys.c.id == key_id), PublicKeyColumns)
    if row is None:
        raise KeyError(key_id)
    return key_from_row(row)


def is_taken(tx: Connection, key_id: str) -> bool:
    """Return whether there is a key with this id, live or not."""
    return tx.execute(select(api_keys.c.id).where(api_keys.c.id == key_id)).first() is not None


def list_keys(tx: Connection, condition: ColumnElement[bool]) -> list[ApiKey]:
    """List the keys that meet a condition, the newest first."""
    query = select(*_PUBLIC_COLUMNS).where(condition)
    rows = fetch_all(
        tx, query.order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc()), PublicKeyColumns
    )
    return [key_from_row(row) for row in rows]


def mark_revoked(tx: Connection, key_id: str, actor_id: str, at: Millis) -> bool:
    """Mark a key revoked. Returns False if it was revoked before or does not exist."""
    live = and_(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    values = {"revoked_at": at, "revoked_by": actor_id, "revision": api_keys.c.revision + 1}
    return tx.execute(api_keys.update().where(live).values(values)).rowcount == 1


def is_use_due(key: ApiKey, at: Millis) -> bool:
    """Whether a use now should be stored with `record_use`."""
    return key.used_at is None or at - key.used_at >= USE_INTERVAL


def record_use(tx: Connection, key_id: str, at: Millis) -> None:
    """Store that a key is in use; an earlier time is ignored."""
    live = and_(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    # With the revision: an update that leaves it alone is taken for a direct edit of the database.
    values = {"used_at": at, "revision": api_keys.c.revision + 1}
    tx.execute(api_keys.update().where(live).values(values))


def read_credential_expiries(
    tx: Connection, credentials: Collection[str], at: Millis | None = None
) -> dict[str, Millis]:
    """Return when sessions and API keys expire (ms), by session id or `key:ID`.

    Those that have ended are absent.
    """
    keys = [each for each in credentials if channels.is_key(each)]
    if not keys:
        return sessions.read_expiry_times(tx, credentials, at)
    expiries = sessions.read_expiry_times(tx, set(credentials) - set(keys), at)
    return expiries | _read_expiry_times(tx, keys, now() if at is None else at)


def _read_expiry_times(
    tx: Connection, subjects: Collection[SubjectId], at: Millis
) -> dict[SubjectId, Millis]:
    ids = [subject.removeprefix(channels.KEY_PREFIX) for subject in subjects]
    query = select(api_keys.c.id, api_keys.c.expires_at).where(
        api_keys.c.id.in_(pad_in_list(ids)), api_keys.c.revoked_at.is_(None)
    )
    expiries = {channels.key(row.id): row.expires_at or NEVER for row in tx.execute(query)}
    return {subject: expiry for subject, expiry in expiries.items() if expiry > at}


def key_from_row(row: PublicKeyColumns) -> ApiKey:
    """Return a row of `api_keys` as a key."""
    words = row.scopes.split()
    return ApiKey(
        row.id,
        row.kind,
        row.workspace,
        row.name,
        row.role,
        row.permissions,
        tuple(scope for scope in SCOPES if scope in words),
        row.created_at,
        row.created_by,
        row.expires_at,
        row.used_at,
        row.revoked_at,
    )
