"""Parse, generate and reserve slugs: the last part of an organization's URL."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from deskwire.kit.db import acquire_advisory_lock
from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import gettext
from deskwire.workspaces.organizations.organizations import organizations

SLUG_PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])")
RESERVED_SLUGS = frozenset({"admin", "api", "deskwire", "new", "settings", "staff", "team"})


def parse_slug(text: str) -> str:
    """Return a slug in lower case: 2 to 40 of a–z, 0–9 and -. Raises Invalid."""
    slug = text.strip().lower()
    if (
        SLUG_PATTERN.fullmatch(slug) is None
        or slug in RESERVED_SLUGS
        or slug.startswith("deleted-")
    ):
        sentence = gettext(
            "Use 2 to 40 characters from a–z, 0–9 and -. Some addresses are reserved."
        )
        raise Invalid(sentence, {"slug": sentence})
    return slug


def generate_slug(tx: Connection, name: str) -> str:
    """Return a free slug made from an organization's name, numbered if others are taken."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:34].strip("-") or "organization"
    base = stem if SLUG_PATTERN.fullmatch(stem) and stem not in RESERVED_SLUGS else f"{stem}-desk"
    acquire_advisory_lock(tx, f"slug {base}")  # of two concurrent ones, the second gets a number
    query = select(organizations.c.slug)
    query = query.where(organizations.c.slug.startswith(base, autoescape=True))
    taken = set(tx.execute(query).scalars())
    numbered = (f"{base}-{number}" for number in range(2, len(taken) + 3))
    return next(slug for slug in (base, *numbered) if slug not in taken)


def require_slug_available(tx: Connection, slug: str) -> None:
    """Raise Invalid if an organization has this slug; lock it until the transaction ends."""
    acquire_advisory_lock(tx, f"slug {slug}")
    if tx.execute(select(organizations.c.id).where(organizations.c.slug == slug)).first():
        raise _slug_taken(slug)


@contextmanager
def slug_conflict_as_invalid(slug: str) -> Iterator[None]:
    """Raise Invalid if a write inside hits the unique constraint.

    Direct edits of the database do not take the advisory lock.
    """
    try:
        yield
    except IntegrityError:
        raise _slug_taken(slug) from None


def _slug_taken(slug: str) -> Invalid:
    sentence = gettext("The web address %(slug)s is taken. Choose another one.", slug=slug)
    return Invalid(sentence, {"slug": sentence})
