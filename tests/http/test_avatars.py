"""Test avatars: any image becomes a square WebP, shown instead of initials."""

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
from deskwire.tickets.files.cleanup import FileCleanup
from tests.fixtures.cast import ADA, BO, EVE, UNA, Persona
from tests.fixtures.site import MAX_FILE_BYTES, SiteFixture, open_browser
from tests.fixtures.staffed_portal import StaffedPortalFixture, create_staffed_portal
from tests.unit.test_thumbnails import bomb, drawn

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def staffed_portal(tmp_path: Path) -> Iterator[StaffedPortalFixture]:
    portal = create_staffed_portal(tmp_path)
    yield portal
    portal.desk.db.close()


@pytest.fixture
def site(staffed_portal: StaffedPortalFixture) -> SiteFixture:
    return SiteFixture(staffed_portal.desk)


def upload(site: SiteFixture, persona: Persona, content: bytes) -> Any:
    files = {"avatar": ("me.png", content, "image/png")}
    return open_browser(site, persona).post("/settings/avatar", files=files)


def picture_of(site: SiteFixture, persona: Persona) -> str:
    """Where the settings show it; nothing where they do not."""
    page = open_browser(site, persona).get("/settings").text
    return "".join(re.findall(r"/avatars/[\w-]+", page)[:1])


def bytes_kept(site: SiteFixture) -> list[str]:
    return sorted(each.name for each in site.desk.folder.glob("files/**/*") if each.is_file())


def test_an_avatar_is_cropped_to_a_square_and_cacheable(site: SiteFixture) -> None:
    answer = upload(site, BO, drawn(1000, 500, "JPEG"))

    shown = open_browser(site, UNA).get(picture_of(site, BO))
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings?done=avatar")
    with Image.open(io.BytesIO(shown.content)) as image:
        assert (image.format, image.size) == ("WEBP", (192, 192))
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in shown.headers["cache-control"]
    assert "private" in shown.headers["cache-control"]
    assert open_browser(site).get(picture_of(site, BO)).status_code == 303, "for who is signed in"


def test_an_avatar_replaces_initials_everywhere(
    site: SiteFixture, staffed_portal: StaffedPortalFixture
) -> None:
    ticket = staffed_portal.create_request(BO, "The mast is dark")
    upload(site, BO, drawn(60, 60, "PNG"))
    staffed_portal.post_message(BO, ticket, "Still dark")
    picture = picture_of(site, BO)

    for path in (f"/requests/{ticket}", "/orgs/quay", "/orgs/quay/settings"):
        assert f'src="{picture}"' in open_browser(site, UNA).get(path).text, path
    upload(site, ADA, drawn(60, 60, "PNG"))
    staffed_portal.act_as(
        ADA, update.update, ticket, {"assignee": staffed_portal.desk.person_id(ADA)}
    )
    assert f'src="{picture_of(site, ADA)}"' in open_browser(site, UNA).get("/requests").text
    assert f'src="{picture}"' in open_browser(site, ADA).get(f"/requests/{ticket}").text
    assert picture not in open_browser(site, EVE).get("/settings").text


def test_a_new_avatar_has_a_new_url_and_the_old_bytes_are_deleted(site: SiteFixture) -> None:
    upload(site, BO, drawn(60, 60, "PNG"))
    first = picture_of(site, BO)
    upload(site, BO, drawn(80, 80, "PNG"))
    second = picture_of(site, BO)

    assert first != second
    assert open_browser(site, BO).get(first).status_code == 404
    assert bytes_kept(site) == [second.rpartition("/")[2]]
    removed = open_browser(site, BO).post("/settings/avatar", data={"remove": "1"})
    assert (removed.status_code, picture_of(site, BO), bytes_kept(site)) == (303, "", [])


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"<svg onload=alert(1)>", 422),
        (b"\x89PNG\r\n\x1a\nrubbish", 422),
        (bomb(50_000, 50_000), 422),
        (b"\x89PNG\r\n\x1a\n" + b"x" * MAX_FILE_BYTES, 413),
    ],
    ids=["nothing", "svg", "no picture", "bomb", "large"],
)
def test_a_file_that_is_not_an_image_is_refused_and_leaves_nothing(
    site: SiteFixture, content: bytes, status: int
) -> None:
    answer = upload(site, BO, content)

    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert (picture_of(site, BO), bytes_kept(site)) == ("", [])


@pytest.mark.parametrize("data", [{}, {"avatar": "/etc/passwd"}, {"remove": ""}])
def test_a_form_without_a_file_changes_nothing_or_removes_the_avatar(
    site: SiteFixture, data: dict[str, str]
) -> None:
    upload(site, BO, drawn(60, 60, "PNG"))

    status = open_browser(site, BO).post("/settings/avatar", data=data).status_code

    assert (status, bool(picture_of(site, BO))) == (
        (303, False) if "remove" in data else (422, True)
    )


@pytest.mark.parametrize("name", ["..%2f..%2fdesk.db", "%00", "x"])
def test_no_other_file_name_reaches_the_store(site: SiteFixture, name: str) -> None:
    assert open_browser(site, BO).get(f"/avatars/{name}").status_code == 404


async def test_cleanup_keeps_the_bytes_of_current_avatars(site: SiteFixture) -> None:
    upload(site, BO, drawn(60, 60, "PNG"))
    upload(site, UNA, drawn(60, 60, "PNG"))
    store, bo = site.site.uploads.store, picture_of(site, BO)
    open_browser(site, UNA).post("/settings/delete", data={"name": UNA.name})

    await FileCleanup(site.desk.db, store, lambda: now() + 2 * DAY).sweep()

    assert bytes_kept(site) == [bo.rpartition("/")[2]]
