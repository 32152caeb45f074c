"""Check, hash and store passwords (argon2id, in threads, never on the event loop)."""

from __future__ import annotations

import asyncio
import secrets
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Table, Text, insert, select

from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.kit.db import metadata
from deskwire.kit.errors import Invalid, RateLimited
from deskwire.kit.i18n import gettext

MIN_LENGTH = 10  # characters; shorter ones can be guessed despite the rate limit
MAX_LENGTH = 128  # characters; enough for any passphrase, too little to hash a megabyte
HASH_THREADS = 2  # each holds 19 MiB while it hashes
MAX_QUEUED = 30  # calls; at 40 ms each in two threads, the last one waits 0.6 s

passwords = Table(
    "passwords",
    metadata,
    Column("person", Text, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("hash", Text, nullable=False),  # PHC string, which includes the parameters
    Column("changed_at", BigInteger, nullable=False),  # ms
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HashCost:
    """The cost of one hash. OWASP Password Storage Cheat Sheet: 19 MiB, 2 iterations, 1 lane."""

    memory_kib: int = 19_456
    iterations: int = 2
    parallelism: int = 1


OWASP_COST = HashCost()


def parse_password(text: str, email: str | None) -> str:
    """Return the normalized password. Raises Invalid.

    It needs 10 to 128 characters, and must not be the account's email address.
    """
    password = _normalize(text)
    sentence = None
    if len(password) < MIN_LENGTH:
        sentence = gettext(
            "Use at least %(least)s characters. A few random words work well.", least=MIN_LENGTH
        )
    elif len(password) > MAX_LENGTH:
        sentence = gettext("Use at most %(most)s characters.", most=MAX_LENGTH)
    elif email is not None and password.casefold() in _email_forms(email):
        sentence = gettext("Choose something other than your email address.")
    if sentence is not None:
        raise Invalid(sentence, {"password": sentence})
    return password


def read_hash(tx: Connection, person_id: PersonId) -> str | None:
    """Return the hash of a person's password, or None if they have no password."""
    query = select(passwords.c.hash).where(passwords.c.person == person_id)
    return tx.execute(query).scalar_one_or_none()


def read_hash_for_update(tx: Connection, person_id: PersonId) -> str | None:
    """Read a password's hash and lock the row, so that it cannot change meanwhile."""
    query = select(passwords.c.hash).where(passwords.c.person == person_id)
    return tx.execute(query.with_for_update()).scalar_one_or_none()


def store_hash(tx: Connection, person_id: PersonId, password_hash: str, at: Millis) -> None:
    """Set or replace a person's password."""
    statement = passwords.update().where(passwords.c.person == person_id)
    updated = tx.execute(statement.values(hash=password_hash, changed_at=at))
    if updated.rowcount == 0:
        tx.execute(insert(passwords).values(person=person_id, hash=password_hash, changed_at=at))


def upgrade_hash(tx: Connection, person_id: PersonId, password_hash: str) -> None:
    """Store the same password, hashed again at today's cost."""
    tx.execute(passwords.update().where(passwords.c.person == person_id).values(hash=password_hash))


class Hasher:
    """Hash and verify passwords in its own threads, with a bounded queue."""

    def __init__(
        self,
        cost: HashCost = OWASP_COST,
        *,
        threads: int = HASH_THREADS,
        max_queued: int = MAX_QUEUED,
    ) -> None:
        self._argon2 = PasswordHasher(cost.iterations, cost.memory_kib, cost.parallelism)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._slots = threading.BoundedSemaphore(threads + max_queued)
        # Verified for unknown accounts, so that the response takes as long as for known ones.
        self._dummy_hash = self._argon2.hash(secrets.token_urlsafe(32))

    async def hash(self, password: str) -> str:
        """Return the hash to store. Raises RateLimited if the queue is full."""
        return await self._run_in_thread(lambda: self._argon2.hash(_normalize(password)))

    async def verify(self, stored_hash: str | None, password: str) -> bool:
        """Whether `password` matches `stored_hash`; for None, False after the same time.

        Raises RateLimited if the queue is full.
        """
        matches = await self._run_in_thread(
            lambda: self._matches(stored_hash or self._dummy_hash, password)
        )
        return matches and stored_hash is not None

    def needs_rehash(self, stored_hash: str) -> bool:
        """Whether the hash was made at a cost other than today's."""
        return self._argon2.check_needs_rehash(stored_hash)

    def close(self) -> None:
        """Wait for running calls, drop queued ones, and stop the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _matches(self, stored_hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(stored_hash, _normalize(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _run_in_thread(self, work: Callable[[], T]) -> T:
        if not self._slots.acquire(blocking=False):
            raise RateLimited(
                gettext("Many people are signing in right now. Try again in a moment."), 2
            )
        done = self._threads.submit(work)
        done.add_done_callback(self._release_slot)  # also if the request is cancelled
        return await asyncio.wrap_future(done)

    def _release_slot(self, _done: Future[T]) -> None:
        self._slots.release()


def _normalize(text: str) -> str:
    # The same keystrokes give different bytes on different systems (NIST SP 800-63B, 3.1.1.2).
    return unicodedata.normalize("NFKC", text)


def _email_forms(email: str) -> set[str]:
    return {email.casefold(), email.partition("@")[0].casefold()}
