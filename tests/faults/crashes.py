"""kill -9 at every call that changes something, before and after it.

What is promised holds at once, and the client's repetition and the audit make the rest whole. Used
by the tests, and by `python -m benchmarks.crash_matrix`, which writes docs/reliability.md.
"""

import functools
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, Any
from urllib.parse import quote

from app.errors import ImageNotFound, UploadRejected
from app.keys import record_key
from app.models import (
    Announcement,
    ContentType,
    Image,
    ImageFilter,
    NewImage,
    Status,
    UploadMethod,
    Usage,
    usage_of,
)
from app.services import Services, build_services
from app.services.audit import Audit, AuditOptions, Finding
from app.services.aws import AWSClientFactory
from app.services.provision import provision
from app.services.tables import posting_key, postings_of
from app.settings import Settings
from app.spool import Spool
from app.times import utc_now
from tests.faults.proxy import Afterwards, Call, Fault, FaultProxy
from tests.samples import picture
from tests.server import ROOT

BEFORE, AFTER = "before", "after"
_LEASE = timedelta(seconds=15)
_LATER = timedelta(hours=3)


class Victim:
    """The process that carries out operations and is killed; see tests/faults/victim.py."""

    def __init__(self, orders: IO[str], answers: IO[str]) -> None:
        self._orders = orders
        self._answers = answers
        self.pid = 0
        self._begun = threading.Event()

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["Victim"]:
        command = [sys.executable, "-m", "tests.faults.victim"]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            yield cls(process.stdin, process.stdout)
            process.stdin.close()

    def carry_out(self, operation: str, settings: dict[str, Any], arguments: dict[str, Any]) -> int:
        """Returns the exit code; a negative one is the signal that ended it."""
        self._begun.clear()
        self._orders.write(json.dumps({"operation": operation, "settings": settings, "arguments": arguments}) + "\n")
        self._orders.flush()
        self.pid = json.loads(self._answers.readline())["pid"]
        self._begun.set()
        code: int = json.loads(self._answers.readline())["exit"]
        return code

    def kill(self) -> None:
        """Called from the proxy's thread, at the call that is to be the last."""
        assert self._begun.wait(10)
        os.kill(self.pid, signal.SIGKILL)


@functools.cache
def _services_at(settings: Settings, later: timedelta) -> Services:
    return build_services(settings, clock=lambda: utc_now() + later)


@functools.cache
def _clients(settings: Settings) -> AWSClientFactory:
    return AWSClientFactory(settings)


