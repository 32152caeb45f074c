"""Test the pages of API keys: who may open and use them, and that a token is shown once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import true, update

from deskwire.accounts.api_keys import SCOPES, ApiKey, KeyFields, api_keys, find_by_token
from deskwire.kit.clock import DAY, HOUR, MINUTE, now
from deskwire.kit.ids import is_id, new_id
from deskwire.tickets.actions import offboarding
from deskwire.workspaces.guilds.permissions import DiscordPermission
from deskwire.workspaces.key_events import list_live_keys
from deskwire.workspaces.keys.actions import create_key_from_shell
from tests.fixtures.cast import ADA, BO, CY, DEE, EVE, HARBOUR_GUILD, MO, UNA, Persona
from tests.fixtures.site import SiteFixture, open_browser
from tests.fixtures.staffed_portal import StaffedPortalFixture, create_staffed_portal

pytestmark = pytest.mark.database("sqlite")  # the actions have tests on both

SETTINGS, ADMIN = "/orgs/quay/settings", "/admin/keys"
KEY_ID = re.compile(r'name="id" value="([^"]+)"')
TOKEN = re.compile(r'id="new-token"[^>]*>(dw_[^<]+)<')
FORM = {"act": "create-key", "name": "Lighthouse", "role": "member", "scope": ["read", "write"]}


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[StaffedPortalFixture]:
    opened = create_staffed_portal(tmp_path)
    yield opened
    opened.desk.db.close()


def browse(portal: StaffedPortalFixture, persona: Persona | None) -> Any:
    return open_browser(SiteFixture(portal.desk), persona)


def list_keys(portal: StaffedPortalFixture) -> list[ApiKey]:
    return portal.desk.db.read_sync(list_live_keys, true())


def make_key(portal: StaffedPortalFixture, maker: Persona | None = None, **more: Any) -> ApiKey:
    """Create a key of the Quay that looks as if `maker` had created it."""
    fields = KeyFields(
        more.pop("kind", "organization"),
        "Lighthouse",
        SCOPES,
        more.pop("workspace", f"org:{portal.organization_ids['quay']}"),
        more.pop("role", "member"),
    )
    db = portal.desk.db
    key = db.write_sync(create_key_from_shell, fields, "shell", portal.desk.now).key
    if maker is not None:
        more["created_by"] = portal.desk.person_id(maker)
    if more:
        values = {**more, "revision": api_keys.c.revision + 1}
        changed = update(api_keys).where(api_keys.c.id == key.id).values(values)
        db.write_sync(lambda tx: tx.execute(changed))
    return key


def test_an_admin_creates_a_key_and_sees_its_token_once(portal: StaffedPortalFixture) -> None:
    bo = browse(portal, BO)

    created = bo.post(SETTINGS, data={**FORM, "expires": "2027-03-01"})

    assert created.status_code == 200
    assert created.headers["cache-control"] == "no-store"
    [token] = TOKEN.findall(created.text)
    assert created.text.count(token) == 1
    key = portal.desk.db.read_sync(find_by_token, token, now())
    assert (key.name, key.role, " ".join(sorted(key.scopes))) == (
        "Lighthouse",
        "member",
        "read write",
    )
    assert key.created_by == portal.desk.person_id(BO)
    assert key.expires_at == 1_803_945_599_999  # 2027-03-01T23:59:59.999Z
    again = bo.get(SETTINGS).text
    assert "Lighthouse" in again
    assert "expires after 1 Mar 2027" in again
    assert token.rpartition("_")[2] not in again


@pytest.mark.parametrize(
    ("wrong", "field", "sentence"),
    [
        ({"name": " "}, "name", "Enter a name of 1 to 80 characters."),
        ({"name": "x" * 81}, "name", "Enter a name of 1 to 80 characters."),
        ({"role": "captain"}, "role", "Choose one of: admin, manager, member"),
        ({"scope": []}, "scopes", "Choose what the key may be used for."),
        ({"scope": ["read", "sail"]}, "scopes", "Choose what the key may be used for."),
        ({"expires": "soon"}, "expires", "Enter a day, such as 2027-03-01"),
        ({"expires": "9999-12-31"}, "expires", "Enter a day, such as 2027-03-01"),
        ({"expires": "2020-01-01"}, "expires", "Choose a day in the future"),
        ({"expires": "2300-01-01"}, "expires", "Choose a day in the future"),
    ],
)
def test_a_refused_form_names_the_field_and_keeps_what_was_typed(
    portal: StaffedPortalFixture, wrong: dict[str, Any], field: str, sentence: str
) -> None:
    typed = {**FORM, "name": "Harbor pilot", "role": "manager", "scope": ["stream"], **wrong}

    refused = browse(portal, BO).post(SETTINGS, data=typed)

    assert refused.status_code == 422
    assert re.search(rf'id="key-{field}-error">{sentence}', refused.text)
    assert f'aria-describedby="key-{field}-error"' in refused.text
    if field != "name":
        assert 'value="Harbor pilot"' in refused.text
    if field != "role":
        assert '<option value="manager" selected>' in refused.text
    if field == "expires":
        assert f'value="{wrong["expires"]}"' in refused.text
    if field != "scopes":
        assert 'value="stream" checked' in refused.text
        assert 'value="read" checked' not in refused.text
    assert list_keys(portal) == []


def test_a_refused_form_names_every_field_that_is_wrong(portal: StaffedPortalFixture) -> None:
    typed = {**FORM, "name": "", "scope": [], "expires": "soon"}
    page = browse(portal, BO).post(SETTINGS, data=typed).text
    assert re.findall(r'id="key-(\w+)-error"', page) == ["name", "expires", "scopes"]


def test_a_key_is_revoked(portal: StaffedPortalFixture) -> None:
    key, bo = make_key(portal), browse(portal, BO)

    revoked = bo.post(SETTINGS, data={"act": "revoke-key", "key": key.id})

    assert (revoked.status_code, revoked.headers["location"]) == (303, SETTINGS)
    assert list_keys(portal) == []
    assert bo.post(SETTINGS, data={"act": "revoke-key", "key": key.id}).status_code == 404


@pytest.mark.parametrize(
    ("persona", "page", "posts"),
    [
        (BO, "keys", 303),  # admin
        (MO, "keys", 303),  # super admin
        (DEE, "no keys", 403),  # operations manager
        (ADA, "no keys", 403),  # support analyst
        (UNA, "no keys", 403),  # member
        (CY, "hidden", 404),
        (EVE, "hidden", 404),
    ],
    ids=lambda value: value.name if isinstance(value, Persona) else str(value),
)
def test_only_admins_and_super_admins_manage_the_keys_of_an_organization(
    portal: StaffedPortalFixture, persona: Persona, page: str, posts: int
) -> None:
    key, browser = make_key(portal), browse(portal, persona)

    shown = browser.get(SETTINGS)
    assert shown.status_code == (404 if page == "hidden" else 200)
    assert ("Lighthouse" in shown.text) == (page == "keys")
    assert ('value="create-key"' in shown.text) == (page == "keys")
    created = browser.post(SETTINGS, data=FORM)
    assert created.status_code == (200 if posts == 303 else posts)
    assert browser.post(SETTINGS, data={**FORM, "name": ""}).status_code == (
        422 if posts == 303 else posts
    )
    revoked = browser.post(SETTINGS, data={"act": "revoke-key", "key": key.id})
    assert revoked.status_code == posts
    assert len(list_keys(portal)) == 1  # either both worked, or neither


def test_a_manager_sees_no_keys(portal: StaffedPortalFixture) -> None:
    make_key(portal)
    from_bo = {"act": "role", "person": portal.desk.person_id(UNA), "role": "manager"}
    assert browse(portal, BO).post(SETTINGS, data=from_bo).status_code == 303
    una = browse(portal, UNA)
    assert "Lighthouse" not in una.get(SETTINGS).text
    assert una.post(SETTINGS, data=FORM).status_code == 403


def test_a_key_of_elsewhere_is_not_revoked_on_an_organizations_page(
    portal: StaffedPortalFixture,
) -> None:
    desk_key = make_key(portal, kind="desk", role="support_analyst")
    form = {"act": "revoke-key", "key": desk_key.id}
    assert browse(portal, BO).post(SETTINGS, data=form).status_code == 404
    assert browse(portal, MO).post(SETTINGS, data=form).status_code == 404
    own = make_key(portal)
    assert browse(portal, MO).post(ADMIN, data={**form, "key": own.id}).status_code == 404
    assert len(list_keys(portal)) == 2


def test_a_list_says_who_created_a_key_and_whether_they_left(
    portal: StaffedPortalFixture,
) -> None:
    make_key(portal, UNA)
    assert "Created by Una Fairweather, " in browse(portal, BO).get(SETTINGS).text

    remove = offboarding.remove_member
    portal.act_as(BO, remove, portal.organization_ids["quay"], portal.desk.person_id(UNA))

    assert "Created by Una Fairweather (left), " in browse(portal, BO).get(SETTINGS).text


def test_a_maker_who_was_deactivated_or_deleted_has_left(portal: StaffedPortalFixture) -> None:
    make_key(portal, UNA)
    portal.act_as(MO, offboarding.deactivate_person, portal.desk.person_id(UNA))
    assert "Created by Una Fairweather (left), " in browse(portal, BO).get(SETTINGS).text

    portal.desk.db.write_sync(offboarding.delete_account, portal.desk.person_id(UNA), now())

    page = browse(portal, BO).get(SETTINGS).text
    assert "Created by a former member (left), " in page
    assert "Una" not in page


def test_a_super_admin_who_created_a_key_has_not_left(portal: StaffedPortalFixture) -> None:
    make_key(portal, MO)
    assert "Created by Mo Harper, " in browse(portal, BO).get(SETTINGS).text


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        ({}, ["Created on the command line", "never used"]),
        ({"used_at": -5 * MINUTE}, ["last used"]),
        ({"created_at": -90 * DAY}, ["Unused for 90 days"]),
        ({"created_at": -200 * DAY, "used_at": -91 * DAY}, ["Unused for 90 days", "last used"]),
        ({"expires_at": 3 * DAY + HOUR}, ["Expires in 3 days"]),
        ({"expires_at": HOUR}, ["Expires in 1 day<"]),
        ({"expires_at": -HOUR}, [">Expired<"]),
        ({"expires_at": 15 * DAY}, ["expires after "]),
    ],
)
def test_a_list_marks_keys_that_need_attention(
    portal: StaffedPortalFixture, times: dict[str, int], shown: list[str]
) -> None:
    at = now()
    columns: dict[str, Any] = {name: at + by for name, by in times.items()}
    make_key(portal, **{"created_at": at, **columns})
    page = browse(portal, BO).get(SETTINGS).text
    marks = {"Unused for 90 days", "Expires in", ">Expired<", "last used", "never used"}
    for text in shown:
        assert text in page
    for text in marks - {mark for mark in marks for each in shown if each.startswith(mark)}:
        if text not in ("last used", "never used"):
            assert text not in page


@pytest.mark.parametrize("persona", [ADA, DEE, BO, EVE], ids=lambda persona: persona.name)
def test_only_super_admins_open_the_keys_of_the_desk(
    portal: StaffedPortalFixture, persona: Persona
) -> None:
    key = make_key(portal, kind="desk", role="support_analyst")
    browser = browse(portal, persona)
    assert browser.get(ADMIN).status_code == 403
    assert browser.post(ADMIN, data={**FORM, "kind": "bot"}).status_code == 403
    assert browser.post(ADMIN, data={"act": "revoke-key", "key": key.id}).status_code == 403
    assert browser.post(ADMIN, data={"act": "revoke-key", "key": "none"}).status_code == 403
    assert [each.id for each in list_keys(portal)] == [key.id]
    assert ADMIN not in browser.get("/admin").text


@pytest.mark.parametrize(
    ("more", "workspace", "role", "permissions"),
    [
        ({"kind": "desk", "role": "operations_manager"}, None, "operations_manager", 0),
        ({"kind": "bot", "role": "support_analyst"}, None, None, 0),
        (
            {"kind": "guild", "guild": HARBOUR_GUILD, "permission": ["TICKET_CLAIM", "TAG_USE"]},
            f"guild:{HARBOUR_GUILD}",
            None,
            int(DiscordPermission.TICKET_CLAIM | DiscordPermission.TAG_USE),
        ),
    ],
)
def test_a_super_admin_creates_and_revokes_keys_of_the_desk(
    portal: StaffedPortalFixture,
    more: dict[str, Any],
    workspace: str | None,
    role: str | None,
    permissions: int,
) -> None:
    mo = browse(portal, MO)

    created = mo.post(ADMIN, data={**FORM, **more})

    assert (created.status_code, created.headers["cache-control"]) == (200, "no-store")
    [token] = TOKEN.findall(created.text)
    key = portal.desk.db.read_sync(find_by_token, token, now())
    assert (key.kind, key.workspace, key.role) == (more["kind"], workspace, role)
    assert key.permissions == permissions
    page = mo.get(ADMIN).text
    assert token not in page
    assert "Lighthouse" in page
    if workspace:
        assert "Server The Harbour" in page
        assert "TICKET_CLAIM, TAG_USE" in page
    assert mo.post(ADMIN, data={"act": "revoke-key", "key": key.id}).status_code == 303
    assert "Lighthouse" not in mo.get(ADMIN).text


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "organization"}, "kind"),
        ({"kind": "desk", "role": "super_admin"}, "role"),
        ({"kind": "guild", "guild": "1"}, "guild"),
        ({"kind": "guild", "guild": HARBOUR_GUILD, "name": ""}, "name"),
    ],
)
def test_a_refused_form_of_the_desk_names_the_field(
    portal: StaffedPortalFixture, wrong: dict[str, str], field: str
) -> None:
    typed = {**FORM, "permission": ["TAG_USE"], **wrong}

    refused = browse(portal, MO).post(ADMIN, data=typed)

    assert refused.status_code == 422
    assert f'id="key-{field}-error"' in refused.text
    assert 'value="TAG_USE" checked' in refused.text
    assert 'value="TICKET_VIEW_ALL" checked' not in refused.text
    if wrong["kind"] in ("desk", "guild"):
        assert f'value="{wrong["kind"]}" checked' in refused.text
    assert list_keys(portal) == []


def test_an_unknown_act_changes_nothing(portal: StaffedPortalFixture) -> None:
    assert browse(portal, MO).post(ADMIN, data={"act": "sing"}).status_code == 422


@pytest.mark.parametrize(
    ("persona", "path", "more"),
    [(BO, SETTINGS, {}), (MO, ADMIN, {"kind": "bot"})],
    ids=["organization", "desk"],
)
def test_a_form_that_is_sent_twice_creates_one_key_and_shows_its_token_once(
    portal: StaffedPortalFixture, persona: Persona, path: str, more: dict[str, str]
) -> None:
    browser = browse(portal, persona)
    [id_] = KEY_ID.findall(browser.get(path).text)
    form = {**FORM, **more, "id": id_}

    first, again = (browser.post(path, data=form) for _ in range(2))

    [token] = TOKEN.findall(first.text)
    assert (first.status_code, again.status_code) == (200, 409)
    assert "was created already" in again.text
    assert TOKEN.findall(again.text) == []
    assert token.rpartition("_")[2] not in again.text
    assert [key.id for key in list_keys(portal)] == [id_]
    assert portal.desk.db.read_sync(find_by_token, token, now()).id == id_
    next_ids = KEY_ID.findall(first.text) + KEY_ID.findall(again.text)
    assert len({id_, *next_ids}) == 3  # both pages offer a form for another key


def test_a_form_whose_key_was_revoked_does_not_create_it_again(
    portal: StaffedPortalFixture,
) -> None:
    bo, id_ = browse(portal, BO), new_id()
    bo.post(SETTINGS, data={**FORM, "id": id_})
    bo.post(SETTINGS, data={"act": "revoke-key", "key": id_})

    assert bo.post(SETTINGS, data={**FORM, "id": id_}).status_code == 409
    assert list_keys(portal) == []


def test_a_refused_form_keeps_its_id_and_a_bad_one_is_replaced(
    portal: StaffedPortalFixture,
) -> None:
    bo, id_ = browse(portal, BO), new_id()

    corrected = [
        KEY_ID.findall(bo.post(SETTINGS, data={**FORM, "name": "", "id": sent}).text)
        for sent in (id_, "../admin")
    ]

    assert corrected[0] == [id_]
    assert is_id(corrected[1][0])
