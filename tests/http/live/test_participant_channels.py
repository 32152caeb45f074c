"""Test that participants who see only their own requests hear of a new one at once."""

from __future__ import annotations

from tests.fixtures import sse
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import Server

PATH = "/api/requests/events"


def test_a_requester_hears_replies_with_participant_visibility(server: Server) -> None:
    company = HttpCompany(server)
    path = f"/orgs/{company.slug}/settings"
    server.submit_form(path, company.clara, act="visibility", visibility="participants")

    with sse.connect(server.port, PATH, company.carl) as stream:
        stream.read_until(lambda sent: sent.type == "connected")
        request = company.create_request(company.carl, "The mast is dark")
        stream.read_until(lambda sent: sent.name == "granted")
        company.post_message(company.tess, request, "We are on our way.")
        frames = stream.read_until(lambda sent: sent.type == "ticket.message_sent")

    assert frames[-1].data["data"]["ticket"] == request


def test_a_requester_hears_of_their_new_request_with_participant_visibility(server: Server) -> None:
    company = HttpCompany(server)
    path = f"/orgs/{company.slug}/settings"
    server.submit_form(path, company.clara, act="visibility", visibility="participants")

    with sse.connect(server.port, PATH, company.carl) as stream:
        stream.read_until(lambda sent: sent.type == "connected")
        request = company.create_request(company.carl, "The mast is dark")
        frames = stream.read_until(lambda sent: sent.type == "ticket.created")

    assert [each.name for each in frames[:-1]] == ["granted"]
    assert frames[-1].data["data"]["ticket"] == request
