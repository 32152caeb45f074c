"""Define the API's models of Discord servers and their tickets."""

from __future__ import annotations

from pydantic import Field

from deskwire.events.types.registry import NamedRef, PrincipalRef, StatusName
from deskwire.web.api.request_shapes import Participant
from deskwire.web.api.shapes import PageQuery, PageResponse, ResponseBody, Timestamp


class GuildNow(ResponseBody):
    """A Discord server."""

    id: str = Field(description="Its id at Discord.")
    name: str
    members: int | None = Field(description="Number of members; null until the bot says it.")
    bot_installed: bool
    set_up: bool = Field(description="Whether the bot was set up.")
    open_tickets: int = Field(description="Number of tickets you may see that have not ended.")
    revision: int
    href: str = Field(description="URL of its page.")


class GuildPage(PageResponse):
    """A page of Discord servers, by id."""

    items: list[GuildNow]


class TicketQuery(PageQuery):
    """Filters tickets."""

    status: StatusName | None = None


class TicketNow(ResponseBody):
    """A ticket of a Discord server."""

    id: str
    number: int = Field(description="Counted per server; part of its URL.")
    guild: NamedRef
    subject: str
    status: StatusName
    status_label: str = Field(description="The status as pages show it.")
    requester: PrincipalRef | None = Field(description="Who opened it.")
    assignee: PrincipalRef | None
    priority: str | None
    labels: list[str]
    messages: int = Field(description="Number of replies.")
    opened_at: Timestamp
    active_at: Timestamp = Field(description="Time of the latest activity.")
    closed_at: Timestamp | None = Field(description="When it was completed or canceled.")
    revision: int = Field(description="Increases with every change; events have it too.")
    href: str = Field(description="URL of its page.")


class TicketInFull(TicketNow):
    """A ticket of a Discord server with its participants."""

    participants: list[Participant]


class TicketPage(PageResponse):
    """A page of tickets, newest first."""

    items: list[TicketNow]
    counts: dict[StatusName, int] = Field(
        description="Number of tickets you may see, by status; `status` does not narrow them."
    )
