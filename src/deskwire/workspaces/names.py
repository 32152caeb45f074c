"""Names of Discord users, as far as events have told them, and whom a word may mean."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    CompoundSelect,
    Connection,
    Index,
    Integer,
    Select,
    Table,
    Text,
    bindparam,
    delete,
    literal,
    select,
    text,
    union_all,
)

from deskwire.accounts import authentication
from deskwire.accounts.authentication import Visit
from deskwire.accounts.identities import identities
from deskwire.accounts.people import change, people, picture_at
from deskwire.accounts.sessions import Opened
from deskwire.events.channels import PersonId, Workspace
from deskwire.events.types.registry import Who
from deskwire.kit.clock import Millis
from deskwire.kit.db import metadata
from deskwire.kit.i18n import gettext
from deskwire.kit.text import words_of
from deskwire.workspaces.origin import BY_HAND, Principal

SHOWN_DIGITS = 4  # of the id of somebody without a name; enough to tell two apart
MANY = 200  # people one word may mean; who types on means fewer
LAST_SIGN = "\U0010ffff"  # comes after every character a word may hold

discord_users = Table(
    "discord_users",
    metadata,
    Column("principal", Text, primary_key=True),  # "discord:ID"
    Column("name", Text, nullable=False),
    Column("named_at", BigInteger, nullable=False),  # ms; the newest name wins
)

# The words of what screens call somebody, in each workspace whose tickets name them.
name_words = Table(
    "name_words",
    metadata,
    Column("workspace", Text, primary_key=True),
    # By code points, as SQLite does by itself: `called` asks for a range.
    Column("word", Text().with_variant(Text(collation="C"), "postgresql"), primary_key=True),
    Column("principal", Text, primary_key=True),
    Index("ix_name_words_principal", "principal"),
)


def learn(tx: Connection, principal: Principal, name: str, at: Millis) -> None:
    """Remember what a Discord user is called; an older name never replaces a newer one."""
    row = {"principal": principal, "name": name, "named_at": at}
    if tx.execute(_LEARN, row).first() is not None:
        rename(tx, principal, name)


def rename(tx: Connection, principal: Principal, name: str) -> None:
    """From now on `find_called` knows somebody by this name, and by no other, wherever it did."""
    found: dict[Workspace, set[str]] = defaultdict(set)
    for workspace, word in tx.execute(_WORDS, {"of": principal}):
        found[workspace].add(word)
    wanted = _words_for(name)
    if stale := [workspace for workspace, words in found.items() if words != set(wanted)]:
        mine = name_words.c.principal == principal
        tx.execute(delete(name_words).where(mine, name_words.c.workspace.in_(stale)))
        for workspace in stale:
            _add_words(tx, workspace, principal, wanted)


def rename_person(tx: Connection, person_id: PersonId, name: str, at: Millis) -> None:
    """Give a person another name, by which they are found from now on."""
    change(tx, person_id, name=name, at=at)
    rename(tx, person_id, name)


def welcome(tx: Connection, token: str, name: str, hash_: str, visit: Visit, at: Millis) -> Opened:
    """`actions.welcome`; its holder is found by the name they gave."""
    opened = authentication.welcome(tx, token, name, hash_, visit, at)
    rename(tx, opened.session.person, name)
    return opened


_LEARN = text(
    "INSERT INTO discord_users (principal, name, named_at) VALUES (:principal, :name, :named_at) "
    "ON CONFLICT (principal) DO UPDATE SET name = excluded.name, named_at = excluded.named_at "
    "WHERE discord_users.named_at <= excluded.named_at "  # SQLite and PostgreSQL alike
    "RETURNING principal"
)
_WORDS = select(name_words.c.workspace, name_words.c.word).where(
    name_words.c.principal == bindparam("of")
)


def make_findable(
    tx: Connection, workspace: Workspace, principals: Iterable[Principal | None]
) -> None:
    """From now on `find_called` knows these people in the workspace, by the names they have."""
    for who in read_names(tx, principals).values():
        _add_words(tx, workspace, who.id, _words_for(who.name))


def find_called(
    tx: Connection, workspace: Workspace, words: Collection[str]
) -> dict[str, set[Principal]]:
    """For each of `words`, the people of the workspace a word of whose name begins with it.

    Of very many, `MANY`: those that come first by that word.
    """
    found: dict[str, set[Principal]] = {word: set() for word in words}
    if found:
        asked = {f"word{place}": word for place, word in enumerate(found)}
        ends = {f"end{place}": word + LAST_SIGN for place, word in enumerate(found)}
        rows = tx.execute(_called(len(found)), {"here": workspace, **asked, **ends})
        for place, principal in rows:
            found[asked[f"word{place}"]].add(principal)
    return found


@cache
def _called(words: int) -> CompoundSelect[Any]:
    """Built once for each number of words: to build it takes longer than to run it."""
    return union_all(*map(_called_by, range(words)))


def _called_by(place: int) -> Select[Any]:
    known = name_words.c
    first = (
        select(known.principal)
        .where(known.workspace == bindparam("here"))
        .where(known.word >= bindparam(f"word{place}"), known.word < bindparam(f"end{place}"))
        .order_by(known.word, known.principal)
        .limit(MANY)
        .subquery()
    )
    return select(literal(place, Integer), first.c.principal)


def _words_for(name: str) -> list[str]:
    return words_of(name) or [""]  # a name without a word is nobody's to find, but has its row


def _add_words(
    tx: Connection, workspace: Workspace, principal: Principal, words: Iterable[str]
) -> None:
    rows = [{"workspace": workspace, "word": word, "principal": principal} for word in words]
    tx.execute(_ADD_WORD, rows)


_ADD_WORD = text(
    "INSERT INTO name_words (workspace, word, principal) VALUES (:workspace, :word, :principal) "
    "ON CONFLICT DO NOTHING"
)


def read_names(tx: Connection, principals: Iterable[Principal | None]) -> dict[Principal, Who]:
    """Everybody in `principals` as a screen names them, in at most two statements."""
    wanted = {principal for principal in principals if principal}
    named = _of_discord(tx, {p for p in wanted if p.startswith("discord:")})
    known = _of_people(tx, {p for p in wanted if ":" not in p})
    return {p: known.get(p) or Who(id=p, name=named.get(p) or stand_in(p)) for p in wanted}


def who_of(person: PersonId, name: str, avatar: str | None) -> Who:
    """A person as a screen names them, by columns of `people`."""
    if (picture := picture_at(avatar)) is None:
        return Who(id=person, name=name)
    return Who(id=person, name=name, picture=picture)


def read_people(tx: Connection, principals: Collection[Principal]) -> dict[Principal, str]:
    """The ids of the persons behind `principals`; who is not linked is left out."""
    rows = tx.execute(
        select(identities.c.principal, identities.c.person).where(
            identities.c.principal.in_(principals)
        )
    )
    return {row[0]: row[1] for row in rows}


def persons_behind(tx: Connection, principals: Iterable[Principal]) -> set[PersonId]:
    """The ids of the persons among `principals`, and of those who are linked to one of them."""
    wanted = set(principals)
    persons = {principal for principal in wanted if ":" not in principal}
    return persons | {*read_people(tx, wanted - persons).values()}


def stand_in(principal: Principal) -> str:
    """What somebody is called until an event names them."""
    source, _, id_ = principal.partition(":")
    if source == "discord":
        return gettext("Discord user …%(id)s", id=id_[-SHOWN_DIGITS:])
    if principal == BY_HAND:
        return gettext("Somebody in the database")
    return principal or gettext("Somebody")


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


def _of_people(tx: Connection, wanted: set[Principal]) -> dict[Principal, Who]:
    if not wanted:
        return {}
    shown = select(people.c.id, people.c.name, people.c.avatar)
    rows = tx.execute(shown.where(people.c.id.in_(wanted)))
    return {row.id: who_of(row.id, row.name, row.avatar) for row in rows}
