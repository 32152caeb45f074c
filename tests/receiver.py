"""A server that notes what is posted to it: the other side of everything that sends."""

from __future__ import annotations

import queue
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer


class Receiver:
    """A server that notes what is posted and answers as it is told."""

    def __init__(self, status: int = 200, body: bytes = b'{"message": "Event processed"}') -> None:
        noted: queue.Queue[tuple[str, dict[str, str], bytes]] = queue.Queue()

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                sent = {name.lower(): value for name, value in self.headers.items()}
                noted.put((self.path, sent, self.rfile.read(length)))
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.noted = noted
        self._server = HTTPServer(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
