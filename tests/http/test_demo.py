"""Test the demo as it is started: it runs by itself, and a visitor's first request is answered."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deskwire.demo.cast import PASSWORD
from deskwire.kit.ids import new_id
from tests.fixtures.server import running_server

pytestmark = pytest.mark.database("sqlite")  # the demo brings its own file


def test_the_demo_runs_by_itself_and_answers_a_visitor(tmp_path: Path) -> None:
    with running_server(tmp_path, ("-m", "tests.fixtures.fast_demo")) as demo:
        demo.log.wait_for_line(r"ticket\.claimed → staff, org:")
        clara = demo.sign_in("clara@example.org", PASSWORD)
        page = demo.get("/requests/new", clara).text
        option = re.search(r'name="organization" value="([^"]+)"', page)
        assert option is not None
        asked = {
            "id": new_id(),
            "organization": option[1],
            "subject": "Hello?",
            "text": "Is it on?",
        }

        assert demo.submit_form("/requests/new", clara, **asked).status == 303

        own = rf"ticket\.message_sent → .*ticket:{asked['id']}"
        demo.log.wait_for_line(own)
        demo.log.wait_for_line(r"→ staff, org:", after=demo.log.end)
        conversation = demo.get(f"/requests/{asked['id']}", clara).text
        assert "This is the demo's simulated team" in conversation
        assert len(demo.log.find_lines(own)) == 1
