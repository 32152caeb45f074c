"""Test that a resume reports a deleted organization, and nothing of its content."""

from __future__ import annotations

import re

from tests.fixtures import sse
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import Server

PATH = "/api/requests/events"


def test_a_resume_sends_no_request_of_a_deleted_organization(server: Server) -> None:
    gone, other = HttpCompany(server), HttpCompany(server)
    cursor = re.search(r'data-cursor="([^"]+)"', server.get("/admin", gone.tess).text)
    assert cursor is not None
    request = gone.create_request(gone.carl, "Zauberkran")
    gone.post_message(gone.tess, request, "Geheimtext", kind="note")
    other.create_request(other.carl, "The mast is dark")

    path = f"/orgs/{gone.slug}/settings"
    server.submit_form(path, gone.clara, act="delete", confirmed=gone.name)

    with sse.connect(server.port, f"{PATH}?after={cursor[1]}", gone.tess) as stream:
        frames = stream.read_until(lambda sent: sent.type == "organization.deleted")
    assert frames[0].data["verdict"] == "resumed"
    [created] = [each for each in frames if each.type.startswith("ticket.")]
    assert "The mast is dark" in str(created.data)
    assert not [each for each in frames if request in str(each.data)]
