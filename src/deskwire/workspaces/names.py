"""Read the names that screens show for people, Discord users and API keys."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from sqlalchemy import BigInteger, Column, Connection, Table, Text, bindparam, select

from deskwire.accounts.api_keys import api_keys
from deskwire.accounts.people import avatar_url, people
from deskwire.events.channels import KEY_PREFIX, PersonId, is_key
from deskwire.events.types.registry import PrincipalRef
from deskwire.kit.db import metadata
from deskwire.kit.i18n import gettext
from deskwire.workspaces.origin import DIRECT_EDIT_ACTOR, Principal

SHOWN_ID_DIGITS = 4  # of the id of a user without a name; enough to tell two apart

discord_users = Table(
    "discord_users",
    metadata,
    Column("principal", Text, primary_key=True),  # "discord:ID"
    Column("name", Text, nullable=False),
    Column("named_at", BigInteger, nullable=False),  # ms; the newest name wins
)


def read_names(
    tx: Connection, principals: Iterable[Principal | None]
) -> dict[Principal, PrincipalRef]:
    """Return the names of all `principals`, with pictures, in one statement for each kind of them.

    None is skipped; a principal without a name gets a placeholder.
    """
    wanted = {principal for principal in principals if principal}
    other_names = _read_discord_names(tx, {p for p in wanted if p.startswith("discord:")})
    other_names |= _read_key_names(tx, {p for p in wanted if is_key(p)})
    persons = _read_people(tx, {p for p in wanted if ":" not in p})
    return {
        p: persons.get(p) or PrincipalRef(id=p, name=other_names.get(p) or placeholder_name(p))
        for p in wanted
    }


def named_person(person_id: PersonId, name: str, avatar: str | None) -> PrincipalRef:
    """Build a person's reference, as screens show it, from columns of `people`."""
    if (picture := avatar_url(avatar)) is None:
        return PrincipalRef(id=person_id, name=name)
    return PrincipalRef(id=person_id, name=name, picture=picture)


def placeholder_name(principal: Principal) -> str:
    """Return what a principal is called until an event names them."""
    source, _, id_ = principal.partition(":")
    if source == "discord":
        return gettext("Discord user …%(id)s", id=id_[-SHOWN_ID_DIGITS:])
    if source == "key":
        return gettext("API key …%(id)s", id=id_[-SHOWN_ID_DIGITS:])
    if principal == DIRECT_EDIT_ACTOR:
        return gettext("A database administrator")
    return principal or gettext("Someone")


def initials(name: str) -> str:
    """Return the first letter or digit of the first and of the last word that has one.

    `Ada Lovelace` → `AL`, `Discord user …0006` → `DU`, a name without any → `?`, no name → "".
    The client store has the same rule in `slots.ts`.
    """
    words = [word for word in name.split() if not word.startswith("…")]  # … begins a shortened id
    letters = [letter for word in words if (letter := _first_letter(word))]
    ends = [letters[0], letters[-1]] if len(letters) > 1 else letters
    return "".join(ends).upper() or ("?" if name.strip() else "")


def _first_letter(word: str) -> str:
    return next((char for char in word if unicodedata.category(char)[0] in "LN"), "")


def _read_discord_names(tx: Connection, principals: set[Principal]) -> dict[Principal, str]:
    if not principals:
        return {}
    rows = tx.execute(_SELECT_NAMES, {"principals": list(principals)})
    return {row[0]: row[1] for row in rows}


_SELECT_NAMES = select(discord_users.c.principal, discord_users.c.name).where(
    discord_users.c.principal.in_(bindparam("principals", expanding=True))
)


def _read_key_names(tx: Connection, principals: set[Principal]) -> dict[Principal, str]:
    if not principals:
        return {}
    ids = [principal.removeprefix(KEY_PREFIX) for principal in principals]
    query = select(api_keys.c.id, api_keys.c.name).where(api_keys.c.id.in_(ids))
    return {KEY_PREFIX + row.id: row.name for row in tx.execute(query)}


def _read_people(tx: Connection, person_ids: set[Principal]) -> dict[Principal, PrincipalRef]:
    if not person_ids:
        return {}
    rows = tx.execute(_SELECT_PEOPLE, {"persons": list(person_ids)})
    return {row.id: named_person(row.id, row.name, row.avatar) for row in rows}


_SELECT_PEOPLE = select(people.c.id, people.c.name, people.c.avatar).where(
    people.c.id.in_(bindparam("persons", expanding=True))
)
