"""A collector of traces that keeps what it is sent, and says it in a form that tests can read."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    url: str = ""
    spans: list[tuple[str, Span]] = field(default_factory=list)
    """With the `service.name` that each came from."""
    tokens: set[str | None] = field(default_factory=set)
    """The header `x-token` of what was sent."""

    def named(self, name: str) -> list[Span]:
        return [span for _, span in self.spans if span.name == name]

    def children_of(self, parent: Span) -> list[str]:
        return [span.name for _, span in self.spans if span.parent_span_id == parent.span_id]

    def services_of(self, span: Span) -> set[str]:
        return {service for service, it in self.spans if it.span_id == span.span_id}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    collector: Collector


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/v1/traces"
        self.server.collector.tokens.add(self.headers["x-token"])
        for resource in sent.resource_spans:
            names = [it.value.string_value for it in resource.resource.attributes if it.key == "service.name"]
            self.server.collector.spans += [(names[0], span) for scope in resource.scope_spans for span in scope.spans]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *_args: object) -> None:
        """Nothing is written down."""


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector at an address of its own."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.collector = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.collector
        finally:
            server.shutdown()
            thread.join()
