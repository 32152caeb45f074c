"""Test the mails about API keys: before they expire, and when who created them leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text, true, update

from deskwire.accounts import people
from deskwire.accounts.api_keys import SCOPES, KeyFields, NewKey, api_keys, find_by_token
from deskwire.direct_edits.processor import record_edits
from deskwire.dispatches import mail
from deskwire.dispatches.mail import Mail
from deskwire.dispatches.timers import has_due_timers, run_due_timers
from deskwire.kit.clock import DAY, MINUTE, Millis
from deskwire.tickets.actions import offboarding
from deskwire.web.mail_templates import MailTemplates
from deskwire.web.rendering.key_mails import build_key_mail_composer
from deskwire.workspaces.key_events import list_live_keys
from deskwire.workspaces.keys import actions, reminders
from deskwire.workspaces.organizations import members, staff
from tests.fixtures.cast import BO, DEE, MO, UNA, Persona
from tests.fixtures.dispatching import read_dispatches
from tests.fixtures.staffed_portal import StaffedPortalFixture, create_staffed_portal

ORIGIN = "http://desk.test"
COMPOSE = build_key_mail_composer(MailTemplates(ORIGIN, "sent"), ORIGIN)
ADMINS = [BO.email, UNA.email]


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[StaffedPortalFixture]:
    """The Quay with two admins, Bo and Una."""
    opened = create_staffed_portal(tmp_path)
    quay, una = opened.organization_ids["quay"], opened.desk.person_id(UNA)
    opened.act_as(BO, members.change_member_role, quay, una, "admin")
    yield opened
    opened.desk.db.close()


def make_key(
    portal: StaffedPortalFixture,
    maker: Persona | None = UNA,
    *,
    name: str = "Lighthouse",
    lifetime: Millis | None = None,
    kind: str = "organization",
) -> NewKey:
    desk, expires_at = portal.desk, None if lifetime is None else portal.desk.now + lifetime
    fields = KeyFields("desk", name, SCOPES, None, "support_analyst", 0, expires_at)
    if kind == "organization":
        workspace = f"org:{portal.organization_ids['quay']}"
        fields = KeyFields("organization", name, SCOPES, workspace, "member", 0, expires_at)
    new = desk.db.write_sync(actions.create_key_from_shell, fields, "shell", desk.now)
    if maker is not None:
        values = {"created_by": desk.person_id(maker), "revision": api_keys.c.revision + 1}
        made = update(api_keys).where(api_keys.c.id == new.key.id).values(values)
        desk.db.write_sync(lambda tx: tx.execute(made))
    return new


def run_timers(
    portal: StaffedPortalFixture, at: Millis, compose: reminders.ComposeKeyMail | None = COMPOSE
) -> list[Mail]:
    """Run what is due; return the new mails, by recipient."""
    db = portal.desk.db
    before = {each.number for each in db.read_sync(mail.read_newest)}
    while db.read_sync(has_due_timers, at):
        db.write_sync(run_due_timers, reminders.build_timer_actions(compose), at)
    found = [each for each in db.read_sync(mail.read_newest) if each.number not in before]
    return sorted(found, key=lambda each: each.recipient)


def remove(portal: StaffedPortalFixture) -> None:
    quay = portal.organization_ids["quay"]
    portal.act_as(BO, offboarding.remove_member, quay, portal.desk.person_id(UNA))


def leave(portal: StaffedPortalFixture) -> None:
    quay = portal.organization_ids["quay"]
    portal.act_as(UNA, offboarding.remove_member, quay, portal.desk.person_id(UNA))


def deactivate(portal: StaffedPortalFixture) -> None:
    portal.act_as(MO, offboarding.deactivate_person, portal.desk.person_id(UNA))


def delete_account(portal: StaffedPortalFixture) -> None:
    desk = portal.desk
    desk.db.write_sync(offboarding.delete_account, desk.person_id(UNA), desk.now)


def edit(portal: StaffedPortalFixture, statement: str) -> None:
    values = {"una": portal.desk.person_id(UNA), "at": portal.desk.now}

    def run(tx: Connection) -> None:
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        tx.execute(text(statement), used)
        tx.execute(text("UPDATE outside_changes SET at = :at"), {"at": values["at"]})
        record_edits(tx)

    portal.desk.db.write_sync(run)


def remove_directly(portal: StaffedPortalFixture) -> None:
    edit(portal, "DELETE FROM organization_members WHERE person = :una")


def deactivate_directly(portal: StaffedPortalFixture) -> None:
    edit(portal, "UPDATE people SET deactivated_at = :at WHERE id = :una")


WAYS = [remove, leave, deactivate, delete_account, remove_directly, deactivate_directly]


@pytest.mark.parametrize("end", WAYS, ids=lambda way: way.__name__)
def test_d1_when_the_maker_of_a_key_leaves_the_other_admins_are_told_once(
    portal: StaffedPortalFixture, end: Callable[[StaffedPortalFixture], None]
) -> None:
    keys = [make_key(portal, name="Lighthouse"), make_key(portal, name="Foghorn")]
    make_key(portal, BO, name="Windlass")
    db, at = portal.desk.db, portal.desk.now

    end(portal)
    mails = run_timers(portal, at + DAY)

    assert [each.recipient for each in mails] == [BO.email]
    content = mails[0].content
    assert content.subject == "Replace API keys of The Quay"
    for body in (content.text, content.html):
        assert "- Lighthouse" in body
        assert "- Foghorn" in body
        assert "Windlass" not in body
        assert f"{ORIGIN}/orgs/quay/settings#api-keys" in body
        name = "A former member" if end is delete_account else UNA.name
        assert f"{name} has left The Quay." in body
    for new in keys:
        assert db.read_sync(find_by_token, new.token, at).id == new.key.id
    assert run_timers(portal, at + 40 * DAY) == []


def test_d1_someone_who_was_deactivated_before_is_not_reported_again_when_they_leave(
    portal: StaffedPortalFixture,
) -> None:
    make_key(portal)
    deactivate(portal)
    assert len(run_timers(portal, portal.desk.now + DAY)) == 1

    remove(portal)

    assert run_timers(portal, portal.desk.now + DAY) == []


@pytest.mark.parametrize("end", [deactivate, delete_account], ids=lambda way: way.__name__)
def test_d1_someone_who_was_removed_is_not_reported_again_when_their_account_ends(
    portal: StaffedPortalFixture, end: Callable[[StaffedPortalFixture], None]
) -> None:
    make_key(portal)
    remove(portal)
    assert len(run_timers(portal, portal.desk.now + DAY)) == 1

    end(portal)

    assert run_timers(portal, portal.desk.now + DAY) == []


@pytest.mark.parametrize("end", WAYS, ids=lambda way: way.__name__)
def test_d1_without_live_keys_no_one_is_told(
    portal: StaffedPortalFixture, end: Callable[[StaffedPortalFixture], None]
) -> None:
    make_key(portal, BO)
    revoked, at = make_key(portal).key, portal.desk.now
    portal.desk.db.write_sync(actions.revoke_key_from_shell, revoked.id, "shell", at)
    make_key(portal, lifetime=MINUTE)
    portal.desk.now += 2 * MINUTE
    end(portal)
    assert run_timers(portal, portal.desk.now + DAY) == []


def test_d1_someone_who_is_back_before_the_mail_is_written_is_not_reported(
    portal: StaffedPortalFixture,
) -> None:
    make_key(portal)
    deactivate(portal)
    portal.act_as(MO, staff.reactivate, portal.desk.person_id(UNA))
    assert run_timers(portal, portal.desk.now + DAY) == []


def test_d1_the_keys_of_others_are_no_reason_for_a_mail(
    portal: StaffedPortalFixture,
) -> None:
    make_key(portal, BO)
    deactivate(portal)
    assert run_timers(portal, portal.desk.now + DAY) == []


def test_d1_super_admins_are_told_when_a_maker_of_the_desks_keys_leaves_the_team(
    portal: StaffedPortalFixture,
) -> None:
    make_key(portal, DEE, kind="desk")

    portal.act_as(MO, offboarding.remove_staff, portal.desk.person_id(DEE))

    [sent] = run_timers(portal, portal.desk.now + DAY)
    assert sent.recipient == MO.email
    assert f"{ORIGIN}/admin/keys" in sent.content.text
    assert "Dee Rosenthal has left the desk." in sent.content.text


def test_d5_admins_are_told_14_days_and_1_day_before_a_key_expires(
    portal: StaffedPortalFixture,
) -> None:
    key, at = make_key(portal, lifetime=30 * DAY).key, portal.desk.now
    rename = update(api_keys).values(name="Foghorn", revision=api_keys.c.revision + 1)

    assert run_timers(portal, at + 16 * DAY - 1) == []
    portal.desk.db.write_sync(lambda tx: tx.execute(rename))  # the mail says what is true then
    first = run_timers(portal, at + 16 * DAY)
    assert run_timers(portal, at + 29 * DAY - 1) == []
    second = run_timers(portal, at + 29 * DAY)

    assert [each.recipient for each in first] == ADMINS
    assert [each.recipient for each in second] == ADMINS
    for sent in first + second:
        assert sent.content.subject == "The API key “Foghorn” expires soon"
        assert "22 Dec 2026, 12:01 UTC" in sent.content.text.replace("\n", " ")
        assert f"{ORIGIN}/orgs/quay/settings#api-keys" in sent.content.html
    assert key.expires_at is not None
    assert run_timers(portal, key.expires_at + 30 * DAY) == []


def test_d5_super_admins_are_told_about_keys_of_the_desk(portal: StaffedPortalFixture) -> None:
    make_key(portal, lifetime=2 * DAY, kind="desk")
    [sent] = run_timers(portal, portal.desk.now + DAY)
    assert sent.recipient == MO.email
    assert f"{ORIGIN}/admin/keys" in sent.content.text


def test_d5_after_a_standstill_only_the_later_mail_is_sent(portal: StaffedPortalFixture) -> None:
    make_key(portal, lifetime=30 * DAY)
    assert len(run_timers(portal, portal.desk.now + 29 * DAY)) == len(ADMINS)


def test_d5_a_short_lived_key_has_no_mail_at_its_creation(portal: StaffedPortalFixture) -> None:
    make_key(portal, lifetime=DAY)
    assert read_dispatches(portal.desk.db) == []


def test_d5_revoking_a_key_cancels_its_mails(portal: StaffedPortalFixture) -> None:
    key, db = make_key(portal, lifetime=30 * DAY).key, portal.desk.db
    assert len(read_dispatches(db)) == 2
    db.write_sync(actions.revoke_key_from_shell, key.id, "shell", portal.desk.now)
    assert read_dispatches(db) == []


def test_d5_a_key_prolonged_directly_is_announced_at_its_new_time(
    portal: StaffedPortalFixture,
) -> None:
    make_key(portal, lifetime=30 * DAY)
    at, later = portal.desk.now, portal.desk.now + 60 * DAY

    edit(portal, f"UPDATE api_keys SET expires_at = {later}")

    assert run_timers(portal, at + 46 * DAY - 1) == []
    assert len(run_timers(portal, at + 46 * DAY)) == len(ADMINS)
    edit(portal, "DELETE FROM api_keys")
    assert run_timers(portal, later) == []


def test_an_admin_who_cannot_be_mailed_gets_none(portal: StaffedPortalFixture) -> None:
    make_key(portal, lifetime=2 * DAY)
    una = people.people.c.id == portal.desk.person_id(UNA)
    unverified = update(people.people).where(una).values(email_verified_at=None)
    portal.desk.db.write_sync(lambda tx: tx.execute(unverified))
    assert [each.recipient for each in run_timers(portal, portal.desk.now + DAY)] == [BO.email]


def test_a_desk_without_mail_queues_none(portal: StaffedPortalFixture) -> None:
    make_key(portal, lifetime=2 * DAY)
    remove(portal)
    assert run_timers(portal, portal.desk.now + DAY, compose=None) == []
    assert len(portal.desk.db.read_sync(list_live_keys, true())) == 1
