"""A company and somebody of the team on a running server, who do everything by its own forms."""

from __future__ import annotations

import re
from html import unescape
from itertools import count

from deskwire.kit.ids import new_id
from deskwire.server.services import run_command
from tests.cast import Actor
from tests.server import Reply, Server

_numbers = count(1)
_sources = count(1)


class Company:
    """A company no other test knows: Clara is its admin, Carl a member, and Tess of the team helps.

    `clara`, `carl` and `tess` are their cookies.
    """

    def __init__(self, server: Server) -> None:
        number = next(_numbers)
        self.server = server
        self.slug, self.name = f"harbor-{number}", f"Harbor {number}"
        self.people = [Actor(f"{each}{number} Vance", "") for each in ("Clara", "Carl", "Tess")]
        self.clara, self.carl, self.tess = (
            server.move_in(each, linked=False) for each in self.people
        )
        employed = {"email": self.people[2].email, "role": "support_analyst"}
        assert run_command(server.database_url, "people.employ", employed)
        self._post("/create-organization", self.clara, name=self.name, slug=self.slug)
        self.invite(self.people[1].email)
        self._post(server.mailed(self.people[1].email, "/invitations/"), self.carl)

    def invite(self, email: str) -> str:
        """The link of an invitation."""
        form = {"act": "invite", "email": email, "role": "member"}
        at = next(_sources)  # from a place of its own, or the throttle of mails would end the tests
        source = f"127.1.{at // 250}.{at % 250 + 2}"
        page = self.server.submit(f"/orgs/{self.slug}/settings", self.clara, source, **form)
        found = re.search(r">(http[^<]*/invitations/[^<]+)<", page.text)
        assert found is not None, page.text
        return unescape(found[1])

    def file(self, cookie: str, subject: str, text: str = "See above.") -> str:
        """File a request; its id."""
        page = self.server.get(f"/requests/new?org={self.slug}", cookie).text
        place = re.search(r'name="organization" value="([^"]+)"', page) or re.search(
            rf'<option value="([^"]+)"[^>]*>{self.name}<', page
        )
        assert place is not None
        form = {"id": new_id(), "organization": place[1], "subject": subject, "text": text}
        return self._post("/requests/new", cookie, **form).headers["location"].rpartition("/")[2]

    def say(self, cookie: str, request: str, text: str, **more: str) -> None:
        """Write a reply, or a note (`kind="note"`)."""
        self._post(f"/requests/{request}/messages", cookie, id=new_id(), text=text, **more)

    def move(self, cookie: str, request: str, status: str) -> None:
        """Give a request another status."""
        self._post(f"/requests/{request}", cookie, status=status)

    def claim(self, cookie: str, request: str) -> None:
        """Take a request on, as the button of its page does."""
        page = self.server.get(f"/requests/{request}", cookie).text
        me = re.search(r'name="assignee" value="([^"]+)"', page)
        assert me is not None
        self._post(f"/requests/{request}", cookie, assignee=me[1])

    def _post(self, path: str, cookie: str, **form: str) -> Reply:
        reply = self.server.submit(path, cookie, **form)
        assert reply.status == 303, f"{path} answered {reply.status}: {reply.text[-2000:]}"
        return reply
