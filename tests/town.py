"""A whole desk with something on every page, and every page of it by who opens it.

Everybody is where `admin_house` puts them; what they wrote is in `TEXTS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from deskwire.accounts import links, people, sessions
from deskwire.kit import mail
from deskwire.kit.clock import HOUR, now
from deskwire.tickets.actions import update
from deskwire.web.auth.sessions import cookie_of
from deskwire.webhooks import deliveries
from deskwire.webhooks.deliveries import State
from deskwire.webhooks.source import Arrived
from deskwire.workspaces.organizations import settings
from tests.admin_house import open_office, with_mail
from tests.cast import ADA, BO, CY, EVE, HARBOUR, MO, UNA, Actor
from tests.http.whole_site import WholeSite, browse

CRANE, MAST, HATCH, LAMP = "Crane fellt", "Mast dark", "Hatch leaks", "Lampe aus"
SAID, NOTED, ASKED = "Zweimal schon.", "Zahlt spät.", "Welche Lampe?"
TAGS, CATEGORY, GUEST = ("dringlich", "winde"), "Takelage", "gast@desk.test"
REASON, TYPE = "Kein solcher Hafen.", "hafen.gekentert"
TEXTS = (CRANE, MAST, HATCH, LAMP, SAID, NOTED, ASKED, *TAGS, CATEGORY, GUEST, REASON, TYPE)

PAGES: dict[Actor | None, tuple[str, ...]] = {
    BO: (
        "/dashboard", "/dashboard?days=90", "/requests", "/requests?q=nichts",
        "/requests?label=winde", "/requests?status=canceled", "/requests/new", "/requests/{mast}",
        "/requests/{lamp}", "/requests/{mast}?view=files", "/requests/{mast}?view=history",
        "/requests/{hatch}", "/requests/{mast}/messages/{message}", "/create-organization",
        "/organizations", "/orgs/quay", "/orgs/quay/settings", "/settings", "/settings?done=name",
        "/settings/password", "/settings/password?changed=1", "/settings/delete",
        "/guilds", "/guilds/{harbour}/tickets", "/guilds/{harbour}/tickets/1", "/nowhere",
        "/invitations/{invitation}",
    ),
    MO: (
        "/dashboard", "/dashboard?organization=loft", "/admin", "/admin?company=quay&sort=oldest",
        "/organizations", "/requests/{mast}?view=files",
        "/requests/new?org=quay", "/requests/{mast}", "/requests/{hatch}",
        "/requests/{mast}/messages/{message}", "/guilds",
        "/guilds/{harbour}", "/guilds/{harbour}/tickets", "/guilds/{harbour}/tickets?q=nichts",
        "/guilds/{harbour}/tickets/1", "/orgs/quay", "/orgs/quay/settings", "/admin/people",
        "/admin/people?q=nichts", "/admin/people/{bo}", "/admin/people/{ada}", "/admin/people/{mo}",
        "/admin/people/{eve}", "/admin/people/{bo}?done=role", "/admin/organizations",
        "/admin/organizations?q=nichts", "/admin/deliveries", "/admin/deliveries?source=nichts",
        "/admin/deliveries/1", "/admin/deliveries/2", "/admin/deliveries/2?done=replay",
        "/api/docs",
    ),
    UNA: ("/guilds/{harbour}", "/guilds/{harbour}/tickets", "/requests/{mast}"),
    EVE: ("/dashboard", "/guilds", "/settings"),
    None: (
        "/", "/sign-in", "/sign-up", "/forgot-password", "/forgot-password?sent=1",
        "/reset/nonsense", "/reset/{reset}", "/verify/nonsense", "/verify/{verify}",
        "/welcome/nonsense", "/welcome/{welcome}", "/invitations/nonsense",
        "/invitations/{invitation}", "/nowhere",
    ),
}  # fmt: skip
# What is refused, and shown again with why: who, where, the form.
REFUSED: tuple[tuple[Actor | None, str, dict[str, str]], ...] = (
    (None, "/sign-in", {}),
    (None, "/sign-in", {"email": "a@desk.test", "password": "x"}),
    (None, "/forgot-password", {}),
    (None, "/welcome/{welcome}", {"name": "", "password": "short"}),
    (None, "/reset/{reset}", {"password": "short"}),
    (None, "/invitations/{invitation}", {"name": "", "password": "x" * 2000}),
    (BO, "/settings/name", {"name": ""}),
    (BO, "/settings/display", {"theme": "pink"}),
    (BO, "/settings/display", {"time_zone": "Nirgends"}),
    (BO, "/settings/delete", {"name": "x"}),
    (BO, "/requests/new", {"organization": "{quay}", "priority": "none"}),
    (BO, "/requests/new", {"organization": "nowhere"}),
    (BO, "/requests/{mast}", {"status": "review"}),
    (BO, "/requests/{mast}", {"status": "sunk"}),
    (BO, "/requests/{mast}", {"assignee": "me"}),
    (BO, "/create-organization", {"name": "x", "slug": "loft"}),
    (BO, "/create-organization", {"name": "", "slug": "!"}),
    (BO, "/orgs/quay/settings", {"act": "leave"}),
    (BO, "/orgs/quay/settings", {"act": "invite", "email": "nobody", "role": "member"}),
    (BO, "/orgs/quay/settings", {"act": "invite", "email": GUEST, "role": "captain"}),
    (BO, "/orgs/quay/settings", {"act": "visibility", "visibility": "none"}),
    (BO, "/orgs/quay/settings", {"act": "delete", "confirmed": "x"}),
    (BO, "/orgs/quay/settings", {"act": "profile", "name": "Quay", "slug": "loft"}),
    (BO, "/orgs/quay/settings", {"act": "add-category", "name": CATEGORY}),
    (BO, "/orgs/quay/settings", {"act": "invite", "email": "una@desk.test", "role": "member"}),
    (MO, "/admin/people/{mo}", {"act": "deactivate"}),
    (MO, "/admin/people/{bo}", {"act": "take-role"}),
    (MO, "/admin/people/{bo}", {"act": "readmit"}),
    (MO, "/admin/people/{bo}", {"act": "link", "discord": "12"}),
    (MO, "/admin/people/{bo}", {"act": "sink"}),
    (MO, "/admin/people/{bo}", {"act": "role", "role": "captain"}),
    (MO, "/admin/deliveries/1", {"act": "replay"}),
    (MO, "/admin/deliveries/1", {"act": "sink"}),
)


class Town:
    """The site, and what its addresses name."""

    def __init__(self, folder: Path) -> None:
        self.office = open_office(folder)
        self.house = self.office.house
        self.house.at = now() - HOUR
        self.site = with_mail(WholeSite(self.house))
        self.parts = {"harbour": HARBOUR, **self.office.ids, **self._requests(), **self._tokens()}
        for name, actor in (("bo", BO), ("ada", ADA), ("mo", MO), ("eve", EVE), ("una", UNA)):
            self.parts[name] = self.house.id_of(actor)
        self._tickets()
        self._deliveries()
        for agent in ("Mozilla/5.0 (X11; Linux) Firefox/140.0", "curl/8"):
            self._cookie = f"{cookie_of(secure=False)}={self._sign_in(agent)}"
        unproven = people.people.update().where(people.people.c.id == self.parts["eve"])
        self.house.db.write_here(lambda tx: tx.execute(unproven.values(email_verified_at=None)))
        browse(self.site, EVE).post("/settings/verification")
        browse(self.site, MO).post(f"/admin/people/{self.parts['una']}", data={"act": "reset"})

    def pages(self, actor: Actor | None) -> Iterator[tuple[str, str]]:
        """The addresses somebody opens, and what is there."""
        browser = browse(self.site, actor, **({"cookie": self._cookie} if actor == BO else {}))
        for path in PAGES[actor]:
            answer = browser.get(path.format(**self.parts))
            assert answer.status_code in (200, 404), f"{path}: {answer.status_code}"
            yield path, answer.text

    def refused(self, actor: Actor | None, path: str, form: dict[str, str]) -> str:
        """What a form is answered."""
        data = {name: text.format(**self.parts) for name, text in form.items()}
        answer = browse(self.site, actor).post(path.format(**self.parts), data=data)
        assert 400 <= answer.status_code < 500, f"{path}: {answer.status_code}"
        return answer.text

    def letters(self) -> list[mail.Letter]:
        """Everything that was mailed."""
        return [each.letter for each in self.house.db.read_here(mail.read_newest)]

    def close(self) -> None:
        self.house.db.close()

    def _sign_in(self, agent: str) -> str:
        """Bo signs in with another browser; the secret in its cookie."""
        begin, bo, at = sessions.begin, self.house.id_of(BO), now()
        opened = self.house.db.write_here(begin, bo, user_agent=agent, address="192.0.2.7", at=at)
        return opened.token

    def _requests(self) -> dict[str, str]:
        act, quay = self.office.act, self.office
        act(BO, settings.add_category, quay.ids["quay"], CATEGORY)
        mast, hatch, lamp = (quay.file(BO, each, SAID) for each in (MAST, HATCH, LAMP))
        quay.file(UNA, CRANE, SAID)
        quay.file(CY, CRANE, SAID, at="loft")
        for each in (mast, hatch):
            act(ADA, update.assign, each, self.house.id_of(ADA))
        quay.say(ADA, mast, NOTED, "note")
        quay.say(ADA, mast, ASKED)
        message = quay.say(BO, mast, SAID)
        act(ADA, update.move, mast, "waiting")
        act(ADA, update.label, mast, add=TAGS)
        act(ADA, update.prioritise, mast, "urgent")
        act(ADA, update.retitle, mast, f"{MAST}, {SAID}")
        act(ADA, update.retitle, mast, MAST)
        act(ADA, update.label, mast, remove=TAGS[:1])
        act(ADA, update.assign, mast, self.house.id_of(MO))
        act(UNA, update.watch, mast, self.house.id_of(UNA))
        act(ADA, update.move, hatch, "done")
        act(BO, update.move, hatch, "active")
        act(ADA, update.assign, hatch, None)
        act(ADA, update.move, hatch, "done")
        act(BO, update.move, lamp, "canceled")
        return {"mast": mast, "hatch": hatch, "lamp": lamp, "message": message}

    def _tokens(self) -> dict[str, str]:
        """The secrets in links, as the letters and pages say them."""
        with browse(self.site, BO) as bo:
            form = {"act": "invite", "email": GUEST, "role": "member"}
            page = bo.post("/orgs/quay/settings", data=form).text
        [invitation] = re.findall(r"/invitations/([\w-]+)", page)
        bo_id, at = self.house.id_of(BO), now()
        made = self.house.db.write_here(people.create, name="Neu", email=None, at=at)
        issue, write = links.issue, self.house.db.write_here
        return {
            "invitation": invitation,
            "reset": write(issue, bo_id, "reset", at),
            "verify": write(issue, bo_id, "verify", at),
            "welcome": write(issue, made.id, "sign-in", at),
        }

    def _tickets(self) -> None:
        house = self.house
        house.open_ticket(1, CRANE)
        house.claim(1)
        house.say(1, BO, SAID)
        house.say(1, ADA, None)
        house.move(1, "PENDING")
        tags = {"added": list(TAGS), "removed": []}
        house.change(1, priority={"old": None, "new": "urgent"}, tags=tags)
        house.change(1, tags={"added": [], "removed": [TAGS[0]]}, priority={"old": "urgent"})
        house.open_ticket(2, LAMP, CY)
        house.close(2, reason=REASON)
        house.open_ticket(3, HATCH)
        house.delete(3)
        house.role("team.role_created", "Tickets Viewer")
        house.role("team.role_deleted", "Tickets Viewer")

    def _deliveries(self) -> None:
        kept: tuple[tuple[State, list[str]], ...] = (("done", []), ("parked", [REASON]))
        for nth, (state, reasons) in enumerate(kept):
            body = b'{"event": {"type": "hafen.gekentert"}}'
            told = ("bot", f"bot-{nth}", f"e{nth}", TYPE, self.house.at, self.house.at, body)
            self.house.db.write_here(deliveries.keep, [Arrived(*told)])
            self.house.db.write_here(deliveries.settle, nth + 1, state, reasons, self.house.at)
