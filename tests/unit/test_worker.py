"""The worker's loop, with a queue on moto: what is handled goes, what is not comes again, a stop gives back."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest
from botocore.exceptions import ClientError
from prometheus_client import CollectorRegistry

from app.entrypoints.worker import Worker
from app.errors import BackendUnavailable, Overloaded
from app.services.aws import AWSClientFactory
from app.services.provision import ProvisionError, provision
from app.services.queue import Message, UploadQueue
from app.settings import Settings
from app.worker_metrics import WorkerMetrics
from tests.server import ROOT, free_port

# The signal comes when the threads of one part run, and before run_worker can do anything else.
STOPPED_AS_IT_STARTS = """
import signal, sys
from app.entrypoints.worker import Worker, run_worker
from app.entrypoints.worker_watch import Watch
from tests.conftest import test_settings

def stop_after(frame, event, _):
    if event == "return" and frame.f_code is {part}.start.__code__:
        sys.setprofile(None)
        signal.raise_signal(signal.SIGTERM)

settings = test_settings(aws_endpoint_url="http://127.0.0.1:1", worker_metrics_port={port})
sys.setprofile(stop_after)
run_worker(settings)
"""


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


class Queue(UploadQueue):
    """A queue in memory that notes what is said about its messages."""

    def __init__(self, *batches: list[str] | Exception) -> None:
        self._batches = list(batches)
        self.deleted: list[str] = []
        self.given_back: list[str] = []
        self.kept: list[str] = []

    def receive(self) -> list[Message]:
        if not self._batches:
            time.sleep(0.01)  # as long polling does, only shorter
            return []
        batch = self._batches.pop(0)
        if isinstance(batch, Exception):
            raise batch
        return [Message(body, body, body) for body in batch]

    def delete(self, messages: Any) -> None:
        self.deleted += [message.body for message in messages]

    def give_back(self, messages: Any) -> None:
        self.given_back += [message.body for message in messages]

    def keep(self, messages: Any) -> None:
        self.kept += [message.body for message in messages]


def nothing_to_sweep() -> Iterator[str]:
    return iter(())


def run(queue: Queue, handle: Callable[[str], None], sweep: Any = nothing_to_sweep, threads: int = 2) -> Worker:
    worker = Worker(queue, handle, sweep, WorkerMetrics(CollectorRegistry()), threads=threads, sweep_seconds=0.01)
    worker.start()
    return worker


def test_a_message_that_fails_is_left_and_the_others_are_deleted() -> None:
    def handle(body: str) -> None:
        if body == "outage":
            raise BackendUnavailable("s3")
        if body == "crowd":
            raise Overloaded
        if body == "bug":
            raise RuntimeError(body)

    queue = Queue(["a", "outage", "crowd", "b", "bug"])
    worker = run(queue, handle)
    eventually(lambda: sorted(queue.deleted) == ["a", "b"])
    worker.stop()
    assert (queue.given_back, sorted(queue.deleted)) == ([], ["a", "b"])


@pytest.mark.parametrize("failure", [BackendUnavailable("sqs"), RuntimeError("unforeseen")])
def test_a_queue_that_fails_is_asked_again(failure: Exception) -> None:
    queue = Queue(failure, ["a"])
    worker = run(queue, lambda body: None)
    eventually(lambda: queue.deleted == ["a"])
    worker.stop()


def test_a_stop_finishes_what_is_begun_and_gives_the_rest_back() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def handle(body: str) -> None:
        begun.set()
        assert may_end.wait(20)

    queue = Queue(["a", "b", "c"])
    worker = run(queue, handle, threads=1)
    assert begun.wait(20)
    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    eventually(lambda: sorted(queue.given_back) == ["b", "c"])
    assert queue.deleted == []
    may_end.set()
    stopping.join(20)
    assert not stopping.is_alive()
    assert queue.deleted == ["a"]


@pytest.mark.parametrize("part", ["Watch", "Worker"])
def test_a_signal_while_it_starts_ends_it(part: str) -> None:
    program = STOPPED_AS_IT_STARTS.format(part=part, port=free_port())
    # Raises TimeoutExpired, and kills it, where it goes on.
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, timeout=60)


def test_sweeps_go_on_after_one_that_fails() -> None:
    swept = []

    def sweep() -> Iterator[str]:
        swept.append("begun")
        yield "one"
        raise BackendUnavailable("dynamodb")

    worker = run(Queue(), lambda body: None, sweep)
    eventually(lambda: len(swept) >= 3)
    worker.stop()


def test_the_queue_hands_out_keeps_and_forgets_messages(factory: AWSClientFactory, own_settings: Settings) -> None:
    queue, sqs = UploadQueue(factory, own_settings), factory.sqs()
    url = sqs.get_queue_url(QueueName=own_settings.uploads_queue)["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    for number in range(12):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    first = queue.receive()
    assert len(first) == 10
    rest = queue.receive()
    queue.keep(first)
    queue.give_back(rest)
    assert {message.body for message in queue.receive()} == {message.body for message in rest}
    queue.delete([*first, *rest])
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    assert set(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()) == {"0"}


def test_only_the_bucket_may_send_and_what_nobody_can_handle_is_set_aside(
    factory: AWSClientFactory, own_settings: Settings
) -> None:
    list(provision(factory, own_settings))  # once more
    sqs = factory.sqs()
    url = sqs.get_queue_url(QueueName=own_settings.uploads_queue)["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    account = attributes["QueueArn"].split(":")[4]
    redrive = json.loads(attributes["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == f"{attributes['QueueArn']}-dead"
    assert int(redrive["maxReceiveCount"]) == 5
    (statement,) = json.loads(attributes["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Allow", {"Service": "s3.amazonaws.com"})
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{own_settings.s3_bucket}"},
        "StringEquals": {"aws:SourceAccount": account},
    }
    told = factory.s3().get_bucket_notification_configuration(Bucket=own_settings.s3_bucket)["QueueConfigurations"]
    assert {rule["QueueArn"] for rule in told} == {attributes["QueueArn"]}
    prefixes = {rule["Filter"]["Key"]["FilterRules"][0]["Value"] for rule in told}
    assert prefixes == {"images/", "uploads/"}


def test_rows_of_abandoned_uploads_are_deleted_by_the_table_itself(
    factory: AWSClientFactory, own_settings: Settings
) -> None:
    answer = factory.dynamodb().describe_time_to_live(TableName=own_settings.images_table)
    assert answer["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}


def test_a_bucket_whose_events_go_elsewhere_is_left_as_it_is(factory: AWSClientFactory, own_settings: Settings) -> None:
    told = factory.s3().get_bucket_notification_configuration(Bucket=own_settings.s3_bucket)["QueueConfigurations"]
    others = own_settings.model_copy(update={"uploads_queue": "another"})
    with pytest.raises(ProvisionError, match=f"its events to .*:{own_settings.uploads_queue}, not to queue another"):
        list(provision(factory, others))
    now = factory.s3().get_bucket_notification_configuration(Bucket=own_settings.s3_bucket)["QueueConfigurations"]
    assert now == told


@pytest.mark.parametrize("code", ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"])
def test_a_queue_that_is_missing_may_be_made_yet(own_settings: Settings, code: str) -> None:
    class Missing:
        def sqs(self) -> "Missing":
            return self

        def get_queue_url(self, **_: str) -> NoReturn:
            raise ClientError({"Error": {"Code": code}}, "GetQueueUrl")

        def change_message_visibility_batch(self, **_: object) -> NoReturn:
            raise AssertionError("of which queue?")

    factory: Any = Missing()
    with pytest.raises(BackendUnavailable):
        UploadQueue(factory, own_settings).give_back([Message("id", "receipt", "")])
