"""What the service does with images: both stores, in the order that survives a crash.

Upload: row PENDING_UPLOAD -> object -> row UPLOADED. Delete: row DELETING -> objects -> row gone.
Whatever is interrupted in between is never listed or downloaded, and is known by its row. The
reasons are in docs/adr/0002-order-of-writes.md.
"""

import dataclasses
import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from app.errors import BackendUnavailable, ImageNotFound, NotOwner, PreconditionFailed
from app.keys import is_image_id, object_key
from app.logs import audit_trail
from app.models import ContentType, DeleteOutcome, Image, ImageChanges, ImageFilter, NewImage, Page, Status
from app.services.attempts import Attempts
from app.services.cursor import CursorSigner
from app.services.idempotency import IdempotencyKeys
from app.services.inspection import Inspector
from app.services.metadata import ImageMetadataService, RowChanged
from app.services.storage import ImageStorageService, ObjectStream
from app.services.variants import VariantService
from app.settings import Settings
from app.spool import Spool
from app.text import folded
from app.times import Clock

if TYPE_CHECKING:
    from app.imaging import ImageFacts

log = logging.getLogger(__name__)

_MAX_ATTEMPTS = 50  # of an edit or delete that others get ahead of; one of them succeeds each time


class ImageService:
    """Upload, list, read, edit and delete images on behalf of a user."""

    def __init__(
        self,
        storage: ImageStorageService,
        metadata: ImageMetadataService,
        keys: IdempotencyKeys,
        cursors: CursorSigner,
        *,
        inspector: Inspector,
        variants: VariantService,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._metadata = metadata
        self._keys = keys
        self._cursors = cursors
        self._inspector = inspector
        self._variants = variants
        self._settings = settings
        self._clock = clock

    def upload(self, user_id: str, new: NewImage, spool: Spool, *, key: str | None = None) -> Image:
        """Check the bytes, store them, and return the image; with an idempotency key, once in a day.

        Raises UnsupportedImageType, InvalidImage or Overloaded, and then nothing was stored; IdempotencyConflict
        or RequestInProgress; QuotaExceeded; ImageNotFound where it was deleted before it was stored; or
        BackendUnavailable, and then nothing is visible, unless it was the answer to the very last write that
        got lost, each time it was tried.
        """
        facts, made = self._inspector.inspect_and_render(spool.buffer())
        request = orjson.dumps(["upload", new, spool.sha256.hex()])
        with self._inspector.stripped(spool, facts) as kept:
            image = self._keys.once(
                user_id, key, request, lambda image_id: self._store(user_id, image_id, new, facts, kept)
            )
        self._variants.keep(image, made)
        return image

    def _store(self, user_id: str, image_id: str, new: NewImage, facts: "ImageFacts", spool: Spool) -> Image:
        """Go through the states of an upload, from wherever an earlier attempt at the same image has left it."""
        announced = first_version(
            user_id,
            image_id,
            new,
            content_type=facts.content_type,
            file_size=spool.size,
            sha256=spool.sha256.hex(),
            now=self._clock(),
        )._replace(
            **facts.stored(),
        )
        pending = self._metadata.add(announced)
        if pending.status is Status.UPLOADED:
            return pending
        if pending.status is Status.DELETING:  # whoever deletes it may be about to take its object away
            raise BackendUnavailable("dynamodb", contended=True)
        # An earlier attempt may have been made with another STRIP_METADATA.
        uploaded = pending._replace(status=Status.UPLOADED, file_size=spool.size, sha256=spool.sha256.hex())
        self._storage.put(pending, spool)
        if self._settings.keeps_records:
            self._storage.put_record(uploaded)
        try:
            self._metadata.replace(pending, uploaded)
        except RowChanged as error:
            if self.take_back(pending):
                raise ImageNotFound("The image was deleted before it was stored.") from error
            found = self._metadata.get(image_id)
            if found.status is Status.UPLOADED:  # another attempt has finished it, and it was edited since
                return found
            raise BackendUnavailable("dynamodb", contended=True) from error
        audit_trail.info("image uploaded", extra=whose(uploaded) | {"bytes": spool.size})
        return uploaded

    def describe(self, user_id: str, image_id: str) -> Image:
        """The user's image, finished or not. Raises ImageNotFound or NotOwner.

        One that is being deleted, or whose upload did not come in time, is gone already.
        """
        image = self.owned(user_id, image_id)
        if image.status is Status.DELETING or image.has_expired(self._clock()):
            raise ImageNotFound
        return image

    def get(self, user_id: str, image_id: str) -> Image:
        """The user's finished image. Raises ImageNotFound or NotOwner."""
        image = self.describe(user_id, image_id)
        if image.status is not Status.UPLOADED:
            raise ImageNotFound
        return image

    def open(self, image: Image, byte_range: tuple[int, int] | None = None) -> ObjectStream:
        """The image's bytes, or those from one offset up to but not including another.

        Raises ImageNotFound where it was deleted meanwhile.
        """
        try:
            return self._storage.open(image, byte_range)
        except ImageNotFound:
            if self._metadata.get(image.image_id).status is Status.UPLOADED:
                log.error("object of a finished image is missing", extra={"image_id": image.image_id})
                raise BackendUnavailable("s3") from None
            raise

    def list(self, user_id: str, wanted: ImageFilter, *, limit: int, cursor: str | None = None) -> Page:
        """A page of the user's images. Raises InvalidCursor.

        The page is full unless the list ends, or `max_list_candidates` images were looked at before
        it was; then it is short, and its cursor goes on from there.
        """
        scope = _cursor_scope(user_id, wanted)
        after = None
        if cursor is not None:
            sort_value, last_id = self._cursors.verify(cursor, scope=scope)
            after = (sort_value, last_id)
        wanted = dataclasses.replace(wanted, as_of=self._clock())
        found, cost = self._metadata.find(
            user_id, wanted, limit=limit, after=after, max_candidates=self._settings.max_list_candidates
        )
        next_cursor = None
        if found.resume_after is not None:
            next_cursor = self._cursors.sign(found.resume_after, scope=scope)
        return Page(found.images, next_cursor, cost)

    def tags(self, user_id: str, *, prefix: str, limit: int) -> Sequence[str]:
        """The tags of the user's images that start with a prefix, in order, at most `limit`."""
        return self._metadata.postings.tags(user_id, prefix=folded(prefix.lstrip()), limit=limit)

    def update(
        self, user_id: str, image_id: str, changes: ImageChanges, *, expected_versions: Collection[int] | None = None
    ) -> Image:
        """Edit what a person says about an image, and return it with its version one up.

        With `expected_versions`, raises PreconditionFailed unless the image has one of them.
        Without, the edit is applied on top of whatever others write at the same time.
        BackendUnavailable may also mean that the row was written but not its record: repeat the edit.
        """
        attempts = Attempts(_MAX_ATTEMPTS)
        while True:
            image = self.get(user_id, image_id)
            if expected_versions is not None and image.version not in expected_versions:
                raise PreconditionFailed
            edited = image._replace(
                **changes, version=image.version + 1, updated_at=max(self._clock(), image.updated_at)
            )
            try:
                self._metadata.replace(image, edited)
            except RowChanged:
                attempts.pause()
                continue
            audit_trail.info("image edited", extra=whose(edited) | {"version": edited.version})
            if self._settings.keeps_records:
                self._storage.put_record(edited)
            return edited

    def delete(self, user_id: str, image_id: str, *, expected_versions: Collection[int] | None = None) -> None:
        """Delete an image and all that belongs to it. Of several deletes at once, one succeeds.

        Raises ImageNotFound, NotOwner, PreconditionFailed unless the image has one of the
        `expected_versions` where given, or BackendUnavailable; after the last, repeating finishes it.
        """
        image = self._mark_deleting(user_id, image_id, expected_versions)
        if not self.discard(image):
            raise ImageNotFound
        audit_trail.info("image deleted", extra=whose(image))

    def discard(self, image: Image) -> bool:
        """Take an image away, whatever its status: mark its row, delete its objects, remove its row.

        False where somebody else removed the row first. Raises RowChanged where the row is no longer
        the one given, or BackendUnavailable; then repeating finishes it.
        """
        marked = self._marked(image)
        if image.image_id not in self._storage.delete([marked]):
            raise BackendUnavailable("s3")
        return self._metadata.remove(marked)

    def take_back(self, image: Image) -> bool:
        """Remove what was stored for an image that others have deleted or rejected meanwhile. False if they have not.

        If the row is gone, a retry with the same Idempotency-Key may store the image again while this deletes
        its object. The audit then reports it as an image without its object. Raises BackendUnavailable.
        """
        with suppress(ImageNotFound):
            if self._metadata.get(image.image_id).status not in {Status.DELETING, Status.REJECTED}:
                return False
        if image.image_id not in self._storage.delete([image]):
            raise BackendUnavailable("s3")
        return True

    def delete_many(self, user_id: str, image_ids: Sequence[str]) -> dict[str, DeleteOutcome]:
        """Delete several images, each as `delete` does; one that fails does not stop the others."""
        outcomes: dict[str, DeleteOutcome] = dict.fromkeys(image_ids, DeleteOutcome.FAILED)
        marked: dict[str, Image] = {}
        for image_id in outcomes:
            try:
                marked[image_id] = self._mark_deleting(user_id, image_id)
            except ImageNotFound:
                outcomes[image_id] = DeleteOutcome.NOT_FOUND
            except NotOwner:
                outcomes[image_id] = DeleteOutcome.NOT_OWNER
                audit_trail.info(
                    "access refused", extra={"user_id": user_id, "image_id": image_id, "code": NotOwner.code}
                )
            except BackendUnavailable as error:
                log.warning("batch delete stopped", extra={"store": error.store, "cause": error.cause})
                break  # the others would only wait for the same store
        try:
            for image_id in self._storage.delete(marked.values()):
                removed = self._metadata.remove(marked[image_id])
                outcomes[image_id] = DeleteOutcome.DELETED if removed else DeleteOutcome.NOT_FOUND
                if removed:
                    audit_trail.info("image deleted", extra=whose(marked[image_id]))
        except BackendUnavailable as error:
            log.warning("batch delete stopped", extra={"store": error.store, "cause": error.cause})
        return outcomes

    def _mark_deleting(self, user_id: str, image_id: str, expected_versions: Collection[int] | None = None) -> Image:
        attempts = Attempts(_MAX_ATTEMPTS)
        while True:
            image = self.owned(user_id, image_id)
            if expected_versions is not None and image.version not in expected_versions:
                raise PreconditionFailed
            try:
                return self._marked(image)
            except RowChanged:
                attempts.pause()

    def _marked(self, image: Image) -> Image:
        """The image's row as DELETING. Raises RowChanged."""
        if image.status is Status.DELETING:
            return image
        marked = image._replace(status=Status.DELETING, updated_at=self._clock())
        self._metadata.replace(image, marked)
        return marked

    def owned(self, user_id: str, image_id: str) -> Image:
        """The one place that decides who may see or touch an image."""
        if not is_image_id(image_id):
            raise ImageNotFound
        image = self._metadata.get(image_id)
        if image.user_id != user_id:
            raise NotOwner
        return image


def first_version(
    user_id: str,
    image_id: str,
    new: NewImage,
    *,
    content_type: ContentType,
    file_size: int,
    sha256: str | None,
    now: datetime,
) -> Image:
    """An image as its row begins: pending, with what its client says about it; size in bytes, SHA-256 in hex."""
    return Image(
        image_id=image_id,
        user_id=user_id,
        object_key=object_key(user_id, image_id, content_type),
        filename=new.filename or f"image.{content_type.extension}",
        title=new.title,
        description=new.description,
        location=new.location,
        tags=new.tags,
        content_type=content_type,
        file_size=file_size,
        sha256=sha256,
        status=Status.PENDING_UPLOAD,
        created_at=now,
        updated_at=now,
        version=1,
    )


def whose(image: Image) -> dict[str, str]:
    """What the audit trail says of every image."""
    return {"user_id": image.user_id, "image_id": image.image_id}


def _cursor_scope(user_id: str, wanted: ImageFilter) -> str:
    """Only the conditions that were set, so that a version that knows more of them accepts older cursors."""
    asked = {it.name: value for it in dataclasses.fields(wanted) if (value := getattr(wanted, it.name)) != it.default}
    return f"{user_id}\0{asked!r}"
