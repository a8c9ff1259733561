"""Finding images: which index to read, how to join posting lists, when to stop. Pure: knows no AWS.

A list costs what it returns, not what is stored (docs/adr/0007-postings.md). The filter decides on
a plan: a span of an index, whose rows come in the order of the list, or posting lists, which are
joined first and deliver candidates whose rows are then fetched. In both cases the row decides:
an image is shown only if the filter accepts its row, so what an index or a posting list says may be
out of date or incomplete without harm.

Posting lists are joined by leaping: the list that reaches furthest names the next candidate, and
the others are read on from there. Nothing is read twice, so a join never costs more than reading all
its lists once. Where a page of a list decides less than two candidates, it costs more than the
candidates' rows do, and the rows are asked instead.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.models import Image, ImageFilter, QueryCost, Status, TagMatch
from app.services.tables import (
    HIGHEST_CHARACTER,
    TITLE_END,
    TITLE_INDEX,
    UNLISTED_TITLE_INDEX,
    UNLISTED_USER_INDEX,
    USER_INDEX,
    Index,
    Term,
    TermKind,
    title_key_start,
)
from app.times import rfc3339

Position = tuple[str, str]
"""Where an image stands in a list: its sort value (time, or title and time) and its id."""

FIRST_PAGE = 32
"""Postings: what fits into the 4 KB that cost no more than a single one."""
_LARGEST_PAGE = 1024
_FILTERED_ROWS_PAGE = 100
_LARGEST_BATCH = 100  # keys (DynamoDB API Reference, "BatchGetItem")
_POSTINGS_PER_CANDIDATE = 10
_CANDIDATES_PER_REQUEST = 10
_FIRST_PAUSE = 16

_EARLIEST = "0001-01-01T00:00:00.000000Z"
_LATEST = "9999-12-31T23:59:60.000000Z"
_BEHIND_ALL = "\x7f"
_BACKWARDS = {code: 0x20 + 0x7E - code for code in range(0x20, 0x7F)}  # printable ASCII, upside down


class Reader(Protocol):
    """The stores, as far as finding needs them. Every call adds to `cost`."""

    cost: QueryCost

    def rows(self, span: "IndexSpan", *, after: Position | None, page_size: int) -> Iterator[tuple[Position, Image]]:
        """The rows of a span in its order, from behind a position on, `page_size` read at once."""

    def postings(self, term: Term, first: str, last: str, *, descending: bool, limit: int) -> Sequence[str]:
        """The image keys of a posting list between two keys, both included: at most `limit`, fewer only at its end."""

    def images(self, image_ids: Sequence[str], *, consistent: bool = False) -> Mapping[str, Image]:
        """The rows with these ids, as far as they exist."""


@dataclass(frozen=True, slots=True)
class IndexSpan:
    """Part of an index: the sort values from `first` to `last`, both included."""

    index: Index
    first: str
    last: str
    descending: bool


@dataclass(frozen=True, slots=True)
class PostingsJoin:
    """Posting lists: images that are in one list at least of each group."""

    groups: tuple[tuple[Term, ...], ...]
    first: str
    last: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A page: its images in order, and behind which position to go on, None at the end of the list."""

    images: tuple[Image, ...]
    resume_after: Position | None


def plan(wanted: ImageFilter) -> IndexSpan | PostingsJoin:
    """The cheapest way to the images that a filter accepts, in the order that it asks for."""
    earliest = rfc3339(wanted.created_after) if wanted.created_after else _EARLIEST
    latest = rfc3339(wanted.created_before) if wanted.created_before else _LATEST
    listed = wanted.status is Status.UPLOADED
    if wanted.title is not None or wanted.title_prefix is not None:
        first, last = _title_bounds(wanted, earliest, latest)
        return IndexSpan(TITLE_INDEX if listed else UNLISTED_TITLE_INDEX, first, last, wanted.descending)
    groups = _term_groups(wanted) if listed else ()
    if groups:
        return PostingsJoin(groups, earliest, latest, wanted.descending)
    return IndexSpan(USER_INDEX if listed else UNLISTED_USER_INDEX, earliest, latest, wanted.descending)


def _title_bounds(wanted: ImageFilter, earliest: str, latest: str) -> tuple[str, str]:
    if wanted.title is None:
        start = title_key_start(wanted.title_prefix or "")
        return start, start + HIGHEST_CHARACTER
    start = title_key_start(wanted.title) + TITLE_END
    return start + earliest, start + latest


def _term_groups(wanted: ImageFilter) -> tuple[tuple[Term, ...], ...]:
    tags = tuple(Term(TermKind.TAG, tag) for tag in wanted.tags)
    words = tuple((Term(TermKind.WORD, word),) for word in wanted.words)
    if not tags:
        return words
    return ((tags,) if wanted.tag_match is TagMatch.ANY else tuple((tag,) for tag in tags)) + words


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
        self._terms = ImageFilter(tags=wanted.tags, tag_match=wanted.tag_match, words=wanted.words)
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
        joined = _Join(self._reader, join, after)
        looked_at = accepted = 0
        batch: list[_Step] = []
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

    def _rows_of(self, batch: "Sequence[_Step]") -> Iterator[tuple[Position, Image | None]]:
        """The candidates' rows, read at once.

        Where all lists name an image and its row does not have the terms, the row may just be too
        old a copy: it is read again, consistently. What remains is a stray posting, and passed over.
        """
        rows = dict(self._reader.images([step.image_id for step in batch])) if batch else {}
        doubtful = [
            step.image_id for step in batch if step.is_verified and not self._has_terms(rows.get(step.image_id))
        ]
        if doubtful:
            rows |= self._reader.images(doubtful, consistent=True)
        for step in batch:
            row = rows.get(step.image_id)
            yield step.position, row if row is not None and self._wanted.accepts(row) else None

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
    ) or wanted == ImageFilter(title_prefix=wanted.title_prefix, descending=wanted.descending)


