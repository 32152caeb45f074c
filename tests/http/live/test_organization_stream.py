"""The stream of requests: who may have it, and that it tells of nothing else."""

from __future__ import annotations

import json
from typing import Any

from deskwire.kit.ids import new_id
from tests.fixtures import sse
from tests.fixtures.guild import Place

PATH = "/api/requests/events"


def test_it_tells_of_requests_and_the_stream_of_guilds_does_not(place: Place) -> None:
    cookie = place.staff()
    made = ask(place, cookie, "POST", "/api/organizations", {"name": f"Quay {place.guild}"})
    listening = place.listen(cookie, PATH), place.listen(cookie, "/api/guilds/events")
    with listening[0] as requests, listening[1] as guilds:
        filed = {"subject": "A buoy", "text": "It drifts."}
        here = f"/api/requests?organization={made['slug']}"
        id_ = ask(place, cookie, "POST", here, filed)["id"]
        place.open_ticket(1, "In the server")
        ask(place, cookie, "POST", f"/api/requests/{id_}/messages", {"text": "Still."})
        told = requests.until(lambda sent: sent.type == "ticket.message_sent")
        elsewhere = guilds.until(lambda sent: sent.type == "ticket.created")

    assert workspaces_of(told) == {f"org:{made['id']}"}
    assert workspaces_of(elsewhere) == {place.workspace}


def test_without_an_organization_there_is_none_and_a_way_to_one(place: Place) -> None:
    cookie = place.staff()
    with sse.connect(place.server.port, PATH, cookie) as stream:
        refused = json.loads(stream.body())
        status = stream.status
    with sse.connect(place.server.port, PATH) as stream:
        stranger = json.loads(stream.body())

    assert (status, refused["code"]) == (403, "no-active-organization")
    assert refused["href"] == "/create-organization"
    assert (stranger["status"], stranger["code"]) == (401, "signed-out")


def test_who_joins_an_organization_hears_it_at_once(place: Place) -> None:
    owner, guest = place.staff(), place.server.move_in(place.bo)
    ask(place, guest, "POST", "/api/organizations", {"name": f"Own {place.guild}"})
    made = ask(place, owner, "POST", "/api/organizations", {"name": f"Quay {place.guild}"})
    invited = {"email": place.bo.email, "role": "member"}
    ask(place, owner, "POST", f"/api/organizations/{made['id']}/invitations", invited)
    with place.listen(guest, PATH) as stream:
        place.server.submit(place.server.mailed(place.bo.email, "/invitations/"), guest)
        filed = {"id": new_id(), "subject": "A buoy", "text": "It drifts."}
        ask(place, owner, "POST", f"/api/requests?organization={made['id']}", filed)
        told = stream.until(lambda sent: sent.type == "ticket.created")

    assert told[-1].told["data"]["ticket"] == filed["id"]


def workspaces_of(sent: list[sse.Sent]) -> set[str]:
    """The workspaces events were of; what is one's own, and the stream itself, are of none."""
    told = (each.told["data"].get("workspace") for each in sent if "." in each.type)
    return {workspace for workspace in told if workspace is not None}


def ask(place: Place, cookie: str, method: str, path: str, body: Any) -> Any:
    """One call of the API as a browser makes it; what it answers."""
    head = {"Content-Type": "application/json", "Origin": place.server.url, "Cookie": cookie}
    answer = place.server.request(method, path, json.dumps(body).encode(), head)
    assert answer.status < 400, answer.text
    return json.loads(answer.body)
