"""What has arrived of an upload straight to the bucket: checked, and brought to where it stays."""

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from app.errors import (
    BackendUnavailable,
    ChecksumMismatch,
    ImageTooLarge,
    IncompleteBody,
    InvalidImage,
    UnsupportedImageType,
)
from app.keys import final_key
from app.models import Image, Rejection, Status
from app.services.inspection import Inspector, Variants
from app.services.storage import ImageStorageService
from app.spool import Spool
from app.stripping import MOST_ADDED_BYTES

if TYPE_CHECKING:
    from app.imaging import ImageFacts


class Accepted(NamedTuple):
    """An image that is whole, as its row is to be, and the variants that were made while it was checked."""

    image: Image
    variants: Variants


class Arrivals:
    """Looks at the objects of pending images, of at most so many bytes."""

    def __init__(self, storage: ImageStorageService, inspector: Inspector, *, max_bytes: int) -> None:
        self._storage = storage
        self._inspector = inspector
        self._max_bytes = max_bytes

    def check(self, image: Image) -> Accepted | Rejection | None:
        """Check the object that is there now, and if it is accepted, see that it lies at the image's final key.

        None where nothing arrived in time. The result follows from row and objects alone, so that simultaneous
        confirmations agree on it. Raises BackendUnavailable or Overloaded.
        """
        try:
            # What a confirmation before this one has written to the final key counts, not what it was made from.
            return self._from_final_key(image) or self._from_arrival(image)
        except (ChecksumMismatch, ImageTooLarge, IncompleteBody, InvalidImage, UnsupportedImageType) as error:
            return Rejection(error.code, str(error))

    def _fetch(self, key: str, spool: Spool) -> datetime | None:
        """As `ImageStorageService.fetch`, also where the object goes while it is read: LocalStack breaks off then."""
        try:
            return self._storage.fetch(key, spool)
        except BackendUnavailable:
            if self._storage.find(key) is not None:
                raise
            return None

    def _from_final_key(self, image: Image) -> Accepted | None:
        """As `check`, if a confirmation died after it had written the final object."""
        if image.object_key == final_key(image):
            return None
        with Spool(max_bytes=self._max_bytes + MOST_ADDED_BYTES) as spool:
            if self._fetch(final_key(image), spool) is None:
                return None
            facts, made = self._inspector.inspect_and_render(spool.buffer())
            captured_at = facts.captured_at or self._captured_at(image, spool.sha256)
            return Accepted(_finished(image, facts, spool, captured_at=captured_at), made)

    def _captured_at(self, image: Image, written: bytes) -> str | None:
        """When the picture was taken, which may have been taken out of what was written, but not out of what came.

        None where something else has come since.
        """
        with Spool(max_bytes=self._max_bytes) as spool:
            try:
                if self._fetch(image.object_key, spool) is None:
                    return None
                facts = self._inspector.inspect(spool.buffer())
                with self._inspector.stripped(spool, facts) as kept:
                    return facts.captured_at if kept.sha256 == written else None
            except (ImageTooLarge, InvalidImage, UnsupportedImageType):
                return None

    def _from_arrival(self, image: Image) -> Accepted | None:
        """As `check`, made of what the client has sent; None where that did not come in time."""
        assert image.expires_at is not None
        with Spool(max_bytes=self._max_bytes) as spool:
            stored_at = self._fetch(image.object_key, spool)
            # What counts is when it arrived, not when somebody came to look.
            if stored_at is None or stored_at > image.expires_at:
                return None
            if spool.size != image.file_size:
                raise IncompleteBody(f"The file has {spool.size} bytes, but {image.file_size} were announced.")
            if image.sha256 is not None and spool.sha256.hex() != image.sha256:
                raise ChecksumMismatch("The file does not match the SHA-256 that was announced.")
            facts, made = self._inspector.inspect_and_render(spool.buffer())
            if image.object_key == final_key(image):  # and stays as it is, also if STRIP_METADATA was set since
                return Accepted(_finished(image, facts, spool, captured_at=facts.captured_at), made)
            with self._inspector.stripped(spool, facts) as kept:
                uploaded = _finished(image, facts, kept, captured_at=facts.captured_at)
                if self._storage.put_if_absent(uploaded, kept):
                    return Accepted(uploaded, made)
        # Another confirmation was first; or one is just writing, which S3 refuses too (its API Reference, "PutObject").
        if (written := self._from_final_key(image)) is None:
            raise BackendUnavailable("s3", contended=True)
        return written


def _finished(image: Image, facts: "ImageFacts", stored: Spool, *, captured_at: str | None) -> Image:
    return image._replace(
        object_key=final_key(image),
        file_size=stored.size,
        sha256=stored.sha256.hex(),
        status=Status.UPLOADED,
        expires_at=None,
        traceparent=None,
        **facts.stored() | {"captured_at": captured_at},
    )
