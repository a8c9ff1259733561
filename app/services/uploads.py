"""Uploads straight to the bucket: announced here, sent to S3, checked when they have arrived.

    row PENDING_UPLOAD, with `expires_at` -> object, by the client -> row UPLOADED or REJECTED

A PUT goes to the object's final key and cannot replace anything. A form can, so it goes to a key of
its own, and what was checked is written from there to the final key, again without replacing
anything: whatever lies at a final key stays the same. So does a PUT where STRIP_METADATA takes
something away before anything is stored for good. Any number of confirmations may run at once
or end halfway: each reads the row, looks at the object, and writes the row on condition.
docs/adr/0008-direct-uploads.md has the reasons.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import orjson

from app.errors import (
    BackendUnavailable,
    ImageNotFound,
    ImageTooLarge,
    Overloaded,
    UploadExpired,
    UploadNotPending,
    UploadRejected,
)
from app.keys import final_key, parsed_key, staging_key
from app.logs import audit_trail
from app.models import Announcement, Image, Rejection, Status, StripMetadata, UploadMethod
from app.services.arrivals import Accepted, Arrivals
from app.services.attempts import Attempts
from app.services.events import ObjectCreated, objects_created
from app.services.idempotency import IdempotencyKeys
from app.services.images import ImageService, first_version, whose
from app.services.inspection import Inspector
from app.services.metadata import ImageMetadataService, RowChanged
from app.services.presign import PresignedUpload
from app.services.storage import ImageStorageService
from app.services.variants import VariantService
from app.settings import Settings
from app.times import Clock

if TYPE_CHECKING:
    from app.tracing import Tracing

log = logging.getLogger(__name__)

_MAX_ATTEMPTS = 20  # at a row that others change; each change is a step towards its end, so few are ever needed


class Outcome(StrEnum):
    """What became of an event, or of an upload that expired."""

    UPLOADED = "uploaded"
    REJECTED = "rejected"
    EXPIRED = "expired"
    NOTHING_TO_DO = "nothing to do"
    OBJECT_REMOVED = "object removed"


class DirectUploadService:
    """Issue, confirm, abandon and expire uploads that go straight to the bucket."""

    def __init__(
        self,
        storage: ImageStorageService,
        metadata: ImageMetadataService,
        keys: IdempotencyKeys,
        images: ImageService,
        *,
        inspector: Inspector,
        variants: VariantService,
        settings: Settings,
        clock: Clock,
        observe: Callable[[str, str], None] = lambda _reason, _outcome: None,
        tracing: "Tracing | None" = None,
    ) -> None:
        """`observe` is told of each upload that was looked at, why (event or sweep), and its Outcome."""
        self._storage = storage
        self._metadata = metadata
        self._keys = keys
        self._images = images
        self._variants = variants
        self._arrivals = Arrivals(storage, inspector, max_bytes=settings.max_direct_upload_bytes)
        self._settings = settings
        self._clock = clock
        self._observe = observe
        self._tracing = tracing

    def issue(self, user_id: str, announced: Announcement, *, key: str | None = None) -> tuple[Image, PresignedUpload]:
        """Announce an image, and get the request with which the client uploads it.

        With an idempotency key, once in a day. Raises ImageTooLarge, QuotaExceeded, IdempotencyConflict,
        RequestInProgress, or UploadNotPending where the image of an earlier attempt has arrived already.
        """
        limit = self._settings.max_direct_upload_bytes
        if announced.file_size > limit:
            raise ImageTooLarge(f"The file is larger than {limit} bytes.")
        image = self._keys.once(
            user_id,
            key,
            orjson.dumps(["direct upload", announced]),
            lambda image_id: self._announce(user_id, image_id, announced),
        )
        return image, self._storage.presigned_upload(image, announced.method, _signed_at(image.created_at))

    def _announce(self, user_id: str, image_id: str, announced: Announcement) -> Image:
        now = self._clock()
        image = first_version(
            user_id,
            image_id,
            announced.new,
            content_type=announced.content_type,
            file_size=announced.file_size,
            sha256=announced.sha256,
            now=now,
        )
        if announced.method is UploadMethod.POST or self._settings.strip_metadata is not StripMetadata.NONE:
            image = image._replace(object_key=staging_key(image.object_key))
        expires_at = _signed_at(now) + timedelta(seconds=self._settings.upload_url_seconds)
        traceparent = self._tracing.traceparent() if self._tracing else None
        image = image._replace(expires_at=expires_at, traceparent=traceparent)
        added = self._metadata.add(image)
        if not added.awaits_object:
            raise UploadNotPending
        audit_trail.info("upload announced", extra=whose(image) | {"bytes": image.file_size})
        return added

    def complete(self, user_id: str, image_id: str) -> Image:
        """Check what has arrived, now, and return the finished image. Safe to repeat.

        Raises ImageNotFound, NotOwner, UploadNotPending (nothing has arrived yet), UploadExpired, or
        UploadRejected with the reason; or Overloaded.
        """
        image = self._confirmed(self._images.owned(user_id, image_id))
        match image.status:
            case Status.UPLOADED:
                return image
            case Status.REJECTED:
                assert image.rejection is not None
                raise UploadRejected(f"{image.rejection.detail} ({image.rejection.code})")
            case Status.DELETING:
                raise ImageNotFound
        if image.has_expired(self._clock()):
            raise UploadExpired
        raise UploadNotPending("The upload has not arrived yet. Send the file, then complete the upload.")

    def abandon(self, user_id: str, image_id: str) -> None:
        """Cancel an unfinished upload, or that was rejected; nothing of it stays.

        Raises ImageNotFound, NotOwner, or UploadNotPending where the image is finished.
        """
        attempts = Attempts(_MAX_ATTEMPTS)
        while True:
            image = self._images.owned(user_id, image_id)
            if image.status is Status.UPLOADED or (
                image.status is Status.PENDING_UPLOAD and not image.awaits_object  # on its way through the API
            ):
                raise UploadNotPending
            try:
                removed = self._images.discard(image)
            except RowChanged:
                attempts.pause()
                continue
            if not removed:
                raise ImageNotFound
            audit_trail.info("upload abandoned", extra=whose(image))
            return

    def handle(self, body: str) -> None:
        """Do what a message of the queue gives reason to; one that gives none is passed over.

        Handling it again does nothing more. Raises BackendUnavailable or Overloaded, and then it must be handled again.
        """
        events = objects_created(body)
        if not events:
            log.debug("message of no event")
        for event in events:
            with self._tracing.handling_event(self._settings.uploads_queue) if self._tracing else nullcontext():
                outcome, image_id = self.confirm_from_event(event)
                self._observe("event", outcome)
                log.info("object event", extra={"image_id": image_id, "outcome": outcome})

    def confirm_from_event(self, event: ObjectCreated) -> tuple[Outcome, str | None]:
        """Look at what an event is about, and finish or remove it. Also returns the image's id."""
        names = parsed_key(event.key)
        if event.bucket != self._settings.s3_bucket or names is None or names.room not in {"images", "uploads"}:
            return Outcome.NOTHING_TO_DO, None
        user_id, image_id = names.user_id, names.image_id
        try:
            image = self._metadata.get(image_id)
        except ImageNotFound:
            return self._rowless(event.key, user_id, image_id), image_id
        if image.user_id != user_id or event.key not in (final_key(image), staging_key(final_key(image))):
            return Outcome.NOTHING_TO_DO, image_id
        if image.awaits_object:
            return self.advance(image), image_id
        finished = image.status is Status.UPLOADED
        # A form can be sent again when its image is finished, a PUT when it was rejected and removed.
        if image.status in {Status.REJECTED, Status.DELETING} or (finished and event.key != image.object_key):
            self._storage.delete_object(event.key)
            return Outcome.OBJECT_REMOVED, image_id
        return Outcome.NOTHING_TO_DO, image_id

    def _rowless(self, key: str, user_id: str, image_id: str) -> Outcome:
        """The row comes before the object and goes after it, so an object without one belongs to nothing.

        Unless it has a record: then it was an image, whose row was lost, and is left for the audit.
        """
        if self._storage.record(user_id, image_id) is not None:
            return Outcome.NOTHING_TO_DO
        self._storage.delete_object(key)
        return Outcome.OBJECT_REMOVED

    def sweep(self) -> Iterator[str]:
        """Finish or remove the uploads whose time is over, yielding the id of each that was.

        Safe to run at any time, also twice at once, and to leave at any time. One that fails does
        not stop the others; it is left for the next sweep. Raises BackendUnavailable or Overloaded where
        two in a row met that: the others would only wait for the same.
        """
        was_unavailable = False
        for image_id in self._metadata.expired(self._clock()):
            try:
                outcome = self.advance(self._metadata.get(image_id))
                was_unavailable = False
            except ImageNotFound:
                continue  # the index lags behind
            except Exception as error:
                self._observe("sweep", "failed")
                is_unavailable = isinstance(error, Overloaded) or (
                    isinstance(error, BackendUnavailable) and not error.contended
                )
                if is_unavailable and was_unavailable:
                    raise
                was_unavailable = is_unavailable
                log.exception("upload not swept", extra={"image_id": image_id})
                continue
            self._observe("sweep", outcome)
            log.info("upload swept", extra={"image_id": image_id, "outcome": outcome})
            yield image_id

    def advance(self, image: Image) -> Outcome:
        """Take an upload one step on: to its end if the object is there, away if its time is over.

        Raises BackendUnavailable or Overloaded.
        """
        try:
            current = self._confirmed(image)
            if current.has_expired(self._clock()) or (current.expires_at and current.status is Status.DELETING):
                self._images.discard(current)
                return Outcome.EXPIRED
        except (ImageNotFound, RowChanged):
            return Outcome.NOTHING_TO_DO  # somebody else got ahead
        match current.status:
            case Status.UPLOADED:
                return Outcome.UPLOADED
            case Status.REJECTED:
                return Outcome.REJECTED
        return Outcome.NOTHING_TO_DO

    def _confirmed(self, image: Image) -> Image:
        """Check what has arrived and write the result down; the image's row as it is then, unchanged where nothing has.

        Raises ImageNotFound where it was removed meanwhile, BackendUnavailable or Overloaded.
        """
        if self._tracing and image.traceparent:
            self._tracing.link(image.traceparent)
        attempts = Attempts(_MAX_ATTEMPTS)
        while True:
            if not image.awaits_object:
                return image
            match self._arrivals.check(image):
                case Accepted() as accepted:
                    written = self._accept(image, accepted)
                case Rejection() as rejection:
                    written = self._reject(image, rejection)
                case None:
                    written = None
            if written is not None:
                return written
            found = self._metadata.get(image.image_id)
            if found == image:
                return image  # nothing has arrived
            image = found  # others got ahead: look at what they made of it
            attempts.pause()

    def _accept(self, pending: Image, accepted: Accepted) -> Image | None:
        """The finished image; None where others got ahead. What fails once its row is written is left for its event."""
        uploaded = accepted.image
        if self._settings.keeps_records:
            self._storage.put_record(uploaded)
        if not self._replaced(pending, uploaded):
            return None
        audit_trail.info("image uploaded", extra=whose(uploaded) | {"bytes": uploaded.file_size})
        if pending.object_key != uploaded.object_key:
            self._storage.delete_object(pending.object_key)
        self._variants.keep(uploaded, accepted.variants)
        return uploaded

    def _reject(self, pending: Image, rejection: Rejection) -> Image | None:
        """As `_accept`, of what is not accepted."""
        rejected = pending._replace(status=Status.REJECTED, rejection=rejection, expires_at=None, traceparent=None)
        if not self._replaced(pending, rejected):
            return None
        audit_trail.info("upload rejected", extra=whose(pending) | {"code": rejection.code})
        if pending.image_id not in self._storage.delete([pending]):
            raise BackendUnavailable("s3")
        return rejected

    def _replaced(self, pending: Image, result: Image) -> bool:
        """Whether the row was written. If not, what was stored for it is taken back, unless it belongs to an image."""
        try:
            self._metadata.replace(pending, result)
        except RowChanged:
            self._images.take_back(pending)
            return False
        return True


def _signed_at(moment: datetime) -> datetime:
    """A signature knows no fractions of a second."""
    return moment.replace(microsecond=0)
