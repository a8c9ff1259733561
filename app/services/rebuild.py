"""Writing all postings again, from the rows: after a change of what a word is, or a loss of the table."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.services.metadata import ImageMetadataService, RowChanged
from app.services.tables import Position
from app.times import rfc3339


@dataclass(frozen=True, slots=True)
class Progress:
    """So many rows were done in this step, the last of them at this position."""

    rows: int
    done_up_to: Position | None


def rebuild_postings(
    metadata: ImageMetadataService, *, user_id: str | None = None, after: Position | None = None
) -> Iterator[Progress]:
    """Write the postings of every row, or of those of a user; to be continued from any step's position.

    Safe while the service runs: an image that is edited at the same time gets its postings from
    the edit. Postings that no row has any more are the audit's to remove. Raises BackendUnavailable.
    """
    for images in metadata.scan(user_id=user_id, after=after):
        for image in images:
            try:
                metadata.restore_postings(image)
            except RowChanged:
                continue
        last = images[-1] if images else None
        yield Progress(len(images), (rfc3339(last.created_at), last.image_id) if last else None)
