"""The contract's tests know the service by HTTP only, and run against three of them:

`in-process`, the application on moto, quick and exact to debug; `server`, the real thing under
gunicorn, on the embedded emulator or on whatever AWS_ENDPOINT_URL names; and `deployed`, the
functions behind the embedded emulator's API Gateway, or whatever answers at SERVICE_URL (then only
that, with SERVICE_HOST where the Host header must differ). Tests that need what moto or an
in-process call cannot give ask for `server` by name.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial

import httpx
import pytest
from moto import mock_aws

from app.api import create_app
from app.services.aws import AWSClientFactory
from app.services.provision import provision
from app.settings import Settings
from tests.deployment import Emulator, address_in, client_of
from tests.server import RunningService

Connect = Callable[[str | None], httpx.Client]
SERVICE_URL = os.environ.get("SERVICE_URL")

_LARGE = "Lambda takes and gives 6 MiB at most; tests/unit/test_payload_limits.py has what is told instead"
_STAGE = "the address has the stage before it; tests/unit/test_lambda_handler.py has it so"
_DECODED = "the gateway decodes queries and encodes them anew, before the function sees them"
# By the test's name, or by that of one of its cases. Each must fail: what passes after all is taken off the list.
CANNOT_APPLY_DEPLOYED = {
    "test_a_file_of_exactly_the_limit_is_stored": _LARGE,
    "test_a_large_image_streams_whole": _LARGE,
    "test_limits": _LARGE,
    "test_all_that_the_page_loads_comes_from_here_and_is_kept_for_a_year": _STAGE,
    "test_the_docs_page_has_one_address": _STAGE,
    "test_a_field_of_the_query_that_is_not_utf8_is_named": _DECODED,
    "test_a_parameter_that_is_not_utf8_is_named[deployed-content_type=%ff-content_type]": _DECODED,
    "test_the_format_is_what_the_client_takes_best[deployed--JPEG]": (
        "the emulator's gateway leaves base64 as it is where Accept is empty"
    ),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        name, bracket, case = item.name.partition("[")
        if bracket and case.startswith("deployed"):
            reason = CANNOT_APPLY_DEPLOYED.get(item.name) or CANNOT_APPLY_DEPLOYED.get(name)
            if reason:
                item.add_marker(pytest.mark.xfail(reason=reason))


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


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    if SERVICE_URL:
        yield partial(client_of, SERVICE_URL, host=os.environ.get("SERVICE_HOST"))
        return
    with Emulator(tmp_path_factory.mktemp("functions")).running() as emulator:
        yield partial(emulator.client, address_in(emulator.deploy()))


@pytest.fixture(
    params=["deployed"] if SERVICE_URL else [pytest.param("in-process", marks=pytest.mark.long), "server", "deployed"]
)
def connect(request: pytest.FixtureRequest) -> Connect:
    """Makes a client of the service for a user, or for nobody."""
    if request.param == "server":
        service: RunningService = request.getfixturevalue("server")
        return service.client
    made: Connect = request.getfixturevalue(request.param.replace("-", "_"))
    return made


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
