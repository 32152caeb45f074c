"""Test the log without a terminal: one JSON object per line, and no secrets in it."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from deskwire.kit.logging import configure_logging
from deskwire.web.http.log_redaction import redact_paths

LINK = "/welcome/a-secret-nobody-may-read"


@pytest.fixture
def log_output(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    monkeypatch.setattr(sys, "stderr", written := io.StringIO())
    configure_logging("info", redact_paths)
    yield written
    root.handlers = handlers
    root.setLevel(level)


def read(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_each_thing_is_one_line_of_json(log_output: io.StringIO) -> None:
    logging.getLogger("deskwire.test").info("first\nhalf of %s", "it")
    logging.getLogger("uvicorn.access").warning("second")

    first, second = read(log_output)
    assert (first["event"], first["level"]) == ("first\nhalf of it", "info")
    assert (second["logger"], second["level"]) == ("uvicorn.access", "warning")
    assert first["timestamp"].endswith("Z")


def test_no_line_holds_a_link_that_signs_someone_in(log_output: io.StringIO) -> None:
    try:
        raise ValueError(f"GET {LINK}")  # noqa: TRY301 - the line is what is tested
    except ValueError:
        logging.getLogger("deskwire.test").exception("GET %s", LINK)

    assert "a-secret" not in log_output.getvalue()
    assert "GET /welcome/…" in read(log_output)[0]["exception"]
