"""Finding requests: a page of an organization's list, or of all companies' for the team.

Pages go by key, not by number: the next one begins after the last row shown, however many came
meanwhile. The same visibility as everywhere, and counts of what the filters find.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.pagination import key_of, parse_key
from deskwire.kit.text import words_of
from deskwire.tickets.participants import Circle, read_circle
from deskwire.tickets.queries.counts import by_status, count, count_all_requests, count_rows
from deskwire.tickets.queries.list_tickets import MAX_QUERY, MAX_WORDS
from deskwire.tickets.search_index import having
from deskwire.tickets.statuses import ENDED, STATUSES, Status
from deskwire.tickets.tables import REQUESTS, tickets
from deskwire.tickets.ticket import Ticket, named
from deskwire.tickets.timeline_text import PRIORITY_LABELS
from deskwire.tickets.validation import storable
from deskwire.tickets.visibility import all_requests, read_at, visible_in, visible_to
from deskwire.tickets.workspace_names import Places, complete, read_places
from deskwire.workspaces.names import find_called
from deskwire.workspaces.organizations.permissions import is_staff

Sort = Literal["active", "newest", "oldest"]
SORTS: tuple[Sort, ...] = get_args(Sort)
EVERYWHERE: Workspace = "org:"  # no organization's: the circle of all is the team
Nobody = Literal["nobody"]
NOBODY: Nobody = "nobody"  # instead of an assignee's id
PAGE = 50  # rows; more than two screens are searched, not scrolled
FILTERS = ("category", "requester", "assignee", "priority", "label")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to see; `after` is the key of the last row of the page before."""

    status: Status | None = None
    query: str = ""
    category: str = ""
    requester: str = ""
    assignee: str = ""
    priority: str = ""
    label: str = ""
    unread: bool = False
    waiting: bool = False  # on the viewer
    sort: Sort = "active"
    after: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether a changed row's place in the list follows from the row and its status alone."""
        return replace(self, status=None) == Wish()

    @property
    def is_filtered(self) -> bool:
        """Whether anything but the status narrows the list."""
        return replace(self, status=None, sort="active", after="") != Wish()

    @property
    def fields(self) -> dict[str, str]:
        """As a URL says it; what is as usual is left out."""
        said = {
            "status": self.status or "",
            "q": self.query,
            **{name: getattr(self, name) for name in FILTERS},
            "unread": "yes" if self.unread else "",
            "waiting": "yes" if self.waiting else "",
            "sort": "" if self.sort == "active" else self.sort,
            "after": self.after,
        }
        return {name: value for name, value in said.items() if value}


@dataclass(frozen=True, slots=True)
class Listed:
    """A request in a list, and whether it holds replies that the viewer has not read."""

    ticket: Ticket
    unread: bool


@dataclass(frozen=True, slots=True)
class Found:
    """One page, how many there are by status, and where the next one begins (None: it is last).

    `circle`: of the organization, or of the team where it is of all.
    """

    requests: list[Listed]
    counts: dict[Status, int]
    next: str | None
    circle: Circle

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def parse_wish(fields: Mapping[str, str]) -> Wish:
    """What a URL asks for; what it cannot mean falls back to the default."""
    said = {name: storable(fields.get(name, "")).strip()[:MAX_QUERY] for name in FILTERS}
    if said["priority"] not in PRIORITY_LABELS:
        said["priority"] = ""
    return Wish(
        status=next((word for word in STATUSES if word == fields.get("status")), None),
        query=" ".join(storable(fields.get("q", "")).split())[:MAX_QUERY],
        unread=fields.get("unread") == "yes",
        waiting=fields.get("waiting") == "yes",
        sort=next((word for word in SORTS if word == fields.get("sort")), "active"),
        after=fields.get("after", "") if parse_key(fields.get("after", "")) else "",
        **said,
    )


def find(
    tx: Connection,
    viewer: Viewer,
    workspace: Workspace | None,
    wish: Wish,
    places: Places | None = None,
) -> Found:
    """The page `wish` asks for, of what the viewer may see of an organization, or of all (None:
    only the team finds anything there).

    `places`: what is known of organizations and categories; a statement less for each kind.
    """
    hits = _hits(tx, workspace, wish.query)
    narrower = _filters(viewer, wish)
    seen = and_(_visible(tx, viewer, workspace, hits), *narrower)
    rows = _page(tx, viewer, seen, wish)
    if len(rows) <= PAGE and wish.status is None and not wish.after:  # it is all there is
        counts = by_status(Counter(row.status for row in rows))
    elif hits is not None or narrower:
        counts = count_rows(tx, seen)
    elif workspace is None:
        counts = count_all_requests(tx, viewer)
    else:
        counts = count(tx, viewer, workspace)
    shown = rows[:PAGE]
    persons = [person for row in shown for person in (row.opener, row.assignee)]
    circle = read_circle(tx, workspace or EVERYWHERE, persons)
    found = named(shown, circle.names_of(tx, persons), complete(tx, shown, places))
    return Found(
        [Listed(ticket, bool(row.unread)) for ticket, row in zip(found, shown, strict=True)],
        counts,
        _key_of(shown[-1], wish.sort) if len(rows) > PAGE else None,
        circle,
    )


