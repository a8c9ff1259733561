"""What Prometheus is told by a worker, beside what every process tells."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge, Histogram

_LAG_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400)
_HANDLING_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class WorkerMetrics:
    """The figures of one worker. What it says of the stores is the same whichever worker looks: take the maximum."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Histogram(
            "image_storage_message_lag_seconds",
            "How old messages were when they were received",
            buckets=_LAG_SECONDS,
            registry=registry,
        )
        self._handled = Histogram(
            "image_storage_message_seconds",
            "Handling of messages, by whether they are done or come again",
            ["outcome"],
            buckets=_HANDLING_SECONDS,
            registry=registry,
        )
        self._threads = Gauge("image_storage_worker_threads", "Threads that handle messages", registry=registry)
        self._busy = Gauge(
            "image_storage_worker_threads_busy", "Worker threads that are handling a message", registry=registry
        )
        self._last_sweep = Gauge(
            "image_storage_last_sweep_timestamp_seconds", "When a sweep last came to its end", registry=registry
        )
        self._messages = Gauge(
            "image_storage_queue_messages", "Messages in the queue, about", ["queue", "state"], registry=registry
        )
        self._pending = Gauge(
            "image_storage_pending_uploads", "Uploads that were announced", ["state"], registry=registry
        )

    def works_with(self, threads: int) -> None:
        self._threads.set(threads)

    def message_received(self, lag_seconds: float) -> None:
        self._lag.observe(max(lag_seconds, 0.0))  # the clocks of two machines

    def message_begun(self) -> None:
        self._busy.inc()

    def message_ended(self, *, done: bool, seconds: float) -> None:
        self._busy.dec()
        self._handled.labels("done" if done else "again").observe(seconds)

    def sweep_ended(self) -> None:
        self._last_sweep.set_to_current_time()

    def stores_seen(self, messages: Mapping[tuple[str, str], int], *, pending: int, overdue: int) -> None:
        """`messages` by queue (uploads or dead) and state; `overdue` of the pending should be gone."""
        for (queue, state), number in messages.items():
            self._messages.labels(queue, state).set(number)
        self._pending.labels("open").set(pending - overdue)
        self._pending.labels("overdue").set(overdue)
