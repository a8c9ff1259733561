"""Which index or posting lists lead to the images that a filter accepts. Pure: knows no AWS."""

from dataclasses import dataclass

from app.models import ImageFilter, Status, TagMatch
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

_EARLIEST = "0001-01-01T00:00:00.000000Z"
_LATEST = "9999-12-31T23:59:60.000000Z"


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
    groups = [tags] if tags and wanted.tag_match is TagMatch.ANY else [(tag,) for tag in tags]
    groups += [(Term.of_word(word),) for word in wanted.words]
    if wanted.sha256 is not None:
        groups.append((Term(TermKind.SHA256, wanted.sha256),))
    return tuple(groups)
