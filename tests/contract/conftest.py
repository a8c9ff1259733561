"""The contract's tests know the service by HTTP only, and run against two of them:

`in-process`, the application on moto, quick and exact to debug; and `server`, the real thing under
gunicorn, on the embedded emulator or on whatever AWS_ENDPOINT_URL names. Tests that need what moto
or an in-process call cannot give ask for `server` by name.
"""

import os
from collections.abc import Callable, Iterator

import httpx
import pytest
from moto import mock_aws

from app.api import create_app
from app.services.aws import AWSClientFactory
from app.services.provision import provision
from app.settings import Settings
from tests.server import RunningService

Connect = Callable[[str | None], httpx.Client]


@pytest.fixture(scope="module")
def in_process(settings: Settings) -> Iterator[Connect]:
    # For each module anew: moto copies all tables for each transaction, so that full ones make it slow.
    with mock_aws():
        list(provision(AWSClientFactory(settings), settings))
        app = create_app(settings)

        def connect(user_id: str | None) -> httpx.Client:
            headers = {"X-User-ID": user_id} if user_id else {}
            transport = httpx.WSGITransport(app, raise_app_exceptions=True)
            return httpx.Client(base_url="http://in-process", headers=headers, transport=transport)

        yield connect


# A service that runs already, such as a deployed API: then the tests run against that alone (`-k deployed`).
SERVICE_URL = os.environ.get("SERVICE_URL")
SERVICE_HOST = os.environ.get("SERVICE_HOST")  # where the Host header must differ


class _UnderPath(httpx.HTTPTransport):
    """Puts the tests' own paths under that of the service; its links are there already."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix.encode()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.raw_path.startswith(self._prefix + b"/"):
            request.url = request.url.copy_with(raw_path=self._prefix + request.url.raw_path)
        return super().handle_request(request)


def deployed(user_id: str | None) -> httpx.Client:
    address = httpx.URL(SERVICE_URL or "")
    headers = {"Host": SERVICE_HOST} if SERVICE_HOST else {}
    if user_id:
        headers["X-User-ID"] = user_id
    transport = _UnderPath(address.path.rstrip("/"))
    return httpx.Client(base_url=address.copy_with(path="/"), headers=headers, timeout=30, transport=transport)


@pytest.fixture(params=["deployed"] if SERVICE_URL else ["in-process", "server"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Makes a client of the service for a user, or for nobody."""
    if request.param == "deployed":
        return deployed
    if request.param == "in-process":
        made: Connect = request.getfixturevalue("in_process")
        return made
    service: RunningService = request.getfixturevalue("server")
    return service.client


@pytest.fixture
def api(connect: Connect, user: str) -> Iterator[httpx.Client]:
    with connect(user) as client:
        yield client


@pytest.fixture
def stranger(connect: Connect) -> Iterator[httpx.Client]:
    with connect("stranger") as client:
        yield client


@pytest.fixture
def nobody(connect: Connect) -> Iterator[httpx.Client]:
    with connect(None) as client:
        yield client
