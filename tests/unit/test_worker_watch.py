"""A worker's figures, over HTTP and as the stores have them."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr

from app.entrypoints.worker import Worker
from app.entrypoints.worker_watch import Watch
from app.errors import Overloaded
from app.models import Announcement, ContentType, NewImage, UploadMethod
from app.services import Services
from app.services.aws import AWSClientFactory
from app.settings import Settings, SettingsError
from app.worker_metrics import WorkerMetrics
from tests.conftest import TestClock
from tests.server import free_port
from tests.unit.test_metrics import TOKEN, figure

Watching = Callable[..., tuple[Watch, WorkerMetrics, httpx.Client]]


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def watching(services: Services, own_settings: Settings) -> Iterator[Watching]:
    watches = []

    def start(**changes: object) -> tuple[Watch, WorkerMetrics, httpx.Client]:
        figures, port = WorkerMetrics(services.metrics.registry), free_port()
        watch = Watch(services, figures, own_settings.model_copy(update=changes), port=port)
        watch.start()
        watches.append(watch)
        return watch, figures, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)

    yield start
    for watch in watches:
        watch.stop()


def announced() -> Announcement:
    return Announcement(
        new=NewImage(filename="a.png"),
        content_type=ContentType.PNG,
        file_size=100,
        sha256=None,
        method=UploadMethod.PUT,
    )


def test_what_waits_in_queue_and_table_is_seen(
    watching: Watching, services: Services, own_settings: Settings, factory: AWSClientFactory, clock: TestClock
) -> None:
    watch, _, http = watching(sweep_seconds=1)
    sqs = factory.sqs()
    url = sqs.get_queue_url(QueueName=own_settings.uploads_queue)["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    for _ in range(3):
        sqs.send_message(QueueUrl=url, MessageBody="{}")
    services.queue.receive()
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    services.uploads.issue("alice", announced())
    clock.now += timedelta(seconds=own_settings.upload_url_seconds + 10)
    services.uploads.issue("alice", announced())
    watch.look()
    text = http.get("/metrics").text
    seen = [
        figure(text, "image_storage_queue_messages", queue=queue, state=state)
        for queue, state in (("uploads", "waiting"), ("uploads", "in_flight"), ("dead", "waiting"))
    ]
    assert seen == [1, 3, 0]
    assert [figure(text, "image_storage_pending_uploads", state=state) for state in ("open", "overdue")] == [1, 1]


def test_messages_and_sweeps_are_counted(
    watching: Watching, services: Services, own_settings: Settings, factory: AWSClientFactory
) -> None:
    _, figures, http = watching()
    sqs = factory.sqs()
    url = sqs.get_queue_url(QueueName=own_settings.uploads_queue)["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    for body in ("good", "bad"):
        sqs.send_message(QueueUrl=url, MessageBody=body)

    def handle(body: str) -> None:
        if body == "bad":
            raise Overloaded

    def shown(name: str, **labels: str) -> float:
        return figure(http.get("/metrics").text, f"image_storage_{name}", **labels)

    worker = Worker(services.queue, handle, lambda: iter(()), figures, threads=3, sweep_seconds=60)
    worker.start()
    eventually(lambda: shown("message_seconds_count", outcome="again") == 1)
    eventually(lambda: shown("message_seconds_count", outcome="done") == 1)
    eventually(lambda: shown("last_sweep_timestamp_seconds") > time.time() - 60)
    assert shown("message_lag_seconds_count") == 2
    assert [shown("worker_threads"), shown("worker_threads_busy")] == [3, 0]
    worker.stop()


def test_a_token_is_wanted_where_one_is_set(watching: Watching, own_settings: Settings) -> None:
    _, _, http = watching(metrics_token=SecretStr(TOKEN))
    assert http.get("/metrics").status_code == 401
    assert http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}x"}).status_code == 401
    assert http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert http.get("/").status_code == 404


def test_a_port_that_is_taken_is_named(services: Services, own_settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(SettingsError, match="WORKER_METRICS_PORT: cannot listen"):
            Watch(services, WorkerMetrics(services.metrics.registry), own_settings, port=other.getsockname()[1])
