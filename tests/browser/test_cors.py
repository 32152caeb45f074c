"""Test in a real browser that a page of another origin can use the API with a key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from playwright.sync_api import Browser

from tests.contracts.source_files import read_file
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import find_free_port, running_server
from tests.fixtures.server_keys import create_organization_key

CALL_SCRIPT = """async ([desk, key, subject]) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const body = JSON.stringify({ subject, text: "Seen on the status page." });
    const options = { method: "POST", headers: { ...headers, "idempotency-key": "7f9c" }, body };
    const filed = [];
    for (let times = 0; times < 2; times += 1) {
        const answer = await fetch(`${desk}/api/requests`, options);
        filed.push([answer.status, answer.headers.get("idempotency-replayed")]);
    }
    const stream = await fetch(`${desk}/api/requests/events`, { headers });
    const reader = stream.body.getReader();
    const first = new TextDecoder().decode((await reader.read()).value);
    await reader.cancel();
    const list = await (await fetch(`${desk}/api/requests`, { headers })).json();
    const missing = await fetch(`${desk}/api/requests/nothing`, { headers });
    return [filed, first, list.items.map(item => item.subject), (await missing.json()).code];
}"""
REFUSED_SCRIPT = """async ([desk, key]) => {
    const headers = key ? { authorization: `Bearer ${key}` } : {};
    try {
        await fetch(`${desk}/api/requests`, { headers, credentials: "include" });
        return "answered";
    } catch (error) { return error.name; }
}"""


LISTEN_SCRIPT = """async ([desk, key]) => {
    const { listen } = await import("/listen.mjs");
    for await (const { data } of listen(`${desk}/api/requests/events`, key)) return data.type;
}"""


class OtherSite(BaseHTTPRequestHandler):
    """Serve an empty page, and the reader of streams in docs/api.md."""

    def do_GET(self) -> None:
        is_script = self.path == "/listen.mjs"
        body = read_stream_reader().encode() if is_script else b"<!doctype html>"
        self.send_response(200)
        self.send_header("content-type", "text/javascript" if is_script else "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def read_stream_reader() -> str:
    """Return the first example in JavaScript of docs/api.md."""
    return read_file("docs/api.md").partition("```js\n")[2].partition("```")[0]


@contextmanager
def other_site() -> Iterator[str]:
    """Serve another site on a port of its own; yield its origin."""
    server = ThreadingHTTPServer(("127.0.0.1", find_free_port()), OtherSite)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_of_a_listed_origin_calls_and_streams_with_a_key(
    browser: Browser, tmp_path: Path
) -> None:
    with (
        other_site() as listed,
        other_site() as unlisted,
        running_server(tmp_path, CORS_ORIGINS=listed) as server,
    ):
        company = HttpCompany(server)
        token = create_organization_key(server, company.slug)
        pages = {}
        for origin in (listed, unlisted):
            pages[origin] = browser.new_context().new_page()
            pages[origin].goto(origin)

        filed, first, subjects, missing = pages[listed].evaluate(
            CALL_SCRIPT, [server.url, token, "The lamp is dark"]
        )
        heard = pages[listed].evaluate(LISTEN_SCRIPT, [server.url, token])
        refused = [
            pages[unlisted].evaluate(REFUSED_SCRIPT, [server.url, token]),
            pages[listed].evaluate(REFUSED_SCRIPT, [server.url, ""]),
        ]
        for page in pages.values():
            page.context.close()

    assert filed == [[201, None], [201, "true"]]
    assert "connected" in first
    assert subjects == ["The lamp is dark"]
    assert missing == "not-found"
    assert heard == "connected"
    assert refused == ["TypeError", "TypeError"]
