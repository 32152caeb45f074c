"""Whoever sees only the requests they take part in hears of a new one of theirs at once."""

from __future__ import annotations

from tests.fixtures import sse
from tests.fixtures.http_company import Company
from tests.fixtures.server import Server

PATH = "/api/requests/events"


def test_who_files_a_request_hears_the_replies_although_others_are_hidden(server: Server) -> None:
    company = Company(server)
    path = f"/orgs/{company.slug}/settings"
    server.submit(path, company.clara, act="visibility", visibility="participants")

    with sse.connect(server.port, PATH, company.carl) as stream:
        stream.until(lambda sent: sent.type == "connected")
        request = company.file(company.carl, "The mast is dark")
        stream.until(lambda sent: sent.name == "granted")
        company.say(company.tess, request, "We are on our way.")
        told = stream.until(lambda sent: sent.type == "ticket.message_sent")

    assert told[-1].told["data"]["ticket"] == request
