"""Test that pages of the portal that are open during events equal what their URLs return."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial

from sqlalchemy import Connection, select, update

from deskwire.accounts import people
from deskwire.dispatches.store import dispatches
from deskwire.events.log import log, read_head
from deskwire.events.types.registry import EVENT_CLASS_BY_TYPE
from deskwire.kit.clock import now
from deskwire.kit.db import Database
from deskwire.kit.ids import new_id
from deskwire.server.services import run_admin_command
from deskwire.workspaces.organizations.invitations import invitations
from tests.browser.conftest import OpenVisitor
from tests.fixtures.cast import Persona
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.live_pages import LivePages
from tests.fixtures.server import Server
from tests.fixtures.stream_server import wait_until

Step = Callable[[], object]
TIMER_PATIENCE = 60.0  # s; a timer is looked for each second, on a busy machine less often

# The bot's events, and direct edits, are walked in test_live_equals_reload.py, and a refused mail
# in test_refused_mail.py, because this server sends none.
WALKED = {
    type_
    for type_ in EVENT_CLASS_BY_TYPE
    if type_.startswith(("organization.", "invitation.", "session.", "person."))
    or type_.startswith("ticket.")
    or type_ in ("member.joined", "member.role_changed", "member.removed")
    or type_ in ("key.created", "key.revoked")
} - {"invitation.undeliverable"}


def test_portal_pages_equal_their_reload_after_every_action(
    server: Server, open_visitor: OpenVisitor
) -> None:
    company = HttpCompany(server)
    walk = PortalWalk(server, company)
    open_pages = [
        LivePages(open_visitor(cookie), paths) for cookie, paths in walk.pages_by_cookie.items()
    ]

    stale: list[str] = []
    for what, take in walk.steps():
        take()
        only = walk.listeners.get(what)
        may_be_gone = what in walk.deletions
        for pages in open_pages:
            stale += pages.find_stale(what, only, may_be_gone=may_be_gone)

    assert not stale, "\n".join(stale)
    assert walk.read_types() >= WALKED, f"no step causes {sorted(WALKED - walk.read_types())}"


class PortalWalk:
    """The pages to keep open, and one step after another that changes them."""

    def __init__(self, server: Server, company: HttpCompany) -> None:
        self.server, self.company = server, company
        self.request = company.create_request(company.clara, "The crane")
        company.create_request(company.carl, "The mast")
        boss = Persona(f"Boss {company.slug}", "")
        self.boss = server.create_account(boss, linked=False)
        employed = {"email": boss.email, "role": "super_admin"}
        assert run_admin_command(server.database_url, "people.employ", employed)
        with server.open_database() as db:
            self.start = db.read_sync(read_head)
            self.clara_id, self.carl_id, self.tess_id, self.boss_id = (
                find_person_id(db, each) for each in (*company.people, boss)
            )
        self.file_id = self.other_session = ""
        person = f"/admin/people/{self.carl_id}"
        # Other pages do not hear of these, and show a new name when they are next loaded.
        self.listeners = {
            "another sign-in": {"/settings"},
            "its end": {"/settings"},
            "another name of a person": {"/admin/people?q=Vance", person},
        }
        self.deletions = {"a deleted request", "a deleted organization"}
        one, org = f"/requests/{self.request}", f"/orgs/{company.slug}"
        detail = (one, f"{one}?view=files", f"{one}?view=history")
        self.pages_by_cookie = {
            company.clara: (
                *detail, "/dashboard", "/requests", "/requests?status=new", "/requests?q=crane",
                org, f"{org}/settings", "/organizations", "/settings",
            ),
            company.tess: (
                *detail, "/dashboard", f"/admin?company={company.slug}",
                f"/admin?company={company.slug}&assignee=nobody", org, "/organizations",
                f"/admin/organizations?q={company.slug}",
            ),
            self.boss: ("/admin/people?q=Vance", person, "/admin/keys", f"{org}/settings"),
        }  # fmt: skip

    def steps(self) -> Iterator[tuple[str, Step]]:
        """Yield each step with its name, in an order in which each is possible."""
        yield from self._conversation_steps()
        yield from self._field_steps()
        yield from self._organization_steps()
        yield from self._ending_steps()
        yield from self._person_steps()

    def _conversation_steps(self) -> Iterator[tuple[str, Step]]:
        company, one = self.company, f"/requests/{self.request}"
        clara, carl, tess = company.clara, company.carl, company.tess
        message, note = new_id(), new_id()
        mine = f"{one}/messages/{message}"
        yield "a request", partial(company.create_request, carl, "The crane again")
        yield "a reply", self._form(f"{one}/messages", carl, id=message, text="Mine too")
        yield "a reply of the team", partial(company.post_message, tess, self.request, "We look")
        note_form = {"id": note, "text": "Old crane", "kind": "note"}
        yield "a note", self._form(f"{one}/messages", tess, **note_form)
        yield "an edited reply", self._form(mine, carl, text="Mine as well")
        yield "an edited note", self._form(f"{one}/messages/{note}", tess, text="Very old")
        yield "a file", partial(self._upload, clara)
        yield "a removed file", lambda: self._post(f"{one}/files/{self.file_id}/delete", clara)
        yield "a deleted reply", self._form(f"{mine}/delete", carl)
        yield "a mark as read", self._form(f"{one}/read", clara)

    def _field_steps(self) -> Iterator[tuple[str, Step]]:
        changes: dict[str, dict[str, str]] = {
            "another subject": {"subject": "The big crane"},
            "a priority": {"priority": "urgent"},
            "a label": {"label": "dock"},
            "another status": {"status": "review"},
            "waiting": {"status": "waiting"},
            "an assignee": {"assignee": self.tess_id},
            "another assignee": {"assignee": self.boss_id},
            "no assignee": {"assignee": ""},
            "a watcher": {"watch": "yes", "person": self.carl_id},
            "no watcher": {"watch": "no", "person": self.carl_id},
            "a claim": {"assignee": self.tess_id, "status": "active"},
            "completion": {"status": "done"},
            "a reopening": {"status": "active"},
        }
        for what, fields in changes.items():
            yield what, self._form(f"/requests/{self.request}", self.company.tess, **fields)

    def _organization_steps(self) -> Iterator[tuple[str, Step]]:
        company, slug = self.company, self.company.slug
        path, clara = f"/orgs/{slug}/settings", company.clara
        profile = {"act": "profile", "slug": slug, "name": f"{company.name} Ltd", "about": ""}
        carl = {"person": self.carl_id}
        guest = f"guest-{slug}@desk.test"
        yield "another name", self._form(path, clara, **profile)
        yield "a description", self._form(path, clara, **profile | {"about": "Cranes."})
        yield "a category", self._form(path, clara, act="add-category", name="Cranes")
        for visibility in ("participants", "members"):
            form = {"act": "visibility", "visibility": visibility}
            yield f"visibility for {visibility}", self._form(path, clara, **form)
        yield "an invitation", partial(company.create_invitation, guest)
        yield "a revoked invitation", self._revoke_invitation
        yield "an invitation that expires", partial(company.create_invitation, guest)
        yield "an expired invitation", partial(self._expire_invitation, guest)
        yield "another invitation", partial(company.create_invitation, guest)
        yield "a new member", partial(self._accept, guest)
        yield from self._key_steps(path)
        yield "another role", self._form(path, clara, act="role", role="admin", **carl)
        for role in ("manager", "admin"):
            form = {"act": "role", "role": role, "person": self.clara_id}
            yield f"one's own role of {role}", self._form(path, self.boss, **form)
        yield "a removed member", self._form(path, clara, act="remove", **carl)

    def _key_steps(self, path: str) -> Iterator[tuple[str, Step]]:
        clara, boss = self.company.clara, self.boss
        yield "an API key", partial(self._create_key, path, clara, role="member")
        yield "a revoked API key", partial(self._revoke_key, path, clara)
        yield "an API key of the bot", partial(self._create_key, "/admin/keys", boss, kind="bot")
        yield "its revocation", partial(self._revoke_key, "/admin/keys", boss)

    def _person_steps(self) -> Iterator[tuple[str, Step]]:
        clara, carl, _ = self.company.people
        yield "another sign-in", partial(self._sign_in, clara.email)
        yield "its end", lambda: self.server.submit_form("/sign-out", self.other_session)
        name = f"{carl.name} Jr."
        yield (
            "another name of a person",
            self._form("/settings/name", self.company.carl, name=name),
        )

    def _ending_steps(self) -> Iterator[tuple[str, Step]]:
        company, boss, slug = self.company, self.boss, self.company.slug
        loft = {"name": "Loft", "slug": f"loft-{slug}"}
        yield "a new organization", self._form("/create-organization", company.carl, **loft)
        yield "a deleted request", self._form(f"/requests/{self.request}/delete", boss)
        confirmed = {"act": "delete", "confirmed": f"{company.name} Ltd"}
        yield "a deleted organization", self._form(f"/orgs/{slug}/settings", boss, **confirmed)

    def _form(self, path: str, cookie: str, **fields: str) -> Step:
        return partial(self._post, path, cookie, **fields)

    def read_types(self) -> set[str]:
        """Return the types of the events since the pages were opened."""
        query = select(log.c.type).where(log.c.position > self.start)
        with self.server.open_database() as db:
            return set(db.read_sync(lambda tx: tx.execute(query).scalars().all()))

    def _post(self, path: str, cookie: str, **fields: str) -> None:
        reply = self.server.submit_form(path, cookie, **fields)
        assert reply.status == 303, f"{path} answered {reply.status}: {reply.text[-1000:]}"

    def _upload(self, cookie: str) -> None:
        page = self.server.get(f"/requests/{self.request}", cookie).text
        workspace = re.search(r'data-workspace="(org:[^"]+)"', page)
        assert workspace is not None
        headers = {"Cookie": cookie, "Origin": self.server.url, "Content-Type": "text/plain"}
        reply = self.server.request(
            "POST",
            f"/files?workspace={workspace[1]}",
            b"The crane's log",
            headers | {"x-file-name": "crane.txt", "Accept": "application/json"},
        )
        assert reply.status in (200, 201), reply.text
        self.file_id = str(json.loads(reply.text)["id"])
        form = {"id": new_id(), "text": "See the file.", "file": self.file_id}
        self._post(f"/requests/{self.request}/messages", cookie, **form)

    def _revoke_invitation(self) -> None:
        path = f"/orgs/{self.company.slug}/settings"
        page = self.server.get(path, self.company.clara).text
        found = re.search(r'name="invitation" value="([^"]+)"', page)
        assert found is not None, page
        self._post(path, self.company.clara, act="revoke", invitation=found[1])

    def _create_key(self, path: str, cookie: str, **fields: str) -> None:
        form = {"act": "create-key", "name": "Lighthouse", "scope": "read", **fields}
        assert "new-token" in self.server.submit_form(path, cookie, **form).text

    def _revoke_key(self, path: str, cookie: str) -> None:
        found = re.search(r'name="key" value="([^"]+)"', self.server.get(path, cookie).text)
        assert found is not None
        self._post(path, cookie, act="revoke-key", key=found[1])

    def _expire_invitation(self, email: str) -> None:
        """Let the time of an invitation pass, and wait for its timer."""
        theirs = invitations.c.email == email

        def pass_time(tx: Connection) -> None:
            tx.execute(update(invitations).where(theirs).values(expires_at=now()))
            for id_ in tx.execute(select(invitations.c.id).where(theirs)).scalars().all():
                timer = (dispatches.c.key == id_) & (dispatches.c.state == "ready")
                tx.execute(update(dispatches).where(timer).values(due_at=now()))

        with self.server.open_database() as db:
            db.write_sync(pass_time)
            wait_until(lambda: "invitation.expired" in self.read_types(), TIMER_PATIENCE)

    def _accept(self, email: str) -> None:
        cookie = self.server.sign_up("Gus Guest", email)
        self._post(self.server.read_mailed_link(email, "/invitations/"), cookie)

    def _sign_in(self, email: str) -> None:
        self.other_session = self.server.sign_in(email)


def find_person_id(db: Database, persona: Persona) -> str:
    """Return the id of the person with the persona's email address."""
    found = db.read_sync(people.find_by_email, persona.email)
    assert found is not None
    return found.id
