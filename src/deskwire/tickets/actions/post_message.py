"""What people write in a request: replies and internal notes, changed and deleted by their author.

Ids are chosen by who writes (UUIDv7), so that sending again after a lost answer writes once, and
the writer's own screen knows the echo of what it showed at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, insert, select, update

from deskwire.events import channels, log
from deskwire.events.channels import STAFF
from deskwire.events.redaction import without_file
from deskwire.events.types.registry import Attached, TicketRead
from deskwire.kit.clock import Millis
from deskwire.kit.db import lock
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import is_id
from deskwire.tickets import messages, search_index
from deskwire.tickets.actions.record import hold, raised, set_status, tell
from deskwire.tickets.files import attachments
from deskwire.tickets.markdown import mentions_in
from deskwire.tickets.messages import Draft, rendered
from deskwire.tickets.participants import read_circle
from deskwire.tickets.tables import reads, tickets
from deskwire.tickets.validation import parse_text
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.permissions import Right, demand, is_staff, may

Kind = Literal["reply", "note"]
Verb = Literal["edit", "delete", "strip"]  # strip: of a file
ONLY_OWN: Mapping[Verb, str] = {
    "edit": N_("Only who wrote a message can edit it."),
    "delete": N_("Only who wrote a message can delete it."),
    "strip": N_("Only who sent a file can delete it."),
}


@dataclass(frozen=True, slots=True)
class Written:
    """What somebody has typed. `id`: chosen by their screen; `files`: uploaded before."""

    id: str
    text: str
    kind: Kind = "reply"
    files: Sequence[str] = ()


def say(tx: Connection, deed: Deed, ticket_id: str, written: Written) -> Row[Any]:
    """Add a reply, which everybody reads who sees the request, or a note for the team.

    A client's reply turns `waiting` into `active`. The same id again changes nothing; Conflict
    where it is another message's. Gives the message's row.
    """
    row = hold(tx, deed, ticket_id)
    if (known := _known(tx, deed, row, written.id)) is not None:
        return known
    _check_may_write(deed, row, written.kind)
    text = "" if written.files and not written.text.strip() else parse_text(written.text)
    line = add(tx, deed, row, replace(written, text=text))
    if row.status == "waiting" and written.kind == "reply" and _side(deed, row) == "customer":
        set_status(tx, deed, hold(tx, deed, ticket_id), "active")
    return line


def add(
    tx: Connection, deed: Deed, row: Row[Any], written: Written, *, opens: bool = False
) -> Row[Any]:
    """Write a message of a held request and tell of it; `opens`: it is the request's description,
    of which `ticket.created` tells."""
    is_note = written.kind == "note"
    circle = read_circle(tx, row.workspace)
    allowed = circle.staff if is_note else circle.everybody
    mentions = {
        id_: who.name
        for id_, who in allowed.items()
        if who.name in mentions_in(written.text, [each.name for each in allowed.values()])
    }
    draft = Draft(
        row.id,
        written.kind,
        "ticket.created" if opens else "ticket.message_sent",
        deed.person,
        deed.at,
        {"mentions": mentions},
        _side(deed, row),
        text=written.text,
        id=written.id,
        origin="portal",
        mentioned=list(mentions.values()),
    )
    line = messages.add(tx, draft)
    shown = attachments.attach(tx, deed.person, row.id, line.id, written.files, note=is_note)
    if is_note:
        changed: Any = row  # or clients could tell from its revision that there is a note
    else:
        search_index.record_reply(tx, row, written.text)
        changed = raised(
            tx,
            row,
            messages=tickets.c.messages + 1,
            active_at=max(row.active_at, deed.at),
            spoken_at=deed.at,
            spoken_by=deed.person,
        )
        mark_read(tx, deed, row.id, deed.at)
    if not opens:
        wire = _wire(tx, deed, draft, line.id, shown)
        hearers = [STAFF] if is_note else None
        tell(
            tx,
            deed.origin(**wire),
            "ticket.message_sent",
            changed,
            line,
            hearers=hearers,
            files=shown,
        )
    for file in shown:
        wire = {"file": file.model_dump(exclude_unset=True, by_alias=True), "message": line.id}
        _tell_of_file(tx, deed, changed, "ticket.file_added", wire, is_note=is_note)
    return tx.execute(select(messages.messages).where(messages.messages.c.id == line.id)).one()


def edit(tx: Connection, deed: Deed, ticket_id: str, message_id: str, text: str) -> Row[Any]:
    """Change one's own message; what it said before is taken out of the log as well."""
    row = hold(tx, deed, ticket_id)
    message = _own(deed, row, messages.read_row(tx, row.id, message_id, hold=True), "edit")
    tidy = parse_text(text)
    if tidy == message.text:
        return message
    circle = read_circle(tx, row.workspace)
    allowed = (circle.staff if message.kind == "note" else circle.everybody).items()
    called = mentions_in(tidy, [who.name for _, who in allowed])
    mentions = {id_: who.name for id_, who in allowed if who.name in called}
    changed = _rewritten(tx, message, text=tidy, mentions=mentions, edited_at=deed.at)
    _tell_of_line(tx, deed, row, changed, "ticket.message_edited")
    return changed


