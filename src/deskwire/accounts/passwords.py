"""Passwords: what is acceptable, and how they are kept (argon2id, never on the event loop)."""

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

MIN_LENGTH = 10  # characters; below it guessing is too cheap even through the throttle
MAX_LENGTH = 128  # characters; room for any passphrase, no room for a megabyte to hash
HASH_THREADS = 2  # each holds 19 MiB while it hashes
MAX_QUEUED = 30  # calls; at 40 ms each in two threads the last one waits 0.6 s

passwords = Table(
    "passwords",
    metadata,
    Column("person", Text, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("hash", Text, nullable=False),  # PHC string, its parameters inside
    Column("changed_at", BigInteger, nullable=False),  # ms
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HashCost:
    """What one guess costs. OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane."""

    memory_kib: int = 19_456
    iterations: int = 2
    parallelism: int = 1


OWASP_COST = HashCost()


def parse_password(text: str, email: str | None) -> str:
    """A password worth keeping: 10 to 128 characters, and not the address it belongs to."""
    password = _normalize(text)
    sentence = None
    if len(password) < MIN_LENGTH:
        sentence = gettext(
            "Use at least %(least)s characters; a few random words do well.", least=MIN_LENGTH
        )
    elif len(password) > MAX_LENGTH:
        sentence = gettext("Use at most %(most)s characters.", most=MAX_LENGTH)
    elif email is not None and password.casefold() in _email_forms(email):
        sentence = gettext("Choose something other than your e-mail address.")
    if sentence is not None:
        raise Invalid(sentence, {"password": sentence})
    return password


def read_hash(tx: Connection, person_id: PersonId) -> str | None:
    """The stored hash of a person's password; None if they have none."""
    mine = select(passwords.c.hash).where(passwords.c.person == person_id)
    return tx.execute(mine).scalar_one_or_none()


def read_hash_for_update(tx: Connection, person_id: PersonId) -> str | None:
    """`read_hash`; nobody changes the password until this transaction ends."""
    mine = select(passwords.c.hash).where(passwords.c.person == person_id)
    return tx.execute(mine.with_for_update()).scalar_one_or_none()


def store_hash(tx: Connection, person_id: PersonId, password_hash: str, at: Millis) -> None:
    """Give a person this password, instead of the one they may have had."""
    mine = passwords.c.person == person_id
    if (
        tx.execute(
            passwords.update().where(mine).values(hash=password_hash, changed_at=at)
        ).rowcount
        == 0
    ):
        tx.execute(insert(passwords).values(person=person_id, hash=password_hash, changed_at=at))


def upgrade_hash(tx: Connection, person_id: PersonId, password_hash: str) -> None:
    """Keep the same password at today's cost."""
    tx.execute(passwords.update().where(passwords.c.person == person_id).values(hash=password_hash))


class Hasher:
    """Makes and checks hashes in two threads of its own; refuses when too many wait."""

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
        # Checked when there is nobody to check, so that the answer takes as long.
        self._dummy_hash = self._argon2.hash(secrets.token_urlsafe(32))

    async def hash(self, password: str) -> str:
        """`password` as it is stored. TooMany when the threads have enough to do."""
        return await self._run_in_thread(lambda: self._argon2.hash(_normalize(password)))

    async def verify(self, stored_hash: str | None, password: str) -> bool:
        """Whether `password` made the hash `stored`; for None no, after as long a time."""
        matches = await self._run_in_thread(
            lambda: self._matches(stored_hash or self._dummy_hash, password)
        )
        return matches and stored_hash is not None

    def needs_rehash(self, stored_hash: str) -> bool:
        """Whether `stored` was made at another cost than today's."""
        return self._argon2.check_needs_rehash(stored_hash)

    def close(self) -> None:
        """Wait for what runs."""
        self._threads.shutdown(wait=True)

    def _matches(self, stored_hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(stored_hash, _normalize(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _run_in_thread(self, work: Callable[[], T]) -> T:
        if not self._slots.acquire(blocking=False):
            raise RateLimited(
                gettext("Many people are signing in at this moment. Try again in a little."), 2
            )
        done = self._threads.submit(work)
        done.add_done_callback(self._release_slot)  # also when the waiting request was cancelled
        return await asyncio.wrap_future(done)

    def _release_slot(self, _done: Future[T]) -> None:
        self._slots.release()


def _normalize(text: str) -> str:
    # The same keys give different bytes on different systems (NIST SP 800-63B, 3.1.1.2).
    return unicodedata.normalize("NFKC", text)


def _email_forms(email: str) -> set[str]:
    return {email.casefold(), email.partition("@")[0].casefold()}
