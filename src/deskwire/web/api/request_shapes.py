"""Requests, messages and files as the API takes and gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, StringConstraints, create_model

from deskwire.events.types.registry import (
    AuthorKind,
    FileShape,
    LineKind,
    NamedRef,
    PrincipalRef,
    StatusName,
)
from deskwire.tickets.actions.post_message import MessageKind
from deskwire.tickets.files.attachments import MAX_FILES_PER_MESSAGE
from deskwire.tickets.priorities import Priority
from deskwire.tickets.queries.list_requests import Sort, Unassigned
from deskwire.tickets.queries.list_tickets import MAX_QUERY_LENGTH
from deskwire.tickets.request_fields import FIELDS, RequestField
from deskwire.web.api.shapes import (
    Id,
    ListResponse,
    PageQuery,
    PageResponse,
    PatchBody,
    QueryParams,
    RequestBody,
    ResponseBody,
    Slug,
    Timestamp,
)

SearchText = Annotated[str, StringConstraints(max_length=MAX_QUERY_LENGTH)]


class OrganizationQuery(QueryParams):
    """Which organization is meant."""

    organization: Slug | None = Field(
        default=None, description="its slug or id; without it the active one"
    )


class RequestQuery(PageQuery, OrganizationQuery):
    """Which requests, in which order."""

    status: StatusName | None = None
    q: SearchText = Field(default="", description="words in title, replies and names")
    category: Id | None = None
    requester: Id | None = None
    assignee: Id | Unassigned | None = Field(default=None, description="a person's id, or `nobody`")
    priority: Priority | None = None
    label: SearchText = ""
    unread: bool = Field(default=False, description="only those with replies one has not read")
    waiting: bool = Field(default=False, description="only those that wait for oneself")
    sort: Sort = "active"


class NewRequest(RequestBody):
    """A request to be filed."""

    id: Id | None = Field(default=None, description="chosen by you: sent twice, it is filed once")
    subject: str = Field(description="1 to 100 characters on one line")
    text: str = Field(description="what it is about, in Markdown")
    category: Id | None = None
    priority: Priority | None = None
    files: list[Id] = Field(
        default=[], max_length=MAX_FILES_PER_MESSAGE, description="uploaded to `/files`"
    )
    requester: Id | None = Field(default=None, description="whose it is to be; for the team")


def build_request_change(fields: Mapping[str, RequestField]) -> type[PatchBody]:
    """Make the body of a change from the table of fields."""
    definitions: dict[str, Any] = {name: field.body for name, field in fields.items()}
    shape: type[PatchBody] = create_model(
        "RequestChange",
        __base__=PatchBody,
        __module__=__name__,
        __doc__="What is to be different about a request. All of it happens, or nothing.",
        **definitions,
    )
    return shape


if TYPE_CHECKING:
    RequestChange = PatchBody
else:
    RequestChange = build_request_change(FIELDS)


class RequestNow(ResponseBody):
    """A request as lists show it."""

    id: str
    reference: str = Field(description="as people name it: `2026-R-000001`")
    number: int = Field(description="counted per organization")
    organization: NamedRef
    subject: str
    status: StatusName
    status_label: str = Field(description="what screens call the status")
    requester: PrincipalRef | None
    assignee: PrincipalRef | None
    category: NamedRef | None
    priority: str | None
    labels: list[str]
    messages: int = Field(description="replies so far")
    unread: bool = Field(description="whether there are replies you have not read")
    opened_at: Timestamp
    active_at: Timestamp = Field(description="the newest thing that happened to it")
    closed_at: Timestamp | None = Field(description="when it was completed or canceled")
    revision: int = Field(description="rises with every change; events have it too")
    href: str = Field(description="its page")


class Participant(ResponseBody):
    """Somebody who takes part in a request."""

    id: str
    name: str
    role: str = Field(description="opener, added, watcher")


class RequestInFull(RequestNow):
    """A request and who takes part in it."""

    participants: list[Participant]


class RequestPage(PageResponse):
    """A page of requests."""

    items: list[RequestNow]
    counts: dict[StatusName, int] = Field(description="what the filters find, by status")


class NewMessage(RequestBody):
    """A message to be written."""

    id: Id | None = Field(default=None, description="chosen by you: sent twice, it is there once")
    text: str = Field(default="", description="Markdown; may be empty where files come with it")
    kind: MessageKind = Field(default="reply", description="a note is for the team alone")
    files: list[Id] = Field(
        default=[], max_length=MAX_FILES_PER_MESSAGE, description="uploaded to `/files`"
    )


class NewText(RequestBody):
    """What a message is to say."""

    text: str = Field(description="Markdown")


class MessageNow(ResponseBody):
    """One entry of a request's timeline."""

    id: str
    kind: LineKind
    side: AuthorKind | None = Field(description="of whom it comes")
    origin: str = Field(description="where it was written: `portal`")
    author: PrincipalRef | None
    text: str | None = Field(description="Markdown; null where something happened (`system`)")
    html: str = Field(description="the same, sanitised")
    files: list[FileShape]
    at: Timestamp
    edited_at: Timestamp | None
    revision: int


class MessagePage(PageResponse):
    """A page of messages, the oldest first."""

    items: list[MessageNow]


class SendQuery(QueryParams):
    """How a file is sent."""

    message: Id | None = Field(
        default=None, description="the id its message is to have: sent twice, it is there once"
    )
    kind: MessageKind = Field(default="reply", description="a note is for the team alone")


class FileNow(FileShape):
    """A file of a request."""

    message: str = Field(description="the message it came with")


class FileList(ListResponse):
    """The files of a request."""

    items: list[FileNow]


class WatchQuery(QueryParams):
    """Who watches."""

    person: Id | None = Field(default=None, description="without it oneself")
