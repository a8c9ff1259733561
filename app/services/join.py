"""Posting lists joined: the images that are in all of them, in order. Pure: knows no AWS.

Lists are joined by leaping: the one that reaches furthest names the next candidate, and the others
are read on from there. Nothing is read twice, so a join never costs more than reading all its lists
once. Where a page of a list decides less than two candidates, it costs more than the candidates' rows
do, and the rows are asked instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from app.services.plan import PostingsJoin
from app.services.tables import Position, Term

FIRST_PAGE = 32
"""Postings: what fits into the 4 KB that cost no more than a single one."""
_LARGEST_PAGE = 1024
_FIRST_PAUSE = 16
_BEHIND_ALL = "\x7f"
_BACKWARDS = {code: 0x20 + 0x7E - code for code in range(0x20, 0x7F)}  # printable ASCII, upside down


class PostingsReader(Protocol):
    """The table of postings, as far as joining needs it."""

    def postings(self, term: Term, first: str, last: str, *, descending: bool, limit: int) -> Sequence[str]:
        """The image keys of a posting list between two keys, both included: at most `limit`, fewer only at its end."""


@dataclass(frozen=True, slots=True)
class Step:
    """One image that a join has settled: it is no match, or it is a candidate, whose row is to be asked."""

    position: Position
    is_candidate: bool
    is_verified: bool = False
    """Whether every group of lists names it."""

    @property
    def image_id(self) -> str:
        return self.position[1]


class Join:
    """Images that occur in every group of posting lists, in order.

    Inside, a posting is its rank: its key, or for newest first its key spelt backwards in the
    alphabet, so that ranks ascend in the order of the list. Behind a rank comes rank + NUL.
    """

    def __init__(self, reader: PostingsReader, join: PostingsJoin, after: Position | None) -> None:
        self._descending = join.descending
        self._branches = [
            _Branch([_PostingList(reader, term, join) for term in dict.fromkeys(group)]) for group in join.groups
        ]
        start = "" if after is None else _rank("#".join(after), join.descending) + "\0"
        heads = [branch.seek(start) for branch in self._branches]
        self._target = None if None in heads else max(head for head in heads if head is not None)

    def step(self) -> Step | None:
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
                return Step(self._position(rank), is_candidate=False)
        self._target = rank + "\0"
        return Step(self._position(rank), is_candidate=True, is_verified=is_verified)

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

    def __init__(self, reader: PostingsReader, term: Term, join: PostingsJoin) -> None:
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
