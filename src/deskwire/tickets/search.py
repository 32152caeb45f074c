"""Finding tickets: one page of a workspace's list, filtered, searched and sorted.

The same visibility as everywhere: `tickets.visible_to(viewer)`. Counts are of what the search
finds, so that a tab never promises what it does not show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.kit.text import folded
from deskwire.tickets.statuses import ENDED, STATUSES, Status
from deskwire.tickets.tickets import Ticket, tickets, visible_to, with_names
from deskwire.workspaces.names import is_called

Sort = Literal["active", "newest", "oldest", "number"]
SORTS: tuple[Sort, ...] = get_args(Sort)
PAGE = 50  # rows; more than two screens are searched, not scrolled
MAX_PAGE = 10_000  # pages; an offset beyond is a mistake, not a wish
MAX_WORDS = 12  # each is three scans of names; nobody remembers more of a subject
MAX_QUERY = 200  # characters; longer ones are cut

_ORDER: dict[Sort, tuple[ColumnElement[object], ...]] = {
    "active": (tickets.c.active_at.desc(), tickets.c.id.desc()),
    "newest": (tickets.c.opened_at.desc(), tickets.c.id.desc()),
    "oldest": (tickets.c.opened_at.asc(), tickets.c.id.asc()),
    "number": (tickets.c.number.desc(), tickets.c.id.desc()),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to see of a list."""

    status: Status | None = None
    query: str = ""
    sort: Sort = "active"
    page: int = 1

    @property
    def is_plain(self) -> bool:
        """Whether a changed row's place in the list follows from the row alone."""
        return not self.query and self.sort == "active" and self.page == 1


@dataclass(frozen=True, slots=True)
class Found:
    """One page of tickets, with how many there are by status and in all pages."""

    tickets: list[Ticket]
    counts: dict[Status, int]
    page: int
    pages: int

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def parse_wish(fields: Mapping[str, str]) -> Wish:
    """What a URL asks for; what it cannot mean falls back to the default."""
    status = next((word for word in STATUSES if word == fields.get("status")), None)
    sort: Sort = next((word for word in SORTS if word == fields.get("sort")), "active")
    page = fields.get("page", "1")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
    query = " ".join(_storable(fields.get("q", "")).split())[:MAX_QUERY]
    return Wish(status, query, sort, min(max(number, 1), MAX_PAGE))


def _storable(text: str) -> str:
    """Without what no database takes: NUL, and half characters."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def find(tx: Connection, viewer: Viewer, workspace: Workspace, wish: Wish) -> Found:
    """The page of `workspace` that `wish` asks for, of what `viewer` may see; at most the last."""
    seen = and_(visible_to(viewer), tickets.c.workspace == workspace, *_matching(wish.query))
    counts = _counts(tx, seen)
    chosen = seen if wish.status is None else and_(seen, tickets.c.status == wish.status)
    matching = sum(counts.values()) if wish.status is None else counts[wish.status]
    pages = max(1, -(-matching // PAGE))
    page = min(wish.page, pages)
    rows = tx.execute(
        select(tickets)
        .where(chosen)
        .order_by(*_ORDER[wish.sort])
        .limit(PAGE)
        .offset((page - 1) * PAGE)
    ).all()
    return Found(with_names(tx, rows), counts, page, pages)


def count(tx: Connection, viewer: Viewer, workspace: Workspace) -> dict[Status, int]:
    """How many tickets of `workspace` the viewer may see, by status."""
    return _counts(tx, and_(visible_to(viewer), tickets.c.workspace == workspace))


def count_open(tx: Connection, viewer: Viewer) -> dict[Workspace, int]:
    """How many tickets the viewer may see are not ended, by workspace; none: left out."""
    unended = and_(visible_to(viewer), tickets.c.status.not_in(ENDED))
    rows = tx.execute(
        select(tickets.c.workspace, func.count()).where(unended).group_by(tickets.c.workspace)
    )
    return {row[0]: row[1] for row in rows}


def _counts(tx: Connection, condition: ColumnElement[bool]) -> dict[Status, int]:
    rows = tx.execute(
        select(tickets.c.status, func.count()).where(condition).group_by(tickets.c.status)
    )
    found = {row[0]: row[1] for row in rows}
    return {status: found.get(status, 0) for status in STATUSES}


def _matching(query: str) -> list[ColumnElement[bool]]:
    """Every word must occur in the subject, the number, or a name of opener or assignee."""
    words = folded(query)[:MAX_QUERY].split()  # one ligature may unfold into 18 characters
    return [_word_matches(word) for word in list(dict.fromkeys(words))[:MAX_WORDS]]


def _word_matches(word: str) -> ColumnElement[bool]:
    conditions = [
        tickets.c.subject_folded.contains(word, autoescape=True),
        is_called(tickets.c.opener, word),
        is_called(tickets.c.assignee, word),
    ]
    digits = word.removeprefix("#")
    if digits.isascii() and digits.isdigit() and len(digits) < 10:
        conditions.append(tickets.c.number == int(digits))
    return or_(*conditions)
