"""Names of Discord users, as far as events have told them."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Table,
    Text,
    and_,
    bindparam,
    or_,
    select,
    text,
)

from deskwire.accounts.identities import identities
from deskwire.accounts.people import people
from deskwire.events.catalogue import Who
from deskwire.kit.clock import Millis
from deskwire.kit.db import metadata
from deskwire.kit.text import folded
from deskwire.workspaces.origin import BY_HAND, Principal

UNNAMED = "Discord user …"
SHOWN_DIGITS = 4  # of the id of somebody without a name; enough to tell two apart

discord_users = Table(
    "discord_users",
    metadata,
    Column("principal", Text, primary_key=True),  # "discord:ID"
    Column("name", Text, nullable=False),
    Column("name_folded", Text, nullable=False),  # what search compares
    Column("named_at", BigInteger, nullable=False),  # ms; the newest name wins
)


def learn(tx: Connection, principal: Principal, name: str, at: Millis) -> None:
    """Remember what a Discord user is called; an older name never replaces a newer one."""
    row = {"principal": principal, "name": name, "name_folded": folded(name), "named_at": at}
    tx.execute(_LEARN, row)


_LEARN = text(
    "INSERT INTO discord_users (principal, name, name_folded, named_at) "
    "VALUES (:principal, :name, :name_folded, :named_at) "
    "ON CONFLICT (principal) DO UPDATE SET name = excluded.name, "
    "name_folded = excluded.name_folded, named_at = excluded.named_at "
    "WHERE discord_users.named_at <= excluded.named_at"  # SQLite and PostgreSQL alike
)


def read_names(tx: Connection, principals: Iterable[Principal | None]) -> dict[Principal, Who]:
    """Everybody in `principals` as a screen names them, in at most two statements."""
    wanted = {principal for principal in principals if principal}
    named = _of_discord(tx, {p for p in wanted if p.startswith("discord:")})
    named |= _of_people(tx, {p for p in wanted if ":" not in p})
    return {p: Who(id=p, name=named.get(p) or stand_in(p)) for p in wanted}


def read_people(tx: Connection, principals: Collection[Principal]) -> dict[Principal, str]:
    """The ids of the persons behind `principals`; who is not linked is left out."""
    rows = tx.execute(
        select(identities.c.principal, identities.c.person).where(
            identities.c.principal.in_(principals)
        )
    )
    return {row[0]: row[1] for row in rows}


def stand_in(principal: Principal) -> str:
    """What somebody is called until an event names them."""
    source, _, id_ = principal.partition(":")
    if source == "discord":
        return UNNAMED + id_[-SHOWN_DIGITS:]
    if principal == BY_HAND:
        return "Somebody in the database"
    return principal or "Somebody"


def is_called(principal: ColumnElement[str | None], word: str) -> ColumnElement[bool]:
    """Whether `word`, folded, occurs in what screens call the Discord user in a column."""
    users = select(discord_users.c.principal)
    named = users.where(discord_users.c.name_folded.contains(word, autoescape=True))
    ending = word.removeprefix(folded("…"))
    if word in folded(UNNAMED):
        pattern = "discord:%"
    elif ending.isascii() and ending.isdigit() and len(ending) == SHOWN_DIGITS:
        pattern = f"discord:%{ending}"
    else:
        return principal.in_(named)
    return or_(principal.in_(named), and_(principal.like(pattern), principal.not_in(users)))


def initials(name: str) -> str:
    """The first letter or digit of the first and of the last word that has one, in upper case.

    `Ada Lovelace` → `AL`, `Discord user …0006` → `DU`, a name without any → `?`, no name → nothing.
    The client store has the same rule in `slots.ts`.
    """
    words = [word for word in name.split() if not word.startswith("…")]  # the end of an id
    found = [letter for word in words if (letter := _first_letter(word))]
    ends = [found[0], found[-1]] if len(found) > 1 else found
    return "".join(ends).upper() or ("?" if name.strip() else "")


def _first_letter(word: str) -> str:
    return next((char for char in word if unicodedata.category(char)[0] in "LN"), "")


def _of_discord(tx: Connection, wanted: set[Principal]) -> dict[Principal, str]:
    if not wanted:
        return {}
    rows = tx.execute(_NAMES, {"wanted": list(wanted)})
    return {row[0]: row[1] for row in rows}


_NAMES = select(discord_users.c.principal, discord_users.c.name).where(
    discord_users.c.principal.in_(bindparam("wanted", expanding=True))
)


def _of_people(tx: Connection, wanted: set[Principal]) -> dict[Principal, str]:
    if not wanted:
        return {}
    rows = tx.execute(select(people.c.id, people.c.name).where(people.c.id.in_(wanted)))
    return {row[0]: row[1] for row in rows}
