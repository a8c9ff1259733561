"""Limits on how often somebody may ask; long windows, so that none ends while a test runs."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from app.api import create_app
from app.api.rates import client_address
from app.services import Services
from app.settings import Settings
from tests.contract.steps import IMAGES, assert_problem

Connect = Callable[..., httpx.Client]


@pytest.fixture
def connect(own_settings: Settings, services: Services) -> Iterator[Connect]:
    """Makes a client of an application with these settings, as a user, from an address."""
    clients = []

    def make(user_id: str | None = "alice", address: str = "192.0.2.1", **changes: object) -> httpx.Client:
        settings = Settings.model_validate(own_settings.model_dump() | changes)
        app = apps.setdefault(str(changes), create_app(settings, services))
        transport = httpx.WSGITransport(app, remote_addr=address)
        headers = {"X-User-ID": user_id} if user_id else {}
        clients.append(httpx.Client(base_url="http://in-process", transport=transport, headers=headers))
        return clients[-1]

    apps: dict[str, Flask] = {}
    yield make
    for client in clients:
        client.close()


def test_without_limits_nothing_is_counted(connect: Connect) -> None:
    response = connect().get(IMAGES)
    assert not {"RateLimit", "RateLimit-Policy"} & set(response.headers)


def test_a_user_who_asks_too_often_is_told_when_to_come_back(connect: Connect) -> None:
    api = connect(rate_limit_per_user="3/hour")
    seen = [api.get(IMAGES) for _ in range(3)]
    assert {answer.status_code for answer in seen} == {200}
    assert [answer.headers["RateLimit"].partition(";t=")[0] for answer in seen] == [
        '"user";r=2',
        '"user";r=1',
        '"user";r=0',
    ]
    assert seen[0].headers["RateLimit-Policy"] == '"user";q=3;w=3600'
    refused = api.get(IMAGES)
    assert_problem(refused, 429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 7200
    assert refused.headers["RateLimit"].startswith('"user";r=0;t=')
    bob = connect("bob", rate_limit_per_user="3/hour")
    assert bob.get(IMAGES).status_code == 200


def test_an_address_is_counted_whoever_asks_and_also_nobody(connect: Connect) -> None:
    limits = {"rate_limit_per_address": "3/hour"}
    assert connect("alice", **limits).get(IMAGES).status_code == 200
    assert connect("bob", **limits).get(IMAGES).status_code == 200
    assert connect(None, **limits).get(IMAGES).status_code == 401
    assert_problem(connect("alice", **limits).get(IMAGES), 429, "rate_limited")
    assert connect("alice", "192.0.2.2", **limits).get(IMAGES).status_code == 200


def test_both_limits_are_shown(connect: Connect) -> None:
    shown = connect(rate_limit_per_user="3/hour", rate_limit_per_address="5/day").get(IMAGES).headers
    assert shown["RateLimit-Policy"] == '"address";q=5;w=86400, "user";q=3;w=3600'
    assert shown["RateLimit"].startswith('"address";r=4;t=')


def test_of_requests_at_once_no_more_than_the_limit_pass(connect: Connect) -> None:
    api = connect(rate_limit_per_user="20/hour")
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: api.get(IMAGES).status_code, range(60)))
    assert (statuses.count(200), statuses.count(429)) == (20, 40)


def test_probes_and_what_is_open_to_all_are_not_counted(connect: Connect) -> None:
    nobody = connect(None, rate_limit_per_address="1/hour")
    for path in ("/health", "/health", "/api/v1/limits", "/openapi.json"):
        assert nobody.get(path).status_code == 200


def test_the_document_says_so(connect: Connect) -> None:
    def answers(client: httpx.Client) -> dict[str, object]:
        found: dict[str, object] = client.get("/openapi.json").json()["paths"][IMAGES]["get"]["responses"]
        return found

    assert "429" in answers(connect(rate_limit_per_user="1/hour"))
    assert "429" not in answers(connect())


def test_requests_pass_while_redis_does_not_answer(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    api = connect(rate_limit_per_user="1/hour", rate_limit_storage="redis://:secret@127.0.0.1:9/0")
    assert [api.get(IMAGES).status_code for _ in range(3)] == [200] * 3
    assert "requests are not counted" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted", "expected"),
    [
        ("192.0.2.1", None, True, "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9", False, "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9", True, "203.0.113.9"),
        ("192.0.2.1", "8.8.8.8, 203.0.113.9", True, "203.0.113.9"),
        ("192.0.2.1", "nonsense", True, "unknown"),
        ("192.0.2.1", "203.0.113.9:50123", True, "203.0.113.9"),
        ("192.0.2.1", "[2001:db8:1:2::5]:443", True, "2001:db8:1:2::/64"),
        ("192.0.2.1", "2001:db8:1:2::5", True, "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", None, False, "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", None, False, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", None, False, "2001:db8:1:2::/64"),
        (None, None, False, "unknown"),
    ],
)
def test_the_address_is_the_one_that_cannot_be_made_up(
    remote: str | None, forwarded: str | None, trusted: bool, expected: str
) -> None:
    headers = [("X-Forwarded-For", forwarded)] if forwarded else []
    environ = EnvironBuilder(headers=headers, environ_base={"REMOTE_ADDR": remote} if remote else {}).get_environ()
    assert client_address(Request(environ), trusts_proxy=trusted) == expected
