"""Finding images: a plan is followed until the page is full. Pure: knows no AWS.

A list costs what it returns, not what is stored (docs/adr/0007-postings.md). The plan is a span of an
index, whose rows come in the order of the list, or posting lists, which are joined first and deliver
candidates whose rows are then fetched. In both cases the row decides: an image is shown only if the
filter accepts its row, so what an index or a posting list says may be out of date or incomplete
without harm.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.models import Image, ImageFilter, QueryCost
from app.services.join import Join, PostingsReader, Step
from app.services.plan import IndexSpan, PostingsJoin, plan
from app.services.tables import Position
from app.times import rfc3339

_FILTERED_ROWS_PAGE = 100
_LARGEST_BATCH = 100  # keys (DynamoDB API Reference, "BatchGetItem")
_POSTINGS_PER_CANDIDATE = 10
_CANDIDATES_PER_REQUEST = 10


class Reader(PostingsReader, Protocol):
    """The stores, as far as finding needs them. Every call adds to `cost`."""

    cost: QueryCost

    def rows(self, span: IndexSpan, *, after: Position | None, page_size: int) -> Iterator[tuple[Position, Image]]:
        """The rows of a span in its order, from behind a position on, `page_size` read at once."""

    def images(self, image_ids: Sequence[str], *, consistent: bool = False) -> Mapping[str, Image]:
        """The rows with these ids, as far as they exist."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page: its images in order, and behind which position to go on, None at the end of the list."""

    images: tuple[Image, ...]
    resume_after: Position | None


def find(reader: Reader, wanted: ImageFilter, *, limit: int, after: Position | None, max_candidates: int) -> Found:
    """A page of what the filter accepts: `limit` images, or all that are left.

    It is short, with a position to go on from, when `max_candidates` rows were looked at, or as
    much work of other kinds was done, before the page was full.
    """
    search = _Search(reader, wanted, limit, max_candidates)
    found: list[Image] = []
    settled = after
    for position, image in search.run(after):
        if image is not None:
            if len(found) == limit:
                return Found(tuple(found), settled)
            found.append(image)
            search.missing -= 1
        settled = position
    return Found(tuple(found), settled if search.gave_up else None)


class _Search:
    """One search while it runs: what is still missing, and what it may still cost."""

    def __init__(self, reader: Reader, wanted: ImageFilter, limit: int, max_candidates: int) -> None:
        self._reader = reader
        self._wanted = wanted
        self._terms = ImageFilter(
            tags=wanted.tags, tag_match=wanted.tag_match, words=wanted.words, sha256=wanted.sha256
        )
        self._max_candidates = max_candidates
        self.missing = limit + 1
        """One more than the page holds, so that the end of the list is known."""
        self.gave_up = False

    def run(self, after: Position | None) -> Iterator[tuple[Position, Image | None]]:
        """What is looked at, in the order of the list, with None for what the filter does not accept."""
        wanted, cost = self._wanted, self._reader.cost
        way = plan(wanted)
        if isinstance(way, IndexSpan):
            cost.index = way.index.name
        else:
            cost.index = "postings"
            cost.lists = tuple(str(term) for group in way.groups for term in group)
        if wanted.created_after and wanted.created_before and wanted.created_after >= wanted.created_before:
            return iter(())
        return self._along_index(way, after) if isinstance(way, IndexSpan) else self._along_postings(way, after)

    def _along_index(self, span: IndexSpan, after: Position | None) -> Iterator[tuple[Position, Image | None]]:
        page_size = self.missing if _is_answered_by_index(self._wanted) else _FILTERED_ROWS_PAGE
        for looked_at, (position, image) in enumerate(self._reader.rows(span, after=after, page_size=page_size)):
            if looked_at == self._max_candidates:
                self.gave_up = True
                return
            yield position, image if self._wanted.accepts(image) else None

    def _along_postings(self, join: PostingsJoin, after: Position | None) -> Iterator[tuple[Position, Image | None]]:
        joined = Join(self._reader, join, after)
        looked_at = accepted = 0
        batch: list[Step] = []
        while True:
            step = joined.step()
            if step is not None and step.is_candidate:
                batch.append(step)
            exhausted = looked_at + len(batch) >= self._max_candidates or self._did_too_much()
            # As many as are missing, if the filter goes on to accept at the rate so far.
            enough = min(self.missing * (looked_at + 1) / (accepted + 1), _LARGEST_BATCH)
            if step is not None and not exhausted and len(batch) < enough:
                continue
            for position, image in self._rows_of(batch):
                looked_at += 1
                accepted += image is not None
                yield position, image
            batch = []
            if step is None:
                return
            if exhausted:
                self.gave_up = True
                yield step.position, None
                return

    def _rows_of(self, batch: "Sequence[Step]") -> Iterator[tuple[Position, Image | None]]:
        """The candidates' rows, read at once.

        Where all lists name an image and its row does not have the terms, the row may just be too
        old a copy: it is read again, consistently. What remains is a stray posting, and passed over;
        so is one of an earlier row of the image, at another position.
        """
        rows = dict(self._reader.images([step.image_id for step in batch])) if batch else {}
        doubtful = [
            step.image_id for step in batch if step.is_verified and not self._has_terms(rows.get(step.image_id))
        ]
        if doubtful:
            rows |= self._reader.images(doubtful, consistent=True)
        for step in batch:
            row = rows.get(step.image_id)
            is_found = row is not None and rfc3339(row.created_at) == step.position[0] and self._wanted.accepts(row)
            yield step.position, row if is_found else None

    def _has_terms(self, row: Image | None) -> bool:
        return row is not None and self._terms.accepts(row)

    def _did_too_much(self) -> bool:
        cost = self._reader.cost
        return (
            cost.postings_read >= _POSTINGS_PER_CANDIDATE * self._max_candidates
            or cost.requests >= self._max_candidates / _CANDIDATES_PER_REQUEST
        )


def _is_answered_by_index(wanted: ImageFilter) -> bool:
    """Whether every row of the plan's index passes the filter."""
    return wanted == ImageFilter(
        created_after=wanted.created_after,
        created_before=wanted.created_before,
        title=wanted.title,
        descending=wanted.descending,
        as_of=wanted.as_of,
    ) or wanted == ImageFilter(title_prefix=wanted.title_prefix, descending=wanted.descending, as_of=wanted.as_of)
