"""Test files over HTTP: uploads, downloads by permission, and never served as a page of ours."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from deskwire.kit.ids import new_id
from deskwire.web.http.middleware import MAX_FORM_BYTES, UploadLimit, add_middleware
from deskwire.web.http.uploads import receive_files
from deskwire.web.routes import upload_matcher
from tests.fixtures.cast import ADA, BO, CY, EVE, UNA
from tests.fixtures.files_site import FilesSiteFixture
from tests.fixtures.site import MAX_FILE_BYTES, open_browser
from tests.unit.test_thumbnails import bomb, drawn

BOUNDARY = "----seam"
POLYGLOTS = {
    "page.html": b"<!doctype html><script>alert(1)</script>",
    "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "code.js": b"alert(1)",
    "fake.png": b"<html><script>alert(1)</script>",
    "gif.js": b"GIF89a/*\x01\x00*/=1;alert(1)//",
    "doc.pdf": b"%PDF-1.4\n<script>alert(1)</script>",
    "feed.xml": b'<?xml version="1.0"?><x:script xmlns:x="http://www.w3.org/1999/xhtml"/>',
}


@pytest.fixture
def files_site(tmp_path: Path) -> Iterator[FilesSiteFixture]:
    site = FilesSiteFixture(tmp_path)
    yield site
    site.desk.db.close()


def test_a_file_can_be_uploaded_and_downloaded(files_site: FilesSiteFixture) -> None:
    answer = files_site.upload(BO, "Grüße".encode(), "Brief an Mo – 1.txt")

    assert answer.status_code == 201
    body = answer.json()
    assert (body["name"], body["type"], body["size"]) == ("Brief an Mo – 1.txt", "text/plain", 7)
    assert body["href"] == f"/files/{body['id']}"
    given = open_browser(files_site, BO).get(body["href"])
    assert given.content == "Grüße".encode()
    assert given.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''Brief%20an%20Mo%20%E2%80%93%201.txt"
    )


def test_a_form_with_one_file_is_accepted(files_site: FilesSiteFixture) -> None:
    where = {"workspace": files_site.desk.northwind}
    browser = open_browser(files_site, BO)

    answer = browser.post("/files", params=where, files={"file": ("crane.png", picture())})

    assert answer.status_code == 201
    assert answer.json()["name"] == "crane.png"
    small = browser.get(answer.json()["preview"])
    assert small.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(small.content)) as image:
        assert image.size == (480, 240)


def test_only_viewers_of_a_request_can_download_its_files(files_site: FilesSiteFixture) -> None:
    href = files_site.sent(BO, picture(), "crane.png")

    for address in (href, f"{href}/thumbnail"):
        for actor, status in ((ADA, 200), (BO, 200), (UNA, 200), (CY, 404), (EVE, 404)):
            assert open_browser(files_site, actor).get(address).status_code == status, actor.name
        assert open_browser(files_site).get(address).status_code == 303
        assert open_browser(files_site, accept="application/json").get(address).status_code == 401


def test_files_of_notes_are_visible_to_staff_only(files_site: FilesSiteFixture) -> None:
    href = files_site.sent(ADA, picture(), "crane.png", "note")

    for address in (href, f"{href}/thumbnail"):
        assert open_browser(files_site, ADA).get(address).status_code == 200
        assert open_browser(files_site, BO).get(address).status_code == 404


def test_forbidden_and_missing_files_are_answered_with_the_same_bytes(
    files_site: FilesSiteFixture,
) -> None:
    theirs = files_site.sent(ADA, picture(), "crane.png", "note")
    unsent = files_site.upload(ADA).json()["href"]
    nowhere = f"/files/{new_id()}"

    for accept in ("text/html", "application/json"):
        browser = open_browser(files_site, BO, accept=accept)
        for end in ("", "/thumbnail"):
            for method in ("GET", "HEAD"):
                for more in ({}, {"range": "bytes=0-1"}, {"if-none-match": "*"}):
                    answers = [
                        browser.request(method, address + end, headers=more)
                        for address in (theirs, unsent, nowhere, "/files/x", "/files/%00")
                    ]
                    assert {each.status_code for each in answers} == {404}
                    assert len({each.content for each in answers}) == 1
                    assert len({tuple(each.headers.items()) for each in answers}) == 1


def test_uploading_to_a_workspace_without_permission_to_file_is_refused(
    files_site: FilesSiteFixture,
) -> None:
    rows_before = files_site.rows()

    for workspace in (
        files_site.desk.tyrell,
        f"org:{new_id()}",
        "org:x",
        "guild:1",
        "%00",
        "x" * 5000,
    ):
        assert files_site.upload(BO, workspace=workspace).status_code == 404, workspace
    assert files_site.upload(EVE).status_code == 404
    assert open_browser(files_site).post("/files", content=b"x").status_code == 303

    assert files_site.rows() == rows_before


@pytest.mark.parametrize("name", POLYGLOTS)
def test_executable_content_is_always_a_download(files_site: FilesSiteFixture, name: str) -> None:
    href = files_site.sent(BO, POLYGLOTS[name], name)

    given = open_browser(files_site, ADA).get(href)

    assert given.status_code == 200
    assert given.content == POLYGLOTS[name]
    assert given.headers["content-disposition"].startswith("attachment;")
    assert given.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert given.headers["x-content-type-options"] == "nosniff"
    kind = given.headers["content-type"]
    assert not any(word in kind for word in ("html", "svg", "xml", "script")), kind
    if name != "gif.js":
        assert open_browser(files_site, ADA).get(f"{href}/thumbnail").status_code == 404


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("../../../etc/passwd", "passwd"),
        ("..%5C..%5Cboot.ini", "..%5Cboot.ini".replace("..%5C", "")),
        ("a%00b%0d%0aSet-Cookie: x=1.txt", "abSet-Cookie: x=1.txt"),
        ("gpj%E2%80%AEexe", "gpjexe"),
        ("%FF%FE", "\ufffd\ufffd"),
        ('x";filename=evil.html', 'x";filename=evil.html'),
        ("x" * 3000, "x" * 200),
    ],
)
def test_file_names_are_sanitized(files_site: FilesSiteFixture, raw: str, name: str) -> None:
    where = {"workspace": files_site.desk.northwind}
    named = {"x-file-name": raw}

    body = (
        open_browser(files_site, BO)
        .post("/files", params=where, content=b"x", headers=named)
        .json()
    )

    assert body["name"] == name
    given = open_browser(files_site, BO).get(body["href"])
    assert given.headers["content-disposition"] == (
        f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    )
    assert "set-cookie" not in given.headers
    assert {each.parent.parent.name for each in files_site.bytes_kept()} == {"files"}


def test_a_file_without_a_name_or_without_a_file_is_refused(files_site: FilesSiteFixture) -> None:
    where = {"workspace": files_site.desk.northwind}
    browser = open_browser(files_site, BO, accept="application/json")

    assert browser.post("/files", params=where, content=b"x").status_code == 422
    empty = browser.post("/files", params=where, files={"file": ("", b"")}, data={"a": "b"})
    assert empty.status_code == 422
    assert files_site.is_empty()


def test_ten_thousand_files_in_one_form_are_refused_and_none_is_stored(
    files_site: FilesSiteFixture,
) -> None:
    where = {"workspace": files_site.desk.northwind}
    many = [("file", (f"{number}.txt", b"x")) for number in range(10_000)]

    answer = open_browser(files_site, BO).post("/files", params=where, files=many)

    assert answer.status_code == 422
    assert files_site.is_empty()


@pytest.mark.parametrize("is_form", [True, False])
def test_a_file_that_is_too_large_is_refused_with_a_sentence(
    files_site: FilesSiteFixture, *, is_form: bool
) -> None:
    where, content = {"workspace": files_site.desk.northwind}, b"x" * (MAX_FILE_BYTES + 1)
    browser = open_browser(files_site, BO, accept="application/json")

    def endless() -> Iterator[bytes]:
        yield from [content[:100_000]] * 31

    if is_form:
        answer = browser.post("/files", params=where, files={"file": ("x", content)})
    else:
        named = {"x-file-name": "x"}
        answer = browser.post("/files", params=where, content=endless(), headers=named)

    assert answer.status_code == 413
    assert answer.json()["detail"] == "A file can be at most 3 MB. Choose a smaller one."
    assert files_site.is_empty()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b'------seam\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nhalf a f',
        b'------seam\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n' + b"x" * 99,
        b"------seam\r\nX: " + b"y" * 20_000 + b"\r\n\r\nz\r\n------seam--\r\n",
        b"------seam\r\n" + b"A: b\r\n" * 5000 + b"\r\nz\r\n------seam--\r\n",
        b'------seam\r\nContent-Disposition: form-data; name="t"\r\n\r\n\xff\r\n------seam--\r\n',
    ],
)
def test_a_broken_form_is_refused_and_leaves_nothing(
    files_site: FilesSiteFixture, body: bytes
) -> None:
    where = {"workspace": files_site.desk.northwind}
    kind = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}

    answer = open_browser(files_site, BO).post("/files", params=where, content=body, headers=kind)

    assert answer.status_code == 422
    assert files_site.is_empty()


def test_a_form_without_a_boundary_is_refused(files_site: FilesSiteFixture) -> None:
    where, kind = {"workspace": files_site.desk.northwind}, {"content-type": "multipart/form-data"}

    answer = open_browser(files_site, BO).post("/files", params=where, content=b"x", headers=kind)

    assert answer.status_code == 422


def test_a_decompression_bomb_is_stored_like_other_files(files_site: FilesSiteFixture) -> None:
    body = files_site.upload(BO, bomb(50_000, 50_000), "bomb.png")

    assert body.status_code == 201
    assert "preview" not in body.json()


def test_ranges_are_served(files_site: FilesSiteFixture) -> None:
    content = bytes(range(256)) * 40
    href = files_site.sent(BO, content, "x.bin")
    browser = open_browser(files_site, ADA)
    tag = browser.get(href).headers["etag"]

    def ask(**headers: str) -> Any:
        return browser.get(href, headers={k.replace("_", "-"): v for k, v in headers.items()})

    some = ask(range="bytes=10-19")
    assert (some.status_code, some.content) == (206, content[10:20])
    assert some.headers["content-range"] == f"bytes 10-19/{len(content)}"
    assert some.headers["content-length"] == "10"
    assert some.headers["content-disposition"].startswith("attachment;")
    assert ask(range="bytes=-7").content == content[-7:]
    assert ask(range="bytes=10-19", if_range=tag).status_code == 206
    assert ask(range="bytes=10-19", if_range='"old"').content == content
    assert ask(range="bytes=10-19", if_range="Fri, 27 Nov 2026 00:00:00 GMT").status_code == 200
    assert ask(range="bytes=0-1,5-6").content == content
    assert ask(range="bytes=" + ",".join(["0-"] * 300)).content == content
    none = ask(range=f"bytes={len(content)}-")
    assert (none.status_code, none.content) == (416, b"")
    assert none.headers["content-range"] == f"bytes */{len(content)}"


def test_a_head_request_sends_headers_and_no_body(files_site: FilesSiteFixture) -> None:
    href = files_site.sent(BO, b"hello")

    body = open_browser(files_site, ADA).head(href)

    assert (body.status_code, body.content) == (200, b"")
    assert body.headers["content-length"] == "5"
    assert body.headers["accept-ranges"] == "bytes"


def test_a_cached_file_is_revalidated_and_not_sent_again(files_site: FilesSiteFixture) -> None:
    href = files_site.sent(BO, picture(), "crane.png")

    for address in (href, f"{href}/thumbnail"):
        first = open_browser(files_site, ADA).get(address)
        known = {"if-none-match": first.headers["etag"]}
        assert first.headers["cache-control"] == "private, no-cache"
        again = open_browser(files_site, ADA).get(address, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert open_browser(files_site, CY).get(address, headers=known).status_code == 404


def test_a_file_whose_bytes_are_lost_is_not_found(files_site: FilesSiteFixture) -> None:
    href = files_site.sent(BO, b"hello")
    for each in files_site.bytes_kept():
        each.unlink()

    assert open_browser(files_site, ADA).get(href).status_code == 404


def test_without_javascript_files_are_sent_with_the_form(files_site: FilesSiteFixture) -> None:
    person, workspace = files_site.desk.person_id(BO), files_site.desk.northwind

    async def page(request: Request) -> Response:
        got = await receive_files(request, files_site.site.uploads, person, workspace, max_files=2)
        return JSONResponse([got.fields.multi_items(), [each.name for each in got.files]])

    browser = TestClient(Starlette(routes=[Route("/", page, methods=["POST"])]))
    two = [("files", ("a.txt", b"a")), ("files", ("b.txt", b"b"))]

    answer = browser.post("/", data={"text": "Grüße", "tag": ["x", "y"]}, files=two)
    assert answer.json() == [[["text", "Grüße"], ["tag", "x"], ["tag", "y"]], ["a.txt", "b.txt"]]
    assert files_site.rows() == 2
    none = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename=""\r\n\r\n\r\n'
    kind = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    chosen = browser.post("/", content=f"{none}--{BOUNDARY}--\r\n".encode(), headers=kind)
    assert json.loads(chosen.text) == [[], []]
    plain = browser.post("/", data={"text": "Hi"})
    assert json.loads(plain.text) == [[["text", "Hi"]], []]


def test_files_of_a_refused_form_are_not_stored(files_site: FilesSiteFixture) -> None:
    file = [("upload", ("a.txt", b"a"))]
    workspace = files_site.desk.northwind.removeprefix("org:")
    form = {"id": new_id(), "organization": workspace, "subject": "", "text": "See the file"}

    reply = open_browser(files_site, BO).post(
        f"/requests/{files_site.ticket}/messages", data={"id": "x", "text": "Hi"}, files=file
    )
    request = open_browser(files_site, BO).post("/requests/new", data=form, files=file)
    stranger = open_browser(files_site, EVE).post("/requests/new", data=form, files=file)

    assert (reply.status_code, request.status_code) == (422, 422)
    assert stranger.headers["location"] == "/create-organization"
    assert files_site.is_empty()


def test_only_upload_routes_accept_large_bodies(files_site: FilesSiteFixture) -> None:
    ask = upload_matcher(files_site.urls)
    guarded = add_middleware(files_site.app, None, UploadLimit(ask, MAX_FILE_BYTES * 4))
    browser = TestClient(guarded, follow_redirects=False)
    large = {"file": ("x", b"x" * (MAX_FORM_BYTES + 1))}

    assert browser.post("/sign-in", files=large).status_code == 413
    assert browser.post("/settings/password", files=large).status_code == 413
    assert browser.post("/files", files=large).status_code == 303  # to sign in
    assert ask("/files", False)
    assert not ask("/files/x", True)
    assert not ask("/files/", True)
    huge = {"file": ("x", b"x" * (MAX_FILE_BYTES * 4 + 1))}
    assert browser.post("/files", files=huge).status_code == 413


def picture() -> bytes:
    return drawn(1000, 500, "PNG")
