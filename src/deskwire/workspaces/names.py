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
from deskwire.accounts.authentication import Browser
from deskwire.accounts.identities import identities
from deskwire.accounts.people import avatar_url, people, update_person_row
from deskwire.accounts.sessions import NewSession
from deskwire.events.channels import PersonId, Workspace
from deskwire.events.types.registry import PrincipalRef
from deskwire.kit.clock import Millis
from deskwire.kit.db import metadata
from deskwire.kit.i18n import gettext
from deskwire.kit.text import split_words
from deskwire.workspaces.origin import DIRECT_EDIT_ACTOR, Principal

SHOWN_ID_DIGITS = 4  # of the id of somebody without a name; enough to tell two apart
MAX_MATCHES = 200  # people one word may mean; who types on means fewer
MAX_CHARACTER = "\U0010ffff"  # comes after every character a word may hold

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


def record_discord_name(tx: Connection, principal: Principal, name: str, at: Millis) -> None:
    """Remember what a Discord user is called; an older name never replaces a newer one."""
    row = {"principal": principal, "name": name, "named_at": at}
    if tx.execute(_UPSERT_DISCORD_NAME, row).first() is not None:
        update_name_index(tx, principal, name)


def update_name_index(tx: Connection, principal: Principal, name: str) -> None:
    """From now on `find_called` knows somebody by this name, and by no other, wherever it did."""
    found: dict[Workspace, set[str]] = defaultdict(set)
    for workspace, word in tx.execute(_SELECT_WORDS, {"of": principal}):
        found[workspace].add(word)
    wanted = _index_words(name)
    if stale := [workspace for workspace, words in found.items() if words != set(wanted)]:
        mine = name_words.c.principal == principal
        tx.execute(delete(name_words).where(mine, name_words.c.workspace.in_(stale)))
        for workspace in stale:
            _insert_words(tx, workspace, principal, wanted)


def rename_person(tx: Connection, person_id: PersonId, name: str, at: Millis) -> None:
    """Give a person another name, by which they are found from now on."""
    update_person_row(tx, person_id, name=name, at=at)
    update_name_index(tx, person_id, name)


def activate_account(
    tx: Connection, token: str, name: str, password_hash: str, browser: Browser, at: Millis
) -> NewSession:
    """`actions.welcome`; its holder is found by the name they gave."""
    opened = authentication.redeem_activation_link(tx, token, name, password_hash, browser, at)
    update_name_index(tx, opened.session.person, name)
    return opened


_UPSERT_DISCORD_NAME = text(
    "INSERT INTO discord_users (principal, name, named_at) VALUES (:principal, :name, :named_at) "
    "ON CONFLICT (principal) DO UPDATE SET name = excluded.name, named_at = excluded.named_at "
    "WHERE discord_users.named_at <= excluded.named_at "  # SQLite and PostgreSQL alike
    "RETURNING principal"
)
_SELECT_WORDS = select(name_words.c.workspace, name_words.c.word).where(
    name_words.c.principal == bindparam("of")
)


def index_names(
    tx: Connection, workspace: Workspace, principals: Iterable[Principal | None]
) -> None:
    """From now on `find_called` knows these people in the workspace, by the names they have."""
    for who in read_names(tx, principals).values():
        _insert_words(tx, workspace, who.id, _index_words(who.name))


def find_by_name_prefix(
    tx: Connection, workspace: Workspace, words: Collection[str]
) -> dict[str, set[Principal]]:
    """For each of `words`, the people of the workspace a word of whose name begins with it.

    Of very many, `MANY`: those that come first by that word.
    """
    found: dict[str, set[Principal]] = {word: set() for word in words}
    if found:
        asked = {f"word{place}": word for place, word in enumerate(found)}
        ends = {f"end{place}": word + MAX_CHARACTER for place, word in enumerate(found)}
        rows = tx.execute(_prefix_query(len(found)), {"here": workspace, **asked, **ends})
        for place, principal in rows:
            found[asked[f"word{place}"]].add(principal)
    return found


