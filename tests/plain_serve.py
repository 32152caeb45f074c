"""`deskwire serve` without the takeover: streams are plain ASGI, as under any other server."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deskwire import cli, serve

if __name__ == "__main__":
    serve.PROTOCOL = HttpToolsProtocol
    cli.main()
