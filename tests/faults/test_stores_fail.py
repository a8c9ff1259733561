"""Stores that are down, slow, throttling or lossy: contract errors in bounded time, nothing half-visible."""

import json
import time
from collections import Counter

import httpx
import pytest

from app.api import create_app
from app.services import build_services
from app.services.aws import AWSClientFactory
from app.services.provision import ProvisionError, provision
from app.settings import Settings
from tests.contract.steps import IMAGES, assert_problem, upload
from tests.faults.proxy import Answer, Call, Fault, FaultProxy, Plan
from tests.samples import picture

S3 = ("PUT", "GET", "POST", "HEAD", "DELETE")


def only(store: str, fault: Fault) -> Plan:
    return lambda call: fault if call.operation.startswith(S3) == (store == "s3") else None


def once(number: int, fault: Fault) -> Plan:
    return lambda call: fault if call.number == number else None


def operations(proxy: FaultProxy) -> list[str]:
    return [call.operation for call in proxy.calls]


def test_an_upload_writes_in_the_order_that_survives(api: httpx.Client, proxy: FaultProxy) -> None:
    upload(api)
    assert operations(proxy) == ["PutItem", "PUT images", "PUT records", "TransactWriteItems"]


def test_a_delete_marks_first_and_forgets_last(api: httpx.Client, proxy: FaultProxy) -> None:
    path = f"{IMAGES}/{upload(api)['image_id']}"
    proxy.reset()
    assert api.delete(path).status_code == 200
    assert operations(proxy) == ["GetItem", "TransactWriteItems", "GET", "POST", "DeleteItem"]


def test_what_aws_refuses_to_make_is_told(faulty_settings: Settings, proxy: FaultProxy) -> None:
    denied = Answer(403, b"<Error><Code>AccessDenied</Code><Message>no CreateBucket</Message></Error>")
    proxy.reset(lambda call: denied)
    with pytest.raises(ProvisionError, match="AccessDenied"):
        list(provision(AWSClientFactory(faulty_settings), faulty_settings))
    proxy.reset()


def test_a_304_and_a_head_never_ask_s3(api: httpx.Client, proxy: FaultProxy) -> None:
    image = upload(api)
    path = f"{IMAGES}/{image['image_id']}"
    proxy.reset()
    assert api.get(path, headers={"If-None-Match": f'"{image["sha256"]}"'}).status_code == 304
    assert api.head(path).status_code == 200
    assert operations(proxy) == ["GetItem", "GetItem"]


def test_a_page_is_one_request(api: httpx.Client, proxy: FaultProxy) -> None:
    for _ in range(3):
        upload(api)
    proxy.reset()
    assert api.get(IMAGES, params={"limit": 2}).json()["next_cursor"]
    assert operations(proxy) == ["Query"]


@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_ANSWER, Fault.THROTTLE])
def test_one_fault_anywhere_in_an_upload_is_not_noticed(
    api: httpx.Client, proxy: FaultProxy, fault: Fault, number: int
) -> None:
    proxy.reset(once(number, fault))
    image = upload(api)
    assert api.get(f"{IMAGES}/{image['image_id']}").content == picture()
    assert api.get(IMAGES).json()["count"] == 1


@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_ANSWER])
def test_one_fault_anywhere_in_an_edit_is_not_noticed(
    api: httpx.Client, proxy: FaultProxy, fault: Fault, number: int
) -> None:
    path = f"{IMAGES}/{upload(api)['image_id']}"
    proxy.reset(once(number, fault))
    response = api.patch(path, json={"title": "New"}, headers={"If-Match": '"1"'})
    assert (response.status_code, response.json()["version"]) == (200, 2)


@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_ANSWER])
def test_one_fault_anywhere_in_a_delete_is_not_noticed(
    api: httpx.Client, proxy: FaultProxy, fault: Fault, number: int
) -> None:
    path = f"{IMAGES}/{upload(api)['image_id']}"
    proxy.reset(once(number, fault))
    assert api.delete(path).status_code == 200
    assert_problem(api.get(path), 404, "image_not_found")