def read_one(tx: Connection, viewer: Viewer, ticket_id: str) -> tuple[Listed, Circle]:
    """One request the viewer may see, and its circle with who takes part in it."""
    row = read_row(tx, viewer, ticket_id)
    persons = [row.opener, row.assignee]
    circle = read_circle(tx, row.workspace, persons, row.id)
    [ticket] = named([row], circle.names_of(tx, persons), read_places(tx, [row]))
    return Listed(ticket, bool(row.unread)), circle


def read_row(tx: Connection, viewer: Viewer, ticket_id: str) -> Row[Any]:
    """The row of a request the viewer may see, with `unread`; NotFound otherwise."""
    chosen = _with_unread(viewer).where(visible_to(viewer), tickets.c.id == ticket_id, REQUESTS)
    row = tx.execute(chosen).one_or_none()
    if row is None:
        raise NotFound(gettext("There is no such request, or it is not shared with you."))
    return row


def is_unread(viewer: Viewer) -> ColumnElement[bool]:
    """Whether somebody else wrote a reply since the viewer last read the ticket."""
    return and_(
        tickets.c.spoken_at.is_not(None),
        tickets.c.spoken_by != viewer.person,
        tickets.c.spoken_at > func.coalesce(read_at(viewer), 0),
    )


def count_unread(
    tx: Connection, viewer: Viewer, workspaces: Collection[Workspace]
) -> dict[Workspace, int]:
    """How many requests of these organizations the viewer sees and has not read; none: left out."""
    seen = and_(visible_to(viewer), tickets.c.workspace.in_(workspaces), is_unread(viewer))
    rows = tx.execute(
        select(tickets.c.workspace, func.count()).where(seen).group_by(tickets.c.workspace)
    )
    return {row[0]: row[1] for row in rows}


def waits_on(viewer: Viewer) -> ColumnElement[bool]:
    """What the viewer is to do something about: their answer is asked for, or it is theirs."""
    asked = and_(tickets.c.status == "waiting", tickets.c.opener == viewer.person)
    if not is_staff(viewer):
        return asked
    mine = and_(tickets.c.assignee == viewer.person, tickets.c.status.not_in([*ENDED, "waiting"]))
    return or_(asked, mine)


def _visible(
    tx: Connection, viewer: Viewer, workspace: Workspace | None, hits: Select[Any] | None
) -> ColumnElement[bool]:
    if workspace is not None:
        return visible_in(tx, viewer, workspace, hits)
    among: list[ColumnElement[bool]] = [] if hits is None else [tickets.c.id.in_(hits)]
    if not is_staff(viewer):
        among.append(false())
    return and_(all_requests(), *among)


def _filters(viewer: Viewer, wish: Wish) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wish.category:
        found.append(tickets.c.category == wish.category)
    if wish.requester:
        found.append(tickets.c.opener == wish.requester)
    if wish.assignee:
        is_free = wish.assignee == NOBODY
        found.append(
            tickets.c.assignee.is_(None) if is_free else tickets.c.assignee == wish.assignee
        )
    if wish.priority:
        found.append(tickets.c.priority == wish.priority)
    if wish.label:
        found.append(tickets.c.tags.contains(_in_json(wish.label), autoescape=True))
    if wish.unread:
        found.append(is_unread(viewer))
    if wish.waiting:
        found.append(waits_on(viewer))
    return found


def _in_json(label: str) -> str:
    """A label as it stands in the column's JSON list."""
    escaped = label.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _page(tx: Connection, viewer: Viewer, seen: ColumnElement[bool], wish: Wish) -> list[Row[Any]]:
    at = tickets.c.active_at if wish.sort == "active" else tickets.c.opened_at
    chosen = seen if wish.status is None else and_(seen, tickets.c.status == wish.status)
    if (key := parse_key(wish.after)) is not None:
        here = tuple_(at, tickets.c.id)
        there = tuple_(literal(key[0]), literal(key[1]))
        chosen = and_(chosen, here > there if wish.sort == "oldest" else here < there)
    keys = (at, tickets.c.id)
    order = [key.asc() if wish.sort == "oldest" else key.desc() for key in keys]
    asked = _with_unread(viewer).where(chosen).order_by(*order).limit(PAGE + 1)
    return [*tx.execute(asked)]


def _with_unread(viewer: Viewer) -> Select[Any]:
    return select(*tickets.c, case((is_unread(viewer), 1), else_=0).label("unread"))


def _hits(tx: Connection, workspace: Workspace | None, query: str) -> Select[Any] | None:
    words = words_of(query)[:MAX_WORDS]
    if not words:  # of signs alone nothing is found
        return select(tickets.c.id).where(false()) if query else None
    called = find_called(tx, workspace, words) if workspace else {word: set() for word in words}
    return having(tx, workspace, called)


def _key_of(row: Row[Any], sort: Sort) -> str:
    return key_of(row.active_at if sort == "active" else row.opened_at, row.id)