def erase(tx: Connection, deed: Deed, ticket_id: str, message_id: str) -> None:
    """Delete a message with its files: one's own, or as a moderator any; from the log as well."""
    row = hold(tx, deed, ticket_id)
    message = _own(deed, row, messages.read_row(tx, row.id, message_id, hold=True), "delete")
    if message.type == "ticket.created":
        raise Conflict(gettext("This is what the request is about. Cancel the request instead."))
    sent = attachments.read_of_message(tx, message_id)
    attachments.forget_of_message(tx, message_id)
    table = messages.messages
    mine = table.c.id == message_id
    tx.execute(update(table).where(mine).values(revision=-1))  # ours, not an edit by hand
    tx.execute(delete(table).where(mine))
    _tell_of_line(tx, deed, row, message, "ticket.message_deleted", is_gone=True)
    for file in sent:
        is_note = message.kind == "note"
        _tell_of_file(tx, deed, row, "ticket.file_removed", {"file": file.id}, is_note=is_note)


def remove_file(tx: Connection, deed: Deed, ticket_id: str, file_id: str) -> None:
    """Delete a file that was sent: one's own, or as a moderator any; its name from the log as well.

    A message that was nothing but this file goes with it. The bytes are the caller's to remove.
    """
    row = hold(tx, deed, ticket_id)
    file = attachments.read_sent(tx, row.id, file_id)
    if file is None:
        raise NotFound(gettext("There is no such file, or it is not shared with you."))
    message = _own(deed, row, messages.read_row(tx, row.id, file.message, hold=True), "strip")
    if not message.text and len(attachments.read_of_message(tx, message.id)) == 1:
        erase(tx, deed, ticket_id, message.id)
        return
    attachments.forget(tx, file_id)
    log.redact(tx, row.workspace, file_id, since=message.at, rule=without_file)
    table = messages.messages
    stripped = update(table).where(table.c.id == message.id)
    tx.execute(stripped.values(revision=table.c.revision + 1))
    changed: Any = row if file.note else raised(tx, row)
    _tell_of_file(tx, deed, changed, "ticket.file_removed", {"file": file_id}, is_note=file.note)


def mark_read(tx: Connection, deed: Deed, ticket_id: str, at: Millis) -> None:
    """Note that the viewer has read a request up to a moment; never less than before."""
    mine = (reads.c.ticket == ticket_id) & (reads.c.person == deed.person)
    known = tx.execute(select(reads.c.at).where(mine)).scalar()
    if known is not None and known >= at:
        return
    if known is None:
        tx.execute(insert(reads).values(ticket=ticket_id, person=deed.person, at=at))
    else:
        tx.execute(update(reads).where(mine).values(at=at))
    fact = TicketRead(actor=deed.person, ticket=ticket_id, at=at)
    log.append(tx, fact, channels=[channels.user(deed.person)])


def mark_all_read(tx: Connection, deed: Deed, ticket_id: str) -> None:
    """The viewer has read all there is in a request now."""
    hold(tx, deed, ticket_id)  # or two first looks at once would both write one
    mark_read(tx, deed, ticket_id, deed.at)


def read_changeable(
    tx: Connection, deed: Deed, row: Row[Any], message_id: str
) -> tuple[Row[Any], set[str]]:
    """A message of a visible request, and which of `edit` and `delete` the viewer may do to it.
    NotFound where it is neither."""
    message, may_do = messages.read_row(tx, row.id, message_id), set[str]()
    for verb in ("edit", "delete"):
        with suppress(Forbidden, NotFound):
            _own(deed, row, message, verb)
            may_do.add(verb)
    if message is not None and message.type == "ticket.created":
        may_do.discard("delete")
    if message is None or not may_do:
        raise NotFound(gettext("There is no such message, or it is not yours."))
    return message, may_do


