"""Compares the table and the bucket in both directions, and ends what crashes have left (docs/adr/0009-audit.md).

Three passes, each a page at a time: the rows with their objects, records and postings; what lies in
the bucket with its rows; the postings with their rows. Everything is safe beside a running service,
beside another audit, and when it is cut off: nothing that changed within the grace period is looked
at, what looks wrong is read again consistently, and each write has the condition that this is still so.
"""

import itertools
import logging
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Literal

from botocore.exceptions import ClientError

from app.errors import ImageNotFound, ServiceError
from app.keys import final_key, parsed_object_key, parsed_record_key, parsed_variant_key, record_key, user_prefix
from app.models import Image, Status
from app.services import Services
from app.services.metadata import RowChanged
from app.services.storage import StoredObject
from app.services.tables import Posting, postings_of
from app.settings import Settings
from app.spool import Spool

log = logging.getLogger(__name__)


class Kind(StrEnum):
    """What may be wrong."""

    OBJECT_MISSING = "object_missing"
    OBJECT_DAMAGED = "object_damaged"
    POSTINGS_MISSING = "postings_missing"
    RECORD_OUTDATED = "record_outdated"
    ROW_OUTDATED = "row_outdated"
    UPLOAD_DIED = "upload_died"
    UPLOAD_EXPIRED = "upload_expired"
    DELETE_UNFINISHED = "delete_unfinished"
    ROW_LOST = "row_lost"
    ORPHAN = "orphan"
    LEFTOVER = "leftover"
    UNKNOWN_OBJECT = "unknown_object"
    STRAY_POSTINGS = "stray_postings"


