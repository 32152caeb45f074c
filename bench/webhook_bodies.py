"""Build realistic deliveries of the bot: messages in the tickets of one busy guild."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.sockets import build_request
from deskwire.integrations.discord.samples import build_sample_data, make_snowflake
from deskwire.integrations.discord.sender import build_envelope, build_headers
from deskwire.integrations.discord.signature import WEBHOOK_PATH

SECRET = "a-secret-for-measuring-and-nothing-else"  # given to the servers of a run
GUILD = "1046123456789012345"
OWNER = "182345678901234567"
TICKET_COUNT = 200  # open at once; a busy community
AUTHOR_COUNT = 50

SENTENCES = (
    "The code never arrives. I tried **three times** now, on two phones.",
    "Same here since this morning: `error 1045` right after signing in.",
    "Could you send a screenshot of the settings page, please? Then we can look at it together.",
    "Thanks! It works again after a restart :)",
    "- cleared the cache\n- signed out\n- signed in again\n\nand it still says *pending*.",
)


def signed_request(body: bytes) -> bytes:
    """Build a signed request, as the bot would send it now."""
    now = time.time_ns() // 1_000_000
    return build_request("POST", WEBHOOK_PATH, build_headers(SECRET, now, body), body)


def setup_bodies() -> list[bytes]:
    """Build the bodies that create the guild and its tickets."""
    now = time.time_ns() // 1_000_000
    joined = build_envelope(
        "guild.joined", build_sample_data("guild.joined", guild=GUILD, owner=OWNER), now
    )
    return [joined, *(_ticket_created_body(number, now) for number in range(1, TICKET_COUNT + 1))]


def message_bodies(run_name: str, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield `count` different messages as (message id, body); `run_name` makes them unique."""
    start = time.time_ns() // 1_000_000
    for index in range(count):
        id_ = make_snowflake(start + (index >> 12), index & 0xFFF)
        text = SENTENCES[index % len(SENTENCES)]
        yield id_, message_body(f"{run_name}-{index}", id_, index % TICKET_COUNT + 1, text, start)


def message_body(
    delivery: str, id_: str, ticket: int, text: str, at: int, guild: str = GUILD
) -> bytes:
    """Build the body of one message in one ticket."""
    author = int(id_) % AUTHOR_COUNT
    data = build_sample_data(
        "ticket.message_sent",
        guild=guild,
        ticket=ticket,
        number=ticket,
        user=_author_fields(author),
        username=f"member.{author}",
        content=text,
    )
    return build_envelope("ticket.message_sent", {**data, "messageId": id_}, at, delivery)


def _ticket_created_body(number: int, at: int) -> bytes:
    data = build_sample_data(
        "ticket.created",
        guild=GUILD,
        ticket=number,
        number=number,
        user=_author_fields(number),
        username=f"member.{number % AUTHOR_COUNT}",
    )
    return build_envelope("ticket.created", data, at)


def _author_fields(index: int) -> str:
    return str(318_456_789_012_345_000 + index % AUTHOR_COUNT)
