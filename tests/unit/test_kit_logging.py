"""Test the log without a terminal: one JSON object per line, and no secrets in it."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from deskwire.kit.log_limit import LogLimit
from deskwire.kit.logging import configure_logging
from deskwire.web.http.log_redaction import redact_secrets

LINK = "/welcome/a-secret-nobody-may-read"


@pytest.fixture
def log_output(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    monkeypatch.setattr(sys, "stderr", written := io.StringIO())
    configure_logging("info", redact_secrets)
    yield written
    root.handlers = handlers
    root.setLevel(level)


def read(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_each_record_is_one_line_of_json(log_output: io.StringIO) -> None:
    logging.getLogger("deskwire.test").info("first\nhalf of %s", "it")
    logging.getLogger("uvicorn.access").warning("second")

    first, second = read(log_output)
    assert (first["event"], first["level"]) == ("first\nhalf of it", "info")
    assert (second["logger"], second["level"]) == ("uvicorn.access", "warning")
    assert first["timestamp"].endswith("Z")


def test_no_line_contains_a_sign_in_link(log_output: io.StringIO) -> None:
    try:
        raise ValueError(f"GET {LINK}")  # noqa: TRY301 - the line is what is tested
    except ValueError:
        logging.getLogger("deskwire.test").exception("GET %s", LINK)

    assert "a-secret" not in log_output.getvalue()
    assert "GET /welcome/…" in read(log_output)[0]["exception"]


class _RecordingHandler(logging.Handler):
    """Keep what is logged."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)


class FloodFixture:
    """A log that is limited by a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.records: list[logging.LogRecord] = []
        self.logger = logging.Logger("deskwire.test")
        handler = _RecordingHandler(self.records)
        handler.addFilter(LogLimit(lambda: self.now))
        self.logger.addHandler(handler)

    def fail(self, error: Exception, **extra: object) -> None:
        self.logger.error("request %s failed", "GET /", exc_info=error, extra=extra)

    @property
    def lines(self) -> list[str]:
        return [record.getMessage() for record in self.records]


def test_repeated_errors_become_one_line_a_second_with_a_count() -> None:
    flood = FloodFixture()

    for _ in range(1000):
        flood.fail(OSError("gone"))
    flood.now = 1.0
    flood.fail(OSError("gone"))
    flood.now = 2.0
    flood.fail(OSError("gone"))

    line = "request GET / failed"
    assert flood.lines == [line, f"{line} (and 999 more like it before)", line]


def test_errors_of_different_kinds_are_limited_separately() -> None:
    flood = FloodFixture()

    flood.fail(OSError("gone"))
    flood.fail(ValueError("odd"))
    flood.logger.warning("something else", exc_info=OSError("gone"))

    assert len(flood.lines) == 3


def test_a_repeated_error_with_a_reference_keeps_its_line_without_traceback() -> None:
    flood = FloodFixture()

    for reference in ("a", "b"):
        flood.fail(OSError("gone"), reference=reference)

    assert [record.exc_info is not None for record in flood.records] == [True, False]


def test_lines_without_a_traceback_are_limited_only_if_they_have_a_kind() -> None:
    flood = FloodFixture()

    for status in (401, 401, 413):
        flood.logger.warning("refused: %d", status, extra={"kind": status})
    for _ in range(2):
        flood.logger.warning("a reader is too slow")

    assert flood.lines == ["refused: 401", "refused: 413", *["a reader is too slow"] * 2]


def test_the_log_of_a_server_is_limited(log_output: io.StringIO) -> None:
    for _ in range(100):
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")

    assert 1 <= len(read(log_output)) < 100
