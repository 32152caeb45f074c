"""Test who may create API keys, what they are granted, and what ends them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from deskwire.accounts import api_keys
from deskwire.accounts.api_keys import NEVER, SCOPES, ApiKey, KeyFields, read_credential_expiries
from deskwire.direct_edits.processor import record_edits
from deskwire.events.access import Viewer
from deskwire.kit.clock import DAY
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.ids import new_id
from deskwire.server.services import ACCESS
from deskwire.tickets.actions import offboarding
from deskwire.web.key_authentication import KeyAuthentication
from deskwire.workspaces.guilds.permissions import DiscordPermission
from deskwire.workspaces.keys import actions
from deskwire.workspaces.organizations.staff import upsert_staff_row
from tests.fixtures.accounts import read_events
from tests.fixtures.cast import (
    ADA,
    BO,
    CY,
    HARBOUR_GUILD,
    MO,
    UNA,
    UNKNOWN_GUILD,
    Persona,
    create_desk,
)
from tests.fixtures.portal import PortalFixture, create_portal


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[PortalFixture]:
    portal = create_portal(create_desk(tmp_path))
    portal.desk.db.write_sync(
        upsert_staff_row, portal.desk.person_id(MO), "super_admin", portal.desk.now
    )
    yield portal
    portal.desk.db.close()


def fields_of(portal: PortalFixture, kind: str = "organization", **more: Any) -> KeyFields:
    """Return fields of a key of the Quay, of the Harbour, of the desk or of the bot."""
    workspaces = {
        "organization": f"org:{portal.organization_ids['quay']}",
        "guild": f"guild:{HARBOUR_GUILD}",
    }
    roles = {"organization": "member", "desk": "support_analyst"}
    values: dict[str, Any] = {
        "kind": kind,
        "name": "Script",
        "scopes": SCOPES,
        "workspace": workspaces.get(kind),
        "role": roles.get(kind),
    }
    return KeyFields(**values | more)


def create(portal: PortalFixture, kind: str = "organization", **more: Any) -> ApiKey:
    """Create a key from the shell."""
    fields = fields_of(portal, kind, **more)
    return portal.desk.db.write_sync(
        actions.create_key_from_shell, fields, "shell", portal.desk.now
    ).key


def read_viewer(portal: PortalFixture, key: ApiKey) -> Viewer:
    return portal.desk.db.read_sync(ACCESS.read_viewer, key.subject)


def test_an_id_is_of_one_key_also_after_its_revocation(portal: PortalFixture) -> None:
    id_ = new_id()
    assert create(portal, id=id_).id == id_

    with pytest.raises(actions.KeyAlreadyCreated):
        create(portal, id=id_)
    with pytest.raises(actions.KeyAlreadyCreated):
        create(portal, "bot", id=id_)
    db, at = portal.desk.db, portal.desk.now
    db.write_sync(actions.revoke_key_from_shell, id_, "shell", at)
    with pytest.raises(actions.KeyAlreadyCreated):
        create(portal, id=id_)


@pytest.mark.parametrize(
    ("kind", "makers"), [("organization", {BO, MO}), ("guild", {MO}), ("desk", {MO}), ("bot", {MO})]
)
def test_only_those_who_manage_such_keys_create_one(
    portal: PortalFixture, kind: str, makers: set[Persona]
) -> None:
    created = set()
    for persona in (ADA, BO, CY, MO, UNA):
        try:
            portal.act_as(persona, actions.create_key, fields_of(portal, kind))
            created.add(persona)
        except (Forbidden, NotFound):
            pass
    assert created == makers


def test_a_token_is_found_by_itself_alone(portal: PortalFixture) -> None:
    new = portal.act_as(BO, actions.create_key, fields_of(portal))
    db, at = portal.desk.db, portal.desk.now

    assert db.read_sync(api_keys.find_by_token, new.token, at) == new.key
    assert new.token not in repr(new)
    secret = new.token[len("dw_") + 33 : -8]
    rows = db.read_sync(lambda tx: tx.execute(text("SELECT * FROM api_keys")).all())
    assert secret not in str(rows)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"role": "super_admin"}, "role"),
        ({"role": None}, "role"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["admin"]}, "scopes"),
        ({"kind": "person"}, "kind"),
        ({"expires_at": 1}, "expires"),
        ({"expires_at": NEVER}, "expires"),
    ],
)
def test_bad_fields_are_refused_by_name(
    portal: PortalFixture, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        portal.act_as(BO, actions.create_key, replace(fields_of(portal), **change))
    assert [*refusal.value.fields] == [field]


def test_without_the_permission_it_does_not_matter_what_was_typed(portal: PortalFixture) -> None:
    for kind in ("organization", "guild", "desk", "bot"):
        with pytest.raises(Forbidden):
            portal.act_as(ADA, actions.create_key, fields_of(portal, kind, name="", scopes=()))


def test_a_desk_key_is_never_a_super_admin(portal: PortalFixture) -> None:
    with pytest.raises(Invalid):
        portal.act_as(MO, actions.create_key, fields_of(portal, "desk", role="super_admin"))


def test_an_organization_has_fifty_keys_at_most(
    portal: PortalFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "MAX_LIVE_KEYS", 1)
    create(portal)
    with pytest.raises(Conflict):
        create(portal)
    create(portal, "desk")  # counted on its own


def test_each_kind_of_key_is_granted_the_channels_of_its_role(portal: PortalFixture) -> None:
    quay = f"org:{portal.organization_ids['quay']}"
    portal.desk.join_guild(HARBOUR_GUILD, "The Harbour", MO)
    harbour = f"guild:{HARBOUR_GUILD}"
    view_all = int(DiscordPermission.TICKET_VIEW_ALL)
    expected = {
        create(portal): {quay, f"{quay}:1"},
        create(portal, "guild", permissions=view_all): {harbour, f"tickets:{harbour}"},
        create(portal, "guild", permissions=int(DiscordPermission.TAG_USE)): {harbour},
        create(portal, "desk"): {"staff"},
        create(portal, "desk", role="operations_manager"): {"staff", "people"},
        create(portal, "bot"): {harbour, f"tickets:{harbour}"},
    }
    for key, channels in expected.items():
        held = {each for each in read_viewer(portal, key).channels if "00000002" not in each}
        assert held == channels | {key.subject}


def test_a_bot_key_is_told_of_a_new_guild(portal: PortalFixture) -> None:
    key = create(portal, "bot")

    portal.desk.join_guild(UNKNOWN_GUILD, "The Shed", CY)

    told = [event for event in read_events(portal.desk.db) if event[0] == "key.changed"]
    assert [touches for *_, touches in told][-1:] == [[key.subject]]
    assert f"tickets:guild:{UNKNOWN_GUILD}" in read_viewer(portal, key).channels


def test_a_revoked_key_has_no_grants_and_no_expiry(portal: PortalFixture) -> None:
    key, db = create(portal), portal.desk.db
    assert db.read_sync(read_credential_expiries, [key.subject]) == {key.subject: NEVER}

    portal.act_as(BO, actions.revoke_key, key.id)

    assert read_viewer(portal, key).grants == ()
    assert db.read_sync(read_credential_expiries, [key.subject]) == {}
    assert read_events(db)[-1][0] == "key.revoked"
    with pytest.raises(NotFound):
        portal.act_as(BO, actions.revoke_key, key.id)


def test_another_organization_cannot_revoke_a_key(portal: PortalFixture) -> None:
    refusals = set()
    for key_id in (create(portal).id, create(portal, "desk").id, new_id()):
        for persona in (CY, UNA, ADA):
            with pytest.raises(NotFound) as refusal:
                portal.act_as(persona, actions.revoke_key, key_id)
            refusals.add(str(refusal.value))
    assert len(refusals) == 1


def test_deleting_an_organization_revokes_its_keys(portal: PortalFixture) -> None:
    key, other = create(portal), create(portal, "desk")

    portal.act_as(BO, offboarding.delete_organization, portal.organization_ids["quay"], "The Quay")

    assert read_viewer(portal, key).grants == ()
    assert read_viewer(portal, other).grants != ()


@pytest.mark.parametrize(
    ("statement", "type_"),
    [
        ("UPDATE api_keys SET revoked_at = 1 WHERE id = :key", "key.revoked"),
        ("DELETE FROM api_keys WHERE id = :key", "key.revoked"),
        ("UPDATE api_keys SET role = 'admin' WHERE id = :key", "key.changed"),
        ("UPDATE organizations SET deleted_at = 1 WHERE id = :quay", "key.revoked"),
    ],
)
def test_direct_edits_act_at_once(portal: PortalFixture, statement: str, type_: str) -> None:
    key, db = create(portal), portal.desk.db
    values = {"key": key.id, "quay": portal.organization_ids["quay"]}

    db.write_sync(lambda tx: tx.execute(text(statement), values))
    while db.write_sync(record_edits):
        pass

    events = [event for event in read_events(db) if event[0].startswith("key.")]
    assert (events[-1][0], events[-1][3]) == (type_, [key.subject])
    assert (read_viewer(portal, key).grants == ()) == (type_ == "key.revoked")


async def test_a_bot_key_opens_no_stream_for_a_discord_user(portal: PortalFixture) -> None:
    db, fields = portal.desk.db, fields_of(portal, "bot")
    new = db.write_sync(actions.create_key_from_shell, fields, "shell", portal.desk.now)
    keys = KeyAuthentication(db, lambda: portal.desk.now)
    sent = [(b"authorization", f"Bearer {new.token}".encode())]

    def open_stream(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
        fields = {"path": "/api/events", "query_string": b"", "headers": [*sent, *headers]}
        return {"type": "http", "method": "GET", **fields}

    caller = await keys.identify(open_stream())
    assert caller is not None
    assert caller.subject == new.key.subject
    with pytest.raises(Invalid, match="On-Behalf-Of"):
        await keys.identify(open_stream((b"on-behalf-of", b"discord:900000000000000002")))


def test_a_key_expires_for_its_streams(portal: PortalFixture) -> None:
    at = portal.desk.now
    key = create(portal, expires_at=at + DAY)
    read = portal.desk.db.read_sync

    assert read(read_credential_expiries, [key.subject], at) == {key.subject: at + DAY}
    assert read(read_credential_expiries, [key.subject], at + DAY) == {}


def test_a_discord_user_without_an_account_is_granted_by_their_id(portal: PortalFixture) -> None:
    desk = portal.desk
    desk.join_guild(HARBOUR_GUILD, "The Harbour", MO)
    desk.open_ticket(1, "The mast is dark", BO)

    viewer = desk.db.read_sync(ACCESS.read_principal_viewer, f"discord:{BO.discord_id}")
    stranger = desk.db.read_sync(ACCESS.read_principal_viewer, "discord:900000000000000099")

    assert viewer.subject == f"discord:{BO.discord_id}"
    assert [grant.reason for grant in viewer.grants] == ["opener"]
    assert stranger.grants == ()
    desk.db.write_sync(
        lambda tx: tx.execute(
            text("UPDATE people SET deactivated_at = 1, revision = revision + 1 WHERE id = :id"),
            {"id": desk.person_id(BO)},
        )
    )
    again = desk.db.read_sync(ACCESS.read_principal_viewer, f"discord:{BO.discord_id}")
    assert again.grants == ()