def may_edit(deed: Deed, message: Any) -> bool:  # noqa: ANN401 - a row, or a line's author and kind
    """Whether the viewer may change a message: who wrote it, as long as they see it."""
    return bool(message.author == deed.person and message.kind != "system")


def _known(tx: Connection, deed: Deed, row: Row[Any], id_: str) -> Row[Any] | None:
    if not is_id(id_):
        raise Invalid(
            gettext("A message's id is a UUIDv7 in lower case."), {"id": gettext("Not a UUIDv7")}
        )
    lock(tx, f"message {id_}")  # or of two who send it to two requests at once, one would break
    table = messages.messages
    known = tx.execute(select(table).where(table.c.id == id_)).one_or_none()
    if known is not None and (known.ticket != row.id or known.author != deed.person):
        raise Conflict(gettext("This id is another message's. Send it again with a new one."))
    return known


def _check_may_write(deed: Deed, row: Row[Any], kind: Kind) -> None:
    if kind == "note":
        demand(deed.viewer, Right.NOTE)
    elif row.opener != deed.person and channels.ticket(row.id) not in deed.viewer.channels:
        demand(deed.viewer, Right.FILE, row.workspace)


def _side(deed: Deed, row: Row[Any]) -> Literal["customer", "staff"]:
    is_theirs = row.opener == deed.person or not is_staff(deed.viewer)
    return "customer" if is_theirs else "staff"


def _own(deed: Deed, row: Row[Any], message: Row[Any] | None, verb: Verb) -> Row[Any]:
    if message is None or message.kind == "system":
        raise NotFound(gettext("There is no such message."))
    if message.kind == "note" and not may(deed.viewer, Right.NOTE):
        raise NotFound(gettext("There is no such message."))
    moderates = verb != "edit" and may(deed.viewer, Right.MODERATE, row.workspace)
    if not may_edit(deed, message) and not moderates:
        raise Forbidden(gettext(ONLY_OWN[verb]))
    return message


def _rewritten(
    tx: Connection, message: Row[Any], *, text: str, mentions: dict[str, str], edited_at: Millis
) -> Row[Any]:
    table = messages.messages
    data = messages.with_mentions(message.data, mentions)
    mine = update(table).where(table.c.id == message.id)
    changed = mine.values(
        text=text, data=data, edited_at=edited_at, revision=table.c.revision + 1
    ).returning(table)
    row = tx.execute(changed).one()
    anew = mine.values(html=rendered(row), revision=row.revision + 1)
    return tx.execute(anew.returning(table)).one()


def _tell_of_line(
    tx: Connection,
    deed: Deed,
    row: Row[Any],
    message: Row[Any],
    type_: str,
    *,
    is_gone: bool = False,
) -> None:
    log.redact(tx, row.workspace, message.id, since=message.at)
    is_note = message.kind == "note"
    changed: Any = row
    if not is_note:
        search_index.rewrite(tx, row.id)
        fewer = {"messages": tickets.c.messages - 1} if is_gone else {}
        changed = raised(tx, row, **fewer)
    shown = [] if is_gone else attachments.read_of_message(tx, message.id)
    tell(
        tx,
        deed.origin(message=message.id),
        type_,
        changed,
        None if is_gone else message,
        hearers=[STAFF] if is_note else None,
        files=shown,
    )


def _tell_of_file(
    tx: Connection,
    deed: Deed,
    row: Any,  # noqa: ANN401 - a row
    type_: str,
    wire: dict[str, Any],
    *,
    is_note: bool,
) -> None:
    tell(tx, deed.origin(**wire), type_, row, None, hearers=[STAFF] if is_note else None)


def _wire(
    tx: Connection, deed: Deed, draft: Draft, message_id: str, shown: Collection[Attached]
) -> dict[str, Any]:
    """The event's own fields, as the bot's have them."""
    return {
        "messageId": message_id,
        "authorId": deed.person,
        "authorUsername": read_names(tx, [deed.person])[deed.person].name,
        "messageType": draft.side,
        "hasAttachments": bool(shown),
        "messageLength": len(draft.text or ""),
        "content": draft.text,
        **({"mentions": sorted(mentions)} if (mentions := draft.data["mentions"]) else {}),
    }
