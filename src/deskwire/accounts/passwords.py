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
from deskwire.kit.errors import Invalid, TooMany
from deskwire.kit.i18n import gettext

SHORTEST = 10  # characters; below it guessing is too cheap even through the throttle
LONGEST = 128  # characters; room for any passphrase, no room for a megabyte to hash
THREADS = 2  # each holds 19 MiB while it hashes
WAITING = 30  # calls; at 40 ms each in two threads the last one waits 0.6 s

passwords = Table(
    "passwords",
    metadata,
    Column("person", Text, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("hash", Text, nullable=False),  # PHC string, its parameters inside
    Column("changed_at", BigInteger, nullable=False),  # ms
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess costs. OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane."""

    memory_kib: int = 19_456
    passes: int = 2
    lanes: int = 1


OWASP = Cost()


def parse_password(text: str, email: str | None) -> str:
    """A password worth keeping: 10 to 128 characters, and not the address it belongs to."""
    password = _composed(text)
    sentence = None
    if len(password) < SHORTEST:
        sentence = gettext(
            "Use at least %(least)s characters; a few random words do well.", least=SHORTEST
        )
    elif len(password) > LONGEST:
        sentence = gettext("Use at most %(most)s characters.", most=LONGEST)
    elif email is not None and password.casefold() in _forms_of(email):
        sentence = gettext("Choose something other than your e-mail address.")
    if sentence is not None:
        raise Invalid(sentence, {"password": sentence})
    return password


def read_hash(tx: Connection, person_id: PersonId) -> str | None:
    """The stored hash of a person's password; None if they have none."""
    mine = select(passwords.c.hash).where(passwords.c.person == person_id)
    return tx.execute(mine).scalar_one_or_none()


def hold_hash(tx: Connection, person_id: PersonId) -> str | None:
    """`read_hash`; nobody changes the password until this transaction ends."""
    mine = select(passwords.c.hash).where(passwords.c.person == person_id)
    return tx.execute(mine.with_for_update()).scalar_one_or_none()


def store(tx: Connection, person_id: PersonId, hash_: str, at: Millis) -> None:
    """Give a person this password, instead of the one they may have had."""
    mine = passwords.c.person == person_id
    if tx.execute(passwords.update().where(mine).values(hash=hash_, changed_at=at)).rowcount == 0:
        tx.execute(insert(passwords).values(person=person_id, hash=hash_, changed_at=at))


def renew_hash(tx: Connection, person_id: PersonId, hash_: str) -> None:
    """Keep the same password at today's cost."""
    tx.execute(passwords.update().where(passwords.c.person == person_id).values(hash=hash_))


class Hasher:
    """Makes and checks hashes in two threads of its own; refuses when too many wait."""

    def __init__(
        self, cost: Cost = OWASP, *, threads: int = THREADS, waiting: int = WAITING
    ) -> None:
        self._argon2 = PasswordHasher(cost.passes, cost.memory_kib, cost.lanes)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._places = threading.BoundedSemaphore(threads + waiting)
        # Checked when there is nobody to check, so that the answer takes as long.
        self._nobody = self._argon2.hash(secrets.token_urlsafe(32))

    async def hash(self, password: str) -> str:
        """`password` as it is stored. TooMany when the threads have enough to do."""
        return await self._run(lambda: self._argon2.hash(_composed(password)))

    async def is_right(self, stored: str | None, password: str) -> bool:
        """Whether `password` made the hash `stored`; for None no, after as long a time."""
        matches = await self._run(lambda: self._matches(stored or self._nobody, password))
        return matches and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether `stored` was made at another cost than today's."""
        return self._argon2.check_needs_rehash(stored)

    def close(self) -> None:
        """Wait for what runs."""
        self._threads.shutdown(wait=True)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._argon2.verify(stored, _composed(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise TooMany(
                gettext("Many people are signing in at this moment. Try again in a little."), 2
            )
        done = self._threads.submit(work)
        done.add_done_callback(self._free_place)  # also when the waiting request was cancelled
        return await asyncio.wrap_future(done)

    def _free_place(self, _done: Future[T]) -> None:
        self._places.release()


def _composed(text: str) -> str:
    # The same keys give different bytes on different systems (NIST SP 800-63B, 3.1.1.2).
    return unicodedata.normalize("NFKC", text)


def _forms_of(email: str) -> set[str]:
    return {email.casefold(), email.partition("@")[0].casefold()}
