"""Test the simulator: it waits for an absent server, and exits on request."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from deskwire.demo import simulator
from deskwire.demo.discord_story import Beat, Story
from deskwire.demo.discord_story_state import new_story_state
from deskwire.demo.simulator import (
    GIVE_UP_AFTER,
    deliver_beat,
    main,
    read_story_state,
    run_story,
    write_story_state,
)
from deskwire.integrations.discord.sender import SendResult
from deskwire.kit.errors import Upstream
from tests.fixtures.bot_deliveries import NOON, SECRET, check_delivery
from tests.fixtures.receiver import WebhookReceiver

SOURCE = Path(simulator.__file__).parents[2]
BEAT = Beat(500, "guild.left", {"guildId": "1"})
KEPT = SendResult(200, "Event guild.left processed successfully")
AWAY = Upstream("Nothing answers at http://127.0.0.1:8000.", permanent=False)


class Server:
    """Gives its answers one after the other, the last one for ever; notes what it was sent."""

    def __init__(self, *answers: SendResult | Upstream) -> None:
        self._answers = list(answers)
        self.ids: list[str] = []

    def __call__(self, _beat: Beat, id_: str) -> SendResult:
        self.ids.append(id_)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Upstream):
            raise answer
        return answer


def test_a_beat_is_retried_under_one_id_until_accepted():
    server = Server(AWAY, SendResult(503, "The delivery could not be kept"), AWAY, KEPT)
    waits: list[float] = []

    deliver_beat(BEAT, server, waits.append)

    assert len(server.ids) == 4
    assert len(set(server.ids)) == 1
    assert waits == [0.2, 0.4, 0.8]


def test_each_beat_has_its_own_id():
    server = Server(KEPT)

    deliver_beat(BEAT, server, lambda _: None)
    deliver_beat(BEAT, server, lambda _: None)

    assert len(set(server.ids)) == 2


def test_an_absent_server_is_eventually_given_up():
    waits: list[float] = []

    with pytest.raises(Upstream, match=r"Gave up after 60\d s. Nothing answers at") as caught:
        deliver_beat(BEAT, Server(AWAY), waits.append)

    assert caught.value.permanent
    assert GIVE_UP_AFTER <= sum(waits) < GIVE_UP_AFTER + max(waits)
    assert max(waits) == 5.0


@pytest.mark.parametrize("status", [400, 401, 404, 413])
def test_a_refused_beat_is_not_retried(status):
    server = Server(SendResult(status, "Invalid webhook signature"))

    with pytest.raises(Upstream, match="the same BOT_WEBHOOK_SECRET") as caught:
        deliver_beat(BEAT, server, lambda _: None)

    assert caught.value.permanent
    assert len(server.ids) == 1


def test_a_beat_is_saved_only_once_it_was_accepted():
    story = Story(Random(1), lambda: NOON, new_story_state(NOON))
    saved: list[str] = []
    server = Server(KEPT, KEPT, SendResult(401, "no"))

    with pytest.raises(Upstream):
        run_story(story, server, lambda _: None, lambda memory: saved.append(memory.to_json()))

    assert len(saved) == 2
    assert saved[0] != saved[1]


def test_a_saved_state_is_read_back_unchanged(tmp_path):
    memory = new_story_state(NOON)
    story = Story(Random(1), lambda: NOON, memory)
    for _ in range(30):
        story.next_beat()

    write_story_state(tmp_path / "story.json", memory)

    assert read_story_state(tmp_path / "story.json", NOON) == memory
    assert [each.name for each in tmp_path.iterdir()] == ["story.json"]


def test_an_unreadable_saved_state_starts_over(tmp_path, capsys):
    (tmp_path / "story.json").write_text("{")

    assert read_story_state(tmp_path / "story.json", NOON) == new_story_state(NOON)
    assert "starting over" in capsys.readouterr().err
    assert read_story_state(tmp_path / "none.json", NOON) == new_story_state(NOON)
    assert capsys.readouterr().err == ""


def test_without_a_secret_the_missing_variable_is_named(monkeypatch, capsys):
    monkeypatch.delenv("BOT_WEBHOOK_SECRET", raising=False)
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}

    try:
        status = main(["--url", "http://127.0.0.1:1"])
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)

    assert status == 1
    assert capsys.readouterr().err.startswith("simulator: BOT_WEBHOOK_SECRET is not set")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_posts_at_once_and_ends_on_sigterm(tmp_path, number):
    state = tmp_path / "story.json"
    with WebhookReceiver() as receiver:
        process = start(receiver.url, "--state", str(state), "--verbose")
        _, sent, body = receiver.requests.get(timeout=10)

        process.send_signal(number)
        started_at = time.monotonic()
        _, errors = process.communicate(timeout=10)
        took = time.monotonic() - started_at

    assert check_delivery(sent, body, now=int(sent["x-webhook-timestamp"])).type == "ticket.created"
    assert process.returncode == 0
    assert took < 3  # s; it promises one, the rest is for a busy machine
    assert SECRET.encode() not in errors
    assert b"Traceback" not in errors


def test_the_process_ends_with_its_parent():
    with WebhookReceiver() as receiver:
        # A parent that starts the simulator, says its number, and is gone when we say so.
        script = (
            "import subprocess, sys;"
            f"child = subprocess.Popen({command(receiver.url)!r});"
            "print(child.pid, flush=True); sys.stdin.read()"
        )
        parent = subprocess.Popen(
            [sys.executable, "-c", script],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert parent.stdin is not None
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        receiver.requests.get(timeout=10)

        parent.stdin.close()
        parent.wait(timeout=10)

        assert has_ended(child, within=5)
        parent.stdout.close()


def command(url: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "deskwire.demo.simulator", "--url", url, *more]


def environment() -> dict[str, str]:
    return {**os.environ, "BOT_WEBHOOK_SECRET": SECRET, "PYTHONPATH": str(SOURCE)}


def start(url: str, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command(url, *more), env=environment(), stderr=subprocess.PIPE)


def has_ended(pidfd: int, within: float) -> bool:
    """Whether the process ends in that many seconds."""
    try:
        return bool(select.select([pidfd], [], [], within)[0])
    finally:
        os.close(pidfd)
