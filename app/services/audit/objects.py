"""What lies in the bucket, with the rows that it belongs to."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from functools import partial

from app.errors import ImageNotFound
from app.keys import ParsedKey, final_key, parsed_key, record_key, user_prefix
from app.models import Image, NewImage, Status
from app.services import Services
from app.services.audit.findings import Defect, DefectKind, Finding, Remedy, Repairer
from app.services.images import first_version
from app.services.metadata import RowChanged
from app.services.storage import StoredObject
from app.settings import Settings
from app.spool import Spool


class ObjectCheck:
    """Looks at one object, record or variant at a time."""

    def __init__(self, services: Services, settings: Settings, repairer: Repairer) -> None:
        self._storage = services.storage
        self._metadata = services.metadata
        self._inspector = services.inspector
        self._settings = settings
        self._repairer = repairer

    def findings(self, page: Iterable[StoredObject], pool: Executor) -> Iterator[Finding]:
        """What is wrong among these objects, looked at side by side."""
        named = {stored: parsed_key(stored.key) for stored in page if self._repairer.is_due(stored.stored_at)}
        rows = self._metadata.images({names.image_id for names in named.values() if names})
        ours = [names for names in named.values() if names]
        are_rows_lost = sum(names.image_id not in rows for names in ours) * 2 > len(ours)
        return filter(None, pool.map(partial(self._finding, rows, are_rows_lost), named.keys(), named.values()))

    def _finding(
        self, rows: Mapping[str, Image], are_rows_lost: bool, stored: StoredObject, names: ParsedKey | None
    ) -> Finding | None:
        defect = self._defect(rows, are_rows_lost, stored, names)
        return self._repairer.resolve(defect) if defect else None

    def _defect(
        self, rows: Mapping[str, Image], are_rows_lost: bool, stored: StoredObject, names: ParsedKey | None
    ) -> Defect | None:
        if names is None:
            return Defect(DefectKind.UNKNOWN_OBJECT, None, None, f"its key is {stored.key}")
        room, user_id, image_id = names
        row = rows.get(image_id)
        match room:
            case "variants":
                return self._variant_defect(stored, image_id, row)
            case "records":
                return self._record_defect(stored, user_id, image_id, row)
        if row is not None:
            return self._leftover(stored, user_id, row, _keys)
        return self._rowless_defect(stored, user_id, image_id, are_rows_lost=are_rows_lost)

    def _rowless_defect(self, stored: StoredObject, user_id: str, image_id: str, *, are_rows_lost: bool) -> Defect:
        """An object that nothing says is an image is none, unless most of those around it have no row either.

        Nobody can tell then what a lost table held: records may not have been kept, or not yet. So nothing is deleted.
        """
        if stored.key.startswith("images/"):
            record = self._storage.record(user_id, image_id)
            recorded = record.image if record else None
            is_of_record = record is not None and (recorded is None or recorded.object_key == stored.key)
            if is_of_record or are_rows_lost or self._repairer.options.rebuild:
                detail = "object and record" if is_of_record else "an object only"
                restore = partial(self._restore, stored, user_id, image_id, recorded)
                action = "write its row again"
                return Defect(DefectKind.ROW_LOST, user_id, image_id, detail, Remedy.REBUILD, action, restore)
        remove = partial(self._remove_rowless, stored.key, image_id)
        return Defect(DefectKind.ORPHAN, user_id, image_id, "an object only", Remedy.REPAIR, "delete it", remove)

    def _record_defect(self, stored: StoredObject, user_id: str, image_id: str, row: Image | None) -> Defect | None:
        if row is not None:
            return self._leftover(stored, user_id, row, _record_keys)
        if self._has_object(user_id, image_id):
            return None  # found with its object

        def remove() -> None:
            if self._has_object(user_id, image_id):
                raise RowChanged
            self._remove_rowless(stored.key, image_id)

        return Defect(DefectKind.ORPHAN, user_id, image_id, "a record only", Remedy.REPAIR, "delete it", remove)

    def _variant_defect(self, stored: StoredObject, image_id: str, row: Image | None) -> Defect | None:
        """A variant of no image.

        It is deleted also where only the row was lost: it will be made again when somebody asks for it.
        """
        if row is not None:
            return None
        remove = partial(self._remove_rowless, stored.key, image_id)
        return Defect(DefectKind.ORPHAN, None, image_id, "a variant only", Remedy.REPAIR, "delete it", remove)

    def _has_object(self, user_id: str, image_id: str) -> bool:
        return any(self._storage.objects(f"{user_prefix('images', user_id)}{image_id}."))

    def _leftover(
        self, stored: StoredObject, user_id: str, row: Image, keys: Callable[[Image], Container[str]]
    ) -> Defect | None:
        """What lies at a key where nothing of this image may lie, nor ever will."""
        if stored.key in keys(row):
            return None

        def remove() -> None:
            if stored.key in keys(self._metadata.get(row.image_id)):
                raise RowChanged
            self._storage.delete_object(stored.key)

        detail = f"{stored.key.partition('/')[0]}/ of an image that is {row.status}"
        return Defect(DefectKind.LEFTOVER, user_id, row.image_id, detail, Remedy.REPAIR, "delete it", remove)

    def _remove_rowless(self, key: str, image_id: str) -> None:
        """A row comes before all that is of its image and goes after it, so what has none now never will."""
        if self._metadata.images([image_id]):
            raise RowChanged
        self._storage.delete_object(key)

    def _restore(self, stored: StoredObject, user_id: str, image_id: str, recorded: Image | None) -> None:
        """Raises UnsupportedImageType or InvalidImage where there is no record to tell, and the bytes are no image."""
        if recorded is not None:
            if self._storage.find(stored.key) is None:
                raise ImageNotFound
            self._metadata.restore(recorded)
            return
        image = self._read(stored, user_id, image_id)
        self._metadata.restore(image)
        if self._settings.keeps_records:
            self._storage.put_record(image)

    def _read(self, stored: StoredObject, user_id: str, image_id: str) -> Image:
        """What the bytes tell of an image."""
        with Spool(max_bytes=stored.size) as spool:
            if self._storage.fetch(stored.key, spool) is None:
                raise ImageNotFound
            facts = self._inspector.inspect(spool.buffer())
        image = first_version(
            user_id,
            image_id,
            NewImage(),
            content_type=facts.content_type,
            file_size=spool.size,
            sha256=spool.sha256.hex(),
            now=stored.stored_at,
        )
        return image._replace(object_key=stored.key, status=Status.UPLOADED, **facts.stored())


def _keys(image: Image) -> Container[str]:
    """Where an object of the image may lie while its row is as it is."""
    match image.status:
        case Status.REJECTED:
            return ()
        case Status.UPLOADED:
            return (image.object_key,)
    return (image.object_key, final_key(image))


def _record_keys(image: Image) -> Container[str]:
    return () if image.status is Status.REJECTED else (record_key(image.user_id, image.image_id),)