@dataclass
class Stage:
    """One user's stores, seen directly, while a victim works on them through the proxy."""

    settings: Settings
    user_id: str
    factory: AWSClientFactory = field(init=False)
    services: Services = field(init=False)
    bystander: Image = field(init=False)

    def __post_init__(self) -> None:
        self.factory = _clients(self.settings)
        self.services = self.at(timedelta())
        self.bystander = self.upload(title="bystander")

    def at(self, later: timedelta) -> Services:
        """The services as they are some time from now."""
        return _services_at(self.settings, later)

    def upload(self, *, title: str, key: str | None = None, later: timedelta = timedelta()) -> Image:
        with Spool(max_bytes=10_000_000) as spool:
            spool.write(picture())
            new = NewImage(title=title, tags=(title,))
            return self.at(later).images.upload(self.user_id, new, spool, key=key)

    def announce(self, method: UploadMethod, *, key: str | None = None, later: timedelta = timedelta()) -> Image:
        announced = Announcement(
            new=NewImage(title="target", tags=("target",)),
            content_type=ContentType.JPEG,
            file_size=len(picture()),
            sha256=None,
            method=method,
        )
        image, _ = self.at(later).uploads.issue(self.user_id, announced, key=key)
        return image

    def send(self, image: Image, data: bytes | None = None) -> None:
        """Put the object of a direct upload where its client would."""
        body = picture() if data is None else data
        self.factory.s3().put_object(Bucket=self.settings.s3_bucket, Key=image.object_key, Body=body)

    def found(self, **conditions: Any) -> list[Image]:
        page = self.services.images.list(self.user_id, ImageFilter(**conditions), limit=100)
        return [image for image in page.images if image.image_id != self.bystander.image_id]

    def bytes_of(self, image_id: str) -> bytes:
        image = self.services.images.get(self.user_id, image_id)
        return b"".join(self.services.images.open(image))

    def is_gone(self, image_id: str) -> bool:
        try:
            self.services.images.describe(self.user_id, image_id)
        except ImageNotFound:
            return image_id not in {image.image_id for image in self.found()}
        return False

    def require_what_was_promised(self) -> None:
        """What was acknowledged before is untouched, and whatever is shown can be had."""
        assert self.services.images.get(self.user_id, self.bystander.image_id) == self.bystander
        assert [it.image_id for it in self.found_any(tags=("bystander",))] == [self.bystander.image_id]
        for image in (self.bystander, *self.found()):
            assert self.bytes_of(image.image_id) == picture()
        assert self.services.usage.of(self.user_id) == sum(map(usage_of, self.rows()), Usage())

    def found_any(self, **conditions: Any) -> Sequence[Image]:
        return self.services.images.list(self.user_id, ImageFilter(**conditions), limit=100).images

    def rows(self) -> list[Image]:
        """All in the table, also those that are in no list any more."""
        return [image for page in self.services.metadata.scan_all(user_id=self.user_id) for image in page]

    def leftovers(self) -> set[str]:
        """Keys in the bucket and postings in the table that no row accounts for."""
        rows = self.rows()
        keys = {
            key
            for image in rows
            if image.status is Status.UPLOADED
            for key in (image.object_key, record_key(image.user_id, image.image_id))
        }
        user = quote(self.user_id, safe="")
        stored = set()
        for prefix in ("images", "uploads", "records"):
            listed = self.factory.s3().list_objects_v2(Bucket=self.settings.s3_bucket, Prefix=f"{prefix}/{user}/")
            stored |= {item["Key"] for item in listed.get("Contents", ())}
        for variants in self.services.storage.objects("variants/"):
            stored |= {variant.key for variant in variants if not self._is_of_an_image(variant.key)}
        expected = {_posting_name(posting_key(it)) for image in rows for it in postings_of(image)}
        scanned = self.factory.dynamodb().scan(TableName=self.settings.postings_table)["Items"]
        mine = {_posting_name(item) for item in scanned if item["term_key"]["S"].startswith(f"{self.user_id}#")}
        return (stored ^ keys) | (mine ^ expected)

    def _is_of_an_image(self, variant_key: str) -> bool:
        try:
            return self.services.metadata.get(variant_key.split("/")[1]).status is Status.UPLOADED
        except ImageNotFound:
            return False

    def audit(self) -> list[Finding]:
        """Repair whatever is wrong with this user's images, and return what is wrong then."""
        for repair in (True, False):
            options = AuditOptions(user_id=self.user_id, repair=repair, grace=timedelta())
            found = [it for step in Audit(self.at(_LATER), self.settings, options).run() for it in step.findings]
        return found


def _posting_name(item: Any) -> str:
    return f"{item['term_key']['S']} {item['image_key']['S']}"


class Operation(ABC):
    """Something that may be killed, and what must be true afterwards."""

    name: str
    victim: str

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """Prepare, and return what the victim is told."""

    @abstractmethod
    def require_before_or_after(self) -> str:
        """The stage shows the state before the operation or the one after it; which one, in a word."""

    def require_before_or_after_audit(self) -> str:
        """As `require_before_or_after`, when the audit has removed what nobody will finish."""
        return self.require_before_or_after()

    @abstractmethod
    def repeat(self) -> None:
        """What the client does when it got no answer."""

    @abstractmethod
    def require_done(self) -> None:
        """The stage shows the operation's effect, once."""


class Upload(Operation):
    name = "upload"
    victim = "upload"

    def arguments(self) -> dict[str, Any]:
        return {"user_id": self.stage.user_id, "key": "key"}

    def require_before_or_after(self) -> str:
        assert len(self.stage.found()) <= 1
        return "there" if self.stage.found() else "not there"

    def repeat(self) -> None:
        self.stage.upload(title="target", key="key", later=_LEASE)

    def require_done(self) -> None:
        (image,) = self.stage.found()
        assert [it.image_id for it in self.stage.found(tags=("target",))] == [image.image_id]
        assert len(self.stage.rows()) == 2


class Announce(Upload):
    name = "announce a direct upload"
    victim = "announce"

    def require_before_or_after(self) -> str:
        assert self.stage.found() == []
        pending = self.stage.found_any(status=Status.PENDING_UPLOAD)
        assert len(pending) <= 1
        return "announced" if pending else "not announced"

    def repeat(self) -> None:
        self.stage.announce(UploadMethod.PUT, key="key", later=_LEASE)

    def require_done(self) -> None:
        (image,) = self.stage.found_any(status=Status.PENDING_UPLOAD)
        self.stage.send(image)
        self.stage.services.uploads.complete(self.stage.user_id, image.image_id)
        assert self.stage.bytes_of(image.image_id) == picture()


