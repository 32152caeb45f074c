"""Test the middleware: which requests may change data, and the headers of every response."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from deskwire.kit.web_origin import normalize_origin
from deskwire.web.http.log_redaction import redact_secrets
from deskwire.web.http.middleware import (
    BodyLimit,
    SecurityHeaders,
    add_middleware,
)

DESK = "https://desk.test"
COOKIE = {"cookie": "deskwire=x"}
FORM = "application/x-www-form-urlencoded"


async def write(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def page(_request: Request) -> HTMLResponse:
    return HTMLResponse("<p>")


async def own_rules(_request: Request) -> JSONResponse:
    headers = {"cache-control": "max-age=60", "referrer-policy": "strict-origin"}
    return JSONResponse({}, headers=headers)


def client(public_url: str | None = DESK, base: str = "https://desk.test") -> httpx2.AsyncClient:
    routes = [
        Route("/write", write, methods=["POST", "PUT", "PATCH", "DELETE"]),
        Route("/api/webhooks/bot/events", write, methods=["POST"]),
        Route("/page", page),
        Route("/own", own_rules),
    ]
    transport = httpx2.ASGITransport(add_middleware(Starlette(routes=routes), public_url))
    return httpx2.AsyncClient(transport=transport, base_url=base)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": DESK}, 200),
        ({"origin": "https://DESK.test:443"}, 200),
        ({"origin": DESK, "sec-fetch-site": "cross-site"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({}, 200),
        ({"origin": "https://eve.test"}, 403),
        ({"origin": "http://desk.test"}, 403),
        ({"origin": "https://desk.test:8443"}, 403),
        ({"origin": "https://desk.test.eve.test"}, 403),
        ({"origin": "https://eve.test", "sec-fetch-site": "same-origin"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "https://desk.test@eve.test"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": ""}, 403),
        (COOKIE, 403),
        ({**COOKIE, "origin": DESK}, 200),
        ({**COOKIE, "sec-fetch-site": "same-origin"}, 200),
    ],
)
async def test_only_same_origin_pages_may_make_changes(
    headers: dict[str, str], status: int
) -> None:
    async with client() as browser:
        answer = await browser.post("/write", headers=headers)

    assert answer.status_code == status


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_every_unsafe_method_is_guarded(method: str) -> None:
    async with client() as browser:
        answer = await browser.request(method, "/write", headers={"origin": "https://eve.test"})

    assert answer.status_code == 403


async def test_two_origin_headers_are_refused() -> None:
    async with client() as browser:
        both = [("origin", DESK), ("origin", "https://eve.test")]
        answer = await browser.post("/write", headers=both)

    assert answer.status_code == 403


async def test_a_refusal_names_the_mismatch_and_a_solution() -> None:
    async with client() as browser:
        answer = await browser.post("/write", headers={"origin": "https://eve.test"})

    assert "from https://eve.test, not from https://desk.test" in answer.text
    assert "PUBLIC_URL" in answer.text


async def test_without_a_public_url_the_host_decides() -> None:
    async with client(None, "http://127.0.0.1:8000") as browser:
        own = await browser.post("/write", headers={"origin": "http://127.0.0.1:8000"})
        other = await browser.post("/write", headers={"origin": "http://127.0.0.1:9000"})

    assert (own.status_code, other.status_code) == (200, 403)


async def test_cross_site_links_to_pages_work() -> None:
    async with client() as browser:
        answer = await browser.get("/page", headers={**COOKIE, "sec-fetch-site": "cross-site"})

    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/api/webhooks", "/api/webhooksx", "/API/webhooks/bot/events"])
async def test_only_webhooks_are_exempt(path: str) -> None:
    async with client() as browser:
        signed = await browser.post("/api/webhooks/bot/events", headers=COOKIE)
        other = await browser.post(path, headers=COOKIE)

    assert (signed.status_code, other.status_code) == (200, 403)


async def test_every_response_has_the_security_headers() -> None:
    async with client() as browser:
        answers = [
            await browser.get("/page"),
            await browser.get("/nowhere"),
            await browser.post("/write", headers={"origin": "null"}),
            await browser.post("/write", content=b"x" * 70_000, headers={"content-type": FORM}),
        ]

    assert [answer.status_code for answer in answers] == [200, 404, 403, 413]
    for answer in answers:
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in answer.headers["permissions-policy"]
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_plain_http_sends_no_hsts() -> None:
    async with client("http://localhost:8000", "http://localhost:8000") as browser:
        answer = await browser.get("/page")

    assert "strict-transport-security" not in answer.headers


async def test_responses_are_not_cacheable_by_default() -> None:
    async with client() as browser:
        silent, own, text = (
            await browser.get("/page"),
            await browser.get("/own"),
            await browser.get("/nowhere"),
        )

    assert silent.headers["cache-control"] == "no-store"
    assert own.headers["cache-control"] == "max-age=60"
    assert own.headers["referrer-policy"] == "strict-origin"
    assert "cache-control" not in text.headers  # plain text


@pytest.mark.parametrize(
    ("kind", "size", "status"),
    [
        (FORM, 65_536, 200),
        (FORM, 65_537, 413),
        ("multipart/form-data; boundary=x", 65_537, 413),
        ("Application/X-WWW-Form-Urlencoded; charset=utf-8", 65_537, 413),
        ("application/json", 65_537, 200),
        ("application/json", 1_048_577, 413),
        ("text/plain", 1_048_577, 413),
    ],
)
async def test_body_limits_follow_the_content_type(kind: str, size: int, status: int) -> None:
    async with client() as browser:
        answer = await browser.post(
            "/write", content=b"x" * size, headers={"content-type": kind, "origin": DESK}
        )

    assert answer.status_code == status


async def test_a_body_without_a_length_is_counted_while_it_is_read() -> None:
    async def endless():
        for _ in range(1000):
            yield b"x" * 1024

    async with client() as browser:
        answer = await browser.post(
            "/write", content=endless(), headers={"content-type": FORM, "origin": DESK}
        )

    assert (answer.status_code, answer.text) == (
        413,
        "You sent more than 64 KiB. Send less.",
    )


async def test_a_plain_asgi_app_is_limited_too() -> None:
    async def read_all(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive()).get("more_body"):
            pass

    sent = await run(
        BodyLimit(read_all, max_form_bytes=10, max_body_bytes=10), [b"x" * 6, b"x" * 6], "POST"
    )

    assert sent[0]["status"] == 413


async def test_a_trickling_body_is_refused_and_a_received_one_is_not() -> None:
    never = asyncio.Event()
    sent: list[Message] = []

    async def receive() -> Message:
        if not waiting:
            await never.wait()
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    async def read_all(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        async with asyncio.timeout(0.05):
            await receive()  # a disconnect, which may take its time

    limited = BodyLimit(read_all, timeout=0.01)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "scheme": "http"}

    waiting = [{"type": "http.request", "body": b"x", "more_body": True}]
    await limited(scope, receive, send)
    assert sent[0]["status"] == 408

    waiting = [{"type": "http.request", "body": b"x", "more_body": False}]
    with pytest.raises(TimeoutError):
        await limited(scope, receive, send)


async def run(app, chunks: list[bytes], method: str = "GET") -> list[Message]:
    """What `app` sends for one request, message by message."""
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, 1)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/", "headers": [], "scheme": "http"}
    await app(scope, receive, send)
    return sent


async def test_a_stream_passes_unbuffered_and_shared_headers_stay_unchanged() -> None:
    shared = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
    seen_after_each: list[int] = []
    sent: list[Message] = []

    async def stream(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": shared})
        for piece in (b"one", b"two"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            seen_after_each.append(len(sent))

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing to read")

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "scheme": "http"}
    await add_middleware(stream, DESK)(scope, receive, send)

    assert seen_after_each == [2, 3]
    assert len(shared) == 2
    assert (b"cache-control", b"no-cache") in sent[0]["headers"]
    assert not any(value == b"no-store" for _, value in sent[0]["headers"])


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
async def test_scopes_other_than_http_pass_unchanged(kind: str) -> None:
    passed: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        passed.append(scope)

    async def receive() -> Message:
        raise AssertionError("nothing is received")

    async def send(_message: Message) -> None:
        raise AssertionError("nothing is sent")

    await add_middleware(app, DESK)({"type": kind}, receive, send)

    assert passed == [{"type": kind}]


async def test_a_response_without_headers_gets_the_security_headers() -> None:
    async def bare(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204})

    [start] = await run(SecurityHeaders(bare, None), [b""])

    assert (b"x-content-type-options", b"nosniff") in start["headers"]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://desk.test", "https://desk.test"),
        ("https://desk.test/path/", "https://desk.test"),
        ("HTTPS://Desk.Test:443", "https://desk.test"),
        ("http://desk.test:80", "http://desk.test"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://desk.test:99999", None),
        ("https://eve@desk.test", None),
        ("null", None),
        ("", None),
        ("file:///x", None),
        ("http://[", None),
    ],
)
def test_an_origin_is_normalized(url: str, origin: str | None) -> None:
    assert normalize_origin(url) == origin


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/welcome/s3cr3t", "/welcome/…"),
        ("/welcome/s3cr3t?x=1", "/welcome/…?x=1"),
        ("/welcome/s3cr3t/more", "/welcome/…/more"),
        ("/Welcome/s3cr3t", "/Welcome/…"),
        ("https://desk.test/welcome/s3cr3t", "https://desk.test/welcome/…"),
        ("/welcome/", "/welcome/"),
        ("/verify/s3cr3t", "/verify/…"),
        ("/reset/s3cr3t?x=1", "/reset/…?x=1"),
        ("/requests?next=/x", "/requests?next=/x"),
    ],
)
def test_the_token_of_a_link_is_not_logged(path: str, shown: str) -> None:
    assert redact_secrets(path) == shown
