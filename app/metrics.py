"""What is counted and timed, for Prometheus: docs/operations.md says what to look at.

prometheus_client adds up the processes of one server by way of files, where PROMETHEUS_MULTIPROC_DIR
names a directory for them before this module is imported; gunicorn.conf.py sees to that.
"""

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE: str = CONTENT_TYPE_LATEST

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_CALL_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The figures of one process. Labels have few values, none of them chosen by clients."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Histogram(
            "image_storage_request_seconds",
            "Requests, until the last byte of their answers was sent",
            ["method", "route", "status"],
            buckets=_REQUEST_SECONDS,
            registry=self._registry,
        )
        self._received = Counter(
            "image_storage_received_bytes", "Announced bytes of request bodies", registry=self._registry
        )
        self._sent = Counter("image_storage_sent_bytes", "Announced bytes of answers", registry=self._registry)
        self._in_flight = Gauge(
            "image_storage_requests_in_flight",
            "Requests that are being served",
            multiprocess_mode="livesum",
            registry=self._registry,
        )
        self._calls = Histogram(
            "image_storage_call_seconds",
            "Calls of S3, DynamoDB and SQS with all their attempts, until the head of the answer",
            ["store", "operation", "outcome"],
            buckets=_CALL_SECONDS,
            registry=self._registry,
        )

    def request_began(self, received_bytes: int) -> None:
        self._in_flight.inc()
        self._received.inc(received_bytes)

    def request_ended(self, *, method: str, route: str | None, status: int, seconds: float, sent_bytes: int) -> None:
        method = method if method in _METHODS else "other"
        self._in_flight.dec()
        self._requests.labels(method, route or "none", str(status)).observe(seconds)
        self._sent.inc(sent_bytes)

    def call_ended(self, store: str, operation: str, outcome: str, seconds: float) -> None:
        """`outcome` is ok, or the code or class of the failure."""
        self._calls.labels(store, operation, outcome).observe(seconds)

    def exposition(self) -> bytes:
        """All figures in Prometheus' text format: those of all processes that share them, else of this one."""
        registry = CollectorRegistry()
        try:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has types but for this
        except ValueError:  # no directory is named
            registry = self._registry
        text: bytes = generate_latest(registry)
        return text
