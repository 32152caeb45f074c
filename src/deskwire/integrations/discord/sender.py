"""The bot's side of the hop: an event put into its envelope, signed, and posted.

Wire formats, section 1. For the shell, the demo and the tests; a bot written for the sketch sends
the same bytes. The secret appears in no repr, error or URL.
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

if TYPE_CHECKING:
    from httpx2 import HTTPError, Response

TIMEOUT = 10.0  # s for each of connecting, writing, reading; the door answers in milliseconds
MAX_MESSAGE_LENGTH = 300  # characters of a response that the door did not write


@dataclass(frozen=True, slots=True)
class SendResult:
    """What came back: the HTTP status and the sentence beside it."""

    status: int
    message: str

    @property
    def is_accepted(self) -> bool:
        """Whether the event was taken; a sender of the sketch reads nothing else."""
        return 200 <= self.status < 300


def build_envelope(
    type_: str, data: Mapping[str, Any], at: Millis, id_: str | None = None
) -> bytes:
    """The body of one event. `id_`: the same over all tries, so that a second one does nothing."""
    event = {"event": {"type": type_, "data": data}, "timestamp": format_iso(at)}
    whole = event if id_ is None else {"id": id_, **event}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def build_headers(secret: str, timestamp: Millis, body: bytes) -> dict[str, str]:
    """What goes with `body`: the time it is signed at, and the signature over both."""
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
    """Post one event to the Deskwire at `url` (its address, such as http://127.0.0.1:8000); once.

    Whatever it answers is returned. Invalid: it cannot be sent like this. Upstream: no answer.
    """
    if not secret:
        raise Invalid("There is no secret to sign with: set BOT_WEBHOOK_SECRET to the server's.")
    at = clock()
    try:
        body = build_envelope(type_, data, at, id_)
        head = build_headers(secret, at, body)
    except UnicodeError:
        raise Invalid("The secret, or what is to be sent, is not text in UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise Invalid(f"This cannot be written as JSON: {error}.") from None
    return _post(_parse_address(url), head, body)


def _post(address: SplitResult, request_headers: Mapping[str, str], body: bytes) -> SendResult:
    import httpx2  # 0.2 s; every command of the shell imports this module

    shown = f"{address.scheme}://{address.netloc}"
    target = shown + (address.path.rstrip("/") or WEBHOOK_PATH)
    # A proxy of the environment is for the world outside, never for a server on this machine.
    outside = address.hostname not in ("127.0.0.1", "::1", "localhost")
    try:
        answer = httpx2.post(
            target, content=body, headers=dict(request_headers), timeout=TIMEOUT, trust_env=outside
        )
    except (httpx2.InvalidURL, UnicodeError):  # a name no resolver can be asked for
        raise _invalid_address(target) from None
    except httpx2.HTTPError as error:
        raise Upstream(_unreachable_message(shown, error), permanent=False) from None
    return SendResult(answer.status_code, _response_message(answer))


def _parse_address(url: str) -> SplitResult:
    if "@" in url:  # not shown: what stands before it may be a password
        raise Invalid("An address takes no user or password. Write it like http://127.0.0.1:8000.")
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that stays open
        usable = False
    if not usable or parts.query or parts.fragment:
        raise _invalid_address(url)
    return parts


def _invalid_address(url: str) -> Invalid:
    return Invalid(f"{url!r} is not an address. Write it like http://127.0.0.1:8000.")


def _unreachable_message(address: str, error: HTTPError) -> str:
    import httpx2

    if isinstance(error, httpx2.ConnectError):
        what = f"Nothing answers at {address} ({error})."
    elif isinstance(error, httpx2.TimeoutException):
        what = f"{address} did not answer within {TIMEOUT:.0f} s."
    else:
        what = f"The connection to {address} broke ({type(error).__name__})."
    return f"{what} Start the server with `deskwire serve`, or say where it is: --url, or PORT."


def _response_message(response: Response) -> str:
    """The door's sentence, or the beginning of whatever answered in its place."""
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(response.text.split())[:MAX_MESSAGE_LENGTH]
