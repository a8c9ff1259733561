"""The functions' handlers, given events as AWS sends them."""

import base64
import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from app import logs
from app.entrypoints.lambda_handler import Handler, make_api, make_s3_events, make_sweep
from app.errors import BackendUnavailable
from app.problem_details import DEFAULT_HEADERS
from app.services import Services, build_services
from app.services.aws import AWSClientFactory
from app.services.provision import provision
from app.services.queue import Message
from app.settings import Settings
from tests.samples import picture

Event = dict[str, Any]


@pytest.fixture(scope="module")
def services(settings: Settings) -> Iterator[Services]:
    with mock_aws():
        list(provision(AWSClientFactory(settings), settings))
        yield build_services(settings)


@pytest.fixture(scope="module")
def api(settings: Settings, services: Services) -> Handler:
    return make_api(settings, services)


def rest_event(
    method: str, path: str, *, headers: dict[str, str], query: dict[str, list[str]] | None = None, body: bytes = b""
) -> Event:
    """As a REST API sends it: API Gateway guide, "Input format of a Lambda function for proxy integration"."""
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} if query else None,
        "multiValueQueryStringParameters": query,
        "pathParameters": {"proxy": path.removeprefix("/")},
        "stageVariables": None,
        "requestContext": {
            "stage": "dev",
            "path": f"/dev{path}",
            "httpMethod": method,
            "identity": {"sourceIp": "192.0.2.1"},
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        },
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }


def http_event(
    method: str, path: str, *, headers: dict[str, str], query: dict[str, list[str]] | None = None, body: bytes = b""
) -> Event:
    """As an HTTP API with a stage sends it; "Create AWS Lambda proxy integrations for HTTP APIs", format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": f"/dev{path}",
        "rawQueryString": "&".join(f"{name}={value}" for name, values in (query or {}).items() for value in values),
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {
            "stage": "dev",
            "http": {"method": method, "path": f"/dev{path}", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
        },
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def function_url_event(
    method: str, path: str, *, headers: dict[str, str], query: dict[str, list[str]] | None = None, body: bytes = b""
) -> Event:
    """As a function URL sends it: format 2.0 with the stage `$default`, which is in no path."""
    event = http_event(method, path, headers=headers, query=query, body=body)
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["requestContext"]["stage"] = "$default"
    return event


def balancer_event(
    method: str, path: str, *, headers: dict[str, str], query: dict[str, list[str]] | None = None, body: bytes = b""
) -> Event:
    """As an Application Load Balancer sends it: Elastic Load Balancing guide, "Lambda functions as targets"."""
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/t/1"}},
        "httpMethod": method,
        "path": path,
        "queryStringParameters": {name: values[-1] for name, values in (query or {}).items()},
        "headers": {name.lower(): value for name, value in headers.items()},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def domain_event(
    method: str, path: str, *, headers: dict[str, str], query: dict[str, list[str]] | None = None, body: bytes = b""
) -> Event:
    """As a REST API sends it to whose stage a custom domain leads: the client's path is without the stage."""
    event = rest_event(method, path, headers=headers, query=query, body=body)
    event["requestContext"]["path"] = path
    return event


ALL_KINDS = pytest.mark.parametrize("made", [rest_event, http_event, function_url_event, balancer_event])


def header(answer: Event, name: str) -> str:
    merged = {key.lower(): value for key, value in answer.get("headers", {}).items()}
    merged |= {key.lower(): values[-1] for key, values in answer.get("multiValueHeaders", {}).items()}
    found: str = merged[name.lower()]
    return found


def upload(made: Any, api: Handler, data: bytes) -> Event:
    headers = {"X-User-ID": "alice", "Content-Type": "image/jpeg", "Content-Length": str(len(data))}
    query = {"title": ["Beach"], "tags": ["sea", "sun"]}
    answer = api(made("POST", "/api/v1/images", headers=headers, query=query, body=data), None)
    assert answer["statusCode"] == 201, answer["body"]
    return answer


@ALL_KINDS
def test_every_kind_of_event_uploads_and_downloads_the_same_bytes(made: Any, api: Handler) -> None:
    data = picture()
    answer = upload(made, api, data)
    resource = json.loads(answer["body"])
    assert resource["title"] == "Beach"
    assert not answer["isBase64Encoded"]

    headers = {"X-User-ID": "alice"}
    found = api(made("GET", f"/api/v1/images/{resource['image_id']}", headers=headers), None)
    assert found["statusCode"] == 200
    assert found["isBase64Encoded"]
    assert base64.b64decode(found["body"]) == data
    assert header(found, "Content-Type") == "image/jpeg"