class Complete(Operation):
    """The audit looks three hours later: what was sent in time is finished by then, without its client."""

    name = "confirm a PUT"
    victim = "complete"
    method = UploadMethod.PUT

    def arguments(self) -> dict[str, Any]:
        self.image = self.stage.announce(self.method)
        self.stage.send(self.image)
        return {"user_id": self.stage.user_id, "image_id": self.image.image_id}

    def require_before_or_after(self) -> str:
        image = self.stage.services.images.describe(self.stage.user_id, self.image.image_id)
        assert image.status in {Status.PENDING_UPLOAD, Status.UPLOADED}
        assert len(self.stage.found()) == (image.status is Status.UPLOADED)
        return image.status

    def repeat(self) -> None:
        self.stage.services.uploads.complete(self.stage.user_id, self.image.image_id)

    def require_done(self) -> None:
        (image,) = self.stage.found(tags=("target",))
        assert image.image_id == self.image.image_id


class CompleteForm(Complete):
    name = "confirm a form"
    method = UploadMethod.POST


class Reject(Complete):
    name = "reject"

    def arguments(self) -> dict[str, Any]:
        self.image = self.stage.announce(self.method)
        self.stage.send(self.image, b"x" * len(picture()))
        return {"user_id": self.stage.user_id, "image_id": self.image.image_id}

    def require_before_or_after(self) -> str:
        image = self.stage.services.images.describe(self.stage.user_id, self.image.image_id)
        assert image.status in {Status.PENDING_UPLOAD, Status.REJECTED}
        return image.status

    def repeat(self) -> None:
        try:
            self.stage.services.uploads.complete(self.stage.user_id, self.image.image_id)
        except UploadRejected:
            return
        raise AssertionError("accepted")

    def require_done(self) -> None:
        (image,) = self.stage.found_any(status=Status.REJECTED)
        assert image.image_id == self.image.image_id


class Edit(Operation):
    name = "edit"
    victim = "edit"

    def arguments(self) -> dict[str, Any]:
        self.image = self.stage.upload(title="target")
        return {"user_id": self.stage.user_id, "image_id": self.image.image_id}

    def require_before_or_after(self) -> str:
        (image,) = self.stage.found()
        assert image.title in {"target", "edited"}
        for tag in ("target", "edited"):
            assert len(self.stage.found(tags=(tag,))) == (image.title == tag)
        return "edited" if image.title == "edited" else "as it was"

    def repeat(self) -> None:
        edited: Any = {"title": "edited", "tags": ("edited",)}
        self.stage.services.images.update(self.stage.user_id, self.image.image_id, edited)

    def require_done(self) -> None:
        (image,) = self.stage.found(tags=("edited",), words=("edited",), title="edited")
        assert image.image_id == self.image.image_id


class Delete(Operation):
    name = "delete"
    victim = "delete"

    def arguments(self) -> dict[str, Any]:
        self.images = [self.stage.upload(title="target")]
        return {"user_id": self.stage.user_id, "image_id": self.images[0].image_id}

    def require_before_or_after(self) -> str:
        gone = [self.stage.is_gone(image.image_id) for image in self.images]
        return "gone" if all(gone) else "there" if not any(gone) else "some are gone"

    def repeat(self) -> None:
        for image in self.images:
            try:
                self.stage.services.images.delete(self.stage.user_id, image.image_id)
            except ImageNotFound:
                continue

    def require_done(self) -> None:
        assert self.stage.found() == []
        assert [it.image_id for it in self.stage.rows()] == [self.stage.bystander.image_id]


class DeleteMany(Delete):
    name = "batch delete"
    victim = "delete_many"

    def arguments(self) -> dict[str, Any]:
        self.images = [self.stage.upload(title="target") for _ in range(2)]
        return {"user_id": self.stage.user_id, "image_ids": [image.image_id for image in self.images]}


class Abandon(Delete):
    name = "abandon a direct upload"
    victim = "abandon"

    def arguments(self) -> dict[str, Any]:
        self.images = [self.stage.announce(UploadMethod.PUT)]
        self.stage.send(self.images[0])
        return {"user_id": self.stage.user_id, "image_id": self.images[0].image_id}

    def repeat(self) -> None:
        try:
            self.stage.services.uploads.abandon(self.stage.user_id, self.images[0].image_id)
        except ImageNotFound:
            return


