"""Configure logging with readable lines on a terminal and one JSON object per line elsewhere."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, MutableMapping

import structlog

from deskwire.kit.clock import format_iso
from deskwire.kit.log_limit import LogLimit

RedactText = Callable[[str], str]


def configure_logging(level: str, redact: RedactText) -> None:
    """Send all log records, uvicorn's included, to standard error, each text through `redact`.

    Errors that repeat within a second are left out (`log_limit.py`).
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _create_console_formatter(redact) if sys.stderr.isatty() else _JsonFormatter(redact)
    )
    handler.addFilter(LogLimit())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("alembic").setLevel("WARNING")  # it logs every step at INFO
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True


class _JsonFormatter(logging.Formatter):
    """Format a record as one line of JSON.

    structlog's chain of processors takes twice as long, and every webhook logs two lines
    (docs/performance.md).
    """

    def __init__(self, redact: RedactText) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "event": self._redact(record.getMessage()),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": format_iso(int(record.created * 1000)),
        }
        if record.exc_info:
            line["exception"] = self._redact(self.formatException(record.exc_info))
        return _encode_json(line)


_encode_json = json.JSONEncoder(ensure_ascii=False).encode


def _create_console_formatter(redact: RedactText) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _create_redaction_processor(redact),
            structlog.dev.ConsoleRenderer(colors=True, pad_event_to=0),
        ],
    )


def _create_redaction_processor(redact: RedactText) -> structlog.typing.Processor:
    def apply(
        _logger: object, _method: str, line: MutableMapping[str, object]
    ) -> MutableMapping[str, object]:
        return {
            key: redact(value) if isinstance(value, str) else value for key, value in line.items()
        }

    return apply
