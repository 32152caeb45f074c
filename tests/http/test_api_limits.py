"""Test the limits of API keys: what they cost, and what they do not depend on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from deskwire.kit.token_bucket import TokenBuckets
from deskwire.web.key_authentication import CALLS_PER_MINUTE, SECONDS_PER_MINUTE
from tests.fixtures.api import ApiFixture, create_api
from tests.fixtures.api_keys import make_key
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import running_server
from tests.fixtures.server_keys import create_organization_key

pytestmark = pytest.mark.database("sqlite")  # limits are kept in memory

CALLS = 1500


class FakeClock:
    """A clock that moves only when someone sleeps."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def api(tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiFixture]:
    """Create a desk whose keys are limited by a fake clock."""
    found = create_api(tmp_path)
    per_second = CALLS_PER_MINUTE / SECONDS_PER_MINUTE
    buckets = TokenBuckets(CALLS_PER_MINUTE, per_second, clock)
    monkeypatch.setattr(found.site.site.key_authentication, "_buckets", buckets)
    yield found
    found.site.desk.db.close()


def open_program(api: ApiFixture) -> httpx2.AsyncClient:
    headers = {"authorization": f"Bearer {make_key(api, 'organization').token}"}
    transport = httpx2.ASGITransport(api.site.app)
    return httpx2.AsyncClient(transport=transport, base_url="http://desk.test", headers=headers)


async def test_d11_a_script_that_sleeps_for_retry_after_gets_everything_through(
    api: ApiFixture, clock: FakeClock
) -> None:
    began, refused = clock(), 0
    async with open_program(api) as program:
        for _ in range(CALLS):
            while (answer := await program.get("/api/key")).status_code == 429:
                refused += 1
                clock.sleep(int(answer.headers["retry-after"]))
            assert answer.status_code == 200

    per_second = CALLS_PER_MINUTE // SECONDS_PER_MINUTE
    assert refused == (CALLS - CALLS_PER_MINUTE) // per_second
    assert clock() - began == refused  # a second each: 900 calls at 10 a second


async def test_d11_refused_calls_cost_nothing(api: ApiFixture, clock: FakeClock) -> None:
    async with open_program(api) as program:
        left = [
            (await program.get("/api/key")).headers["ratelimit"] for _ in range(CALLS_PER_MINUTE)
        ]
        refused = [await program.get("/api/key") for _ in range(100)]
        clock.sleep(1)
        later = [(await program.get("/api/key")).status_code for _ in range(11)]

    assert (left[0], left[-1]) == ('"calls";r=599;t=60', '"calls";r=0;t=60')
    assert {(each.status_code, each.headers["retry-after"]) for each in refused} == {(429, "1")}
    assert refused[0].json()["code"] == "too-many"
    assert later == [200] * 10 + [429]


async def test_one_key_does_not_use_up_the_calls_of_another(api: ApiFixture) -> None:
    async with open_program(api) as busy, open_program(api) as other:
        while (await busy.get("/api/key")).status_code == 200:
            pass

        answer = await other.get("/api/key")

    assert answer.headers["ratelimit"] == '"calls";r=599;t=60'


def test_d10_wrong_sign_ins_from_an_address_never_refuse_keys_or_sessions(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        company = HttpCompany(server)
        key = {"Authorization": f"Bearer {create_organization_key(server, company.slug)}"}

        wrong = [
            server.submit_form("/sign-in", email=f"eve{number}@desk.test", password="wrong")
            for number in range(100)
        ]
        wrong_key = {"Authorization": f"Bearer dw_{'0' * 32}_{'x' * 51}"}
        guesses = {server.request("GET", "/api/key", headers=wrong_key).status for _ in range(100)}

        assert wrong[-1].status == 429
        assert guesses == {401}
        assert server.request("GET", "/api/key", headers=key).status == 200
        assert server.get("/api/me", company.clara).status == 200
