"""What an audit is told to do, what it finds, and what becomes of that."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from botocore.exceptions import ClientError

from app.errors import ImageNotFound, ServiceError
from app.services.metadata import RowChanged
from app.services.tables import Posting
from app.times import Clock

log = logging.getLogger(__name__)


class DefectKind(StrEnum):
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
    USAGE_DRIFT = "usage_drift"


class Pass(StrEnum):
    ROWS = "rows"
    OBJECTS = "objects"
    POSTINGS = "postings"
    USAGE = "usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """What to look at, and what to do about it. With neither `repair` nor `rebuild` nothing is written."""

    user_id: str | None = None
    repair: bool = False
    rebuild: bool = False
    verify_bytes: bool = False
    grace: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, or was: `action` says what was done about it or would be, `done` which of the two."""

    kind: DefectKind
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


class Remedy(StrEnum):
    REPAIR = "--repair"
    REBUILD = "--rebuild"


@dataclass(frozen=True, slots=True)
class Defect:
    """Something wrong with an image, and the option with which it is mended; None where none does."""

    kind: DefectKind
    user_id: str | None
    image_id: str | None
    detail: str
    remedy: Remedy | None = None
    action: str = ""
    act: Callable[[], object] = lambda: None
    """Raises RowChanged or ImageNotFound where it is not wrong any more."""


class Repairer:
    """Decides what is old enough to be looked at, and mends what the options allow."""

    def __init__(self, options: AuditOptions, clock: Clock) -> None:
        self.options = options
        self._clock = clock

    def is_due(self, moment: datetime) -> bool:
        """Whether the grace period since then is over."""
        return moment <= self.due_until()

    def due_until(self) -> datetime:
        """The moment since which the grace period is over."""
        return self._clock() - self.options.grace

    def resolve(self, defect: Defect) -> Finding | None:
        """The defect as a finding, mended if the options allow it; None if it was none any more."""
        action, done = defect.action or "look at it", False
        is_allowed = {Remedy.REPAIR: self.options.repair, Remedy.REBUILD: self.options.rebuild}
        if defect.remedy is None:
            pass
        elif not is_allowed[defect.remedy]:
            action = f"{defect.remedy} would {action}"
        else:
            try:
                defect.act()
                done = True
                log.info("audit", extra={"kind": defect.kind, "image_id": defect.image_id, "action": action})
            except (ImageNotFound, RowChanged):
                return None  # somebody else got ahead
            except (ServiceError, ClientError) as error:
                log.warning("audit failed", extra={"image_id": defect.image_id, "cause": str(error)})
                action = f"could not {action}: {error}"
        return Finding(defect.kind, defect.user_id, defect.image_id, defect.detail, action, done)


def terms(postings: Iterable[Posting]) -> str:
    """The postings as people read them."""
    return ", ".join(str(posting.term) for posting in sorted(postings))
