"""Who changed what and who was refused is written down; secrets, tokens and signatures never are."""

import io
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator

import httpx
import jwt
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app import logs
from app.api import create_app
from app.services import Services, build_services
from app.services.aws import AWSClientFactory
from app.settings import Settings
from app.tracing import Tracing
from tests.conftest import TestClock
from tests.contract.steps import IMAGES, UPLOADS, Json, upload
from tests.samples import picture

Connect = Callable[[str], httpx.Client]

KEY = "jwt-key-canary-0123456789-0123456789"
CURSOR_SECRET = "cursor-key-canary-0123456789-0123456789"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that is logged, by anybody, as it is written in production, at the most talkative level of the service."""
    written = io.StringIO()
    root, ours = logging.getLogger(), logging.getLogger("app")
    before = root.handlers[:], root.level, ours.level, logs.audit_trail.level
    logs.configure("DEBUG")
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.JsonFormatter())
    root.handlers[:] = [handler]
    yield written
    root.handlers[:] = before[0]
    for logger, level in zip((root, ours, logs.audit_trail), before[1:], strict=True):
        logger.setLevel(level)


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """All that is told to who collects traces."""
    return InMemorySpanExporter()


@pytest.fixture
def services(
    factory: AWSClientFactory, own_settings: Settings, clock: TestClock, spans: InMemorySpanExporter
) -> Services:
    assert factory  # its AWS is the one that the services use
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return build_services(own_settings, clock=clock, tracing=Tracing(provider))


@pytest.fixture
def connect(own_settings: Settings, services: Services) -> Iterator[Connect]:
    """Makes a client of an application that wants tokens, as a user."""
    changes = {
        "auth_mode": "jwt",
        "jwt_issuer": "me",
        "jwt_audience": "images",
        "jwt_key": KEY,
        "jwt_algorithms": "HS256",
        "secret_key": CURSOR_SECRET,
    }
    app = create_app(Settings.model_validate(own_settings.model_dump() | changes), services)
    clients = []

    def make(user_id: str) -> httpx.Client:
        claims = {"iss": "me", "aud": "images", "sub": user_id, "exp": time.time() + 300}
        headers = {"Authorization": f"Bearer {jwt.encode(claims, KEY, 'HS256')}"}
        clients.append(httpx.Client(base_url="http://in-process", transport=httpx.WSGITransport(app), headers=headers))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def trail(log: io.StringIO) -> list[tuple[str, str | None, str | None]]:
    lines: list[Json] = [json.loads(line) for line in log.getvalue().splitlines()]
    of_trail = [line for line in lines if line["logger"] == "app.audit_trail"]
    assert all(line["request_id"] for line in of_trail)
    return [(line["event"], line["user_id"], line["image_id"]) for line in of_trail]


def announce(api: httpx.Client) -> Json:
    body = {
        "filename": "filename-canary.png",
        "content_type": "image/png",
        "file_size": len(picture("PNG")),
        "method": "POST",
    }
    issued: Json = api.post(UPLOADS, json=body).json()
    return issued


def test_changes_and_refusals_are_written_down(connect: Connect, log: io.StringIO) -> None:
    alice, mallory = connect("alice"), connect("mallory")
    first, second = (upload(alice)["image_id"] for _ in range(2))
    alice.patch(f"{IMAGES}/{first}", json={"title": "x"})
    alice.get(f"{IMAGES}/{first}")
    mallory.get(f"{IMAGES}/{first}")
    mallory.post(f"{IMAGES}/batch-delete", json={"image_ids": [first]})
    alice.delete(f"{IMAGES}/{first}")
    alice.post(f"{IMAGES}/batch-delete", json={"image_ids": [second, first]})
    announced = announce(alice)["image"]["image_id"]
    alice.delete(f"{UPLOADS}/{announced}")
    alice.get(IMAGES, headers={"Authorization": "Bearer nonsense"})
    assert trail(log) == [
        ("image uploaded", "alice", first),
        ("image uploaded", "alice", second),
        ("image edited", "alice", first),
        ("access refused", "mallory", first),
        ("access refused", "mallory", first),
        ("image deleted", "alice", first),
        ("image deleted", "alice", second),
        ("upload announced", "alice", announced),
        ("upload abandoned", "alice", announced),
        ("access refused", None, None),
    ]


def test_the_trail_is_written_at_every_level() -> None:
    ours = logging.getLogger("app")
    root = logging.getLogger()
    before = ours.level, root.handlers[:], root.level
    try:
        logs.configure("ERROR")
        assert logs.audit_trail.isEnabledFor(logging.INFO)
        assert not logging.getLogger("app.api").isEnabledFor(logging.INFO)
    finally:
        ours.setLevel(before[0])
        root.handlers[:] = before[1]
        root.setLevel(before[2])


def test_no_secret_token_signature_or_presigned_url_is_ever_logged_or_traced(
    connect: Connect, log: io.StringIO, spans: InMemorySpanExporter, services: Services, own_settings: Settings
) -> None:
    alice, mallory = connect("alice"), connect("mallory")
    image = upload(alice, title="title-canary", description="description-canary", location="place-canary")
    path = f"{IMAGES}/{image['image_id']}"
    issued = announce(alice)
    uploads = f"{UPLOADS}/{issued['image']['image_id']}"
    for client in (alice, mallory):
        for query in ("", "?redirect=true", "?encoding=base64", "?q=query-canary"):
            client.get(path + query)
        client.get(IMAGES, params={"q": "query-canary", "limit": 1})
        client.get(IMAGES, params={"cursor": "cursor-canary"})
        client.get(IMAGES, params={"access_token": "token-canary"})
        client.patch(path, json={"title": "title-canary", "secret": "body-canary"})
        client.post(f"{uploads}/complete")
        client.post(UPLOADS, json={"filename": "f"}, headers={"Idempotency-Key": "idempotency-canary"})
        client.get(path, headers={"Authorization": "Bearer token-canary.a.b", "Cookie": "cookie-canary"})
        client.post(IMAGES, content=b"file-canary", headers={"Content-Type": "image/png"})
    for key in ("uploads/x/canary", f"images/alice/{uuid.uuid4()}/object-canary"):
        about = {"bucket": {"name": own_settings.s3_bucket}, "object": {"key": key}}
        record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": about}
        services.uploads.handle(json.dumps({"Records": [record]}))
    signed = issued["upload"]["fields"] | {"url": image["download_url"], "url_of_form": issued["upload"]["url"]}
    tokens = [client.headers["Authorization"].removeprefix("Bearer ") for client in (alice, mallory)]
    secrets = [*tokens, *(token.rpartition(".")[2] for token in tokens), KEY, CURSOR_SECRET]
    secrets += [value for name, value in signed.items() if name.lower() in {"policy", "x-amz-signature", "url"}]
    secrets += ["canary", "X-Amz-Signature", "Bearer", "eyJ"]
    text = log.getvalue()
    assert text.count("\n") > 20
    assert [secret for secret in secrets if secret in text] == []
    traced = spans.get_finished_spans()
    assert {"SERVER", "CLIENT", "CONSUMER", "INTERNAL"} <= {span.kind.name for span in traced}
    assert [secret for secret in secrets if any(secret in span.to_json() for span in traced)] == []
