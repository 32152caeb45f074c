"""A company in browsers, founded, joined and used by its own pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from itertools import count

from PIL import Image
from playwright.sync_api import FilePayload, expect

from deskwire.server.services import run_command
from tests.browser.visitor import Visitor
from tests.place import Place

_numbers = count(1)


@dataclass
class Company:
    """Bo founded it, Una joined; Cy has one of his own, and Ada is of the team."""

    name: str
    bo: Visitor
    una: Visitor
    cy: Visitor
    ada: Visitor
    cookies: dict[str, str]
    names: dict[str, str]

    @property
    def everybody(self) -> dict[str, Visitor]:
        return {"bo": self.bo, "una": self.una, "cy": self.cy, "ada": self.ada}


def found(place: Place, visit: Callable[..., Visitor]) -> Company:
    """Founded and joined through the pages, in the browsers that go on."""
    number = next(_numbers)
    names = {each: f"{each.title()}{number} Tester" for each in ("bo", "una", "cy", "ada")}
    emails = {each: f"{each}{number}@portal.test" for each in names}
    cookies = {each: place.server.sign_up(names[each], emails[each]) for each in names}
    as_team = {"email": emails["ada"], "role": "support_analyst"}
    assert run_command(place.server.database_url, "people.employ", as_team)
    visitors = {each: visit(cookies[each]) for each in names}
    bo, una, cy = (visitors[each] for each in ("bo", "una", "cy"))
    create_organization(bo, f"Quay {number}")
    create_organization(cy, f"Loft {number}")

    bo.open(f"/orgs/quay-{number}/settings")
    bo.page.get_by_label("E-mail address").fill(emails["una"])
    bo.page.get_by_role("button", name="Invite", exact=True).click()
    expect(bo.find("[role=status] code")).to_contain_text("/invitations/")
    una.open(place.server.mailed(emails["una"], "/invitations/"))
    una.page.get_by_role("button", name=f"Join Quay {number}").click()
    expect(bo.find("#members")).to_contain_text(names["una"])
    return Company(f"Quay {number}", **visitors, cookies=cookies, names=names)


def create_organization(visitor: Visitor, name: str) -> None:
    visitor.open("/create-organization")
    visitor.page.get_by_label("Name", exact=True).fill(name)
    visitor.page.get_by_role("button", name="Create organization").click()
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text(name)


def file_request(visitor: Visitor, subject: str, text: str = "It stands still.") -> str:
    """Through the form; the path of the request."""
    visitor.open("/requests/new")
    visitor.page.get_by_label("Title").fill(subject)
    visitor.page.get_by_label("Description").fill(text)
    visitor.page.get_by_role("button", name="File request").click()
    expect(visitor.find("#ticket h1")).to_have_text(subject)
    visitor.expect_live()
    return visitor.page.url.partition("/requests/")[2]


def picture(name: str) -> FilePayload:
    made = BytesIO()
    Image.linear_gradient("L").convert("RGB").save(made, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": made.getvalue()}


def reply(visitor: Visitor, text: str) -> None:
    visitor.find("#reply").fill(text)
    visitor.page.get_by_role("button", name="Send").click()


def lines(visitor: Visitor, text: str) -> Callable[[int], None]:
    """Expect so many entries of the conversation to say this."""
    found = visitor.find(".line").filter(has_text=text)
    return lambda number: expect(found).to_have_count(number)