@dataclass(frozen=True, slots=True)
class _Step:
    """One image that a join has settled: it is no match, or it is a candidate, whose row is to be asked."""

    position: Position
    is_candidate: bool
    is_verified: bool = False
    """Whether every group of lists names it."""

    @property
    def image_id(self) -> str:
        return self.position[1]


class _Join:
    """Images that occur in every group of posting lists, in order.

    Inside, a posting is its rank: its key, or for newest first its key spelt backwards in the
    alphabet, so that ranks ascend in the order of the list. Behind a rank comes rank + NUL.
    """

    def __init__(self, reader: Reader, join: PostingsJoin, after: Position | None) -> None:
        self._descending = join.descending
        self._branches = [
            _Branch([_PostingList(reader, term, join) for term in dict.fromkeys(group)]) for group in join.groups
        ]
        start = "" if after is None else _rank("#".join(after), join.descending) + "\0"
        heads = [branch.seek(start) for branch in self._branches]
        self._target = None if None in heads else max(head for head in heads if head is not None)

    def step(self) -> _Step | None:
        """Settle one more image of the list that reaches furthest; None at the end."""
        if self._target is None:
            return None
        leader = max(self._branches, key=lambda branch: branch.reach)
        rank = leader.seek(self._target)
        if rank is None:
            return None
        is_verified = True
        for branch in self._branches:
            if branch is leader:
                continue
            if not branch.covers(rank) and not branch.is_worth_reading():
                is_verified = False
                continue
            head = branch.seek(rank)
            if head != rank:
                self._target = head
                return _Step(self._position(rank), is_candidate=False)
        self._target = rank + "\0"
        return _Step(self._position(rank), is_candidate=True, is_verified=is_verified)

    def _position(self, rank: str) -> Position:
        created_at, _, image_id = _rank(rank, self._descending).partition("#")
        return created_at, image_id


class _Branch:
    """A group of posting lists read as one: an image is in it if it is in one of the lists."""

    def __init__(self, lists: "Sequence[_PostingList]") -> None:
        self._lists = lists
        self._answers = 0
        """How many questions the last page read has answered."""
        self._pause = _FIRST_PAUSE
        self._pause_left = 0

    @property
    def reach(self) -> str:
        """The rank up to which it is known."""
        return min(postings.reach for postings in self._lists)

    def covers(self, target: str) -> bool:
        """Whether `seek` can answer without reading."""
        return all(postings.covers(target) for postings in self._lists)

    def is_worth_reading(self) -> bool:
        """Whether a page more is likely to settle more candidates than it costs to read their rows.

        A page that settled a single candidate was not. After one such the list is left alone for
        some candidates, and each time again for twice as many.
        """
        if self._answers > 1:
            self._pause = _FIRST_PAUSE
            return True
        if self._pause_left == 0:
            self._pause_left = self._pause
            self._pause *= 2
        self._pause_left -= 1
        return self._pause_left == 0

    def seek(self, target: str) -> str | None:
        """The first rank at or behind the target, None where there is none."""
        if not self.covers(target):
            self._answers = 0
        self._answers += 1
        return min((rank for postings in self._lists if (rank := postings.seek(target)) is not None), default=None)


class _PostingList:
    """One posting list, read forward in pages, and no posting twice.

    Pages grow while a good part of what they hold is used, and are small where it is leapt over.
    """

    def __init__(self, reader: Reader, term: Term, join: PostingsJoin) -> None:
        self._reader = reader
        self._term = term
        self._join = join
        self._page: list[str] = []
        self._next = 0
        self._used = 0
        self._page_size = FIRST_PAGE
        self._ended = False

    @property
    def reach(self) -> str:
        return _BEHIND_ALL if self._ended else self._page[-1] if self._page else ""

    def covers(self, target: str) -> bool:
        return target <= self.reach and self.reach != ""

    def seek(self, target: str) -> str | None:
        if not self.covers(target):
            self._read_from(target)
        passed = self._next
        while self._next < len(self._page) and self._page[self._next] < target:
            self._next += 1
        if self._next > passed:
            self._used += 1
        return self._page[self._next] if self._next < len(self._page) else None

    def _read_from(self, target: str) -> None:
        join = self._join
        if self._page:
            is_dense = self._used > len(self._page) // 8
            self._page_size = min(self._page_size * 2, _LARGEST_PAGE) if is_dense else FIRST_PAGE
        first, last = join.first, join.last
        if target and join.descending:
            last = min(last, _rank(target.rstrip("\0"), descending=True))
        elif target:
            first = max(first, target.rstrip("\0"))
        keys = self._reader.postings(self._term, first, last, descending=join.descending, limit=self._page_size)
        self._page = [rank for key in keys if (rank := _rank(key, join.descending)) >= target]
        self._ended = len(keys) < self._page_size
        self._next = self._used = 0


def _rank(key: str, descending: bool) -> str:
    """From an image key to its rank, and back."""
    return key.translate(_BACKWARDS) if descending else key
