"""Compares the table and the bucket in both directions, and ends what crashes have left (docs/adr/0009-audit.md).

Up to four passes, each a page at a time: the rows with their objects, records and postings; what lies
in the bucket with its rows; the postings with their rows; and where quotas are set, the users'
counters with their rows. Everything is safe beside a running service,
beside another audit, and when it is cut off: nothing that changed within the grace period is looked
at, what looks wrong is read again consistently, and each write has the condition that this is still so.
"""

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from app.keys import user_prefix
from app.services import Services
from app.services.audit.findings import AuditOptions, DefectKind, Finding, Pass, Repairer, Step
from app.services.audit.objects import ObjectCheck
from app.services.audit.postings import PostingCheck
from app.services.audit.rows import RowCheck
from app.services.audit.usage import UsageCheck
from app.settings import Settings

__all__ = ["Audit", "AuditOptions", "DefectKind", "Finding", "Pass", "Step"]


class Audit:
    """One comparison of both stores, by its options, with so many images looked at side by side."""

    def __init__(self, services: Services, settings: Settings, options: AuditOptions, *, threads: int = 8) -> None:
        self._services = services
        self._settings = settings
        self._repairer = Repairer(options, services.clock)
        self._threads = threads  # a check is mostly waiting; a client's pool has 10 connections

    def run(self) -> Iterator[Step]:
        """Look at everything once. Raises BackendUnavailable where a store cannot be read."""
        storage, metadata = self._services.storage, self._services.metadata
        user_id = self._repairer.options.user_id
        storage.ping()  # in a bucket that is not there every object is missing
        has_objects = any(storage.objects("images/"))  # nor may one that is empty be the right one
        rows = RowCheck(self._services, self._settings, self._repairer, has_objects=has_objects)
        objects = ObjectCheck(self._services, self._settings, self._repairer)
        postings = PostingCheck(metadata, self._repairer)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="audit") as pool:
            for images in metadata.scan_all(user_id=user_id):
                yield _step(Pass.ROWS, len(images), pool.map(rows.findings, images))
            for prefix in _prefixes(user_id):
                for stored in storage.objects(prefix):
                    yield _step(Pass.OBJECTS, len(stored), [objects.findings(stored, pool)])
            for page in metadata.postings.scan(user_id=user_id):
                yield _step(Pass.POSTINGS, len(page), [postings.findings(page)])
        if self._services.usage.are_kept:
            for checked, findings in UsageCheck(self._services.usage, self._repairer).steps():
                yield _step(Pass.USAGE, checked, [findings])


def _prefixes(user_id: str | None) -> list[str]:
    """What the keys to be looked at begin with. One user's leave variants out: their keys do not say whose they are."""
    rooms: tuple[Literal["images", "uploads", "records"], ...] = ("images", "uploads", "records")
    if user_id is None:
        return [*(f"{room}/" for room in rooms), "variants/"]
    return [user_prefix(room, user_id) for room in rooms]


def _step(of: Pass, checked: int, found: Iterable[Iterable[Finding]]) -> Step:
    return Step(of, checked, tuple(itertools.chain.from_iterable(found)))
