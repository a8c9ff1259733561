"""Spans of requests, calls and events, as an exporter in this process gets them."""

import logging

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from app.api import create_app
from app.errors import BackendUnavailable
from app.keys import final_key
from app.models import Announcement, ContentType, Image, NewImage, UploadMethod
from app.services import Services, build_services
from app.services.aws import AWSClientFactory
from app.services.events import ObjectCreated
from app.services.tables import row_key
from app.settings import Settings
from app.tracing import Tracing, with_trace_id
from tests.conftest import TestClock
from tests.contract.steps import IMAGES, UPLOADS, upload
from tests.samples import picture

TRACE_ID, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
DATA = picture("PNG")


class Spans:
    """What was exported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(provider)

    def all(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def of_kind(self, kind: SpanKind) -> list[ReadableSpan]:
        return [span for span in self.all() if span.kind is kind]

    def request(self) -> ReadableSpan:
        (span,) = self.of_kind(SpanKind.SERVER)
        return span

    def forget(self) -> None:
        self._exporter.clear()


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def services(factory: AWSClientFactory, own_settings: Settings, clock: TestClock, spans: Spans) -> Services:
    assert factory  # its AWS is the one that the services use
    impatient = own_settings.model_copy(update={"decode_wait_seconds": 0.0})
    return build_services(impatient, clock=clock, tracing=spans.tracing)


@pytest.fixture
def api(own_settings: Settings, services: Services) -> httpx.Client:
    transport = httpx.WSGITransport(create_app(own_settings, services))
    return httpx.Client(base_url="http://in-process", transport=transport, headers={"X-User-ID": "alice"})


def test_a_request_is_a_span_and_what_it_waits_for_are_its_children(api: httpx.Client, spans: Spans) -> None:
    api.headers["X-Request-ID"] = answered_by = "request-1"
    image = upload(api, title="Beach")
    root = spans.request()
    assert (root.name, root.parent, root.status.status_code) == (f"POST {IMAGES}/upload", None, StatusCode.UNSET)
    assert root.attributes is not None
    attributes = dict(root.attributes)
    assert int(str(attributes.pop("http.request.body.size"))) > image["file_size"]
    assert int(str(attributes.pop("http.response.body.size"))) > 100
    assert attributes.pop("http.response.header.x-request-id") == (answered_by,)
    assert attributes == {
        "http.request.method": "POST",
        "http.route": f"{IMAGES}/upload",
        "http.response.status_code": 201,
        "url.scheme": "http",
    }
    children = [span for span in spans.all() if span is not root]
    assert {span.parent and span.parent.span_id for span in children} == {root.context and root.context.span_id}
    names = {span.name for span in children}
    assert {"receiving", "waiting for memory", "decoding", "sending"} <= names
    assert {"DynamoDB.PutItem", "S3.PutObject"} <= names
    for span in children:
        assert (span.start_time or 0) <= (span.end_time or 0)


def test_a_call_says_what_it_consumed_and_how_it_failed(api: httpx.Client, spans: Spans) -> None:
    image_id = upload(api)["image_id"]
    spans.forget()
    api.get(f"{IMAGES}/{image_id}/metadata")
    (call,) = spans.of_kind(SpanKind.CLIENT)
    assert call.attributes is not None
    assert '"CapacityUnits":' in str(call.attributes["aws.dynamodb.consumed_capacity"])
    assert (call.attributes["rpc.service"], call.attributes["rpc.method"]) == ("DynamoDB", "GetItem")
    spans.forget()
    with spans.tracing.handling_event("queue"):
        spans.tracing.call_ended("s3", "GetObject", "SlowDown", 1.5)
    (failed,) = spans.of_kind(SpanKind.CLIENT)
    assert failed.attributes is not None
    assert (failed.status.status_code, failed.attributes["error.type"]) == (StatusCode.ERROR, "SlowDown")
    assert failed.end_time is not None
    assert failed.start_time == failed.end_time - 1_500_000_000


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", f"{IMAGES}/1", f"GET {IMAGES}/<image_id:image_id>"),
        ("GET", "/secret-path", "GET"),
        ("BREW", "/secret-path", "HTTP"),
    ],
)
def test_names_are_of_routes_never_of_what_was_asked_for(
    api: httpx.Client, spans: Spans, method: str, path: str, name: str
) -> None:
    api.request(method, path)
    assert spans.request().name == name


@pytest.mark.parametrize(
    ("traceparent", "continued"),
    [(f"00-{TRACE_ID}-{CALLER}-01", True), (f"00-{TRACE_ID}-{'0' * 16}-01", False), ("nonsense", False)],
)
def test_the_callers_trace_goes_on_here(api: httpx.Client, spans: Spans, traceparent: str, continued: bool) -> None:
    api.get(IMAGES, headers={"traceparent": traceparent})
    root = spans.request()
    assert root.context is not None
    assert (format_trace_id(root.context.trace_id) == TRACE_ID) is continued
    assert (format_span_id(root.parent.span_id) if root.parent else None) == (CALLER if continued else None)


def test_what_is_not_sampled_leaves_nothing(api: httpx.Client, spans: Spans, services: Services) -> None:
    issued = announce(api, {"traceparent": f"00-{TRACE_ID}-{CALLER}-00"})
    assert spans.all() == ()
    assert services.metadata.get(issued).traceparent is None


def test_a_failure_of_ours_is_an_error_and_a_refusal_is_none(
    api: httpx.Client, spans: Spans, services: Services, own_settings: Settings
) -> None:
    with services.inspector.budget.admitted(own_settings.decode_memory_bytes):
        assert api.post(IMAGES, files={"file": ("a", DATA)}).status_code == 503
    failed = spans.request()
    assert failed.attributes is not None
    assert (failed.status.status_code, failed.attributes["error.type"]) == (StatusCode.ERROR, "503")
    spans.forget()
    assert api.get(f"{IMAGES}/1").status_code == 404
    assert spans.request().status.status_code is StatusCode.UNSET


def test_one_request_after_another_is_one_trace_after_another(api: httpx.Client, spans: Spans) -> None:
    for _ in range(2):
        api.get(IMAGES)
    first, second = spans.of_kind(SpanKind.SERVER)
    assert first.context is not None
    assert second.context is not None
    assert (second.parent, first.context.trace_id == second.context.trace_id) == (None, False)


def test_calls_that_nobody_asked_for_have_no_span(api: httpx.Client, services: Services, spans: Spans) -> None:
    api.get(IMAGES)  # which is over, and has no part in what this thread does next
    with spans.tracing.handling_event("queue"):
        pass
    spans.forget()
    services.metadata.ping()
    services.queue.ping()
    assert list(services.uploads.sweep()) == []
    assert spans.all() == ()


def announce(api: httpx.Client, headers: dict[str, str] | None = None) -> str:
    wanted = {"filename": "a.png", "content_type": "image/png", "file_size": len(DATA)}
    image_id: str = api.post(UPLOADS, json=wanted, headers=headers).json()["image"]["image_id"]
    return image_id


@pytest.fixture
def pending(api: httpx.Client, services: Services, factory: AWSClientFactory, own_settings: Settings) -> Image:
    """A direct upload whose object has arrived."""
    image = services.metadata.get(announce(api))
    factory.s3().put_object(Bucket=own_settings.s3_bucket, Key=image.object_key, Body=DATA)
    return image


def row(factory: AWSClientFactory, settings: Settings, image: Image) -> set[str]:
    """The names of the row's attributes."""
    found = factory.dynamodb().get_item(TableName=settings.images_table, Key=row_key(image.image_id))["Item"]
    return set(found)


