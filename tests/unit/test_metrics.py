import re
from contextlib import suppress

import httpx
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from app.admission import MemoryBudget
from app.api import create_app
from app.errors import Overloaded
from app.metrics import Metrics
from app.services.aws import AWSClientFactory
from app.services.observed_calls import Call
from tests.conftest import test_settings
from tests.scripted_server import LastWords, Late, answer, scripted_server
from tests.server import RunningService

TOKEN = "t" * 16


def figure(text: str, name: str, **labels: str) -> float:
    """The sum of the samples of this name with these labels."""
    samples = re.findall(rf"^{name}(?:{{(.*)}})? ([0-9.e+-]+)$", text, re.MULTILINE)
    wanted = {f'{label}="{value}"' for label, value in labels.items()}
    return sum(float(value) for found, value in samples if wanted <= set(found.split(",")))


def client(**changes: object) -> httpx.Client:
    application = create_app(test_settings(**changes))
    return httpx.Client(base_url="http://in-process", transport=httpx.WSGITransport(application))


def test_without_a_token_nobody_reads_them() -> None:
    assert client().get("/metrics").status_code == 404


@pytest.mark.parametrize("header", [None, TOKEN, "Bearer", f"Bearer {TOKEN}x"])
def test_without_the_token_they_are_refused(header: str | None) -> None:
    refused = client(metrics_token=TOKEN).get("/metrics", headers={"Authorization": header} if header else {})
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")


def test_a_token_may_hold_any_character() -> None:
    token = "Schlüssel" * 4
    settings = test_settings(metrics_token=token)
    assert settings.accepts_metrics_token(f"Bearer {token}".encode().decode("latin-1"))  # as WSGI hands headers over
    assert not settings.accepts_metrics_token(f"Bearer {token}x".encode().decode("latin-1"))


def test_requests_are_counted_by_route_and_status() -> None:
    api = client(metrics_token=TOKEN)
    api.get("/health")
    api.get("/api/v1/images/1/metadata")
    api.request("BREW", "/nowhere")
    text = api.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text
    name = "image_storage_request_seconds_count"
    assert figure(text, name, method="GET", route="/health", status="200") == 1
    assert figure(text, name, route="/api/v1/images/<image_id:image_id>/metadata", status="401") == 1
    assert figure(text, name, method="other", route="none") == 1
    assert figure(text, "image_storage_requests_in_flight") == 1  # the one that asks
    assert figure(text, "image_storage_sent_bytes_total") > 0


@pytest.fixture(params=[True, False], ids=["fast", "boto3"])
def calls(request: pytest.FixtureRequest) -> str:
    """What is told of a call that succeeds, one that is refused, and one that never comes through."""
    metrics = Metrics()
    with scripted_server(
        answer(body=b"{}"), answer("400 Bad", b'{"__type": "NoSuchTable"}'), *[LastWords()] * 3
    ) as aws:
        settings = test_settings(aws_endpoint_url=aws.url, fast_aws=request.param)
        dynamodb = AWSClientFactory(settings, lambda call: metrics.call_ended(*call)).dynamodb()
        for _ in range(3):
            with suppress(ClientError, BotoCoreError):
                dynamodb.get_item(TableName="images", Key={})
    return metrics.exposition().decode()


def test_calls_of_aws_are_counted_by_what_became_of_them(calls: str) -> None:
    outcomes = [
        figure(calls, "image_storage_call_seconds_count", store="dynamodb", operation="GetItem", outcome=outcome)
        for outcome in ("ok", "NoSuchTable", "ConnectionClosedError")
    ]
    assert outcomes == [1, 1, 1]


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "boto3"])
def test_units_are_counted_by_table(fast: bool) -> None:
    metrics = Metrics()
    one = b'{"ConsumedCapacity": {"TableName": "images", "CapacityUnits": 0.5}}'
    two = (
        b'{"ConsumedCapacity": [{"TableName": "images", "CapacityUnits": 4},'
        b' {"TableName": "words", "CapacityUnits": 8}]}'
    )
    with scripted_server(answer(body=one), answer(body=two)) as aws:
        settings = test_settings(aws_endpoint_url=aws.url, fast_aws=fast)
        dynamodb = AWSClientFactory(settings, lambda call: metrics.call_ended(*call)).dynamodb()
        dynamodb.get_item(TableName="images", Key={})
        dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": "images", "Item": {}}}])
    text = metrics.exposition().decode()
    counted = [
        figure(text, "image_storage_dynamodb_units_total", table=table, kind=kind)
        for table, kind in (("images", "read"), ("images", "write"), ("words", "write"))
    ]
    assert counted == [0.5, 4, 8]


def test_a_call_that_boto3_finishes_counts_from_its_first_attempt() -> None:
    calls: list[Call] = []
    with scripted_server(Late(answer("400 Bad", b'{"__type": "NoSuchTable"}'))) as aws:
        settings = test_settings(aws_endpoint_url=aws.url, fast_aws=True)
        with pytest.raises(ClientError):
            AWSClientFactory(settings, calls.append).dynamodb().get_item(TableName="images", Key={})
    assert [call.outcome for call in calls] == ["NoSuchTable"]
    assert calls[0].seconds >= 0.1


def test_who_is_refused_memory_is_counted() -> None:
    metrics = Metrics()
    budget = MemoryBudget(1, wait_seconds=0, observe=metrics.admission_ended)
    with budget.admitted(1), pytest.raises(Overloaded), budget.admitted(1):
        pass
    text = metrics.exposition().decode()
    counted = [
        figure(text, "image_storage_decode_wait_seconds_count", outcome=outcome) for outcome in ("admitted", "refused")
    ]
    assert counted == [1, 1]


def test_any_worker_tells_the_figures_of_all(server: RunningService) -> None:
    name, asked = "image_storage_request_seconds_count", 40

    def seen() -> float:
        with server.client() as api:  # a new connection each time: whichever worker takes it
            return figure(api.get("/metrics").text, name, route="/api/v1/limits")

    before = seen()
    for _ in range(asked):
        with server.client() as api:
            api.get("/api/v1/limits")
    assert [seen() for _ in range(4)] == [before + asked] * 4
