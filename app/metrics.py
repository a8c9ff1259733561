"""What is counted and timed, for Prometheus: docs/operations.md says what to look at.

prometheus_client adds up the processes of one server by way of files, where PROMETHEUS_MULTIPROC_DIR
names a directory for them before this module is imported; gunicorn.conf.py sees to that.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE: str = CONTENT_TYPE_LATEST

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""By their names; clients can make up any number of others."""
_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_CALL_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WAIT_SECONDS = (0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60)
_READS = frozenset({"GetItem", "BatchGetItem", "Query", "Scan"})


class Metrics:
    """The figures of one process. Labels have few values, none of them chosen by clients."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        requests = Histogram(
            "image_storage_request_seconds",
            "Requests, until the last byte of their answers was sent",
            ["method", "route", "status"],
            buckets=_REQUEST_SECONDS,
            registry=self.registry,
        )
        self._received = Counter(
            "image_storage_received_bytes", "Announced bytes of request bodies", registry=self.registry
        )
        self._sent = Counter("image_storage_sent_bytes", "Announced bytes of answers", registry=self.registry)
        self._in_flight = Gauge(
            "image_storage_requests_in_flight",
            "Requests that are being served",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        calls = Histogram(
            "image_storage_call_seconds",
            "Calls of S3, DynamoDB and SQS with all their attempts, until the head of the answer",
            ["store", "operation", "outcome"],
            buckets=_CALL_SECONDS,
            registry=self.registry,
        )
        units = Counter(
            "image_storage_dynamodb_units",
            "Read and write units that DynamoDB says were consumed, indexes included",
            ["table", "kind"],
            registry=self.registry,
        )
        self._admissions = Histogram(
            "image_storage_decode_wait_seconds",
            "How long images waited for memory to be decoded in, until they were admitted or refused",
            ["outcome"],
            buckets=_WAIT_SECONDS,
            registry=self.registry,
        )
        self._settled = Counter(
            "image_storage_direct_uploads",
            "What became of uploads straight to the bucket, by what gave reason to look at them",
            ["reason", "outcome"],
            registry=self.registry,
        )
        self._threads = Gauge(
            "image_storage_request_threads",
            "Threads that serve requests",
            multiprocess_mode="livesum",
            registry=self.registry,
        )
        # There are few of each, and prometheus_client takes longer to find one than to count.
        self._request, self._call, self._unit = cache(requests.labels), cache(calls.labels), cache(units.labels)

    def request_began(self, received_bytes: int) -> None:
        self._in_flight.inc()
        if received_bytes:
            self._received.inc(received_bytes)

    def request_ended(self, *, method: str, route: str | None, status: int, seconds: float, sent_bytes: int) -> None:
        method = method if method in METHODS else "other"
        self._in_flight.dec()
        self._request(method, route or "none", str(status)).observe(seconds)
        self._sent.inc(sent_bytes)

    def serves_with(self, threads: int) -> None:
        """This process serves requests with so many threads."""
        self._threads.set(threads)

    def call_ended(
        self, store: str, operation: str, outcome: str, seconds: float, consumed: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """`outcome` is ok, or the code or class of the failure; `consumed` is ConsumedCapacity of each table."""
        self._call(store, operation, outcome).observe(seconds)
        kind = "read" if operation in _READS else "write"
        for capacity in consumed:
            self._unit(capacity["TableName"], kind).inc(capacity["CapacityUnits"])

    def admission_ended(self, admitted: bool, seconds: float) -> None:
        self._admissions.labels("admitted" if admitted else "refused").observe(seconds)

    def upload_settled(self, reason: str, outcome: str) -> None:
        """`reason` is event or sweep."""
        self._settled.labels(reason, outcome).inc()

    def exposition(self) -> bytes:
        """All figures in Prometheus' text format: those of all processes that share them, else of this one."""
        registry = CollectorRegistry()
        try:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has types but for this
        except ValueError:  # no directory is named
            registry = self.registry
        text: bytes = generate_latest(registry)
        return text
