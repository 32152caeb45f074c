"""Believable deliveries of the bot: messages in the tickets of one busy Discord server."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.sockets import request
from deskwire.integrations.discord.samples import sample, snowflake
from deskwire.integrations.discord.sender import envelope, headers
from deskwire.integrations.discord.signature import PATH

SECRET = "a-secret-for-measuring-and-nothing-else"  # the servers of a run are told it
GUILD = "1046123456789012345"
OWNER = "182345678901234567"
TICKETS = 200  # open at once; a busy community
AUTHORS = 50

SENTENCES = (
    "The code never arrives. I tried **three times** now, on two phones.",
    "Same here since this morning: `error 1045` right after signing in.",
    "Could you send a screenshot of the settings page, please? Then we can look at it together.",
    "Thanks! It works again after a restart :)",
    "- cleared the cache\n- signed out\n- signed in again\n\nand it still says *pending*.",
)


def post(body: bytes) -> bytes:
    """A signed request, as the bot sends it now."""
    now = time.time_ns() // 1_000_000
    return request("POST", PATH, headers(SECRET, now, body), body)


def opening() -> list[bytes]:
    """The bodies that make the server and its tickets known."""
    now = time.time_ns() // 1_000_000
    joined = envelope("guild.joined", sample("guild.joined", guild=GUILD, owner=OWNER), now)
    return [joined, *(_created(number, now) for number in range(1, TICKETS + 1))]


def messages(run: str, count: int) -> Iterator[tuple[str, bytes]]:
    """`count` different messages as (their id, the body); `run` keeps runs apart."""
    start = time.time_ns() // 1_000_000
    for index in range(count):
        id_ = snowflake(start + (index >> 12), index & 0xFFF)
        text = SENTENCES[index % len(SENTENCES)]
        yield id_, message(f"{run}-{index}", id_, index % TICKETS + 1, text, start)


def message(delivery: str, id_: str, ticket: int, text: str, at: int, guild: str = GUILD) -> bytes:
    """The body of one message in one ticket."""
    author = int(id_) % AUTHORS
    data = sample(
        "ticket.message_sent",
        guild=guild,
        ticket=ticket,
        number=ticket,
        user=_author(author),
        username=f"member.{author}",
        content=text,
    )
    return envelope("ticket.message_sent", {**data, "messageId": id_}, at, delivery)


def _created(number: int, at: int) -> bytes:
    data = sample(
        "ticket.created",
        guild=GUILD,
        ticket=number,
        number=number,
        user=_author(number),
        username=f"member.{number % AUTHORS}",
    )
    return envelope("ticket.created", data, at)


def _author(index: int) -> str:
    return str(318_456_789_012_345_000 + index % AUTHORS)
