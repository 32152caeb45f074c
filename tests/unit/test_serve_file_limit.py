"""Test that a server raises its limit of open files, because each stream needs a socket."""

from __future__ import annotations

import resource

from deskwire.server.serve import raise_file_limit


def test_a_server_may_open_as_many_files_as_the_machine_allows() -> None:
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before, 512), hard))
    try:
        raise_file_limit()

        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))
