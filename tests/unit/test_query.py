"""Finding, against a brute-force oracle: random libraries, filters and page sizes, and changes between the pages."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.models import ContentType, Image, ImageFilter, QueryCost, Status, TagMatch, normalised_title, search_words
from app.services.join import FIRST_PAGE
from app.services.plan import IndexSpan, PostingsJoin, plan
from app.services.query import find
from app.services.tables import (
    TITLE_INDEX,
    UNLISTED_TITLE_INDEX,
    UNLISTED_USER_INDEX,
    USER_INDEX,
    Position,
    Term,
    TermKind,
    image_key,
    postings_of,
    to_item,
)
from app.times import rfc3339
from tests.unit.test_tables import IMAGE

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryReader:
    """Stores in memory that answer as DynamoDB does, with postings written as the service writes them."""

    def __init__(self) -> None:
        self.stored: dict[str, Image] = {}
        self.lists: dict[Term, set[str]] = {}
        self.stale: dict[str, Image | None] = {}
        """Rows as a reader sees them who does not ask for consistency."""
        self.cost = QueryCost()

    def put(self, image: Image) -> None:
        self.remove(image.image_id)
        self.stored[image.image_id] = image
        for posting in postings_of(image):
            self.lists.setdefault(posting.term, set()).add(image_key(posting.created_at, posting.image_id))

    def remove(self, image_id: str) -> None:
        old = self.stored.pop(image_id, None)
        for posting in postings_of(old) if old else ():
            self.lists[posting.term].discard(image_key(posting.created_at, posting.image_id))

    def rows(self, span: IndexSpan, *, after: Position | None, page_size: int) -> Iterator[tuple[Position, Image]]:
        name = span.index.sort_key
        entries = [(to_item(image), image) for image in self.stored.values()]
        placed = [((item[name]["S"], image.image_id), image) for item, image in entries if name in item]
        placed = [entry for entry in placed if span.first <= entry[0][0] <= span.last]
        for position, image in sorted(placed, key=lambda entry: entry[0], reverse=span.descending):
            if after is None or (position < after if span.descending else position > after):
                self.cost.rows_read += 1
                yield position, image

    def postings(self, term: Term, first: str, last: str, *, descending: bool, limit: int) -> Sequence[str]:
        keys = sorted((key for key in self.lists.get(term, ()) if first <= key <= last), reverse=descending)[:limit]
        self.cost.postings_read += len(keys)
        self.cost.requests += 1
        self.cost.read_units += -(-max(len(keys), 1) // FIRST_PAGE)
        return keys

    def images(self, image_ids: Sequence[str], *, consistent: bool = False) -> Mapping[str, Image]:
        assert 1 <= len(set(image_ids)) == len(image_ids) <= 100
        rows = self.stored if consistent else {**self.stored, **self.stale}
        found = {key: row for key in image_ids if (row := rows.get(key)) is not None}
        self.cost.rows_read += len(found)
        self.cost.requests += 1
        self.cost.read_units += len(image_ids) / 2
        return found


def image(number: int, **changes: object) -> Image:
    plain = IMAGE._replace(
        image_id=f"{number:08x}-58cc-4372-a567-0e02b2c3d479",
        created_at=EPOCH + timedelta(seconds=number),
        title=None,
        tags=(),
        filename="f",
    )
    return plain._replace(**changes)  # type: ignore[arg-type]


def walk(reader: MemoryReader, wanted: ImageFilter, *, limit: int = 10, max_candidates: int = 2000) -> list[list[str]]:
    pages: list[list[str]] = []
    after: Position | None = None
    while True:
        reader.cost = QueryCost()
        found = find(reader, wanted, limit=limit, after=after, max_candidates=max_candidates)
        pages.append([it.image_id for it in found.images])
        assert found.resume_after != after or after is None, "no progress"
        after = found.resume_after
        if after is None:
            return pages


def flat(pages: list[list[str]]) -> list[str]:
    return [image_id for page in pages for image_id in page]


def expected(images: Sequence[Image], wanted: ImageFilter) -> list[str]:
    """What a list must show, by looking at everything."""

    def place(it: Image) -> tuple[str, ...]:
        time = (rfc3339(it.created_at), it.image_id)
        return (normalised_title(it.title or ""), *time) if wanted.title_prefix is not None else time

    return [it.image_id for it in sorted(filter(wanted.accepts, images), key=place, reverse=wanted.descending)]


TAGS = ["sea", "sun", "tree", "\U0001f600", "été"]
DIGESTS = ["0" * 64, "0" * 63 + "1", "f" * 64]
TITLES = ["Sea", "sea side", "SEA", "Straße", "a", "", "\u05d9\u05dd beach", "e\u0301te\u0301"]
few_tags = st.lists(st.sampled_from(TAGS), max_size=3, unique=True).map(tuple)
titles = st.none() | st.sampled_from([title for title in TITLES if title])
images = st.builds(
    image,
    st.integers(0, 400),
    title=titles,
    tags=few_tags,
    location=st.none() | st.sampled_from(["Rome", "by the sea"]),
    filename=st.sampled_from(["IMG_1.jpg", "sea.png"]),
    content_type=st.sampled_from([ContentType.JPEG, ContentType.PNG]),
    sha256=st.sampled_from(DIGESTS),
    status=st.sampled_from([Status.UPLOADED] * 5 + [Status.PENDING_UPLOAD, Status.REJECTED, Status.DELETING]),
    created_at=st.integers(0, 30).map(lambda seconds: EPOCH + timedelta(seconds=seconds)),
)
libraries = st.lists(images, max_size=60, unique_by=lambda it: it.image_id)
times = st.none() | st.integers(0, 30).map(lambda seconds: EPOCH + timedelta(seconds=seconds))
filters = st.builds(
    ImageFilter,
    status=st.sampled_from([Status.UPLOADED] * 4 + [Status.PENDING_UPLOAD, Status.REJECTED]),
    content_type=st.sampled_from([None, None, "image/jpeg", "image/webp"]),
    created_after=times,
    created_before=times,
    title=st.none() | titles,
    title_prefix=st.sampled_from([None, None, "s", "SEA", "sea ", "é"]),
    title_contains=st.sampled_from([None, None, None, "E", "ss"]),
    filename=st.sampled_from([None, None, None, "img", ".PNG"]),
    location=st.sampled_from([None, None, None, "ROM"]),
    tags=few_tags,
    tag_match=st.sampled_from(TagMatch),
    words=st.sampled_from(["", "", "", "sea", "SEA side", "strasse", "ete", "jpg 1", "tree"]).map(search_words),
    sha256=st.sampled_from([None, None, *DIGESTS]),
    descending=st.booleans(),
)


@given(libraries, filters, st.integers(1, 12))
@settings(max_examples=400)
def test_a_walk_finds_what_looking_at_everything_finds(library: list[Image], wanted: ImageFilter, limit: int) -> None:
    reader = MemoryReader()
    for it in library:
        reader.put(it)
    pages = walk(reader, wanted, limit=limit)
    assert flat(pages) == expected(library, wanted)
    assert all(len(page) == limit for page in pages[:-1])
    assert pages[-1] or len(pages) == 1


@given(libraries, filters, st.integers(1, 5), st.data())
@settings(max_examples=200)
def test_what_stays_is_shown_once_while_others_change(
    library: list[Image], wanted: ImageFilter, limit: int, data: st.DataObject
) -> None:
    reader = MemoryReader()
    for it in library:
        reader.put(it)
    changed: set[str] = set()
    shown: list[str] = []
    after: Position | None = None
    while True:
        found = find(reader, wanted, limit=limit, after=after, max_candidates=2000)
        shown += [it.image_id for it in found.images]
        after = found.resume_after
        if after is None:
            break
        for change in data.draw(st.lists(images, max_size=2)):
            changed.add(change.image_id)
            if data.draw(st.booleans()):
                reader.put(change)
            else:
                reader.remove(change.image_id)
    stayed = [image_id for image_id in shown if image_id not in changed]
    assert stayed == [it for it in expected(library, wanted) if it not in changed]


@given(libraries, filters, st.integers(1, 5), st.integers(1, 6))
@settings(max_examples=200)
def test_a_small_budget_makes_short_pages_and_loses_nothing(
    library: list[Image], wanted: ImageFilter, limit: int, max_candidates: int
) -> None:
    reader = MemoryReader()
    for it in library:
        reader.put(it)
    assert flat(walk(reader, wanted, limit=limit, max_candidates=max_candidates)) == expected(library, wanted)


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize(
    "wanted",
    [
        ImageFilter(tags=("even", "third"), tag_match=TagMatch.ALL),
        ImageFilter(tags=("even", "third"), tag_match=TagMatch.ANY),
        ImageFilter(tags=("even", "rare"), tag_match=TagMatch.ALL, words=("odd",)),
        ImageFilter(tags=("rare", "burst"), tag_match=TagMatch.ALL),
        ImageFilter(tags=("third", "burst"), tag_match=TagMatch.ANY, words=("even",)),
    ],
)
def test_long_lists_are_joined_over_many_pages(wanted: ImageFilter, descending: bool) -> None:
    reader, library = MemoryReader(), []
    for number in range(3000):
        tags = ["even" if number % 2 == 0 else "odd"]
        tags += ["third"] if number % 3 == 0 else []
        tags += ["rare"] if number % 97 == 0 else []
        tags += ["burst"] if 1000 <= number < 1300 else []
        library.append(image(number, tags=tuple(tags)))
        reader.put(library[-1])
    wanted = dataclasses.replace(wanted, descending=descending)
    assert flat(walk(reader, wanted, limit=100)) == expected(library, wanted)


def test_the_plan_follows_from_the_filter() -> None:
    def index(**conditions: object) -> str:
        way = plan(ImageFilter(**conditions))  # type: ignore[arg-type]
        return way.index.name if isinstance(way, IndexSpan) else "postings"

    assert index() == USER_INDEX.name
    assert index(filename="x", content_type="image/png") == USER_INDEX.name
    assert index(title="x") == index(title_prefix="x") == index(title="x", tags=("a",)) == TITLE_INDEX.name
    assert index(tags=("a",)) == index(words=("a",)) == index(sha256="0" * 64) == "postings"
    assert index(title="x", sha256="0" * 64) == TITLE_INDEX.name
    assert index(status=Status.REJECTED, tags=("a",)) == UNLISTED_USER_INDEX.name
    assert index(status=Status.PENDING_UPLOAD, sha256="0" * 64) == UNLISTED_USER_INDEX.name
    assert index(status=Status.PENDING_UPLOAD, title_prefix="x") == UNLISTED_TITLE_INDEX.name


def test_tags_of_which_one_is_enough_are_one_group_and_words_and_a_digest_are_one_each() -> None:
    sea, sun = Term(TermKind.TAG, "sea"), Term(TermKind.TAG, "sun")
    word, digest = Term(TermKind.WORD, "rome"), Term(TermKind.SHA256, DIGESTS[1])
    either = plan(ImageFilter(tags=("sea", "sun"), words=("rome",), sha256=DIGESTS[1]))
    both = plan(ImageFilter(tags=("sea", "sun"), tag_match=TagMatch.ALL, words=("rome",), sha256=DIGESTS[1]))
    alone = plan(ImageFilter(sha256=DIGESTS[1]))
    assert isinstance(either, PostingsJoin)
    assert either.groups == ((sea, sun), (word,), (digest,))
    assert isinstance(both, PostingsJoin)
    assert both.groups == ((sea,), (sun,), (word,), (digest,))
    assert isinstance(alone, PostingsJoin)
    assert alone.groups == ((digest,),)


def test_a_stray_posting_shows_nothing_and_a_late_row_is_not_missed() -> None:
    reader = MemoryReader()
    gone, late = image(1, tags=("sea",)), image(2, tags=("sea",))
    reader.put(gone)
    reader.put(late)
    del reader.stored[gone.image_id]
    reader.stale[late.image_id] = None
    assert flat(walk(reader, ImageFilter(tags=("sea",)))) == [late.image_id]


def library_of_two_tags(first: int, second: int, common: int) -> MemoryReader:
    """`first` images have one tag, `second` the other, `common` both, evenly spread over one time."""
    reader = MemoryReader()
    kinds = [("first",)] * (first - common) + [("second",)] * (second - common) + [("first", "second")] * common
    places = sorted(range(len(kinds)), key=lambda place: place * 7919 % 100_003)
    for place, tags in zip(places, kinds, strict=True):
        reader.put(image(place, tags=tags))
    return reader


def test_ten_of_one_tag_cost_a_page_of_postings_and_ten_rows() -> None:
    reader = library_of_two_tags(5000, 10, 0)
    find(reader, ImageFilter(tags=("second",)), limit=10, after=None, max_candidates=2000)
    assert (reader.cost.postings_read, reader.cost.rows_read, reader.cost.requests) == (10, 10, 2)


def test_one_digest_among_thousands_costs_a_page_of_postings_and_its_rows() -> None:
    reader = MemoryReader()
    for number in range(3000):
        reader.put(image(number, tags=("common",), sha256=f"{number % 1500:064x}"))
    find(reader, ImageFilter(sha256=f"{7:064x}"), limit=10, after=None, max_candidates=2000)
    assert (reader.cost.postings_read, reader.cost.rows_read, reader.cost.requests) == (2, 2, 2)
    reader.cost = QueryCost()
    found = find(reader, ImageFilter(sha256=f"{7:064x}", tags=("common",)), limit=10, after=None, max_candidates=2000)
    assert len(found.images) == 2
    assert reader.cost.read_units <= 6


def test_a_short_list_asks_rows_instead_of_reading_the_long_one() -> None:
    reader = library_of_two_tags(5000, 20, 10)
    wanted = ImageFilter(tags=("first", "second"), tag_match=TagMatch.ALL)
    found = find(reader, wanted, limit=10, after=None, max_candidates=2000)
    assert len(found.images) == 10
    assert reader.cost.read_units <= 15
    assert reader.cost.postings_read <= 20 + 4 * FIRST_PAGE


def test_two_long_lists_are_read_once_at_most_and_in_large_pages() -> None:
    reader = library_of_two_tags(5000, 5000, 10)
    wanted = ImageFilter(tags=("first", "second"), tag_match=TagMatch.ALL)
    found = find(reader, wanted, limit=10, after=None, max_candidates=2000)
    assert len(found.images) == 10
    assert reader.cost.postings_read <= 10_000 + 100
    assert reader.cost.requests <= 50


def test_a_search_that_would_read_too_much_stops_and_says_where() -> None:
    reader = library_of_two_tags(1000, 1000, 0)
    wanted = ImageFilter(tags=("first", "second"), tag_match=TagMatch.ALL)
    found = find(reader, wanted, limit=10, after=None, max_candidates=50)
    assert found.images == ()
    assert found.resume_after is not None
    assert reader.cost.postings_read < 1500
