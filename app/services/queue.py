"""The queue of the bucket's events, in SQS."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError

from app.errors import BackendUnavailable
from app.services.aws import AWSClientFactory, error_code, translated
from app.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

log = logging.getLogger(__name__)

VISIBILITY_SECONDS = 60
"""How long a received message is kept from others, unless that is extended."""
MAX_RECEIVES = 5
"""After so many times unhandled a message goes to the dead-letter queue."""
BATCH = 10  # most messages of one request (Amazon SQS API Reference, "ReceiveMessage", "DeleteMessageBatch")
_MISSING = ("QueueDoesNotExist", "NonExistentQueue")  # by the name of today's protocol, and of the one before it
_COUNTS: dict[Literal["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"], str] = {
    "ApproximateNumberOfMessages": "waiting",
    "ApproximateNumberOfMessagesNotVisible": "in_flight",
}
# The longest that SQS allows, below the read timeout of the client that receives. The embedded emulator, which is
# stopped when we are, would wait some seconds for a poll that is still open, though nobody hears its answer.
_WAIT_SECONDS, _EMULATOR_WAIT_SECONDS = 20, 1


def dead_letter_queue(name: str) -> str:
    return f"{name}-dead"


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery of a message; `receipt` stands for this delivery."""

    message_id: str
    receipt: str
    body: str
    sent_at: float | None = None
    """When it came into the queue, in seconds since 1970."""


class UploadQueue:
    """Receives messages and says what shall become of them. Every method may raise BackendUnavailable."""

    def __init__(self, factory: AWSClientFactory, settings: Settings) -> None:
        self._factory = factory
        self._name = settings.uploads_queue
        self._wait_seconds = _EMULATOR_WAIT_SECONDS if settings.uses_emulator else _WAIT_SECONDS
        self._known_url: str | None = None

    def receive(self) -> list[Message]:
        """Up to ten messages; none where none came within 20 seconds, or one of the embedded emulator."""
        with translated("sqs"):
            answer = self._factory.sqs_receiving().receive_message(
                QueueUrl=self._url(),
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=self._wait_seconds,
                VisibilityTimeout=VISIBILITY_SECONDS,
                MessageSystemAttributeNames=["SentTimestamp"],
            )
        return [
            Message(message["MessageId"], message["ReceiptHandle"], message["Body"], _sent_at(message))
            for message in answer.get("Messages", ())
        ]

    def delete(self, messages: Iterable[Message]) -> None:
        """They are done. One that could not be deleted comes again, which does no harm."""
        for batch in _batches(messages):
            entries = [{"Id": str(number), "ReceiptHandle": message.receipt} for number, message in enumerate(batch)]
            with translated("sqs"):
                answer = self._factory.sqs().delete_message_batch(QueueUrl=self._url(), Entries=entries)  # type: ignore[arg-type]
            for failed in answer.get("Failed", ()):
                message = batch[int(failed["Id"])]
                log.warning("message not deleted", extra={"message_id": message.message_id, "code": failed.get("Code")})

    def keep(self, messages: Iterable[Message]) -> None:
        """Nobody else gets them for another minute: they are still being worked on, or have just failed."""
        self._set_visibility(messages, VISIBILITY_SECONDS)

    def give_back(self, messages: Iterable[Message]) -> None:
        """They may go to somebody else at once."""
        self._set_visibility(messages, 0)

    def backlog(self) -> dict[tuple[str, str], int]:
        """About how many messages there are, by queue (uploads, or dead for its dead-letter queue) and state
        (waiting, or in_flight when somebody has received them).

        Raises BackendUnavailable, or botocore's ClientError.
        """
        return {
            (queue, state): number
            for queue, url in (("uploads", self._url()), ("dead", self._url_of(dead_letter_queue(self._name))))
            for state, number in self._counted(url)
        }

    def _counted(self, url: str) -> list[tuple[str, int]]:
        with translated("sqs"):
            attributes = self._factory.sqs().get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))
        return [(state, int(attributes["Attributes"][name])) for name, state in _COUNTS.items()]

    def ping(self) -> None:
        """Returns if the queue answers. Raises BackendUnavailable, or botocore's ClientError."""
        with translated("sqs"):
            self._factory.sqs().get_queue_url(QueueName=self._name)

    def _set_visibility(self, messages: Iterable[Message], seconds: int) -> None:
        for batch in _batches(messages):
            entries = [
                {"Id": str(number), "ReceiptHandle": message.receipt, "VisibilityTimeout": seconds}
                for number, message in enumerate(batch)
            ]
            with translated("sqs"):
                answer = self._factory.sqs().change_message_visibility_batch(
                    QueueUrl=self._url(),
                    Entries=entries,  # type: ignore[arg-type]
                )
            for failed in answer.get("Failed", ()):
                message = batch[int(failed["Id"])]
                log.warning(
                    "visibility of a message not changed",
                    extra={"message_id": message.message_id, "code": failed.get("Code")},
                )

    def _url(self) -> str:
        if self._known_url is None:
            try:
                self._known_url = self._url_of(self._name)
            except ClientError as error:
                if not error_code(error).endswith(_MISSING):
                    raise
                raise BackendUnavailable("sqs") from error  # it may be made while the worker waits
        return self._known_url

    def _url_of(self, name: str) -> str:
        return self._factory.sqs().get_queue_url(QueueName=name)["QueueUrl"]


def _sent_at(message: "MessageTypeDef") -> float | None:
    """From milliseconds (Amazon SQS API Reference, "ReceiveMessage")."""
    sent = message.get("Attributes", {}).get("SentTimestamp")
    return int(sent) / 1000 if sent else None


def _batches(messages: Iterable[Message]) -> Iterator[list[Message]]:
    rest = list(messages)
    for start in range(0, len(rest), BATCH):
        yield rest[start : start + BATCH]
