"""Test a file store that stalls or fails: its callers get a sentence, and nobody else notices."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.fixtures.faulty_proxy import Fault
from tests.fixtures.s3_server import BUCKET, S3Server, running_s3_server
from tests.fixtures.server import DESKWIRE_COMMAND, TIMEOUT, PageResponse, Server, running_server
from tests.fixtures.stream_server import wait_until
from tests.http.test_full_disk import full_disk
from tests.http.test_uploads_interrupted import found

pytestmark = pytest.mark.database("sqlite")  # what is stored elsewhere has nothing to do with it

SENTENCE = "Files can’t be saved or opened right now. Try again in a moment."
STALLED_DOWNLOADS = 50  # more than the 40 threads that everything in a process shares


@dataclass(frozen=True)
class UploaderFixture:
    """Bo, who has a cookie and an organization."""

    server: Server
    cookie: str
    workspace: str

    def upload(self, content: bytes = b"hello", accept: str = "application/json") -> PageResponse:
        headers = {"Cookie": self.cookie, "Origin": self.server.url, "Accept": accept}
        return self.server.request(
            "POST", f"/files?workspace={self.workspace}", content, {**headers, "x-file-name": "a"}
        )

    def begin_download(self, path: str) -> socket.socket:
        """Ask for a file, and do not wait for it."""
        connection = socket.create_connection(("127.0.0.1", self.server.port))
        head = (
            f"GET {path} HTTP/1.1\r\nHost: {self.server.url[7:]}\r\nCookie: {self.cookie}\r\n\r\n"
        )
        connection.sendall(head.encode())
        return connection


@contextmanager
def uploader(folder: Path, **environment: str) -> Iterator[UploaderFixture]:
    with running_server(folder, DESKWIRE_COMMAND, **environment) as server:
        cookie = server.sign_up("Bo", "bo@desk.test")
        yield UploaderFixture(server, cookie, found(server))


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with running_s3_server() as server:
        yield server


def in_bucket(s3: S3Server) -> dict[str, str]:
    return {"FILES_URL": f"s3://{BUCKET}/files", **s3.environment}


def test_files_are_stored_in_a_bucket_over_plain_http(tmp_path: Path, s3: S3Server) -> None:
    content = b"0123456789" * 250_000  # bytes; two and a half ranges of a download
    with uploader(tmp_path, **in_bucket(s3)) as bo:
        uploaded = bo.upload(content)
        assert uploaded.status == 201, uploaded.text
        href = json.loads(uploaded.text)["href"]

        assert bo.server.get(href, bo.cookie).body == content
        part = bo.server.request("GET", href, headers={"Cookie": bo.cookie, "Range": "bytes=7-16"})
        assert (part.status, part.body) == (206, b"7890123456")
        assert not bo.server.log.find_lines('"level": "(warning|error)"')


def test_a_stalled_bucket_blocks_neither_other_pages_nor_the_shutdown(
    tmp_path: Path, s3: S3Server
) -> None:
    with uploader(tmp_path, **in_bucket(s3)) as bo, ExitStack() as open_downloads:
        href = json.loads(bo.upload().text)["href"]
        s3.proxy.fault = "stall"

        downloads = [
            open_downloads.enter_context(bo.begin_download(href)) for _ in range(STALLED_DOWNLOADS)
        ]
        wait_until(lambda: bool(s3.proxy.stalled))

        assert bo.server.get("/static/favicon.svg").status == 200
        preview = bo.server.submit_form("/preview", bo.cookie, text="**loud**")
        assert "<strong>loud</strong>" in preview.text
        assert bo.server.get("/readyz").status == 200
        assert bo.server.stop()[1] == 0  # or it is killed after TIMEOUT, far below the store's
        assert not bo.server.log.find_lines("Traceback")
        assert {read_status(each) for each in downloads} == {503}


@pytest.mark.parametrize("fault", ["cut", "reset"])
def test_a_broken_connection_is_reported_to_the_person_and_the_log(
    tmp_path: Path, s3: S3Server, fault: Fault
) -> None:
    with uploader(tmp_path, **in_bucket(s3)) as bo:
        assert bo.upload().status == 201
        s3.proxy.fault = fault

        assert_unavailable(bo, r"the file store s3://desk/files failed: .*error sending request")

        s3.proxy.fault = "none"
        assert bo.upload().status == 201


def test_a_missing_bucket_is_reported_to_the_person_and_the_log(
    tmp_path: Path, s3: S3Server
) -> None:
    with uploader(tmp_path, **in_bucket(s3)) as bo:
        href = json.loads(bo.upload().text)["href"]
        s3.delete_everything()

        assert_unavailable(bo, "failed: the bucket does not exist")

        assert bo.server.get(href, bo.cookie).status == 503
        s3.create_bucket()
        assert bo.server.get(href, bo.cookie).status == 404


def test_wrong_credentials_are_reported_to_the_person_and_the_log(
    tmp_path: Path, s3: S3Server
) -> None:
    with uploader(tmp_path, **in_bucket(s3)) as bo:
        s3.refuse_credentials()

        assert_unavailable(bo, "failed: the bucket answered InvalidAccessKeyId")

        assert not bo.server.log.find_lines("very-secret")


def test_a_full_disk_is_reported_to_the_person_and_the_log(tmp_path: Path) -> None:
    with uploader(tmp_path) as bo:
        with full_disk(bo.server):
            assert_unavailable(bo, "the file store .*/files failed: File too large")

        assert bo.upload().status == 201


def test_an_unusable_folder_is_reported_to_the_person_and_the_log(tmp_path: Path) -> None:
    (tmp_path / "files").write_bytes(b"not a folder")

    with uploader(tmp_path) as bo:
        assert_unavailable(bo, "the file store .*/files failed: Not a directory")


def read_status(connection: socket.socket) -> int:
    """Return the status of the response to `begin_download`."""
    connection.settimeout(TIMEOUT)
    response = HTTPResponse(connection)
    response.begin()
    return response.status


def assert_unavailable(bo: UploaderFixture, reason: str) -> None:
    """Assert that an upload gets a problem, or a page, and that the log gets one line of each."""
    for accept in ("application/json", "text/html"):
        log_end = bo.server.log.end

        answer = bo.upload(accept=accept)

        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        if accept == "application/json":
            problem = json.loads(answer.text)
            assert (problem["code"], problem["detail"]) == ("unavailable", SENTENCE)
        else:
            assert SENTENCE in answer.text
        bo.server.log.wait_for_line(reason, after=log_end)
        lines = bo.server.log.find_lines('"level": "(warning|error)"|Traceback', after=log_end)
        assert len(lines) == 1, lines
