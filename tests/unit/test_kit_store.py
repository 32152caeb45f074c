"""Test every file store: files are complete or absent, and never outside its folder."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import Event

import pytest
from obstore.exceptions import GenericError
from obstore.store import LocalStore, MemoryStore

from deskwire.kit import store as kit_store
from deskwire.kit import store_calls
from deskwire.kit.errors import Invalid, Unavailable
from deskwire.kit.ids import new_id
from deskwire.kit.object_store import BucketStore, describe_error
from deskwire.kit.open_store import open_store
from deskwire.kit.store import CHUNK_SIZE, DiskStore, NoSuchKey, Store
from deskwire.kit.store_calls import StoreCalls

LATER = 2**45  # ms; after everything here
Make = Callable[[Path], Store]

A_KEY = "01a21acc-52c6-74ab-a37b-faf27373c0da"  # the same in every process that collects tests


def on_disk(folder: Path) -> Store:
    return DiskStore(folder / "files")


def in_memory(_folder: Path) -> Store:
    return BucketStore(MemoryStore(), "memory")


def in_bucket(folder: Path) -> Store:
    return BucketStore(LocalStore(folder / "bucket", mkdir=True), "local")


@pytest.fixture(params=[on_disk, in_memory, in_bucket])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    make: Make = request.param
    return make(tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> DiskStore:
    return DiskStore(tmp_path / "files")


async def test_a_stored_file_can_be_read_whole_and_in_part(store: Store) -> None:
    key, content = new_id(), os.urandom(CHUNK_SIZE * 2 + 17)

    size = await store.put(key, parts_of(content))

    assert size == len(content) == await store.size(key)
    assert await read(store, key) == content
    assert await read(store, key, 5, 10) == content[5:10]
    assert await read(store, key, CHUNK_SIZE - 1) == content[CHUNK_SIZE - 1 :]
    assert await read(store, key, 3, 3) == b""
    assert await read(store, key, len(content) - 2, len(content) + 99) == content[-2:]


async def test_an_empty_file_can_be_stored(store: Store) -> None:
    key = new_id()

    assert await store.put(key, parts_of(b"")) == 0

    assert await store.size(key) == 0
    assert await read(store, key) == b""


async def test_a_missing_file_raises_before_reading(store: Store) -> None:
    with pytest.raises(NoSuchKey):
        await store.open(new_id())
    with pytest.raises(NoSuchKey):
        await store.size(new_id())


async def test_a_file_can_be_deleted_twice(store: Store) -> None:
    key = new_id()
    await store.put(key, parts_of(b"x"))

    await store.delete(key)
    await store.delete(key)

    with pytest.raises(NoSuchKey):
        await store.size(key)


async def test_an_interrupted_upload_leaves_nothing(store: Store, tmp_path: Path) -> None:
    key = new_id()

    async def breaking() -> AsyncIterator[bytes]:
        yield b"x" * CHUNK_SIZE
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await store.put(key, breaking())

    assert await keys_before(store, LATER) == set()
    assert files_in(tmp_path) == []


async def test_keys_are_listed_by_age(store: Store) -> None:
    keys = {new_id(), new_id(), f"{new_id()}.thumb"}
    for key in keys:
        await store.put(key, parts_of(b"x"))

    assert await keys_before(store, LATER) == keys
    assert await keys_before(store, int(time.time() * 1000) - 60_000) == set()


@pytest.mark.parametrize(
    "key",
    ["", ".", "..", "../x", "/etc/passwd", "a/b", "x\0", f"{A_KEY}/..", f"{A_KEY}.",
     f"{A_KEY}.../x", f"{A_KEY}.thumb\n", A_KEY.upper(), f"..{A_KEY}"],
)  # fmt: skip
async def test_a_key_never_leads_out_of_the_store(store: Store, key: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        await store.put(key, parts_of(b"x"))
    with pytest.raises(ValueError, match="not a key"):
        await store.open(key)
    with pytest.raises(ValueError, match="not a key"):
        await store.delete(key)


async def test_files_on_disk_are_readable_by_their_owner_only(
    disk: DiskStore, tmp_path: Path
) -> None:
    key = new_id()

    await disk.put(key, parts_of(b"x"))

    path = tmp_path / "files" / key[-2:] / key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_a_file_is_never_visible_before_it_is_complete(disk: DiskStore) -> None:
    key = new_id()

    async def looking() -> AsyncIterator[bytes]:
        yield b"half"
        with pytest.raises(NoSuchKey):
            await disk.size(key)
        yield b"whole"

    await disk.put(key, looking())

    assert await read(disk, key) == b"halfwhole"


async def test_temporary_files_of_a_killed_process_are_removed(
    disk: DiskStore, tmp_path: Path
) -> None:
    left = tmp_path / "files" / "incoming" / "tmp123"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")

    assert await keys_before(disk, 0) == set()
    assert left.exists()
    assert await keys_before(disk, LATER) == set()
    assert not left.exists()


async def test_foreign_files_in_the_folder_are_not_listed(disk: DiskStore, tmp_path: Path) -> None:
    other = tmp_path / "files" / "7f" / "notes.txt"
    other.parent.mkdir(parents=True)
    other.write_text("mine")

    assert await keys_before(disk, LATER) == set()


async def test_a_stalled_folder_is_unavailable_after_a_timeout(
    disk: DiskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_calls, "CALL_TIMEOUT", 0.05)
    monkeypatch.setattr(kit_store, "CALL_TIMEOUT", 0.05)
    key = new_id()
    path = tmp_path / "files" / key[-2:] / key
    path.parent.mkdir(parents=True)
    os.mkfifo(path)  # opening it waits for a writer

    with pytest.raises(Unavailable) as refused:
        await disk.open(key)

    assert refused.value.reason.endswith("/files failed: no answer within 0 s")
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))  # the thread goes on, and closes the file


async def test_the_last_call_is_made_although_its_task_is_cancelled() -> None:
    calls, released, closed = StoreCalls("a store", 1), Event(), Event()
    blocked = asyncio.ensure_future(calls.run(released.wait))
    await asyncio.sleep(0)  # it has the one thread
    closing = asyncio.ensure_future(calls.finish(closed.set))
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    assert not closed.is_set()

    released.set()
    await blocked

    await calls.run(lambda: None)  # the thread makes them in order
    assert closed.is_set()


async def test_a_full_disk_is_unavailable_and_stores_nothing(
    disk: DiskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    monkeypatch.setattr(disk, "_create_temporary_file", lambda: full.open("wb"))

    with pytest.raises(Unavailable) as refused:
        await disk.put(new_id(), parts_of(b"x" * CHUNK_SIZE))

    assert refused.value.reason.endswith("/files failed: No space left on device")
    assert not full.is_symlink()


async def test_an_error_of_a_bucket_is_one_line_without_secrets() -> None:
    error = GenericError(
        "Generic S3 error: Error performing PUT http://s3.test/desk/k in 3ms - Server returned "
        "non-2xx status code: 503 Slow Down: <Error><Code>SlowDown</Code></Error>\n\nDebug source"
    )

    assert describe_error(error) == "the bucket answered SlowDown"
    assert describe_error(GenericError("status code: 502 Bad Gateway: \n\nDebug")) == (
        "the bucket answered 502 Bad Gateway"
    )
    assert describe_error(GenericError("HTTP error: timed out\n\nDebug")) == "HTTP error: timed out"


def test_a_setting_names_a_folder_or_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "an-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")

    assert repr(open_store("data/files")) == "DiskStore('data/files')"
    assert repr(open_store("s3://desk/prefix")) == "BucketStore('s3://desk/prefix')"


def test_an_unusable_bucket_is_reported_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")

    with pytest.raises(Invalid, match="FILES_URL: s3://desk/prefix cannot be used") as refused:
        open_store("s3://desk/prefix")

    assert "very-secret" not in str(refused.value)


def test_a_missing_s3_client_is_reported_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "deskwire.kit.object_store", None)

    with pytest.raises(Invalid, match=r"-m pip install 'obstore>=0\.12'"):
        open_store("s3://desk/prefix")


async def parts_of(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def files_in(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]


async def read(store: Store, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in await store.open(key, start, end)])


async def keys_before(store: Store, at: int) -> set[str]:
    return {key async for keys in store.list_keys_before(at) for key in keys}
