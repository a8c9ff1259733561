"""The clients without boto3 do what boto3's do: tests with `clients` run with both."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HTTPHeaders
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError
from urllib3 import HTTPResponse

from app.services.aws import AWSClientFactory, error_code, was_retried
from app.services.fast_clients import FastDynamoDB, FastS3
from tests.conftest import test_settings
from tests.scripted_server import LastWords, ScriptedServer, answer, scripted_server
from tests.server import free_port

KEY = {"image_id": {"S": "1"}}
PUT: Any = {"Put": {"TableName": "images-metadata", "Item": KEY}}
GET = {"TableName": "images-metadata", "Key": KEY}
OBJECT = {"Bucket": "images", "Key": "images/a%40b/1.png"}
DATE = "Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT"
TAG = 'ETag: "5"'


def factory(url: str, *, is_fast: bool = True) -> AWSClientFactory:
    return AWSClientFactory(test_settings(aws_endpoint_url=url, fast_aws=is_fast))


@pytest.fixture(scope="module")
def one_server() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


@pytest.fixture
def server(one_server: ScriptedServer) -> ScriptedServer:
    one_server.play()
    return one_server


@pytest.fixture(scope="module")
def fast(one_server: ScriptedServer) -> AWSClientFactory:
    return factory(one_server.url)


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "boto3"])
def clients(request: pytest.FixtureRequest, one_server: ScriptedServer) -> AWSClientFactory:
    """Once with the clients that are tested, and once with boto3's."""
    return factory(one_server.url, is_fast=request.param)


def dynamodb_error(code: str, **members: Any) -> bytes:
    return answer("400 Bad Request", json.dumps({"__type": f"com.amazonaws.dynamodb#{code}", **members}).encode())


def s3_error(status: str, code: str) -> bytes:
    return answer(status, f"<Error><Code>{code}</Code></Error>".encode(), "Content-Type: application/xml")


def header(server: ScriptedServer, name: str, number: int = -1) -> str | None:
    lines = server.requests[number].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    found = [value.strip() for line in lines for key, _, value in [line.partition(":")] if key.lower() == name]
    assert len(found) < 2
    return found[0] if found else None


def test_the_setting_decides_which_clients_there_are() -> None:
    url = "http://127.0.0.1:1"
    for is_fast in (True, False):
        made = factory(url, is_fast=is_fast)
        assert isinstance(made.dynamodb(), FastDynamoDB) is is_fast
        assert isinstance(made.s3(), FastS3) is is_fast


def test_behind_a_proxy_boto3_makes_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    assert not isinstance(factory("http://store.example").dynamodb(), FastDynamoDB)


def test_our_own_setting_trusted_proxy_is_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXY", "true")  # which the standard library takes for the proxy of trusted:// URLs
    assert isinstance(factory("http://store.example").dynamodb(), FastDynamoDB)


def test_where_only_boto3_knows_the_host_it_is_left_to_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    made = AWSClientFactory(test_settings(aws_endpoint_url=None, aws_region="us-east-1", fast_aws=True))
    assert not isinstance(made.s3(), FastS3)
    elsewhere = AWSClientFactory(test_settings(aws_endpoint_url=None, aws_region="us-west-2", fast_aws=True))
    assert isinstance(elsewhere.s3(), FastS3)


