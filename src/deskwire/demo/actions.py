"""Perform what the demo's scripts say through the actions that pages call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection

from deskwire.accounts.people import find_by_email
from deskwire.demo.cast import CLIENTS, TEAM
from deskwire.demo.tickets import Action, RequestScript, Verb
from deskwire.kit.clock import Millis
from deskwire.kit.errors import NotFound
from deskwire.kit.ids import new_id
from deskwire.server.services import ACCESS
from deskwire.tickets.actions import create, post_message, update
from deskwire.tickets.actions.create import RequestInput
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.tickets.field_changes import LabelChange
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.categories import read_categories
from deskwire.workspaces.organizations.organizations import list_own_organizations

EMAIL_BY_USERNAME: Mapping[str, str] = {each.username: each.email for each in (*TEAM, *CLIENTS)}


def actor_for(tx: Connection, username: str, at: Millis) -> Actor:
    """Build the actor of one of the cast. Raises NotFound if the account was deleted."""
    person = find_by_email(tx, EMAIL_BY_USERNAME[username])
    if person is None:
        raise NotFound(f"{EMAIL_BY_USERNAME[username]} has no account any more.")
    return Actor(ACCESS.read_viewer(tx, person.id), at)


def submit_request(tx: Connection, actor: Actor, ticket: str, request: RequestScript) -> None:
    """Create the request in the actor's company, whatever its name is by now.

    Without a category if a visitor has renamed or archived the script's. Raises NotFound if the
    actor is no longer a member of any company.
    """
    own = list_own_organizations(tx, actor.viewer)
    company = next((each for each in own if each.name == request.company), own[0] if own else None)
    if company is None:
        raise NotFound(f"{EMAIL_BY_USERNAME[request.username]} is a member of no company any more.")
    categories = {
        each.name: each.id for each in read_categories(tx, company.id) if not each.archived
    }
    request_input = RequestInput(
        ticket, request.title, request.text, categories.get(request.category)
    )
    create.create_request(tx, actor, company, request_input)


def perform_action(
    tx: Connection, actor: Actor, ticket: str, action: Action, files: Sequence[str] = ()
) -> None:
    """Perform one action on a request; `files`: ids uploaded before by the same person."""
    if action.verb == "send":
        text = action.value.partition(" ")[2]
        post_message.post_message(tx, actor, ticket, MessageInput(new_id(), text, file_ids=files))
        return
    _ACTION_BY_VERB[action.verb](tx, actor, ticket, action.value)


def _claim_request(tx: Connection, actor: Actor, ticket: str, _: str) -> None:
    update.update(tx, actor, ticket, {"assignee": actor.subject})


def _post_reply(tx: Connection, actor: Actor, ticket: str, text: str) -> None:
    post_message.post_message(tx, actor, ticket, MessageInput(new_id(), text))


def _post_note(tx: Connection, actor: Actor, ticket: str, text: str) -> None:
    post_message.post_message(tx, actor, ticket, MessageInput(new_id(), text, "note"))


def _add_label(tx: Connection, actor: Actor, ticket: str, label: str) -> None:
    update.update(tx, actor, ticket, {"labels": LabelChange(add=[label])})


def _set_status(tx: Connection, actor: Actor, ticket: str, status: str) -> None:
    update.update(tx, actor, ticket, {"status": status})


def _set_priority(tx: Connection, actor: Actor, ticket: str, priority: str) -> None:
    update.update(tx, actor, ticket, {"priority": priority})


def _delete_request(tx: Connection, actor: Actor, ticket: str, _: str) -> None:
    update.delete_request(tx, actor, ticket)


_ACTION_BY_VERB: Mapping[Verb, Callable[[Connection, Actor, str, str], object]] = {
    "claim": _claim_request,
    "reply": _post_reply,
    "note": _post_note,
    "label": _add_label,
    "priority": _set_priority,
    "status": _set_status,
    "remove": _delete_request,
}