@pytest.mark.parametrize(
    ("made", "prefix"),
    [
        (rest_event, "/dev"),
        (domain_event, ""),
        (http_event, "/dev"),
        (function_url_event, ""),
        (balancer_event, ""),
    ],
)
def test_links_lead_to_where_the_client_sees_the_service(made: Any, prefix: str, api: Handler) -> None:
    answer = upload(made, api, picture())
    assert header(answer, "Location") == f"{prefix}/api/v1/images/{json.loads(answer['body'])['image_id']}"
    document = json.loads(api(made("GET", "/openapi.json", headers={}), None)["body"])
    assert document["servers"] == [{"url": prefix or "/"}]
    assert f'href="{prefix}/docs"' in api(made("GET", "/", headers={}), None)["body"]


@ALL_KINDS
def test_forms_and_base64_pass_through_the_adapter(made: Any, api: Handler) -> None:
    data = picture()
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="p.jpg"\r\n\r\n' + data + b"\r\n--b--\r\n"
    in_json = json.dumps({"image_data": base64.b64encode(data).decode(), "filename": "p.jpg"}).encode()
    for content_type, body in (("multipart/form-data; boundary=b", form), ("application/json", in_json)):
        headers = {"X-User-ID": "alice", "Content-Type": content_type}
        answer = api(made("POST", "/api/v1/images/upload", headers=headers, body=body), None)
        assert answer["statusCode"] == 201, answer["body"]
        assert json.loads(answer["body"])["file_size"] == len(data)


def test_a_body_as_text_is_read_like_one_in_base64(api: Handler) -> None:
    body = json.dumps({"image_data": base64.b64encode(picture()).decode(), "title": "Möwe"})
    headers = {"X-User-ID": "alice", "Content-Type": "application/json"}
    event = rest_event("POST", "/api/v1/images", headers=headers) | {"body": body}
    assert json.loads(api(event, None)["body"])["title"] == "Möwe"


@ALL_KINDS
def test_failures_are_problems_for_every_kind_of_event(made: Any, api: Handler) -> None:
    answer = api(made("GET", "/api/v1/images", headers={}), None)
    assert answer["statusCode"] == 401
    assert header(answer, "Content-Type") == "application/problem+json"
    assert json.loads(answer["body"])["code"] == "missing_user"


@ALL_KINDS
@pytest.mark.parametrize("name", ["\u2603", "\u00e9", "%E2%98%83", "\ud800"])
def test_a_path_means_the_same_whether_the_gateway_has_decoded_it_or_not(made: Any, api: Handler, name: str) -> None:
    answer = api(made("GET", f"/api/v1/images/{name}", headers={"X-User-ID": "alice"}), None)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (404, "image_not_found")


@ALL_KINDS
def test_a_user_in_another_spelling_of_the_header_is_nobody(made: Any, api: Handler) -> None:
    for headers in ({"X_User_ID": "alice"}, {"X-User_ID": "alice"}, {"X-User-ID": "mallory", "X_User_ID": "alice"}):
        answer = api(made("GET", "/api/v1/images", headers=headers, query={"user_id": ["alice"]}), None)
        assert answer["statusCode"] == (403 if "X-User-ID" in headers else 401), headers


@ALL_KINDS
def test_whose_address_is_logged_is_for_the_gateway_to_say(
    made: Any, api: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logs.audit_trail.name):
        api(made("GET", "/api/v1/images", headers={"X-Forwarded-For": "203.0.113.7, 192.0.2.1"}), None)
    assert [vars(record)["address"] for record in caplog.records] == ["192.0.2.1"]


def test_a_user_named_in_two_cases_of_the_header_is_refused(api: Handler) -> None:
    event = rest_event("GET", "/api/v1/images", headers={"X-User-ID": "alice", "x-user-id": "bob"})
    assert json.loads(api(event, None)["body"])["code"] == "invalid_user"