@pytest.mark.parametrize("endpoint", [None, "http://localhost:4566"])
@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "cn-north-1"])
@pytest.mark.parametrize("bucket", ["images", "my.images"])
def test_requests_go_where_boto3_sends_them(endpoint: str | None, region: str, bucket: str) -> None:
    sent: list[str] = []

    def intercept(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        sent.append(request.url)
        raw = HTTPResponse(io.BytesIO(b""), preload_content=False)
        return AWSResponse(request.url, 200, HTTPHeaders(), raw)

    settings = test_settings(aws_endpoint_url=endpoint, aws_region=region, s3_bucket=bucket)
    slow, fast = AWSClientFactory(settings), AWSClientFactory(settings.model_copy(update={"fast_aws": True}))
    events: Any = slow.s3().meta.events  # its types know no handlers that answer
    events.register("before-send", intercept)
    slow.s3().put_object(Bucket=bucket, Key="a b/ü", Body=b"")
    ours: Any = fast.s3()
    assert f"{ours._connections.origin}{ours.path('a b/ü')}" == sent[0]
    theirs: Any = slow.dynamodb()
    assert fast.dynamodb()._connections.origin == theirs.meta.endpoint_url  # type: ignore[attr-defined]  # ours has it


def test_an_item_is_read(clients: AWSClientFactory, server: ScriptedServer) -> None:
    item = {**KEY, "version": {"N": "3"}, "tags": {"L": [{"S": "sea"}]}, "has_alpha": {"BOOL": False}}
    server.play(answer(body=orjson.dumps({"Item": item})))
    found = clients.dynamodb().get_item(TableName="images-metadata", Key=KEY)
    assert found["Item"] == item
    assert orjson.loads(server.bodies()[0]) == GET | {"ReturnConsumedCapacity": "TOTAL"}
    assert header(server, "x-amz-target") == "DynamoDB_20120810.GetItem"
    assert str(header(server, "authorization")).startswith("AWS4-HMAC-SHA256 Credential=testing/")


def test_a_condition_that_fails_is_told_as_ever(clients: AWSClientFactory, server: ScriptedServer) -> None:
    refusal = dynamodb_error("ConditionalCheckFailedException", message="no", Item=KEY)
    server.play(refusal)
    with pytest.raises(ClientError) as caught:
        clients.dynamodb().put_item(TableName="images-metadata", Item=KEY)
    assert error_code(caught.value) == "ConditionalCheckFailedException"
    assert caught.value.response["Item"] == KEY  # type: ignore[typeddict-item]  # only this error has it
    assert not was_retried(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("first", [LastWords(), dynamodb_error("ThrottlingException"), answer("500 Oh", b"{}")])
def test_what_may_pass_is_tried_again(first: bytes, clients: AWSClientFactory, server: ScriptedServer) -> None:
    server.play(first, answer(body=b"{}"))
    assert "Item" not in clients.dynamodb().get_item(TableName="t", Key=KEY)
    assert len(server.requests) == 2


def test_a_write_that_was_tried_again_says_so(clients: AWSClientFactory, server: ScriptedServer) -> None:
    refusal = dynamodb_error("ConditionalCheckFailedException")
    server.play(LastWords(), refusal)
    with pytest.raises(ClientError) as caught:
        clients.dynamodb().delete_item(TableName="images-metadata", Key=KEY)
    assert was_retried(caught.value)


def test_attempts_are_as_many_as_boto3_makes(clients: AWSClientFactory, server: ScriptedServer) -> None:
    server.play(*[LastWords()] * 9)
    with pytest.raises(ConnectionClosedError):
        clients.dynamodb().get_item(TableName="t", Key=KEY)
    assert len(server.requests) == 3
    server.play(*[LastWords()] * 9)
    with pytest.raises(ConnectionClosedError):
        clients.s3().get_object(Bucket="images", Key="k")
    assert len(server.requests) == 2


def test_a_store_that_is_not_there_fails_as_ever() -> None:
    with pytest.raises(EndpointConnectionError):
        factory(f"http://127.0.0.1:{free_port()}").s3().get_object(Bucket="images", Key="k")


def test_a_transaction_has_the_same_token_in_all_its_attempts(
    clients: AWSClientFactory, server: ScriptedServer
) -> None:
    server.play(LastWords(), answer(body=b"{}"))
    clients.dynamodb().transact_write_items(TransactItems=[PUT])
    first, second = (orjson.loads(body)["ClientRequestToken"] for body in server.bodies())
    assert first == second


def test_why_a_transaction_was_cancelled_is_told(clients: AWSClientFactory, server: ScriptedServer) -> None:
    reasons = [{"Code": "ConditionalCheckFailed", "Item": KEY}, {"Code": "None"}]
    refusal = dynamodb_error("TransactionCanceledException", CancellationReasons=reasons)
    server.play(refusal)
    with pytest.raises(ClientError) as caught:
        clients.dynamodb().transact_write_items(TransactItems=[PUT])
    assert caught.value.response["CancellationReasons"] == reasons


def test_an_object_is_read_in_pieces(clients: AWSClientFactory, server: ScriptedServer) -> None:
    data = bytes(range(256)) * 4000
    server.play(answer("200 OK", data, DATE, TAG))
    found = clients.s3().get_object(Bucket="images", Key="images/a%40b/1.png")
    assert (found["ContentLength"], found["ETag"]) == (len(data), '"5"')
    assert found["LastModified"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert b"".join(iter(lambda: found["Body"].read(65536), b"")) == data
    assert server.requests[0].startswith(b"GET /images/images/a%2540b/1.png HTTP/1.1\r\n")


def test_a_part_of_an_object_is_read(clients: AWSClientFactory, server: ScriptedServer) -> None:
    server.play(answer("206 Partial Content", b"bc", DATE, TAG, "Content-Range: bytes 1-2/5"))
    client = clients.s3()
    assert client.get_object(Bucket="images", Key="k", Range="bytes=1-2")["Body"].read() == b"bc"
    assert header(server, "range") == "bytes=1-2"


def test_an_object_that_is_not_there_is_told_as_ever(clients: AWSClientFactory, server: ScriptedServer) -> None:
    server.play(s3_error("404 Not Found", "NoSuchKey"))
    with pytest.raises(ClientError) as caught:
        clients.s3().get_object(Bucket="images", Key="k")
    assert error_code(caught.value) == "NoSuchKey"
    assert len(server.requests) == 1


@pytest.mark.parametrize("form", [bytes, io.BytesIO])
def test_an_object_is_stored_with_its_headers(form: Any, clients: AWSClientFactory, server: ScriptedServer) -> None:
    headers = {
        "ContentType": "image/png",
        "ContentDisposition": "inline; filename*=UTF-8''Z%C3%BCrich.png",
        "CacheControl": "private",
        "ChecksumSHA256": "c2hhMjU2",
        "IfNoneMatch": "*",
    }
    server.play(answer("200 OK", b"", TAG))
    client: Any = clients.s3()
    assert client.put_object(**OBJECT, Body=form(b"bytes"), ContentLength=5, **headers)["ETag"] == '"5"'
    assert server.bodies() == [b"bytes"]
    names = ("content-type", "content-disposition", "cache-control", "x-amz-checksum-sha256", "if-none-match")
    assert [header(server, name) for name in names] == list(headers.values())
    assert (header(server, "x-amz-content-sha256"), header(server, "content-length")) == ("UNSIGNED-PAYLOAD", "5")


def test_a_file_is_sent_whole_in_each_attempt(clients: AWSClientFactory, server: ScriptedServer) -> None:
    server.play(s3_error("503 Slow Down", "SlowDown"), answer("200 OK", b"", TAG))
    client: Any = clients.s3()
    client.put_object(**OBJECT, Body=io.BytesIO(b"bytes"), ContentLength=5)
    assert server.bodies() == [b"bytes", b"bytes"]


def test_a_failure_within_a_success_is_a_failure(clients: AWSClientFactory, server: ScriptedServer) -> None:
    failing = s3_error("200 OK", "InternalError")
    server.play(failing, answer("200 OK", b"", TAG))
    client: Any = clients.s3()
    client.put_object(**OBJECT, Body=b"bytes")
    assert len(server.requests) == 2


def test_what_is_not_known_is_left_to_boto3(fast: AWSClientFactory, server: ScriptedServer) -> None:
    server.play(answer("200 OK", b"", TAG), answer("200 OK", b"x", DATE, TAG))
    client: Any = fast.s3()
    client.put_object(**OBJECT, Body=b"bytes", StorageClass="STANDARD_IA")
    client.get_object(Bucket="another", Key="k")
    assert header(server, "x-amz-storage-class", 0) == "STANDARD_IA"
    assert all("Boto3" in str(header(server, "user-agent", number)) for number in (0, 1))


def test_no_header_can_be_made_of_another(fast: AWSClientFactory, server: ScriptedServer) -> None:
    client: Any = fast.s3()
    with pytest.raises(ValueError, match="line break"):
        client.put_object(**OBJECT, Body=b"", ContentType="image/png\r\nx-amz-acl: public-read")
    assert server.requests == []
