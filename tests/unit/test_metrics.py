import re

import httpx
import pytest

from app.api import create_app
from app.metrics import Metrics
from app.services.aws import AWSClientFactory
from tests.conftest import test_settings
from tests.scripted_server import LastWords, answer, scripted_server
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
            try:
                dynamodb.get_item(TableName="images", Key={})
            except Exception as error:
                assert error  # noqa: PT017
    return metrics.exposition().decode()


def test_calls_of_aws_are_counted_by_what_became_of_them(calls: str) -> None:
    outcomes = [
        figure(calls, "image_storage_call_seconds_count", store="dynamodb", operation="GetItem", outcome=outcome)
        for outcome in ("ok", "NoSuchTable", "ConnectionClosedError")
    ]
    assert outcomes == [1, 1, 1]


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
