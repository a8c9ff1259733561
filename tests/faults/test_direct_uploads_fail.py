"""Direct uploads while a store loses, throttles or breaks off: one effect, in the order that survives.

Bucket, table and queue are their own, so that no worker finishes them first.
"""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.api import create_app
from app.services import Services, build_services
from app.services.aws import AWSClientFactory
from app.services.provision import provision
from app.settings import Settings
from tests.conftest import test_settings
from tests.contract.steps import IMAGES, assert_problem
from tests.contract.test_direct_uploads import METHODS, announce, complete, send
from tests.faults.proxy import Fault, FaultProxy, Plan
from tests.faults.test_stores_fail import once, only, operations
from tests.samples import picture_of_bytes
from tests.server import RunningService

DATA = picture_of_bytes(5000)


@pytest.fixture(scope="module")
def own_settings(server: RunningService, proxy: FaultProxy) -> Settings:
    name = f"test-{uuid.uuid4().hex[:12]}"
    settings = test_settings(
        stage="local",
        aws_endpoint_url=proxy.url,
        s3_public_endpoint_url=server.endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        s3_bucket=name,
        images_table=name,
        uploads_queue=name,
    )
    proxy.reset()
    list(provision(AWSClientFactory(settings), settings))
    return settings


@pytest.fixture(scope="module")
def own_services(own_settings: Settings) -> Services:
    return build_services(own_settings)


@pytest.fixture
def api(own_settings: Settings, own_services: Services, proxy: FaultProxy, user: str) -> Iterator[httpx.Client]:
    proxy.reset()
    transport = httpx.WSGITransport(create_app(own_settings, own_services))
    with httpx.Client(base_url="http://faulty", headers={"X-User-ID": user}, transport=transport) as client:
        yield client
    proxy.reset()


def cut_off_behind(survived: int) -> Plan:
    return lambda call: Fault.LOSE_REQUEST if call.number > survived else None


def folders_of(settings: Settings, user: str) -> set[str]:
    found = AWSClientFactory(settings).s3().list_objects_v2(Bucket=settings.s3_bucket)
    return {item["Key"].partition("/")[0] for item in found.get("Contents", ()) if f"/{user}/" in item["Key"]}


@pytest.mark.parametrize(
    ("method", "order"),
    [
        ("PUT", ["GetItem", "GET images", "PUT records", "TransactWriteItems"]),
        (
            "POST",
            [
                "GetItem",
                "GET images",
                "GET uploads",
                "PUT images",
                "PUT records",
                "TransactWriteItems",
                "DELETE uploads",
            ],
        ),
    ],
)
def test_an_upload_is_confirmed_in_the_order_that_survives(
    api: httpx.Client, proxy: FaultProxy, method: str, order: list[str]
) -> None:
    issued = announce(api, DATA, method=method)
    assert operations(proxy) == ["PutItem"]
    send(issued["upload"], DATA)
    proxy.reset()
    assert complete(api, issued).status_code == 200
    assert operations(proxy) == order
    proxy.reset()
    assert complete(api, issued).status_code == 200
    assert operations(proxy) == ["GetItem"]


def test_a_rejected_object_goes_after_its_row_says_so(api: httpx.Client, proxy: FaultProxy) -> None:
    issued = announce(api, b"no image")
    send(issued["upload"], b"no image")
    proxy.reset()
    assert_problem(complete(api, issued), 409, "upload_rejected")
    assert operations(proxy) == ["GetItem", "GET images", "UpdateItem", "GET", "POST"]


@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_ANSWER, Fault.THROTTLE])
@pytest.mark.parametrize("method", METHODS)
def test_one_fault_anywhere_in_a_confirmation_is_not_noticed(
    api: httpx.Client, proxy: FaultProxy, method: str, fault: Fault, number: int
) -> None:
    issued = announce(api, DATA, method=method)
    send(issued["upload"], DATA)
    proxy.reset(once(number, fault))
    assert complete(api, issued).status_code == 200
    assert api.get(f"{IMAGES}/{issued['image']['image_id']}").content == DATA


@pytest.mark.parametrize("method", METHODS)
def test_a_confirmation_that_died_anywhere_is_finished_by_the_event(
    api: httpx.Client,
    proxy: FaultProxy,
    own_services: Services,
    own_settings: Settings,
    *,
    user: str,
    method: str,
) -> None:
    for survived in range(7):
        issued = announce(api, DATA, method=method)
        image_id = issued["image"]["image_id"]
        send(issued["upload"], DATA)
        # From this call on nothing gets through, as if the process had been killed before it.
        proxy.reset(cut_off_behind(survived))
        answer = complete(api, issued)
        assert answer.status_code in {200, 503}
        proxy.reset()
        folder = "images" if method == "PUT" else "uploads"
        own_services.uploads.handle(event(own_settings.s3_bucket, f"{folder}/{user}/{image_id}.png"))
        assert api.get(f"{IMAGES}/{image_id}").content == DATA
    assert folders_of(own_settings, user) == {"images", "records"}


def event(bucket: str, key: str) -> str:
    s3: Any = {"bucket": {"name": bucket}, "object": {"key": key}}
    return json.dumps({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}]})


@pytest.mark.parametrize("store", ["s3", "dynamodb"])
def test_a_store_that_is_down_is_a_503_and_the_upload_is_not_lost(
    api: httpx.Client, proxy: FaultProxy, store: str
) -> None:
    issued = announce(api, DATA)
    send(issued["upload"], DATA)
    proxy.reset(only(store, Fault.LOSE_REQUEST))
    assert_problem(complete(api, issued), 503, "backend_unavailable")
    proxy.reset()
    assert complete(api, issued).status_code == 200