class Pass(StrEnum):
    ROWS = "rows"
    OBJECTS = "objects"
    POSTINGS = "postings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What to look at, and what to do about it. With neither `repair` nor `rebuild` nothing is written."""

    user_id: str | None = None
    repair: bool = False
    rebuild: bool = False
    verify_bytes: bool = False
    grace: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, or was: `action` says what was done about it or would be, `done` which of the two."""

    kind: Kind
    user_id: str | None
    image_id: str | None
    detail: str
    action: str
    done: bool


@dataclass(frozen=True, slots=True)
class Step:
    """So many rows, objects or postings were looked at in this step, and this was found."""

    of: Pass
    checked: int
    findings: tuple[Finding, ...]


class _Remedy(StrEnum):
    REPAIR = "--repair"
    REBUILD = "--rebuild"


@dataclass(frozen=True, slots=True)
class _Problem:
    """Something wrong with an image, and the order with which it is ended; None where none does."""

    kind: Kind
    user_id: str | None
    image_id: str | None
    detail: str
    remedy: _Remedy | None = None
    action: str = ""
    act: Callable[[], object] = lambda: None
    """Raises RowChanged or ImageNotFound where it is not wrong any more."""


class Audit:
    """One comparison of both stores, as ordered, with so many images looked at side by side."""

    def __init__(self, services: Services, settings: Settings, orders: Orders, *, threads: int = 8) -> None:
        self._storage = services.storage
        self._metadata = services.metadata
        self._images = services.images
        self._uploads = services.uploads
        self._inspector = services.inspector
        self._clock = services.clock
        self._settings = settings
        self._orders = orders
        self._threads = threads  # a check is mostly waiting; a client's pool has 10 connections
        self._has_rows = False

    def run(self) -> Iterator[Step]:
        """Look at everything once. Raises BackendUnavailable where a store cannot be read."""
        self._storage.ping()  # in a bucket that is not there every object is missing
        with ThreadPoolExecutor(self._threads, thread_name_prefix="audit") as pool:
            for images in self._metadata.scan_all(user_id=self._orders.user_id):
                self._has_rows = self._has_rows or bool(images)
                yield _step(Pass.ROWS, len(images), pool.map(self._row_findings, images))
            for look, parsed, prefix in (
                (self._object_problem, parsed_object_key, self._prefix("images")),
                (self._object_problem, parsed_object_key, self._prefix("uploads")),
                (self._record_problem, parsed_record_key, self._prefix("records")),
            ):
                for page in self._storage.objects(prefix):
                    named = {it: parsed(it.key) for it in page if self._is_due(it.stored_at)}
                    rows = self._metadata.images({names[1] for names in named.values() if names})
                    checks = pool.map(partial(self._object_findings, look, rows), named.items())
                    yield _step(Pass.OBJECTS, len(page), checks)
            # A variant's key does not say whose it is, so an audit of one user passes them over.
            for page in self._storage.objects("variants/") if self._orders.user_id is None else ():
                variants = {it: parsed_variant_key(it.key) for it in page if self._is_due(it.stored_at)}
                rows = self._metadata.images({image_id for image_id in variants.values() if image_id})
                checks = pool.map(partial(self._variant_findings, rows), variants.items())
                yield _step(Pass.OBJECTS, len(page), checks)
            for postings in self._metadata.postings.scan(user_id=self._orders.user_id):
                yield _step(Pass.POSTINGS, len(postings), [self._posting_findings(postings)])

    def _prefix(self, room: Literal["images", "records", "uploads"]) -> str:
        user_id = self._orders.user_id
        return f"{room}/" if user_id is None else user_prefix(room, user_id)

    def _is_due(self, moment: datetime) -> bool:
        return moment <= self._clock() - self._orders.grace

    def _settled(self, problem: _Problem) -> Iterator[Finding]:
        """The problem as a finding, ended if that was ordered; nothing if it was none any more."""
        action, done = problem.action or "look at it", False
        is_ordered = {_Remedy.REPAIR: self._orders.repair, _Remedy.REBUILD: self._orders.rebuild}
        if problem.remedy is None:
            pass
        elif not is_ordered[problem.remedy]:
            action = f"{problem.remedy} would {action}"
        else:
            try:
                problem.act()
                done = True
                log.info("audit", extra={"kind": problem.kind, "image_id": problem.image_id, "action": action})
            except (ImageNotFound, RowChanged):
                return  # somebody else got ahead
            except (ServiceError, ClientError) as error:
                log.warning("audit failed", extra={"image_id": problem.image_id, "cause": str(error)})
                action = f"could not {action}: {error}"
        yield Finding(problem.kind, problem.user_id, problem.image_id, problem.detail, action, done)

    # Rows

    def _row_findings(self, image: Image) -> list[Finding]:
        """The scan lags behind, so what looks wrong in it is looked at again with the row as it is."""
        if not any(True for _ in self._row_problems(image)):
            return []
        try:
            image = self._metadata.get(image.image_id)
        except ImageNotFound:
            return []
        return [finding for problem in self._row_problems(image) for finding in self._settled(problem)]

    def _row_problems(self, image: Image) -> Iterator[_Problem]:
        if finished := self._finished_since(image):
            yield self._row_outdated(image, finished)
        elif image.awaits_object:
            assert image.expires_at is not None
            if self._is_due(image.expires_at):
                yield self._repair(
                    image, Kind.UPLOAD_EXPIRED, "not done in time", "finish or remove it", self._uploads.progress
                )
        elif self._is_due(image.updated_at):
            match image.status:
                case Status.UPLOADED:
                    yield from self._finished_problems(image)
                case Status.PENDING_UPLOAD:
                    yield self._repair(image, Kind.UPLOAD_DIED, "not finished", "remove it", self._images.discard)
                case Status.DELETING:
                    yield self._repair(image, Kind.DELETE_UNFINISHED, "not gone", "remove it", self._images.discard)

    def _finished_problems(self, image: Image) -> Iterator[_Problem]:
        found = self._storage.find(image.object_key)
        if found is None:
            yield self._repair(
                image, Kind.OBJECT_MISSING, "there is a row only", "remove the row", self._images.discard
            )
            return
        if damage := self._damage(image, found):
            yield _Problem(Kind.OBJECT_DAMAGED, image.user_id, image.image_id, damage)
        if self._settings.keeps_records:
            record = self._storage.record(image.user_id, image.image_id)
            if record is None or record.image is None or record.image.version < image.version:
                detail = "missing" if record is None else "unreadable" if record.image is None else "an older version"
                put = partial(self._storage.put_record, may_be_missing=True)
                yield self._repair(image, Kind.RECORD_OUTDATED, f"the record is {detail}", "write it again", put)
            elif record.image.version > image.version and self._is_due(record.stored_at):
                yield self._row_outdated(image, record.image)
                return
        expected = postings_of(image)
        if missing := expected - self._metadata.postings.existing(expected):
            detail = f"{len(missing)} of {len(expected)}: {_terms(missing)}"
            restore = self._metadata.restore_postings
            yield self._repair(image, Kind.POSTINGS_MISSING, detail, "write them again", restore)

    def _damage(self, image: Image, found: StoredObject) -> str | None:
        if found.size != image.file_size:
            return f"{found.size} bytes instead of {image.file_size}"
        if self._orders.verify_bytes:
            with Spool(max_bytes=image.file_size) as spool:
                if self._storage.fetch(image.object_key, spool) and spool.sha256.hex() != image.sha256:
                    return "its bytes do not have their checksum"
        return None

    def _finished_since(self, image: Image) -> Image | None:
        """What a pending image became after its row was written, as happens only where rows were lost.

        Whoever orders a rebuild says that they were. Else the upload died before its last write,
        nobody was told that it succeeded, and it may have been repeated.
        """
        if not self._orders.rebuild or image.status is not Status.PENDING_UPLOAD or not self._is_due(image.updated_at):
            return None
        record = self._storage.record(image.user_id, image.image_id)
        if record is None or record.image is None or self._storage.find(record.image.object_key) is None:
            return None
        return record.image

    def _row_outdated(self, image: Image, recorded: Image) -> _Problem:
        def catch_up() -> None:
            self._metadata.replace(image, recorded)
            self._metadata.restore_postings(recorded)

        detail = f"its record is of version {recorded.version}, the row of {image.version}"
        action = "write the row as the record has it"
        return _Problem(Kind.ROW_OUTDATED, image.user_id, image.image_id, detail, _Remedy.REBUILD, action, catch_up)

    def _repair(self, image: Image, kind: Kind, detail: str, action: str, act: Callable[[Image], object]) -> _Problem:
        return _Problem(kind, image.user_id, image.image_id, detail, _Remedy.REPAIR, action, partial(act, image))

    # What lies in the bucket

    def _object_findings(
        self,
        look: "Callable[[StoredObject, str, str, Image | None], _Problem | None]",
        rows: Mapping[str, Image],
        named: tuple[StoredObject, tuple[str, str] | None],
    ) -> list[Finding]:
        stored, names = named
        if names is None:
            return list(self._settled(_Problem(Kind.UNKNOWN_OBJECT, None, None, f"its key is {stored.key}")))
        problem = look(stored, *names, rows.get(names[1]))
        return list(self._settled(problem)) if problem else []

    def _object_problem(self, stored: StoredObject, user_id: str, image_id: str, row: Image | None) -> _Problem | None:
        if row is not None:
            return self._leftover(stored, user_id, row, _keys)
        if stored.key.startswith("images/"):
            record = self._storage.record(user_id, image_id)
            recorded = record.image if record else None
            is_of_record = record is not None and (recorded is None or recorded.object_key == stored.key)
            if is_of_record or self._may_be_an_image():
                detail = "object and record" if is_of_record else "an object only"
                restore = partial(self._restore, stored, user_id, image_id, recorded)
                action = "write its row again"
                return _Problem(Kind.ROW_LOST, user_id, image_id, detail, _Remedy.REBUILD, action, restore)
        remove = partial(self._remove_rowless, stored.key, image_id)
        return _Problem(Kind.ORPHAN, user_id, image_id, "an object only", _Remedy.REPAIR, "delete it", remove)

    def _may_be_an_image(self) -> bool:
        """Whether an object without row and record may be that of an image, whose row was lost.

        Where records are kept, it never was finished. Where they are not, all rows being gone
        looks like a lost table, and then nothing may be deleted.
        """
        return self._orders.rebuild or not (self._settings.keeps_records or self._has_rows)

    def _record_problem(self, stored: StoredObject, user_id: str, image_id: str, row: Image | None) -> _Problem | None:
        if row is not None:
            return self._leftover(stored, user_id, row, _record_keys)
        if self._has_object(user_id, image_id):
            return None  # found with its object

        def remove() -> None:
            if self._has_object(user_id, image_id):
                raise RowChanged
            self._remove_rowless(stored.key, image_id)

        return _Problem(Kind.ORPHAN, user_id, image_id, "a record only", _Remedy.REPAIR, "delete it", remove)

    def _variant_findings(self, rows: Mapping[str, Image], named: tuple[StoredObject, str | None]) -> list[Finding]:
        """A variant of no image.

        It is deleted also where only the row was lost: it will be made again when somebody asks for it.
        """
        stored, image_id = named
        if image_id in rows:
            return []
        if image_id is None:
            problem = _Problem(Kind.UNKNOWN_OBJECT, None, None, f"its key is {stored.key}")
        else:
            remove = partial(self._remove_rowless, stored.key, image_id)
            problem = _Problem(Kind.ORPHAN, None, image_id, "a variant only", _Remedy.REPAIR, "delete it", remove)
        return list(self._settled(problem))

    def _has_object(self, user_id: str, image_id: str) -> bool:
        return any(self._storage.objects(f"{user_prefix('images', user_id)}{image_id}."))

    def _leftover(
        self, stored: StoredObject, user_id: str, row: Image, keys: "Callable[[Image], Container[str]]"
    ) -> _Problem | None:
        """What lies at a key where nothing of this image may lie, nor ever will."""
        if stored.key in keys(row):
            return None

        def remove() -> None:
            if stored.key in keys(self._metadata.get(row.image_id)):
                raise RowChanged
            self._storage.delete_object(stored.key)

        detail = f"{stored.key.partition('/')[0]}/ of an image that is {row.status}"
        return _Problem(Kind.LEFTOVER, user_id, row.image_id, detail, _Remedy.REPAIR, "delete it", remove)

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
        return Image(
            image_id=image_id,
            user_id=user_id,
            object_key=stored.key,
            filename=f"image.{facts.content_type.extension}",
            title=None,
            description=None,
            location=None,
            tags=(),
            content_type=facts.content_type,
            file_size=spool.size,
            width=facts.width,
            height=facts.height,
            frames=facts.frames,
            has_alpha=facts.has_alpha,
            dominant_color=facts.dominant_color,
            placeholder=facts.placeholder,
            captured_at=facts.captured_at,
            sha256=spool.sha256.hex(),
            status=Status.UPLOADED,
            created_at=stored.stored_at,
            updated_at=stored.stored_at,
            version=1,
        )

    # Postings

    def _posting_findings(self, postings: Iterable[Posting]) -> Iterator[Finding]:
        """The scan lags behind the rows, so postings that look wrong are read again after their rows."""
        by_image: dict[str, set[Posting]] = defaultdict(set)
        for posting in postings:
            by_image[posting.image_id].add(posting)
        rows = self._metadata.images(by_image.keys())
        for image_id, found in by_image.items():
            row = rows.get(image_id)
            if row is not None and not self._is_due(row.updated_at):
                continue
            strays = self._metadata.postings.existing(found - postings_of(row) if row else found)
            if strays:
                yield from self._settled(
                    _Problem(
                        Kind.STRAY_POSTINGS,
                        min(strays).user_id,
                        image_id,
                        f"{_terms(strays)}, {'which the image does not have' if row else 'of no image'}",
                        _Remedy.REPAIR,
                        "delete them",
                        partial(self._metadata.remove_strays, image_id, row, strays),
                    )
                )


def _step(of: Pass, checked: int, found: Iterable[Iterable[Finding]]) -> Step:
    return Step(of, checked, tuple(itertools.chain.from_iterable(found)))


def _terms(postings: Iterable[Posting]) -> str:
    return ", ".join(str(posting.term) for posting in sorted(postings))


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
