"""Traces, as OpenTelemetry knows them: docs/operations.md says what is in them.

It is imported only where traces are made, because it loads OpenTelemetry, which others need not
have. No span holds what a client chose, but for the ids of trace and request: no address, no name of
an object or a file, no other header, no message of an exception.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Token
from dataclasses import dataclass
from typing import Any

import orjson
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, format_trace_id, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util import re as header_parser

from app import logs, spending
from app.metrics import METHODS
from app.spending import STORES

_W3C = TraceContextTextMapPropagator()
_SERVICES = {"s3": "S3", "dynamodb": "DynamoDB", "sqs": "SQS"}
_STOPPING_SECONDS = 3  # for the last spans; gunicorn gives a worker 30 for all that it has to end


@dataclass(frozen=True, slots=True)
class RequestSpan:
    """The span of a request that this thread serves, and the context to go back to when it ends."""

    span: Span
    before: Token[Context]

    def end(self, *, status: int, sent_bytes: int) -> None:
        """The last byte of the answer is out."""
        self.span.set_attribute("http.response.status_code", status)
        self.span.set_attribute("http.response.body.size", sent_bytes)
        if (request_id := logs.request_id.get()) is not None:
            self.span.set_attribute("http.response.header.x-request-id", [request_id])
        if status >= 500:
            _fail(self.span, str(status))
        self.span.end()
        detach(self.before)


class Tracing:
    """Makes the spans of one process. Names and attributes follow OpenTelemetry's semantic conventions."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("app")

    def request_began(
        self, method: str, route: str | None, scheme: str, traceparent: str | None, received_bytes: int
    ) -> RequestSpan:
        """A request of this thread, in the trace that the header `traceparent` names, else in a new one."""
        method = method if method in METHODS else "_OTHER"
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "http.request.body.size": received_bytes,
            "url.scheme": scheme,
        }
        if route is not None:
            attributes["http.route"] = route
        name = " ".join(filter(None, ["HTTP" if method == "_OTHER" else method, route]))
        span = self._tracer.start_span(name, _named(traceparent), SpanKind.SERVER, attributes)
        return RequestSpan(span, attach(set_span_in_context(span)))

    @contextmanager
    def handling_event(self, queue: str) -> Iterator[None]:
        """An event of the bucket that a message of the queue tells of, in a trace of its own."""
        attributes: dict[str, str] = {
            "messaging.system": "aws_sqs",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": queue,
        }
        if (message_id := logs.request_id.get()) is not None:
            attributes["messaging.message.id"] = message_id
        span = self._tracer.start_span(f"process {queue}", Context(), SpanKind.CONSUMER, attributes)
        before = attach(set_span_in_context(span))
        spending.begin(self.spent)
        try:
            yield
        except Exception as error:
            _fail(span, type(error).__name__)
            raise
        finally:
            span.end()
            detach(before)

    def call_ended(
        self, store: str, operation: str, outcome: str, seconds: float, consumed: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """A call that a request or an event made; as for Metrics. Other calls, such as polls, have no span."""
        if not get_current_span().is_recording():
            return
        service = _SERVICES[store]
        attributes: dict[str, Any] = {"rpc.system": "aws-api", "rpc.service": service, "rpc.method": operation}
        if consumed:
            attributes["aws.dynamodb.consumed_capacity"] = [orjson.dumps(it).decode() for it in consumed]
        failure = None if outcome == "ok" else outcome
        self._ended(f"{service}.{operation}", seconds, SpanKind.CLIENT, attributes, failure)

    def spent(self, purpose: str, seconds: float) -> None:
        """What a request or an event spent its time on, other than calls, which tell of themselves."""
        if purpose not in STORES and get_current_span().is_recording():
            self._ended(purpose.replace("_", " "), seconds, SpanKind.INTERNAL)

    def traceparent(self) -> str | None:
        """The header by which others can name this thread's current span; None where none is recorded."""
        carrier: dict[str, str] = {}
        if get_current_span().is_recording():
            _W3C.inject(carrier)
        return carrier.get("traceparent")

    def link(self, traceparent: str) -> None:
        """Link this thread's current span to the trace that `traceparent` names."""
        get_current_span().add_link(get_current_span(_named(traceparent)).get_span_context())

    def _ended(
        self,
        name: str,
        seconds: float,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None = None,
        failure: str | None = None,
    ) -> None:
        """Record a span within the current one that ends now and took so many seconds."""
        now = time.time_ns()
        span = self._tracer.start_span(name, None, kind, attributes, start_time=now - int(seconds * 1e9))
        if failure is not None:
            _fail(span, failure)
        span.end(now)


def _named(traceparent: str | None) -> Context:
    """What a `traceparent` names (W3C Trace Context); nothing where it is not one."""
    return _W3C.extract({"traceparent": traceparent} if traceparent else {})


def _fail(span: Span, error_type: str) -> None:
    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR)


class _Batches(BatchSpanProcessor):
    """Sends spans from a thread of its own; what cannot be sent is dropped."""

    def shutdown(self) -> None:
        # The SDK would wait for 30 s, and has no public way to say otherwise (opentelemetry-python, issue 4555).
        self._batch_processor.shutdown(timeout_millis=_STOPPING_SECONDS * 1000)


def exporting(endpoint: str, *, service_name: str) -> Tracing:
    """Traces that are sent to a collector, by OTLP over HTTP, until this process ends.

    Starts a thread, so it is called after a fork. The SDK reads what else there is to set, sampler and
    headers and so on, from the environment's OTEL_... variables; OTEL_SERVICE_NAME counts more than `service_name`.
    """
    logging.getLogger(header_parser.__name__).addFilter(_without_arguments)
    logging.getLogger(trace_exporter.__name__).addFilter(_without_messages)
    resource = Resource.create({"service.name": service_name}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(_Batches(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")))
    return Tracing(provider)


def with_trace_id(record: logging.LogRecord) -> bool:
    """A filter for handlers of the log: lines of a trace get its `trace_id`."""
    context = get_current_span().get_span_context()
    if context.is_valid:
        record.trace_id = format_trace_id(context.trace_id)
    return True


def _without_arguments(record: logging.LogRecord) -> bool:
    """A header that cannot be read may be a credential."""
    record.args = ("(not shown)",)
    return True


def _without_messages(record: logging.LogRecord) -> bool:
    """What an exporter fails with may quote its headers or its address, so only the name of the failure is logged."""
    if isinstance(record.args, tuple):
        record.args = tuple(type(it).__name__ if isinstance(it, Exception) else it for it in record.args)
    return True
