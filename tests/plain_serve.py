"""`deskwire serve` without the takeover: streams are plain ASGI, as under any other server."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deskwire.cli import main
from deskwire.server import serve

if __name__ == "__main__":
    serve.PROTOCOL = HttpToolsProtocol
    main.main()
