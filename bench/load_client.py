"""Post signed deliveries over many connections, from a process of its own.

    python -m bench.load_client PORT CONNECTIONS COUNT RUN

It prepares everything, prints `ready`, waits for a line, posts, and prints one line of JSON. It is
a closed loop: each connection sends its next delivery when the last one was answered, so the
server sets the pace and nothing piles up.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from bench.sockets import CHUNK_BYTES, TIMEOUT, BrokenConnection, connect, read_status
from bench.webhook_bodies import message_bodies, signed_request


@dataclass
class Sender:
    """One connection, and the response it is waiting for."""

    connection: socket.socket
    sent_at: float = 0.0
    received: bytes = b""


@dataclass
class Results:
    """The responses by status, and how long each took."""

    statuses: Counter[int] = field(default_factory=Counter)
    response_times: list[float] = field(default_factory=list)  # s


def main() -> None:
    port, connections, count = (int(each) for each in sys.argv[1:4])
    requests = [signed_request(body) for _, body in message_bodies(sys.argv[4], count)]
    senders = [Sender(connect(port)) for _ in range(connections)]
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    results = post_all(senders, requests)
    print(json.dumps(_summarize(results, time.perf_counter() - began)), flush=True)


def post_all(senders: list[Sender], requests: list[bytes]) -> Results:
    """Post every request; each connection has one in flight at a time."""
    poll, results, remaining = select.epoll(), Results(), iter(requests)
    by_number = {sender.connection.fileno(): sender for sender in senders}
    for number, sender in by_number.items():
        poll.register(number, select.EPOLLIN)
        _send_request(sender, next(remaining))
    while len(results.response_times) < len(requests):
        ready = poll.poll(TIMEOUT)
        if not ready:
            raise BrokenConnection(
                f"no answer for {TIMEOUT:.0f} s after {len(results.response_times)} answers"
            )
        for number, _ in ready:
            if _read_answer(by_number[number], results) and (following := next(remaining, None)):
                _send_request(by_number[number], following)
    return results


def _send_request(sender: Sender, request: bytes) -> None:
    sender.sent_at, sender.received = time.perf_counter(), b""
    sender.connection.sendall(request)


def _read_answer(sender: Sender, results: Results) -> bool:
    part = sender.connection.recv(CHUNK_BYTES)
    if not part:
        raise BrokenConnection("the server closed a connection")
    sender.received += part
    status = read_status(sender.received)
    if status is None:
        return False
    results.statuses[status] += 1
    results.response_times.append(time.perf_counter() - sender.sent_at)
    return True


def _summarize(results: Results, seconds: float) -> dict[str, object]:
    waits = sorted(results.response_times)
    return {
        "seconds": seconds,
        "statuses": results.statuses,
        "p50_ms": waits[len(waits) // 2] * 1000,
        "p99_ms": waits[len(waits) * 99 // 100] * 1000,
    }


if __name__ == "__main__":
    main()