@cache
def _prefix_query(count: int) -> CompoundSelect[Any]:
    """Built once for each number of words: to build it takes longer than to run it."""
    return union_all(*map(_prefix_subquery, range(count)))


def _prefix_subquery(position: int) -> Select[Any]:
    known = name_words.c
    first = (
        select(known.principal)
        .where(known.workspace == bindparam("here"))
        .where(known.word >= bindparam(f"word{position}"), known.word < bindparam(f"end{position}"))
        .order_by(known.word, known.principal)
        .limit(MAX_MATCHES)
        .subquery()
    )
    return select(literal(position, Integer), first.c.principal)


def _index_words(name: str) -> list[str]:
    return split_words(name) or [""]  # a name without a word is nobody's to find, but has its row


def _insert_words(
    tx: Connection, workspace: Workspace, principal: Principal, words: Iterable[str]
) -> None:
    rows = [{"workspace": workspace, "word": word, "principal": principal} for word in words]
    tx.execute(_INSERT_WORD, rows)


_INSERT_WORD = text(
    "INSERT INTO name_words (workspace, word, principal) VALUES (:workspace, :word, :principal) "
    "ON CONFLICT DO NOTHING"
)


def read_names(
    tx: Connection, principals: Iterable[Principal | None]
) -> dict[Principal, PrincipalRef]:
    """Everybody in `principals` as a screen names them, in at most two statements."""
    wanted = {principal for principal in principals if principal}
    named = _read_discord_names(tx, {p for p in wanted if p.startswith("discord:")})
    known = _read_people(tx, {p for p in wanted if ":" not in p})
    return {
        p: known.get(p) or PrincipalRef(id=p, name=named.get(p) or placeholder_name(p))
        for p in wanted
    }


def named_person(person_id: PersonId, name: str, avatar: str | None) -> PrincipalRef:
    """A person as a screen names them, by columns of `people`."""
    if (picture := avatar_url(avatar)) is None:
        return PrincipalRef(id=person_id, name=name)
    return PrincipalRef(id=person_id, name=name, picture=picture)


def read_person_ids(tx: Connection, principals: Collection[Principal]) -> dict[Principal, str]:
    """The ids of the persons behind `principals`; who is not linked is left out."""
    rows = tx.execute(
        select(identities.c.principal, identities.c.person).where(
            identities.c.principal.in_(principals)
        )
    )
    return {row[0]: row[1] for row in rows}


def resolve_person_ids(tx: Connection, principals: Iterable[Principal]) -> set[PersonId]:
    """The ids of the persons among `principals`, and of those who are linked to one of them."""
    wanted = set(principals)
    persons = {principal for principal in wanted if ":" not in principal}
    return persons | {*read_person_ids(tx, wanted - persons).values()}


def placeholder_name(principal: Principal) -> str:
    """What somebody is called until an event names them."""
    source, _, id_ = principal.partition(":")
    if source == "discord":
        return gettext("Discord user …%(id)s", id=id_[-SHOWN_ID_DIGITS:])
    if principal == DIRECT_EDIT_ACTOR:
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


def _read_discord_names(tx: Connection, principals: set[Principal]) -> dict[Principal, str]:
    if not principals:
        return {}
    rows = tx.execute(_SELECT_NAMES, {"wanted": list(principals)})
    return {row[0]: row[1] for row in rows}


_SELECT_NAMES = select(discord_users.c.principal, discord_users.c.name).where(
    discord_users.c.principal.in_(bindparam("wanted", expanding=True))
)


def _read_people(tx: Connection, person_ids: set[Principal]) -> dict[Principal, PrincipalRef]:
    if not person_ids:
        return {}
    shown = select(people.c.id, people.c.name, people.c.avatar)
    rows = tx.execute(shown.where(people.c.id.in_(person_ids)))
    return {row.id: named_person(row.id, row.name, row.avatar) for row in rows}
