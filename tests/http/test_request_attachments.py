"""Test attachments on request pages: kept when a form is refused, deleted only if permitted."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fixtures.cast import BO, CY, UNA
from tests.fixtures.files_site import FilesSiteFixture
from tests.fixtures.site import open_browser
from tests.unit.test_thumbnails import drawn


def test_deleting_a_file_on_the_page_deletes_its_bytes(tmp_path: Path) -> None:
    filed = FilesSiteFixture(tmp_path)
    href = filed.sent(BO, drawn(40, 40, "PNG"), "crane.png")
    page, delete = f"/requests/{filed.ticket}?view=files", f"/requests/{filed.ticket}{href}/delete"
    bo, una = open_browser(filed, BO), open_browser(filed, UNA)
    assert f'action="{delete}"' in bo.get(page).text
    assert "/delete" not in una.get(page).text
    assert len(filed.bytes_kept()) == 2

    assert [una.post(delete).status_code, open_browser(filed, CY).post(delete).status_code] == [
        403,
        404,
    ]
    gone = bo.post(delete)

    assert (gone.status_code, gone.headers["location"]) == (303, page)
    assert "crane.png" not in bo.get(page).text
    assert filed.bytes_kept() == []
    assert [bo.get(href).status_code, bo.post(delete).status_code] == [404, 404]
    filed.desk.db.close()


def test_a_refused_form_lists_uploaded_files_to_their_uploader_only(tmp_path: Path) -> None:
    filed = FilesSiteFixture(tmp_path)
    ids = [filed.upload(who).json()["id"] for who in (BO, UNA)]
    organization_id = filed.desk.northwind.removeprefix("org:")
    form = {"organization": organization_id, "subject": "", "text": "Is grey.", "file": ids}

    page = open_browser(filed, BO).post("/requests/new", data=form)

    assert page.status_code == 422
    assert f'name="file" value="{ids[0]}" checked' in page.text
    assert ids[1] not in page.text
    [given] = re.findall(r'name="id" value="([^"]*)"', page.text)
    whole = form | {"id": given, "subject": "The wall", "file": ids[0]}
    assert open_browser(filed, BO).post("/requests/new", data=whole).is_redirect
    filed.desk.db.close()
