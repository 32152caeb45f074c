"""Simulate a bot: post the demo's story to a Deskwire until stopped.

    python -m deskwire.demo.simulator --url http://127.0.0.1:8000 [--state FILE] [--verbose]

Like any bot, it knows only the URL and the secret (BOT_WEBHOOK_SECRET in the environment). It waits
for the server, survives restarts of it, and exits with the process that started it.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from types import FrameType
from typing import NoReturn

from deskwire.demo.discord_story import Beat, Story
from deskwire.demo.discord_story_state import (
    StoryState,
    new_story_state,
    new_unsaved_story_state,
    parse_story_state,
)
from deskwire.integrations.discord.sender import SendResult, send_event
from deskwire.kit.clock import SECOND, Millis, now
from deskwire.kit.errors import Invalid, Refusal, Upstream

GIVE_UP_AFTER = 600.0  # s without an answer; after that a server needs an operator
FIRST_RETRY_DELAY, MAX_RETRY_DELAY = 0.2, 5.0  # s between attempts
PARENT_POLL_INTERVAL = 0.5  # s; the longest the parent's exit goes unnoticed
RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504})  # may differ on the next attempt

PostBeat = Callable[[Beat, str], SendResult]
Sleep = Callable[[float], None]


def run_story(
    story: Story, post: PostBeat, sleep: Sleep, save: Callable[[StoryState], None]
) -> NoReturn:
    """Post the story forever. Raises Upstream if the server refuses or stays unreachable."""
    while True:
        beat = story.next_beat()
        sleep(beat.delay / SECOND)
        deliver_beat(beat, post, sleep)
        save(story.state)


def deliver_beat(beat: Beat, post: PostBeat, sleep: Sleep) -> None:
    """Post one beat until it is accepted, under one id, so that repeats are deduplicated."""
    id_, waited, pause = secrets.token_hex(8), 0.0, FIRST_RETRY_DELAY
    while (failure := _try_post(beat, id_, post)) is not None:
        if waited >= GIVE_UP_AFTER:
            raise Upstream(f"Gave up after {waited:.0f} s. {failure}", permanent=True)
        sleep(pause)
        waited, pause = waited + pause, min(2 * pause, MAX_RETRY_DELAY)


def _try_post(beat: Beat, id_: str, post: PostBeat) -> str | None:
    """Return None if it was accepted, else why to try again. Raises Upstream if refused."""
    try:
        answer = post(beat, id_)
    except Upstream as error:
        return str(error)
    if answer.is_accepted:
        return None
    if answer.status in RETRYABLE_STATUSES:
        return f"The server answered {answer.status}: {answer.message}"
    raise Upstream(
        f"The server refused {beat.type} with {answer.status}: {answer.message}. "
        "It must be a Deskwire, with the same BOT_WEBHOOK_SECRET as the simulator.",
        permanent=True,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulator process; return its exit status."""
    parser = argparse.ArgumentParser("deskwire.demo.simulator", description="Posts a demo story.")
    parser.add_argument("--url", required=True, help="the server, like http://127.0.0.1:8000")
    parser.add_argument("--state", type=Path, help="file to save the story in")
    parser.add_argument("--verbose", action="store_true", help="print a line for each event")
    parsed = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    try:
        secret = _read_secret()
        story = Story(Random(), now, read_story_state(parsed.state, now()))  # noqa: S311  no secret
        run_story(
            story,
            _make_poster(parsed.url, secret, parsed.verbose),
            _ParentWatchingSleep(),
            _make_saver(parsed.state),
        )
    except Refusal as refusal:
        sys.stderr.write(f"simulator: {refusal}\n")
        return 1


def read_story_state(path: Path | None, at: Millis) -> StoryState:
    """Read the saved story; a new one if there is no file or it cannot be read."""
    if path is None:
        return new_unsaved_story_state(at)
    try:
        return parse_story_state(path.read_text("utf-8"))
    except FileNotFoundError:
        return new_story_state(at)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"simulator: starting over, {path} cannot be read: {error}\n")
        return new_story_state(at)


def write_story_state(path: Path, state: StoryState) -> None:
    """Save the story atomically: a reader finds the old or the new state, never half of one."""
    new_path = path.with_name(f"{path.name}.new")
    new_path.write_text(state.to_json(), "utf-8")
    new_path.replace(path)


def _read_secret() -> str:
    """Read the secret; a server that is given the same text accepts it."""
    secret = os.environ.get("BOT_WEBHOOK_SECRET", "").strip()
    if not secret:
        raise Invalid("BOT_WEBHOOK_SECRET is not set; set it to the server's value.")
    return secret


def _make_poster(url: str, secret: str, verbose: bool) -> PostBeat:
    def post(beat: Beat, id_: str) -> SendResult:
        answer = send_event(url, secret, beat.type, beat.data, id_=id_)
        if verbose:
            sys.stderr.write(f"{answer.status} {beat.type} {beat.data['guildId']}\n")
        return answer

    return post


def _make_saver(path: Path | None) -> Callable[[StoryState], None]:
    return lambda state: write_story_state(path, state) if path is not None else None


class _ParentWatchingSleep:
    """Sleep, and exit when the process that started us has gone."""

    def __init__(self) -> None:
        self._parent = os.getppid()

    def __call__(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (remaining := deadline - time.monotonic()) > 0:
            time.sleep(min(remaining, PARENT_POLL_INTERVAL))
            if os.getppid() != self._parent:
                raise SystemExit(0)


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)  # safe at any point: the saved state is written atomically


if __name__ == "__main__":
    sys.exit(main())