def test_the_event_of_an_upload_links_to_the_request_that_announced_it(
    pending: Image, spans: Spans, services: Services, factory: AWSClientFactory, own_settings: Settings
) -> None:
    issued = spans.request()
    assert "traceparent" in row(factory, own_settings, pending)
    services.uploads.handle(message(own_settings.s3_bucket, final_key(pending)))
    (handled,) = spans.of_kind(SpanKind.CONSUMER)
    assert linked(handled) == [identity(issued)]
    assert handled.name == f"process {own_settings.uploads_queue}"
    assert handled.parent is None
    assert "decoding" in {span.name for span in spans.all() if span.parent == handled.context}
    assert "traceparent" not in row(factory, own_settings, pending)


def linked(span: ReadableSpan) -> list[tuple[int, int]]:
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def identity(span: ReadableSpan) -> tuple[int, int]:
    assert span.context is not None
    return span.context.trace_id, span.context.span_id


def message(bucket: str, key: str) -> str:
    record = f'{{"bucket": {{"name": "{bucket}"}}, "object": {{"key": "{key}"}}}}'
    return f'{{"Records": [{{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {record}}}]}}'


def test_completing_an_upload_links_to_the_request_that_announced_it_too(
    api: httpx.Client, pending: Image, spans: Spans
) -> None:
    issued = spans.request()
    assert api.post(f"{UPLOADS}/{pending.image_id}/complete").status_code == 200
    completed = spans.of_kind(SpanKind.SERVER)[-1]
    assert linked(completed) == [identity(issued)]


def test_clients_are_not_shown_what_links_traces(api: httpx.Client, pending: Image) -> None:
    shown = [
        api.get(f"{IMAGES}/{pending.image_id}/metadata").text,
        api.get(IMAGES, params={"status": "PENDING_UPLOAD"}).text,
    ]
    assert all(pending.image_id in text for text in shown)
    assert not any(str(pending.traceparent) in text or "traceparent" in text for text in shown)


def test_an_event_that_fails_is_an_error_without_its_message(spans: Spans) -> None:
    with pytest.raises(BackendUnavailable), spans.tracing.handling_event("queue"):
        raise BackendUnavailable("secret-canary")
    (failed,) = spans.of_kind(SpanKind.CONSUMER)
    assert failed.attributes is not None
    assert (failed.status.status_code, failed.attributes["error.type"]) == (StatusCode.ERROR, "BackendUnavailable")
    assert "canary" not in failed.to_json()


def test_a_line_of_a_trace_has_its_id_and_others_have_none(spans: Spans) -> None:
    outside, inside = logging.makeLogRecord({}), logging.makeLogRecord({})
    assert with_trace_id(outside)
    with spans.tracing.handling_event("queue"):
        assert with_trace_id(inside)
    assert not hasattr(outside, "trace_id")
    (span,) = spans.all()
    assert span.context is not None
    assert vars(inside)["trace_id"] == format_trace_id(span.context.trace_id)


def test_without_traces_a_row_has_nothing_of_them(own_settings: Settings, factory: AWSClientFactory) -> None:
    uploads = build_services(own_settings).uploads
    new = NewImage(filename="a.png")
    announced = Announcement(new=new, content_type=ContentType.PNG, file_size=1, sha256=None, method=UploadMethod.PUT)
    image, _ = uploads.issue("alice", announced)
    assert "traceparent" not in row(factory, own_settings, image)
    assert uploads.confirm_from_event(ObjectCreated(own_settings.s3_bucket, final_key(image)))