def test_a_user_named_twice_is_refused(api: Handler) -> None:
    event = rest_event("GET", "/api/v1/images", headers={"X-User-ID": "alice"})
    event["multiValueHeaders"]["X-User-ID"] = ["alice", "bob"]
    assert json.loads(api(event, None)["body"])["code"] == "invalid_user"


@pytest.mark.parametrize(
    "event",
    [
        {},
        None,
        [],
        "text",
        {"Records": []},
        {"version": "2.0"},
        {"version": "3.0", "httpMethod": "GET", "path": "/"},
        {"httpMethod": "GET"},
        {"httpMethod": "POST", "path": "/", "headers": {}, "body": "no base64!", "isBase64Encoded": True},
        {"httpMethod": "POST", "path": "/", "headers": {}, "body": 7, "isBase64Encoded": True},
    ],
)
def test_an_event_that_is_no_request_is_a_problem_too(event: Any, api: Handler) -> None:
    answer = api(event, None)
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["code"] == "invalid_request"
    assert answer["headers"].items() >= DEFAULT_HEADERS.items()


def test_missing_headers_and_body_are_no_failure_of_ours(api: Handler) -> None:
    event: Event = {"httpMethod": "POST", "path": "/api/v1/images", "headers": None, "body": None, "requestContext": {}}
    assert api(event, None)["statusCode"] == 401


def queue_event(*bodies: str) -> Event:
    """As SQS sends it: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS"."""
    return {
        "Records": [
            {
                "messageId": f"message-{number}",
                "receiptHandle": f"receipt-{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "eventSource": "aws:sqs",
            }
            for number, body in enumerate(bodies)
        ]
    }


def test_only_messages_that_could_not_be_handled_come_again_and_in_a_minute() -> None:
    handled: list[str] = []
    kept: list[Message] = []

    def handle(body: str) -> None:
        if body == "down":
            raise BackendUnavailable("s3")
        if body == "bug":
            raise RuntimeError
        handled.append(body)

    answer = make_s3_events(handle, kept.extend)(queue_event("a", "down", "b", "bug", "c"), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-1"}, {"itemIdentifier": "message-3"}]}
    assert handled == ["a", "b", "c"]
    assert [message.receipt for message in kept] == ["receipt-1", "receipt-3"]


def test_messages_come_again_also_where_the_queue_cannot_be_told_when() -> None:
    def fail(_: object) -> NoReturn:
        raise BackendUnavailable("s3")

    def refuse(_: object) -> NoReturn:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "ChangeMessageVisibilityBatch")

    answer = make_s3_events(fail, refuse)(queue_event("a"), None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}


def keep_none(messages: Sequence[Message]) -> None:
    assert not messages, "nothing failed"


@pytest.mark.parametrize("event", [{}, None, [], {"Records": 1}, {"Records": [1, {}, {"messageId": "x"}]}])
def test_events_of_another_kind_are_passed_over(event: Any) -> None:
    assert make_s3_events(lambda _: None, keep_none)(event, None) == {"batchItemFailures": []}


def test_messages_that_are_garbage_are_passed_over(services: Services) -> None:
    event = queue_event("", "{", "[]", '{"Event": "s3:TestEvent"}', '{"Records": [{}]}')
    assert make_s3_events(services.uploads.handle, keep_none)(event, None) == {"batchItemFailures": []}


def test_the_sweep_says_how_many_uploads_it_ended() -> None:
    assert make_sweep(lambda: iter(["a", "b"]))({"source": "aws.events"}, None) == {"swept": 2}


@pytest.mark.parametrize(
    ("function", "absent"),
    [
        (
            "api",
            (
                "pyvips",
                "gunicorn",
                "jwt",
                "limits",
                "redis",
                "app.entrypoints.worker",
                "app.services.audit",
                "app.services.provision",
            ),
        ),
        ("s3_events", ("flask", "werkzeug", "multipart", "apig_wsgi", "app.api", "app.entrypoints.worker")),
        ("sweep", ("flask", "werkzeug", "multipart", "apig_wsgi", "app.api", "app.entrypoints.worker", "pyvips")),
    ],
)
def test_a_function_loads_nothing_that_it_does_not_need(function: str, absent: tuple[str, ...]) -> None:
    program = (
        f"import os, sys; os.environ['SECRET_KEY'] = 'k' * 32; import app.entrypoints.lambda_handler as handler; "
        f"assert handler.{function} is handler.{function}; print([name for name in {absent!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
