"""Test that an address that refuses mail for good gets no more, and that people are told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from deskwire.accounts.people import Person
from deskwire.cli.doctor import _check_addresses
from deskwire.direct_edits.processor import record_edits
from deskwire.dispatches.dispatcher import Dispatcher
from deskwire.dispatches.mail import MailContent, queue_mail, read_newest
from deskwire.dispatches.smtp import SmtpTarget, build_message
from deskwire.kit.clock import now
from deskwire.kit.errors import Conflict
from deskwire.kit.smtp_url import SmtpServer
from deskwire.server.admin_commands import execute_command
from deskwire.tickets.actions import offboarding
from deskwire.web.mail_templates import MAIL_TEMPLATE_DIRECTORY
from deskwire.workspaces.organizations import staff
from deskwire.workspaces.organizations.invitations import STRANGER_MEMORY, find_refusal
from deskwire.workspaces.organizations.mail_recipients import MailRecipients
from tests.fixtures.accounts import read_events
from tests.fixtures.cast import BO, DEE, EVE, MO, UNA, Persona
from tests.fixtures.dispatching import read_dispatches, send_due_dispatches
from tests.fixtures.effect_sinks import RecipientServer, serve_mail
from tests.fixtures.full_site import FullSiteFixture
from tests.fixtures.site import SiteFixture, open_browser
from tests.fixtures.staffed_portal import StaffedPortalFixture, create_staffed_portal, enable_mail

GUEST = "guest@desk.test"
REFUSED = "The email was refused"


class Desk(StaffedPortalFixture):
    """The staffed portal, its site, and a mail server that refuses every address at first."""

    mail_server: RecipientServer
    site: SiteFixture
    port: int

    def send_mail(self, recipient: str, key: str = "about:1") -> None:
        """Queue a mail, and send all that is due."""
        content = MailContent("Hello", "text", "html")
        self.desk.db.write_sync(queue_mail, key, recipient, content, now())
        self.send_queued()

    def send_queued(self) -> None:
        async def send() -> None:
            server = SmtpServer("127.0.0.1", self.port, False, None, "desk@desk.test")
            target = SmtpTarget(server, MailRecipients())
            await send_due_dispatches(Dispatcher(self.desk.db, [target], jitter=lambda: 1.0))

        asyncio.run(send())

    def open_page(self, persona: Persona, path: str) -> str:
        """Return a page as a persona sees it."""
        return open_browser(self.site, persona).get(path).text

    def read_bo(self) -> Person:
        return self.read_person(BO)

    def list_results(self) -> list[str]:
        """Return what became of each mail."""
        rows = read_dispatches(self.desk.db)
        return [row.result or row.last_error or row.state for row in rows if row.target == "mail"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    portal = create_staffed_portal(tmp_path)
    built = Desk(portal.desk, portal.organization_ids)
    built.desk.now = now()
    built.site = enable_mail(SiteFixture(built.desk))
    built.mail_server = RecipientServer("550 5.1.1 no such mailbox")
    with serve_mail(built.mail_server) as built.port:
        yield built
    built.desk.db.close()


def test_a6_an_address_refused_for_good_gets_no_further_mail(desk: Desk) -> None:
    for number in range(11):
        desk.send_mail(BO.email, f"about:{number}")

    assert desk.mail_server.asked == [BO.email]
    first, *others = desk.list_results()
    assert first == "the mail server refused the recipient (550)"
    assert {text[:44] for text in others} == {"not sent: the address has refused mail since"}
    assert {row.state for row in read_dispatches(desk.desk.db)[1:]} == {"done"}
    desk.send_mail(UNA.email)
    assert desk.mail_server.asked == [BO.email, UNA.email], "others still get theirs"


def test_a6_the_person_and_the_operator_are_told(desk: Desk) -> None:
    assert "was refused" not in desk.open_page(BO, "/dashboard")
    desk.send_mail(BO.email)

    for path in ("/settings", "/dashboard", "/requests"):
        assert f"Email to {BO.email} was refused" in desk.open_page(BO, path), path
    assert "was refused" not in desk.open_page(UNA, "/dashboard")
    bo = desk.desk.person_id(BO)
    assert "Email to this address was refused" in desk.open_page(MO, f"/admin/people/{bo}")
    found = re.findall(
        r'class="row-link[^>]*>([^<]+)<', desk.open_page(MO, "/admin/people?group=undeliverable")
    )
    assert found == [BO.name]
    [finding] = desk.desk.db.read_sync(_check_addresses)
    assert (finding.is_ok, finding.sentence[:8]) == (False, "1 people")
    changed = [each for each in read_events(desk.desk.db) if each[0] == "person.changed"]
    assert changed[-1][1]["actor"] == "desk", "open pages of the person are told"


def test_a6_mail_is_sent_again_once_the_person_has_verified_the_address(desk: Desk) -> None:
    desk.send_mail(BO.email)
    assert desk.read_bo().undeliverable_since is not None
    desk.mail_server.answer = "250 OK"

    assert open_browser(desk.site, BO).post("/settings/verification").status_code == 303
    [proof] = desk.desk.db.read_sync(read_newest)
    link = re.search(r"/verify/[\w-]+", proof.content.text)
    assert link is not None
    desk.send_queued()
    assert desk.mail_server.asked == [BO.email, BO.email], "they asked for this one"
    desk.send_mail(BO.email)
    assert len(desk.mail_server.asked) == 2, "it is not verified yet"

    assert open_browser(desk.site, None).post(link[0]).status_code == 303
    assert desk.read_bo().undeliverable_since is None
    assert "was refused" not in desk.open_page(BO, "/settings")
    desk.send_mail(BO.email)
    assert len(desk.mail_server.asked) == 3


def test_a6_a_super_admin_has_the_address_tried_again(desk: Desk) -> None:
    desk.send_mail(BO.email)
    page = f"/admin/people/{desk.desk.person_id(BO)}"
    assert 'value="retry-address"' in desk.open_page(MO, page)
    assert 'value="retry-address"' not in desk.open_page(DEE, page)
    form = {"act": "retry-address"}
    assert open_browser(desk.site, DEE).post(page, data=form).status_code == 403
    assert desk.read_bo().undeliverable_since is not None
    desk.mail_server.answer = "250 OK"

    assert open_browser(desk.site, MO).post(page, data=form).status_code == 303

    assert desk.read_bo().undeliverable_since is None
    desk.send_mail(BO.email)
    assert desk.mail_server.asked == [BO.email, BO.email]
    changed = [each for each in read_events(desk.desk.db) if each[0] == "person.changed"]
    assert changed[-1][1]["actor"] == desk.desk.person_id(MO), "open pages follow, the log says who"
    assert "was refused" not in desk.open_page(BO, "/dashboard")
    again = open_browser(desk.site, MO).post(page, data=form)
    assert (again.status_code, "was not refused" in again.text) == (409, True)


def test_a6_the_shell_has_the_address_tried_again(desk: Desk) -> None:
    desk.send_mail(BO.email)
    retry = partial(execute_command, name="people.retry-address", arguments={"email": BO.email})

    desk.desk.db.write_sync(retry)

    assert desk.read_bo().undeliverable_since is None
    assert read_events(desk.desk.db)[-1][1]["actor"] == "shell"
    with pytest.raises(Conflict, match="was not refused"):
        desk.desk.db.write_sync(retry)


def test_a6_an_address_that_refuses_again_is_marked_again(desk: Desk) -> None:
    desk.send_mail(BO.email)
    desk.act_as(MO, staff.retry_address, desk.desk.person_id(BO))
    desk.send_mail(BO.email, "about:2")

    assert desk.mail_server.asked == [BO.email, BO.email]
    assert desk.read_bo().undeliverable_since is not None


def test_a6_another_address_begins_without_the_mark(desk: Desk) -> None:
    desk.send_mail(BO.email)
    bo, db = desk.desk.person_id(BO), desk.desk.db
    statement = f"UPDATE people SET email = 'bo@other.test' WHERE id = '{bo}'"
    db.write_sync(lambda tx: tx.exec_driver_sql(statement))
    while db.write_sync(record_edits):
        pass

    assert desk.read_bo().undeliverable_since is None
    desk.send_mail("bo@other.test")
    assert desk.mail_server.asked == [BO.email, "bo@other.test"]


@pytest.mark.parametrize(
    ("answer", "is_marked"),
    [
        ("550 no such mailbox", True),
        ("550 5.1.1 no such mailbox", True),
        ("551 5.1.6 it moved", True),
        ("553 5.1.3 not an address", True),
        ("550 5.2.1 mailbox disabled", True),
        ("550 5.7.1 your network is blocked", False),
        ("554 5.7.1 relay access denied", False),
        ("530 5.7.0 log in first", False),
        ("552 5.2.2 mailbox full", False),
        ("503 wrong order", False),
        ("450 4.2.1 try again later", False),
    ],
)
def test_a6_only_an_answer_about_the_address_marks_it(
    desk: Desk, answer: str, is_marked: bool
) -> None:
    desk.mail_server.answer = answer
    desk.send_mail(BO.email)

    assert desk.mail_server.asked == [BO.email]
    assert (desk.read_bo().undeliverable_since is not None) == is_marked
    [row] = read_dispatches(desk.desk.db)
    is_judged = not answer.startswith("530")
    assert row.attempts == is_judged, "a missing login is a problem of ours"


def invite_guest(desk: Desk) -> None:
    form = {"act": "invite", "email": GUEST, "role": "member"}
    assert open_browser(desk.site, BO).post("/orgs/quay/settings", data=form).status_code == 200
    desk.send_queued()


def test_a6_the_inviter_sees_that_the_mail_was_refused(desk: Desk) -> None:
    invite_guest(desk)
    assert REFUSED in desk.open_page(BO, "/orgs/quay/settings")
    assert [each[0] for each in read_events(desk.desk.db)][-1] == "invitation.undeliverable"

    invite_guest(desk)
    assert desk.mail_server.asked == [GUEST], "it is not tried again"
    assert REFUSED in desk.open_page(BO, "/orgs/quay/settings")


def test_a6_an_address_without_an_account_is_tried_again_after_a_while(desk: Desk) -> None:
    invite_guest(desk)
    since = desk.desk.db.read_sync(find_refusal, GUEST, now())

    assert since is not None
    assert desk.desk.db.read_sync(find_refusal, GUEST, since + STRANGER_MEMORY - 1) == since
    assert desk.desk.db.read_sync(find_refusal, GUEST, since + STRANGER_MEMORY) is None
    assert desk.desk.db.read_sync(find_refusal, "other@desk.test", now()) is None


def test_a6_a_deactivated_person_gets_no_mail(desk: Desk) -> None:
    desk.mail_server.answer = "250 OK"
    desk.act_as(MO, offboarding.deactivate_person, desk.desk.person_id(EVE))
    desk.send_mail(EVE.email)
    desk.send_mail(DEE.email)

    assert desk.mail_server.asked == [DEE.email]
    assert desk.list_results() == ["not sent: the account is deactivated", "250"]


def test_a5_no_mail_asks_for_an_automatic_answer(tmp_path: Path) -> None:
    site = FullSiteFixture(tmp_path)
    mails = site.desk.db.read_sync(read_newest)
    templates = list(MAIL_TEMPLATE_DIRECTORY.glob("*.txt"))
    messages = [build_message(each, "desk@desk.test") for each in mails]

    assert len({each["Subject"].partition(" to ")[0] for each in messages}) == len(templates)
    for message in messages:
        assert message["Auto-Submitted"] == "auto-generated", message["Subject"]
        assert message["X-Auto-Response-Suppress"] == "All", message["Subject"]
    site.close()
