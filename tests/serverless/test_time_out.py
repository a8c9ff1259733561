"""The API's function is out of time in the middle of an upload: its process is killed, here as by Lambda.

Two moments of many; tests/faults/test_crashes.py has the others.
"""

from collections.abc import Iterator
from contextlib import closing

import boto3
import httpx
import pytest

from tests.conftest import test_settings
from tests.contract.steps import IMAGES
from tests.deployment import STACK, Emulator, address_in
from tests.faults.proxy import Afterwards, Call, FaultProxy
from tests.faults.stage import Stage
from tests.samples import picture

TIME_OUT_SECONDS = 3


@pytest.fixture(scope="module")
def proxy(emulator: Emulator) -> Iterator[FaultProxy]:
    with FaultProxy(emulator.url).running() as proxy:
        yield proxy


@pytest.fixture(scope="module")
def address(emulator: Emulator, proxy: FaultProxy) -> str:
    """Of a deployment whose API's function reaches its stores by way of the proxy, and has little time."""
    address = address_in(emulator.deploy())
    name = f"{STACK}-api"
    with closing(boto3.client("lambda", **emulator.access)) as functions:
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        functions.update_function_configuration(
            FunctionName=name,
            Timeout=TIME_OUT_SECONDS,
            Environment={"Variables": variables | {"AWS_ENDPOINT_URL": proxy.url}},
        )
    return address


@pytest.fixture
def api(emulator: Emulator, address: str, user: str) -> Iterator[httpx.Client]:
    with emulator.client(address, user) as client:
        yield client


@pytest.fixture
def stage(emulator: Emulator, address: str, user: str) -> Stage:
    """The user's stores, as somebody sees them who needs no gateway."""
    settings = test_settings(
        stage="local",
        aws_endpoint_url=emulator.url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        s3_bucket=f"{STACK}-images-000000000000-us-east-1",
        images_table=f"{STACK}-images",
        postings_table=f"{STACK}-postings",
    )
    return Stage(settings, user)


@pytest.mark.long
@pytest.mark.parametrize(("call", "stored"), [("PUT images", 0), ("TransactWriteItems", 1)])
def test_nothing_is_lost_and_the_audit_leaves_nothing(
    api: httpx.Client, proxy: FaultProxy, stage: Stage, call: str, stored: int
) -> None:
    def hang(made: Call) -> Afterwards | None:
        return Afterwards(hang_on) if made.operation == call else None

    def hang_on() -> None:
        proxy.closing.wait()

    def send() -> httpx.Response:
        return api.post(IMAGES, content=picture(), headers={"Content-Type": "image/jpeg"})

    assert api.get("/health").status_code == 200  # so that starting takes none of the time
    proxy.reset(hang)
    assert send().status_code >= 500
    proxy.reset()
    stage.require_what_was_promised()
    assert len(stage.found()) == stored

    assert stage.audit() == []
    stage.require_what_was_promised()
    assert stage.leftovers() == set()
    assert len(stage.found()) == stored
    assert send().status_code == 201
