"""Record what happens to API keys, so that lists of keys follow and streams of keys end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, and_

from deskwire.accounts import api_keys
from deskwire.accounts.api_keys import ApiKey, PublicKeyColumns
from deskwire.dispatches import timers
from deskwire.events import channels, log
from deskwire.events.channels import PEOPLE_CHANNEL, STAFF_CHANNEL, Workspace
from deskwire.events.types.registry import KeyChanged, KeyCreated, KeyEvent, KeyRevoked
from deskwire.kit.clock import DAY, Millis
from deskwire.workspaces.origin import DIRECT_EDIT_ACTOR, DirectEdit, Principal

# Timers, by kind: how long before a key expires those who manage it get a mail (ms).
EXPIRY_REMINDERS: Mapping[str, Millis] = {
    "key-expires-in-14-days": 14 * DAY,  # ms
    "key-expires-in-1-day": DAY,  # ms
}

columns = api_keys.api_keys.c


def revoke_keys_of_workspace(
    tx: Connection, workspace: Workspace, actor_id: Principal, at: Millis
) -> None:
    """Revoke every key of a workspace that is being deleted."""
    live = and_(columns.workspace == workspace, columns.revoked_at.is_(None))
    for key in api_keys.list_keys(tx, live):
        revoke_live_key(tx, key, actor_id, at)


def revoke_live_key(tx: Connection, key: ApiKey, actor_id: Principal, at: Millis) -> None:
    """Mark a key revoked and append the event that ends its streams."""
    if api_keys.mark_revoked(tx, key.id, actor_id, at):
        schedule_expiry_reminders(tx, replace(key, revoked_at=at), at)
        record_key_event(tx, KeyRevoked, key, actor_id, at)


def list_live_keys(tx: Connection, condition: ColumnElement[bool]) -> list[ApiKey]:
    """List the keys that meet a condition and are not revoked, also expired ones."""
    return api_keys.list_keys(tx, and_(condition, columns.revoked_at.is_(None)))


def schedule_expiry_reminders(tx: Connection, key: ApiKey, at: Millis) -> None:
    """Schedule the mails that a key expires soon, and cancel those that no longer apply."""
    for kind, before in EXPIRY_REMINDERS.items():
        if key.revoked_at is None and key.expires_at is not None and key.expires_at - before > at:
            timers.schedule(tx, kind, key.id, key.expires_at - before, at=at)
        else:
            timers.cancel(tx, kind, key.id)


def reauthorize_bot_keys(tx: Connection, actor_id: Principal, at: Millis) -> None:
    """Authorize the bot's keys again: there is a new guild, which they may see."""
    for key in list_live_keys(tx, columns.kind == "bot"):
        record_key_event(tx, KeyChanged, key, actor_id, at)


def record_key_event(
    tx: Connection,
    event_type: type[KeyEvent],
    key: ApiKey,
    actor_id: Principal,
    at: Millis,
    cause: str | None = None,
) -> None:
    """Append an event of a key, for the key itself and those who see lists of keys."""
    event = event_type(workspace=key.workspace, actor=actor_id, key=key.id, kind=key.kind)
    own_channel = channels.key(key.id)
    listed_on = [PEOPLE_CHANNEL]
    if key.kind == "organization" and key.workspace:
        listed_on = [key.workspace, STAFF_CHANNEL]
    log.append(
        tx,
        event,
        channels=[own_channel, *listed_on],
        access_changes=[own_channel],
        at=at,
        cause=cause,
    )


def record_key_edit(tx: Connection, edit: DirectEdit) -> None:
    """Record that a key's row was inserted, changed or deleted directly in the database."""
    before: PublicKeyColumns | None = edit.before
    after: PublicKeyColumns | None = edit.after
    row: PublicKeyColumns = edit.before if after is None else after
    was_revoked = before is None or before.revoked_at is not None
    is_revoked = after is None or after.revoked_at is not None
    event_type: type[KeyEvent] = KeyChanged
    if before is None:
        event_type = KeyCreated
    elif is_revoked and not was_revoked:
        event_type = KeyRevoked
    key = api_keys.key_from_row(row)
    if after is None:
        key = replace(key, revoked_at=edit.at)
    schedule_expiry_reminders(tx, key, edit.at)
    record_key_event(tx, event_type, key, DIRECT_EDIT_ACTOR, edit.at, edit.cause)