def test_a_write_that_meets_a_transaction_at_its_row_waits_for_it(api: httpx.Client, proxy: FaultProxy) -> None:
    conflict = Answer(
        400, b'{"__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException", "message": ""}'
    )
    met: Counter[str] = Counter()

    def collide(call: Call) -> Answer | None:
        met[call.operation] += 1
        return (
            conflict if call.operation in {"PutItem", "UpdateItem", "DeleteItem"} and met[call.operation] < 4 else None
        )

    proxy.reset(collide)
    image = upload(api, title="Beach")
    path = f"{IMAGES}/{image['image_id']}"
    assert api.patch(path, json={"title": "Beach"}).json()["version"] == 2
    assert api.delete(path).status_code == 200
    assert (met["PutItem"], met["UpdateItem"], met["DeleteItem"]) == (4, 4, 4)


@pytest.mark.parametrize("store", ["s3", "dynamodb"])
@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.THROTTLE])
def test_a_store_that_is_down_or_throttling_is_a_503(
    api: httpx.Client, proxy: FaultProxy, fault: Fault, store: str
) -> None:
    image = upload(api)
    path = f"{IMAGES}/{image['image_id']}"
    proxy.reset(only(store, fault))
    started = time.monotonic()
    answers = [api.post(IMAGES, files={"file": ("a", picture())}), api.get(path), api.delete(path)]
    if store == "dynamodb":
        answers.append(api.get(IMAGES))
    for answer in answers:
        assert_problem(answer, 503, "backend_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
    assert time.monotonic() - started < 10 * len(answers)
    assert len(proxy.calls) <= 4 * len(answers)
    proxy.reset()
    listed = [found["image_id"] for found in api.get(IMAGES).json()["images"]]
    assert listed == ([image["image_id"]] if store == "dynamodb" else [])


@pytest.mark.parametrize(("store", "other"), [("s3", "dynamodb"), ("dynamodb", "s3")])
def test_readiness_tells_which_store_fails(
    faulty_settings: Settings, proxy: FaultProxy, store: str, other: str
) -> None:
    proxy.reset(only(store, Fault.LOSE_REQUEST))
    app = create_app(faulty_settings, build_services(faulty_settings))
    with httpx.Client(base_url="http://faulty", transport=httpx.WSGITransport(app)) as client:
        ready = client.get("/ready")
    proxy.reset()
    checks = assert_problem(ready, 503, "backend_unavailable")["checks"]
    assert (checks[store], checks[other]) == ("failing", "ok")
    assert int(ready.headers["Retry-After"]) >= 1


def test_an_interrupted_delete_is_out_of_sight_and_finished_by_repeating_it(
    api: httpx.Client, proxy: FaultProxy
) -> None:
    path = f"{IMAGES}/{upload(api)['image_id']}"
    proxy.reset(only("s3", Fault.LOSE_REQUEST))
    assert_problem(api.delete(path), 503, "backend_unavailable")
    proxy.reset()
    assert_problem(api.get(path), 404, "image_not_found")
    assert_problem(api.patch(path, json={"title": "x"}), 404, "image_not_found")
    assert api.get(IMAGES).json()["count"] == 0
    assert api.delete(path).status_code == 200
    assert_problem(api.delete(path), 404, "image_not_found")


def refusing(key: str) -> Answer:
    """S3's answer to DeleteObjects when it could not delete one key."""
    error = f"<Error><Key>{key}</Key><Code>InternalError</Code></Error>"
    return Answer(200, f"<DeleteResult>{error}</DeleteResult>".encode())


def test_an_object_that_s3_does_not_delete_keeps_its_row(api: httpx.Client, proxy: FaultProxy) -> None:
    image = upload(api)
    path = f"{IMAGES}/{image['image_id']}"
    key = f"images/{image['user_id']}/{image['image_id']}.jpg"
    proxy.reset(lambda call: refusing(key) if call.operation == "POST" else None)
    assert_problem(api.delete(path), 503, "backend_unavailable")
    proxy.reset()
    assert api.delete(path).status_code == 200


def test_in_a_batch_one_failure_does_not_stop_the_others(api: httpx.Client, proxy: FaultProxy) -> None:
    images = [upload(api) for _ in range(3)]
    ids = [image["image_id"] for image in images]
    key = f"images/{images[1]['user_id']}/{ids[1]}.jpg"
    proxy.reset(lambda call: refusing(key) if call.operation == "POST" else None)
    results = api.post(f"{IMAGES}/batch-delete", json={"image_ids": ids}).json()["results"]
    assert [result["status"] for result in results] == ["deleted", "failed", "deleted"]
    proxy.reset(only("s3", Fault.LOSE_REQUEST))
    results = api.post(f"{IMAGES}/batch-delete", json={"image_ids": ids}).json()["results"]
    assert [result["status"] for result in results] == ["not_found", "failed", "not_found"]
    proxy.reset(only("dynamodb", Fault.LOSE_REQUEST))
    results = api.post(f"{IMAGES}/batch-delete", json={"image_ids": ids}).json()["results"]
    assert [result["status"] for result in results] == ["failed", "failed", "failed"]
    proxy.reset()
    results = api.post(f"{IMAGES}/batch-delete", json={"image_ids": ids}).json()["results"]
    assert [result["status"] for result in results] == ["not_found", "deleted", "not_found"]


def test_a_store_that_never_answers_is_a_503_within_ten_seconds(api: httpx.Client, proxy: FaultProxy) -> None:
    proxy.reset(only("dynamodb", Fault.HANG))
    started = time.monotonic()
    assert_problem(api.get(IMAGES), 503, "backend_unavailable")
    assert time.monotonic() - started < 10


def test_an_object_that_is_lost_is_an_outage_and_not_a_missing_image(api: httpx.Client, proxy: FaultProxy) -> None:
    path = f"{IMAGES}/{upload(api)['image_id']}"
    gone = Answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
    proxy.reset(lambda call: gone if call.operation == "GET images" else None)
    assert_problem(api.get(path), 503, "backend_unavailable")


def test_an_image_deleted_between_its_row_and_its_bytes_is_not_found(api: httpx.Client, proxy: FaultProxy) -> None:
    path = f"{IMAGES}/{upload(api)['image_id']}"

    def delete_meanwhile(call: Call) -> None:
        if call.operation == "GET images":
            proxy.plan = lambda call: None
            assert api.delete(path).status_code == 200

    proxy.reset(delete_meanwhile)
    assert_problem(api.get(path), 404, "image_not_found")


def test_rows_that_dynamodb_leaves_unprocessed_are_asked_for_again(
    api: httpx.Client, proxy: FaultProxy, faulty_settings: Settings
) -> None:
    image = upload(api, tags="sea")
    left = {
        "Responses": {},
        "UnprocessedKeys": {faulty_settings.images_table: {"Keys": [{"image_id": {"S": image["image_id"]}}]}},
    }
    unprocessed = Answer(200, json.dumps(left).encode())
    seen: list[Call] = []

    def plan(call: Call) -> Answer | None:
        if call.operation != "BatchGetItem":
            return None
        seen.append(call)
        return unprocessed if len(seen) <= 2 else None

    proxy.reset(plan)
    found = api.get(IMAGES, params={"tags": "sea"}).json()["images"]
    assert [it["image_id"] for it in found] == [image["image_id"]]
    assert len(seen) == 3
    proxy.reset(lambda call: unprocessed if call.operation == "BatchGetItem" else None)
    started = time.monotonic()
    assert_problem(api.get(IMAGES, params={"tags": "sea"}), 503, "backend_unavailable")
    assert time.monotonic() - started < 10
    assert len(proxy.calls) < 12
