"""Define the API's models of requests, messages and files."""

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
    """Selects an organization."""

    organization: Slug | None = Field(
        default=None, description="Slug or id of an organization; default: the active one."
    )


class RequestQuery(PageQuery, OrganizationQuery):
    """Filters and sorts requests."""

    status: StatusName | None = None
    q: SearchText = Field(default="", description="Words in the subject, replies and names.")
    category: Id | None = None
    requester: Id | None = None
    assignee: Id | Unassigned | None = Field(
        default=None, description="A person's id, or `nobody` for unassigned requests."
    )
    priority: Priority | None = None
    label: SearchText = ""
    unread: bool = Field(default=False, description="Only requests with replies you have not read.")
    waiting: bool = Field(default=False, description="Only requests that wait for you.")
    sort: Sort = Field(
        default="newest",
        description="`newest` and `oldest` go by the time of creation, which never changes: every "
        "request that exists when the first page is read is on exactly one page. `active` goes by "
        "the latest activity: a request that is changed while you read the pages may be missed.",
    )


class NewRequest(RequestBody):
    """A request to create."""

    id: Id | None = Field(
        default=None,
        description="A UUIDv7 that you choose, so that sending it twice creates one request.",
    )
    subject: str = Field(description="1 to 100 characters on one line.")
    text: str = Field(description="The first message, in Markdown.")
    category: Id | None = None
    priority: Priority | None = None
    files: list[Id] = Field(
        default=[],
        max_length=MAX_FILES_PER_MESSAGE,
        description="Ids of files that you uploaded to `/files`.",
    )
    requester: Id | None = Field(
        default=None, description="The person to create it for; for staff. Default: you."
    )

    @property
    def chosen_id(self) -> str | None:
        return self.id


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
    """A request."""

    id: str
    reference: str = Field(description="What people call it, such as `2026-R-000001`.")
    number: int = Field(description="Counted per organization.")
    organization: NamedRef
    subject: str
    status: StatusName
    status_label: str = Field(description="The status as pages show it.")
    requester: PrincipalRef | None
    assignee: PrincipalRef | None
    category: NamedRef | None
    priority: str | None
    labels: list[str]
    messages: int = Field(description="Number of replies.")
    unread: bool = Field(description="Whether there are replies you have not read.")
    opened_at: Timestamp
    active_at: Timestamp = Field(description="Time of the latest activity.")
    closed_at: Timestamp | None = Field(description="When it was completed or canceled.")
    revision: int = Field(description="Increases with every change; events have it too.")
    href: str = Field(description="URL of its page.")


class Participant(ResponseBody):
    """A participant in a request."""

    id: str
    name: str
    role: str = Field(description="`opener`, `added` or `watcher`.")


class RequestInFull(RequestNow):
    """A request with its participants."""

    participants: list[Participant]


class RequestPage(PageResponse):
    """A page of requests."""

    items: list[RequestNow]
    counts: dict[StatusName, int] = Field(
        description="Number of requests that match the filters, by status."
    )


class NewMessage(RequestBody):
    """A message to post."""

    id: Id | None = Field(
        default=None,
        description="A UUIDv7 that you choose, so that sending it twice posts one message.",
    )
    text: str = Field(default="", description="Markdown; may be empty if there are files.")
    kind: MessageKind = Field(default="reply", description="Only staff post and see notes.")
    files: list[Id] = Field(
        default=[],
        max_length=MAX_FILES_PER_MESSAGE,
        description="Ids of files that you uploaded to `/files`.",
    )

    @property
    def chosen_id(self) -> str | None:
        return self.id


class NewText(RequestBody):
    """The new text of a message."""

    text: str = Field(description="Markdown.")


class MessageNow(ResponseBody):
    """A message of a request: a reply, a note, or a system line."""

    id: str
    kind: LineKind
    side: AuthorKind | None = Field(description="Which side the author is on.")
    origin: str = Field(description="Where it was written, such as `portal`.")
    author: PrincipalRef | None
    text: str | None = Field(description="Markdown; null for a system line.")
    html: str = Field(description="The text as sanitized HTML.")
    files: list[FileShape]
    at: Timestamp
    edited_at: Timestamp | None
    revision: int


class MessagePage(PageResponse):
    """A page of messages, oldest first."""

    items: list[MessageNow]


class SendQuery(QueryParams):
    """Describes the message of a file."""

    message: Id | None = Field(
        default=None,
        description="A UUIDv7 for its message, so that sending it twice posts one message.",
    )
    kind: MessageKind = Field(default="reply", description="Only staff post and see notes.")

    @property
    def chosen_id(self) -> str | None:
        return self.message


class FileNow(FileShape):
    """A file of a request."""

    message: str = Field(description="Id of the message it belongs to.")


class FileList(ListResponse):
    """The files of a request."""

    items: list[FileNow]


class WatchQuery(QueryParams):
    """Selects a watcher."""

    person: Id | None = Field(default=None, description="A person's id; default: you.")
