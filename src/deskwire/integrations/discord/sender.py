"""Sign an event and post it as the bot does (wire formats, section 1).

For the CLI, the demo and the tests; a real bot sends the same bytes. The secret appears in no repr,
error or URL.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from deskwire.integrations.discord.signature import WEBHOOK_PATH, sign
from deskwire.kit.clock import Clock, Millis, format_iso, now
from deskwire.kit.errors import Invalid, Upstream
from deskwire.kit.loopback import is_loopback_host

if TYPE_CHECKING:
    from httpx2 import HTTPError, Response

TIMEOUT = 10.0  # s each for connecting, writing and reading; the door answers in milliseconds
MAX_MESSAGE_LENGTH = 300  # characters shown of a response that is not the door's


@dataclass(frozen=True, slots=True)
class SendResult:
    """The response: its HTTP status and message."""

    status: int
    message: str

    @property
    def is_accepted(self) -> bool:
        """Whether the event was accepted; the bot reads nothing else."""
        return 200 <= self.status < 300


def build_envelope(
    type_: str, data: Mapping[str, Any], at: Millis, id_: str | None = None
) -> bytes:
    """Return the body of one event; the same `id_` in every retry makes it idempotent."""
    event = {"event": {"type": type_, "data": data}, "timestamp": format_iso(at)}
    envelope = event if id_ is None else {"id": id_, **event}
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def build_headers(secret: str, timestamp: Millis, body: bytes) -> dict[str, str]:
    """Return the headers for `body`: the time of signing, and the signature over both."""
    return {
        "content-type": "application/json",
        "x-webhook-timestamp": str(timestamp),
        "x-webhook-signature": sign(secret, timestamp, body),
    }


def send_event(
    url: str,
    secret: str,
    type_: str,
    data: Mapping[str, Any],
    *,
    id_: str | None = None,
    clock: Clock = now,
) -> SendResult:
    """Post one event to the server at `url` (such as http://127.0.0.1:8000), without retries.

    Any response is returned. Raises Invalid if the event cannot be sent as given, and Upstream if
    there is no response.
    """
    if not secret:
        raise Invalid(
            "There is no secret to sign with: set BOT_WEBHOOK_SECRET to the server's value."
        )
    at = clock()
    try:
        body = build_envelope(type_, data, at, id_)
        headers = build_headers(secret, at, body)
    except UnicodeError:
        raise Invalid("The secret or the event is not valid UTF-8 text.") from None
    except (ValueError, RecursionError) as error:
        raise Invalid(f"The event cannot be encoded as JSON: {error}.") from None
    return _post(_parse_address(url), headers, body)


def _post(address: SplitResult, request_headers: Mapping[str, str], body: bytes) -> SendResult:
    import httpx2  # takes 0.2 s; every CLI command imports this module

    origin = f"{address.scheme}://{address.netloc}"
    target = origin + (address.path.rstrip("/") or WEBHOOK_PATH)
    # The environment's proxy is never used for a server on this machine.
    is_remote = not is_loopback_host(address.hostname or "")
    try:
        response = httpx2.post(
            target,
            content=body,
            headers=dict(request_headers),
            timeout=TIMEOUT,
            trust_env=is_remote,
        )
    except (httpx2.InvalidURL, UnicodeError):  # a host name that cannot be resolved
        raise _invalid_address(target) from None
    except httpx2.HTTPError as error:
        raise Upstream(_unreachable_message(origin, error), permanent=False) from None
    return SendResult(response.status_code, _response_message(response))


def _parse_address(url: str) -> SplitResult:
    if "@" in url:  # not repeated: the part before it may hold a password
        raise Invalid(
            "The address must not contain a user or password. Write it like http://127.0.0.1:8000."
        )
    try:
        parts = urlsplit(url.strip())
        is_valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is not a number, an unclosed bracket
        is_valid = False
    if not is_valid or parts.query or parts.fragment:
        raise _invalid_address(url)
    return parts


def _invalid_address(url: str) -> Invalid:
    return Invalid(f"{url!r} is not an address. Write it like http://127.0.0.1:8000.")


def _unreachable_message(address: str, error: HTTPError) -> str:
    import httpx2

    if isinstance(error, httpx2.ConnectError):
        problem = f"Nothing answers at {address} ({error})."
    elif isinstance(error, httpx2.TimeoutException):
        problem = f"{address} did not answer within {TIMEOUT:.0f} s."
    else:
        problem = f"The connection to {address} broke ({type(error).__name__})."
    return f"{problem} Start the server with `deskwire serve`, or give its address: --url, or PORT."


def _response_message(response: Response) -> str:
    """Return the door's message, or the beginning of a response that is not the door's."""
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(response.text.split())[:MAX_MESSAGE_LENGTH]
