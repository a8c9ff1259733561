"""The rows of the table, each with its object, its record and its postings."""

from collections.abc import Callable, Iterator
from functools import partial

from app.errors import ImageNotFound
from app.models import Image, Status
from app.services import Services
from app.services.audit.findings import Defect, DefectKind, Finding, Remedy, Repairer, terms
from app.services.storage import StoredObject
from app.services.tables import postings_of
from app.settings import Settings
from app.spool import Spool


class RowCheck:
    """Looks at one row at a time."""

    def __init__(self, services: Services, settings: Settings, repairer: Repairer, *, has_objects: bool) -> None:
        self._storage = services.storage
        self._metadata = services.metadata
        self._images = services.images
        self._uploads = services.uploads
        self._settings = settings
        self._repairer = repairer
        self._may_be_gone = has_objects or repairer.options.rebuild

    def findings(self, image: Image) -> list[Finding]:
        """The scan lags behind, so what looks wrong in it is looked at again with the row as it is."""
        if next(self._row_defects(image), None) is None:
            return []
        try:
            image = self._metadata.get(image.image_id)
        except ImageNotFound:
            return []
        return list(filter(None, map(self._repairer.resolve, self._row_defects(image))))

    def _row_defects(self, image: Image) -> Iterator[Defect]:
        if finished := self._finished_since(image):
            yield self._row_outdated(image, finished)
        elif image.awaits_object:
            assert image.expires_at is not None
            if self._repairer.is_due(image.expires_at):
                yield self._repair(
                    image, DefectKind.UPLOAD_EXPIRED, "not done in time", "finish or remove it", self._uploads.advance
                )
        elif self._repairer.is_due(image.updated_at):
            match image.status:
                case Status.UPLOADED:
                    yield from self._finished_defects(image)
                case Status.PENDING_UPLOAD:
                    yield self._repair(image, DefectKind.UPLOAD_DIED, "not finished", "remove it", self._images.discard)
                case Status.DELETING:
                    yield self._repair(
                        image, DefectKind.DELETE_UNFINISHED, "not gone", "remove it", self._images.discard
                    )

    def _finished_defects(self, image: Image) -> Iterator[Defect]:
        found = self._storage.find(image.object_key)
        if found is None:
            if self._may_be_gone:
                yield self._repair(
                    image, DefectKind.OBJECT_MISSING, "there is a row only", "remove the row", self._images.discard
                )
            else:
                detail = "there is a row only, and the bucket holds no image at all"
                yield Defect(DefectKind.OBJECT_MISSING, image.user_id, image.image_id, detail)
            return
        if damage := self._damage(image, found):
            yield Defect(DefectKind.OBJECT_DAMAGED, image.user_id, image.image_id, damage)
        if self._settings.keeps_records:
            record = self._storage.record(image.user_id, image.image_id)
            if record is None or record.image is None or record.image.version < image.version:
                detail = "missing" if record is None else "unreadable" if record.image is None else "an older version"
                put = partial(self._storage.put_record, may_be_missing=True)
                yield self._repair(image, DefectKind.RECORD_OUTDATED, f"the record is {detail}", "write it again", put)
            elif record.image.version > image.version and self._repairer.is_due(record.stored_at):
                yield self._row_outdated(image, record.image)
                return
        expected = postings_of(image)
        if missing := expected - self._metadata.postings.existing(expected):
            detail = f"{len(missing)} of {len(expected)}: {terms(missing)}"
            restore = self._metadata.restore_postings
            yield self._repair(image, DefectKind.POSTINGS_MISSING, detail, "write them again", restore)

    def _damage(self, image: Image, found: StoredObject) -> str | None:
        if found.size != image.file_size:
            return f"{found.size} bytes instead of {image.file_size}"
        if self._repairer.options.verify_bytes:
            with Spool(max_bytes=image.file_size) as spool:
                if self._storage.fetch(image.object_key, spool) and spool.sha256.hex() != image.sha256:
                    return "its bytes do not have their checksum"
        return None

    def _finished_since(self, image: Image) -> Image | None:
        """The finished image from the record, for a row still pending: the table was restored to an older state.

        Only with `rebuild`, by which the operator says so. Otherwise the upload died before its last
        write; its client was never told of success and may have sent it again.
        """
        if (
            not self._repairer.options.rebuild
            or image.status is not Status.PENDING_UPLOAD
            or not self._repairer.is_due(image.updated_at)
        ):
            return None
        record = self._storage.record(image.user_id, image.image_id)
        if record is None or record.image is None or self._storage.find(record.image.object_key) is None:
            return None
        return record.image

    def _row_outdated(self, image: Image, recorded: Image) -> Defect:
        def catch_up() -> None:
            self._metadata.replace(image, recorded)
            self._metadata.restore_postings(recorded)

        detail = f"its record is of version {recorded.version}, the row of {image.version}"
        action = "write the row as the record has it"
        return Defect(DefectKind.ROW_OUTDATED, image.user_id, image.image_id, detail, Remedy.REBUILD, action, catch_up)

    def _repair(
        self, image: Image, kind: DefectKind, detail: str, action: str, act: Callable[[Image], object]
    ) -> Defect:
        return Defect(kind, image.user_id, image.image_id, detail, Remedy.REPAIR, action, partial(act, image))
