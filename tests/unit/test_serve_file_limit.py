"""Test that a server raises its limit of open files, because each stream needs a socket."""

from __future__ import annotations

import resource

from deskwire.server.serve import raise_file_limit


def test_the_server_raises_its_file_limit_to_the_maximum() -> None:
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before, 512), hard))
    try:
        raise_file_limit()

        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))
