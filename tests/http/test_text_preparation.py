"""Test that what people write is prepared before the transaction, and at a pace per person."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deskwire.kit.ids import new_id
from deskwire.kit.text import split_words
from deskwire.tickets import prepared_text
from deskwire.tickets.markdown import render_markdown
from deskwire.tickets.validation import MAX_TEXT_LENGTH
from deskwire.web.text_preparer import MAX_BURST
from tests.fixtures.api import ApiFixture, create_api
from tests.fixtures.cast import ADA, BO, UNA

pytestmark = pytest.mark.database("sqlite")

LONG_TEXT = "A *word* for @Una Fairweather. " * 80


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiFixture]:
    found = create_api(tmp_path)
    yield found
    found.site.desk.db.close()


@pytest.fixture
def rendering_threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that render a text or split one into words, in order."""
    names: list[str] = []

    def render_noted(text: str) -> str:
        names.append(threading.current_thread().name.rpartition("_")[0])
        return render_markdown(text)

    def split_noted(text: str) -> list[str]:
        names.append(threading.current_thread().name.rpartition("_")[0])
        return split_words(text)

    monkeypatch.setattr(prepared_text, "render_markdown", render_noted)
    monkeypatch.setattr(prepared_text, "split_words", split_noted)
    return names


@pytest.mark.parametrize(
    ("text", "thread"), [("A *word*.", "short-texts"), (LONG_TEXT, "long-texts")]
)
def test_no_transaction_renders_text(
    api: ApiFixture, rendering_threads: list[str], text: str, thread: str
) -> None:
    bo, ada = api.client(BO), api.client(ADA)
    organization = {"organization": api.portal.organization_ids["quay"]}

    request = bo.post("/api/requests", json={"subject": "A buoy", "text": text}).json()["id"]
    form = {"id": new_id(), "subject": "A mast", "text": text, **organization}
    page = bo.post("/requests/new", data=form)
    path = f"/requests/{request}/messages"
    message = bo.post(f"/api{path}", json={"text": text}).json()
    bo.patch(f"/api{path}/{message['id']}", json={"text": text + "!"})
    note = ada.post(path, data={"id": new_id(), "text": text, "kind": "note"}).headers["location"]
    own_id = new_id()
    bo.post(path, data={"id": own_id, "text": text})
    edited = bo.post(f"{path}/{own_id}", data={"text": text + "?"})
    preview = bo.post("/preview", data={"text": text})

    assert (page.status_code, note, edited.status_code) == (303, f"/requests/{request}", 303)
    assert preview.text.startswith("<p>A <em>word</em>")
    assert rendering_threads == [thread] * 2 * 8


def test_a_person_who_writes_too_much_is_rate_limited_and_others_are_not(api: ApiFixture) -> None:
    request = api.portal.create_request(BO, "The crane")
    path, text = f"/api/requests/{request}/messages", "a" * MAX_TEXT_LENGTH
    bo, una = api.client(BO), api.client(UNA)

    answers = [
        bo.post(path, json={"text": text}).status_code for _ in range(MAX_BURST // MAX_TEXT_LENGTH)
    ]
    refused = bo.post(path, json={"text": text})
    others = una.post(path, json={"text": text})

    assert set(answers) == {201}
    assert (refused.status_code, others.status_code) == (429, 201)
    assert 1 <= int(refused.headers["retry-after"]) <= MAX_TEXT_LENGTH


def test_an_invalid_text_is_reported_only_to_people_who_may_write(api: ApiFixture) -> None:
    request = api.portal.create_request(BO, "The crane")
    path = f"/api/requests/{request}/messages"

    assert api.client(BO).post(path, json={"text": " "}).status_code == 422
    assert api.client(BO).post(f"/api/requests/{new_id()}/messages", json={"text": " "}).is_error
