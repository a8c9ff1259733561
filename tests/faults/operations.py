"""The operations that are crashed, and what each promises before, after and when it is repeated."""

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Any

from app.errors import ImageNotFound, UploadRejected
from app.models import Status, UploadMethod
from tests.faults.stage import LATER, Stage
from tests.samples import picture

_LEASE = timedelta(seconds=15)  # after which a repeated request takes over from one that died


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
        self.images = [self.stage.announce(method, later=-LATER) for method in UploadMethod]
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
