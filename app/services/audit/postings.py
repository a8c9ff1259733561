"""The postings, with the rows that they belong to."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial

from app.services.audit.findings import Defect, DefectKind, Finding, Remedy, Repairer, terms
from app.services.metadata import ImageMetadataService
from app.services.tables import Posting, postings_of


class PostingCheck:
    """Looks at a page of postings at a time."""

    def __init__(self, metadata: ImageMetadataService, repairer: Repairer) -> None:
        self._metadata = metadata
        self._repairer = repairer

    def findings(self, postings: Iterable[Posting]) -> Iterator[Finding]:
        """The scan lags behind the rows, so postings that look wrong are read again after their rows."""
        by_image: dict[str, set[Posting]] = defaultdict(set)
        for posting in postings:
            by_image[posting.image_id].add(posting)
        rows = self._metadata.images(by_image.keys())
        for image_id, found in by_image.items():
            row = rows.get(image_id)
            if row is not None and not self._repairer.is_due(row.updated_at):
                continue
            strays = self._metadata.postings.existing(found - postings_of(row) if row else found)
            if strays:
                defect = Defect(
                    DefectKind.STRAY_POSTINGS,
                    min(strays).user_id,
                    image_id,
                    f"{terms(strays)}, {'which the image does not have' if row else 'of no image'}",
                    Remedy.REPAIR,
                    "delete them",
                    partial(self._metadata.remove_strays, image_id, row, strays),
                )
                if finding := self._repairer.resolve(defect):
                    yield finding