class Sweep(Delete):
    name = "sweep"
    victim = "sweep"

    def arguments(self) -> dict[str, Any]:
        self.images = [self.stage.announce(method, later=-_LATER) for method in UploadMethod]
        for image in self.images:
            self.stage.send(image)  # too late
        return {}

    def repeat(self) -> None:
        for _ in self.stage.services.uploads.sweep():
            pass


OPERATIONS = (Upload, Announce, Complete, CompleteForm, Reject, Edit, Delete, DeleteMany, Abandon, Sweep)
COUNTED = (Upload, Announce, Reject, Delete, Sweep)
"""One of each kind that changes what a user has, which is counted while a quota is set."""
LOOKED_AT = (Upload, Complete, CompleteForm, Delete)
"""Those that make variants, or take them away, where some are made at upload."""


@dataclass(frozen=True)
class Crash:
    """One way to die: at the how many-th changing call, before or after it was carried out."""

    number: int
    when: str


def die_at(crash: Crash, victim: Victim) -> Callable[[Call], Fault | Afterwards | None]:
    """The proxy's plan."""
    seen = 0

    def plan(call: Call) -> Fault | Afterwards | None:
        nonlocal seen
        seen += call.changes_something
        if not call.changes_something or seen != crash.number:
            return None
        if crash.when == AFTER:
            return Afterwards(victim.kill)
        victim.kill()
        return Fault.LOSE_REQUEST

    return plan


def changing_calls(operation: Operation, proxy: FaultProxy, victim: Victim, settings: dict[str, Any]) -> list[str]:
    """The calls of an operation that is left in peace, in order."""
    arguments = operation.arguments()
    proxy.reset()
    assert victim.carry_out(operation.victim, settings, arguments) == 0
    return [call.operation for call in proxy.calls if call.changes_something]


@dataclass(frozen=True)
class Outcome:
    """What one crash led to: the state at once, and after the audit where the client never came back."""

    operation: str
    crash: Crash
    call: str
    at_once: str
    after_audit: str


def crash_everywhere(
    kind: type[Operation], own_stores: Settings, proxy: FaultProxy, victim: Victim, settings: dict[str, Any]
) -> Iterator[Outcome]:
    """Kill the operation at each of its changing calls, before and after it, and require what is promised.

    Each crash happens twice: once the client repeats its request, once it never comes back and
    the audit cleans up.
    """

    def scene() -> Operation:
        return kind(Stage(own_stores, f"user-{uuid.uuid4().hex[:12]}"))

    def crashed(crash: Crash) -> Operation:
        operation = scene()
        arguments = operation.arguments()
        proxy.reset(die_at(crash, victim))
        code = victim.carry_out(kind.victim, settings, arguments)
        proxy.reset()
        assert code == -signal.SIGKILL
        operation.stage.require_what_was_promised()
        return operation

    calls = changing_calls(scene(), proxy, victim, settings)
    for number, call in enumerate(calls, start=1):
        for when in (BEFORE, AFTER):
            crash = Crash(number, when)
            operation = crashed(crash)
            at_once = operation.require_before_or_after()
            operation.repeat()
            operation.stage.require_what_was_promised()
            operation.require_done()
            operation = crashed(crash)
            assert operation.stage.audit() == []
            operation.stage.require_what_was_promised()
            assert operation.stage.leftovers() == set()
            yield Outcome(kind.name, crash, call, at_once, operation.require_before_or_after_audit())


@contextmanager
def crash_settings(
    endpoint_url: str, proxy: FaultProxy, **changes: object
) -> Iterator[tuple[Settings, dict[str, Any]]]:
    """Stores whose events nobody takes, so that nothing happens but what is looked at; and the victim's way to them."""
    name = f"crash-{uuid.uuid4().hex[:12]}"
    plain: dict[str, Any] = {
        "stage": "local",
        "secret_key": "k" * 32,
        "aws_endpoint_url": endpoint_url,
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
        "s3_bucket": name,
        "images_table": name,
        "postings_table": f"{name}-postings",
        "uploads_queue": name,
    } | changes
    settings = Settings.model_validate(plain)
    list(provision(AWSClientFactory(settings), settings))
    yield settings, plain | {"aws_endpoint_url": proxy.url}
