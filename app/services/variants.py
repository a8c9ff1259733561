"""Variants of images: made once, kept in the bucket, gone with their image (docs/adr/0012-variants.md)."""

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping

from app.admission import MemoryBudget
from app.errors import BackendUnavailable, ImageNotFound
from app.keys import is_image_id
from app.models import Image, Status
from app.services.batches import Batches
from app.services.metadata import ImageMetadataService
from app.services.storage import ImageStorageService
from app.spool import Spool
from app.variant_specs import Rendition

log = logging.getLogger(__name__)


class VariantService:
    """Gives variants, from the bucket or made now."""

    def __init__(self, storage: ImageStorageService, metadata: ImageMetadataService, budget: MemoryBudget) -> None:
        self._storage = storage
        self._metadata = metadata
        self._budget = budget
        self._batches: Batches[Rendition, bytes] = Batches()

    def linked(self, image_id: str, version: str) -> Image:
        """The finished image that a link shows, whoever owns it. Raises ImageNotFound."""
        if not is_image_id(image_id):
            raise ImageNotFound
        image = self._metadata.get(image_id)
        if image.status is not Status.UPLOADED or image.sha256 is None or not image.sha256.startswith(version):
            raise ImageNotFound
        return image

    def data(self, image: Image, rendition: Rendition) -> bytes:
        """The variant as a file. Several that are wanted at once come from one decode.

        Raises ImageNotFound where the image was deleted meanwhile, Overloaded, or BackendUnavailable.
        """
        stored = self._storage.variant(image.image_id, rendition.name)
        if stored is not None:
            return stored
        return self._batches.get(image.image_id, rendition, lambda close: self._made(image, close))

    def keep(self, image: Image, made: Mapping[Rendition, bytes]) -> None:
        """Store variants that were made while the image was checked, now that it is finished.

        They only save whoever looks first from waiting: one that cannot be stored is made then. Never raises.
        """
        if not made:
            return
        try:
            try:
                for rendition, data in made.items():
                    self._storage.put_variant(image.image_id, rendition.name, data, rendition.format.media_type)
            finally:
                self._require(image)
        except ImageNotFound:
            return
        except BackendUnavailable as error:
            log.warning("variants not kept", extra={"image_id": image.image_id, "store": error.store})
        except Exception:  # whatever it is, the image is there, and must not be called a failure
            log.exception("variants not kept", extra={"image_id": image.image_id})

    def _made(self, image: Image, close: Callable[[], Collection[Rendition]]) -> dict[Rendition, bytes]:
        with Spool(max_bytes=image.file_size) as spool:
            if self._storage.fetch(image.object_key, spool) is None:
                self._require(image)
                log.error("object of a finished image is missing", extra={"image_id": image.image_id})
                raise BackendUnavailable("s3")
            wanted = list(close())
            from app import variants  # noqa: PLC0415 - as in Inspector

            files = variants.render(spool.buffer(), wanted, admission=self._budget.admitted)
        made = dict(zip(wanted, files, strict=True))
        try:
            for rendition, data in made.items():
                made[rendition] = self._kept(image, rendition, data)
        finally:  # some may be stored, also where another could not be
            self._require(image)
        log.info("variants made", extra={"image_id": image.image_id, "variants": [it.name for it in made]})
        return made

    def _kept(self, image: Image, rendition: Rendition, data: bytes) -> bytes:
        """Of two processes that make the same variant, both show the one that was stored first."""
        if self._storage.put_variant(image.image_id, rendition.name, data, rendition.format.media_type):
            return data
        return self._storage.variant(image.image_id, rendition.name) or data

    def _require(self, image: Image) -> None:
        """Raises ImageNotFound where the image is being deleted, and takes its variants away.

        A delete marks the row, then lists the variants. What is stored after it has listed them is
        therefore stored after the row was marked, and seen here.
        """
        try:
            if self._metadata.get(image.image_id).status is Status.UPLOADED:
                return
        except ImageNotFound:
            pass
        self._storage.delete_variants(image.image_id)
        raise ImageNotFound


def variant_etag(image: Image, rendition: Rendition) -> str:
    """The validator of a variant, known before it is made: it is made once, from bytes that never change."""
    return hashlib.sha256(f"{image.sha256} {rendition.name}".encode()).hexdigest()[:32]
