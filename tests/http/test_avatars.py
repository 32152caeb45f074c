"""Pictures of people: a square WebP of whatever was a picture, shown where initials were."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deskwire.kit.clock import DAY, now
from deskwire.tickets.actions import update
from deskwire.tickets.files.cleanup import Keeper
from tests.fixtures.cast import ADA, BO, EVE, UNA, Actor
from tests.fixtures.site import MAX_FILE, WholeSite, browse
from tests.fixtures.staffed_portal import Office, open_office
from tests.unit.test_thumbnails import bomb, drawn

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    house = open_office(tmp_path)
    yield house
    house.house.db.close()


@pytest.fixture
def site(office: Office) -> WholeSite:
    return WholeSite(office.house)


def upload(site: WholeSite, actor: Actor, content: bytes) -> Any:
    files = {"avatar": ("me.png", content, "image/png")}
    return browse(site, actor).post("/settings/avatar", files=files)


def picture_of(site: WholeSite, actor: Actor) -> str:
    """Where the settings show it; nothing where they do not."""
    page = browse(site, actor).get("/settings").text
    return "".join(re.findall(r"/avatars/[\w-]+", page)[:1])


def bytes_kept(site: WholeSite) -> list[str]:
    return sorted(each.name for each in site.house.folder.glob("files/**/*") if each.is_file())


def test_a_picture_becomes_a_square_one_that_browsers_keep(site: WholeSite) -> None:
    answer = upload(site, BO, drawn(1000, 500, "JPEG"))

    shown = browse(site, UNA).get(picture_of(site, BO))
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings?done=avatar")
    with Image.open(io.BytesIO(shown.content)) as image:
        assert (image.format, image.size) == ("WEBP", (192, 192))
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in shown.headers["cache-control"]
    assert "private" in shown.headers["cache-control"]
    assert browse(site).get(picture_of(site, BO)).status_code == 303, "for who is signed in"


def test_it_is_shown_wherever_initials_were(site: WholeSite, office: Office) -> None:
    ticket = office.file(BO, "The mast is dark")
    upload(site, BO, drawn(60, 60, "PNG"))
    office.say(BO, ticket, "Still dark")
    picture = picture_of(site, BO)

    for path in (f"/requests/{ticket}", "/orgs/quay", "/orgs/quay/settings"):
        assert f'src="{picture}"' in browse(site, UNA).get(path).text, path
    upload(site, ADA, drawn(60, 60, "PNG"))
    office.act(ADA, update.assign, ticket, office.house.id_of(ADA))
    assert f'src="{picture_of(site, ADA)}"' in browse(site, UNA).get("/requests").text
    assert f'src="{picture}"' in browse(site, ADA).get(f"/requests/{ticket}").text
    assert picture not in browse(site, EVE).get("/settings").text


def test_another_one_has_another_address_and_the_old_bytes_go(site: WholeSite) -> None:
    upload(site, BO, drawn(60, 60, "PNG"))
    first = picture_of(site, BO)
    upload(site, BO, drawn(80, 80, "PNG"))
    second = picture_of(site, BO)

    assert first != second
    assert browse(site, BO).get(first).status_code == 404
    assert bytes_kept(site) == [second.rpartition("/")[2]]
    removed = browse(site, BO).post("/settings/avatar", data={"remove": "1"})
    assert (removed.status_code, picture_of(site, BO), bytes_kept(site)) == (303, "", [])


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"<svg onload=alert(1)>", 422),
        (b"\x89PNG\r\n\x1a\nrubbish", 422),
        (bomb(50_000, 50_000), 422),
        (b"\x89PNG\r\n\x1a\n" + b"x" * MAX_FILE, 413),
    ],
    ids=["nothing", "svg", "no picture", "bomb", "large"],
)
def test_what_is_no_picture_is_refused_and_leaves_nothing(
    site: WholeSite, content: bytes, status: int
) -> None:
    answer = upload(site, BO, content)

    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert (picture_of(site, BO), bytes_kept(site)) == ("", [])


@pytest.mark.parametrize("data", [{}, {"avatar": "/etc/passwd"}, {"remove": ""}])
def test_a_form_without_a_file_changes_nothing_or_removes(
    site: WholeSite, data: dict[str, str]
) -> None:
    upload(site, BO, drawn(60, 60, "PNG"))

    status = browse(site, BO).post("/settings/avatar", data=data).status_code

    assert (status, bool(picture_of(site, BO))) == (
        (303, False) if "remove" in data else (422, True)
    )


@pytest.mark.parametrize("name", ["..%2f..%2fdesk.db", "%00", "x"])
def test_no_other_name_leads_into_the_store(site: WholeSite, name: str) -> None:
    assert browse(site, BO).get(f"/avatars/{name}").status_code == 404


async def test_the_keeper_knows_whose_bytes_these_are(site: WholeSite) -> None:
    upload(site, BO, drawn(60, 60, "PNG"))
    upload(site, UNA, drawn(60, 60, "PNG"))
    store, bo = site.site.uploads.store, picture_of(site, BO)
    browse(site, UNA).post("/settings/delete", data={"name": UNA.name})

    await Keeper(site.house.db, store, lambda: now() + 2 * DAY).sweep()

    assert bytes_kept(site) == [bo.rpartition("/")[2]]
