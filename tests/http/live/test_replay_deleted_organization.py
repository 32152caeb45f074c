"""Who comes back hears that an organization was deleted, and nothing of what it held."""

from __future__ import annotations

import re

from tests.fixtures import sse
from tests.fixtures.http_company import Company
from tests.fixtures.server import Server

PATH = "/api/requests/events"


def test_a_resume_tells_nothing_of_a_deleted_organization_s_requests(server: Server) -> None:
    gone, kept = Company(server), Company(server)
    cursor = re.search(r'data-cursor="([^"]+)"', server.get("/admin", gone.tess).text)
    assert cursor is not None
    request = gone.file(gone.carl, "Zauberkran")
    gone.say(gone.tess, request, "Geheimtext", kind="note")
    kept.file(kept.carl, "The mast is dark")

    path = f"/orgs/{gone.slug}/settings"
    server.submit(path, gone.clara, act="delete", confirmed=gone.name)

    with sse.connect(server.port, f"{PATH}?after={cursor[1]}", gone.tess) as stream:
        told = stream.until(lambda sent: sent.type == "organization.deleted")
    assert told[0].told["verdict"] == "resumed"
    [created] = [each for each in told if each.type.startswith("ticket.")]
    assert "The mast is dark" in str(created.told)
    assert not [each for each in told if request in str(each.told)]
