"""How an image lies in DynamoDB: attribute names, key formats, indexes, and the way there and back.

The images' table has the key `image_id`. Its indexes are sparse: DynamoDB leaves a row out of an
index when one of the index's key attributes is missing from it, and `created_at` and `title_key` are
written only while an image is UPLOADED; otherwise they are called `unlisted_...`, with indexes of
their own. So a list never reads an unfinished row, let alone shows it, unless it is asked to.

The postings' table says which images have a tag, a word or a digest: one small row for each, in the
order of time (docs/adr/0007-postings.md).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from app.models import ContentType, Image, Rejection, Status, Usage, image_words, normalised_title
from app.times import from_rfc3339, rfc3339

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import CreateTableInputTypeDef, GlobalSecondaryIndexTypeDef

Item = dict[str, Any]
"""A row in DynamoDB's own form: attribute name -> {type: value}."""
Position = tuple[str, str]
"""Where an image stands in a list: its sort value (time, or title and time) and its id."""


EXPIRY_INDEX = "status-expires_at-index"

TTL_ATTRIBUTE = "ttl"
"""Seconds since 1970 after which DynamoDB deletes the row: of an upload that nobody swept, or a rejected one."""
_TTL_GRACE = timedelta(days=1)
_REJECTED_KEPT = timedelta(days=7)  # long enough for its client to come and ask why


@dataclass(frozen=True, slots=True)
class Index:
    """An index of the images' table by user and then by an attribute."""

    name: str
    sort_key: str


USER_INDEX = Index("user_id-created_at-index", "created_at")
TITLE_INDEX = Index("user_id-title-index", "title_key")
UNLISTED_USER_INDEX = Index("user_id-unlisted_created_at-index", "unlisted_created_at")
UNLISTED_TITLE_INDEX = Index("user_id-unlisted_title-index", "unlisted_title_key")
_INDEXES = (USER_INDEX, TITLE_INDEX, UNLISTED_USER_INDEX, UNLISTED_TITLE_INDEX)

MAX_TAGS_AND_WORDS = 97
"""By which an image can be found. With its SHA-256, its row and its user's counter they fill a transaction."""
_MAX_WORD_LENGTH = 40

_USAGE_PREFIX = "usage#"

TAG_INDEX = "user_id-tag-index"
"""Of the postings' table: a user's tags in their order, each as often as there are images with it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a counter says, and when it was changed last; None where there is none yet."""

    usage: Usage
    at: datetime | None


class TermKind(StrEnum):
    TAG = "tag"
    WORD = "word"
    SHA256 = "sha256"


class Term(NamedTuple):
    """A tag, a word or the SHA-256 of the bytes, by which images are found."""

    kind: TermKind
    text: str

    @classmethod
    def of_word(cls, word: str) -> "Term":
        """Of a long word the beginning, so that the key has room for it; the row knows all of it."""
        return cls(TermKind.WORD, word[:_MAX_WORD_LENGTH])

    def __str__(self) -> str:
        return f"{self.kind}:{self.text}"


class Posting(NamedTuple):
    """One term of one image of one user."""

    user_id: str
    term: Term
    created_at: str
    image_id: str


# A sort key has at most 1,024 bytes (DynamoDB Developer Guide, "Quotas"); the title leaves room for the time.
_MAX_TITLE_KEY_BYTES = 1024 - len("\x1f2026-01-02T03:04:05.678901Z")


def images_table(name: str) -> "CreateTableInputTypeDef":
    """The definition of the images' table, as CreateTable takes it."""
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": "S"}
            for attribute in ("image_id", "user_id", *(index.sort_key for index in _INDEXES), "status", "expires_at")
        ],
        "KeySchema": [{"AttributeName": "image_id", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            # The whole row, so that a page of a list is one request.
            *(_index(index.name, "user_id", index.sort_key, "ALL") for index in _INDEXES),
            # Only uploads straight to the bucket have `expires_at`, and only until they are done.
            _index(EXPIRY_INDEX, "status", "expires_at", "KEYS_ONLY"),
        ],
    }


def postings_table(name: str) -> "CreateTableInputTypeDef":
    """The definition of the postings' table, as CreateTable takes it."""
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": "S"}
            for attribute in ("term_key", "image_key", "user_id", "tag")
        ],
        "KeySchema": [
            {"AttributeName": "term_key", "KeyType": "HASH"},
            {"AttributeName": "image_key", "KeyType": "RANGE"},
        ],
        "GlobalSecondaryIndexes": [
            _index(TAG_INDEX, "user_id", "tag", "KEYS_ONLY"),
        ],
    }


def _index(
    name: str, partition_key: str, sort_key: str, projected: Literal["ALL", "KEYS_ONLY"]
) -> "GlobalSecondaryIndexTypeDef":
    return {
        "IndexName": name,
        "KeySchema": [
            {"AttributeName": partition_key, "KeyType": "HASH"},
            {"AttributeName": sort_key, "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": projected},
    }


def row_key(image_id: str) -> Item:
    return {"image_id": {"S": image_id}}


def usage_key(user_id: str) -> Item:
    """The key of a user's counter, which is of no image. No image's id holds a #."""
    return row_key(f"{_USAGE_PREFIX}{user_id}")


def counted_user(item: Item) -> str | None:
    """Whose counter a row is; None where it is none."""
    row_id: str = item["image_id"]["S"]
    return row_id.removeprefix(_USAGE_PREFIX) if row_id.startswith(_USAGE_PREFIX) else None


def from_usage_item(item: Item) -> Counted:
    return Counted(
        Usage(int(item["used_images"]["N"]), int(item["used_bytes"]["N"])), from_rfc3339(item["counted_at"]["S"])
    )


def index_key(index: Index, user_id: str, sort_value: str, image_id: str) -> Item:
    """The key of a row in an index, as a query starts from it."""
    return row_key(image_id) | {"user_id": {"S": user_id}, index.sort_key: {"S": sort_value}}


def term_key(user_id: str, term: Term) -> str:
    """Partition key of a posting list. No user id holds a #, so no two users share one."""
    return f"{user_id}#{term}"


def image_key(created_at: str, image_id: str) -> str:
    """Sort key in a posting list; all have the same length, and sort as text as they do in time."""
    return f"{created_at}#{image_id}"


def posting_key(posting: Posting) -> Item:
    return {
        "term_key": {"S": term_key(posting.user_id, posting.term)},
        "image_key": {"S": image_key(posting.created_at, posting.image_id)},
    }


def from_posting_key(item: Item) -> Posting:
    """The posting of a row, or of its key. Raises ValueError where it is none."""
    user_id, _, term = item["term_key"]["S"].partition("#")
    kind, _, text = term.partition(":")
    created_at, _, image_id = item["image_key"]["S"].partition("#")
    return Posting(user_id, Term(TermKind(kind), text), created_at, image_id)


def posting_item(posting: Posting) -> Item:
    """The row of a posting. Only those of tags are in TAG_INDEX."""
    item = posting_key(posting)
    if posting.term.kind is TermKind.TAG:
        item |= {"user_id": {"S": posting.user_id}, "tag": {"S": posting.term.text}}
    return item


def postings_of(image: Image) -> frozenset[Posting]:
    """The postings that an image must have: none unless it is UPLOADED."""
    if image.status is not Status.UPLOADED:
        return frozenset()
    terms = [Term(TermKind.TAG, tag) for tag in image.tags]
    terms += map(Term.of_word, islice(image_words(image), MAX_TAGS_AND_WORDS - len(terms)))
    if image.sha256 is not None:
        terms.append(Term(TermKind.SHA256, image.sha256))
    created_at = rfc3339(image.created_at)
    return frozenset(Posting(image.user_id, term, created_at, image.image_id) for term in terms)


HIGHEST_CHARACTER = "\U0010ffff"

TITLE_END = "\x1f"
"""Stands behind the title in its key; it sorts before every character that a normalised title can hold."""


def title_key(title: str, created_at: datetime) -> str:
    """Sorts by title as people compare titles, then by time."""
    return title_key_start(title) + TITLE_END + rfc3339(created_at)


def title_key_start(title: str) -> str:
    """The title in its key. Of one that is too long for a sort key, what fits counts."""
    return normalised_title(title).encode()[:_MAX_TITLE_KEY_BYTES].decode(errors="ignore")


def to_item(image: Image) -> Item:
    """The row of an image; attributes that have no value are absent."""
    unlisted = "" if image.status is Status.UPLOADED else "unlisted_"
    item: Item = {
        "image_id": {"S": image.image_id},
        "user_id": {"S": image.user_id},
        "object_key": {"S": image.object_key},
        "filename": {"S": image.filename},
        "content_type": {"S": image.content_type.value},
        "file_size": {"N": str(image.file_size)},
        f"{unlisted}created_at": {"S": rfc3339(image.created_at)},
        "updated_at": {"S": rfc3339(image.updated_at)},
        **state_of(image),
    }
    item |= _optional_attributes(image)
    if image.expires_at is not None:
        item["expires_at"] = {"S": rfc3339(image.expires_at)}
        item[TTL_ATTRIBUTE] = {"N": str(int((image.expires_at + _TTL_GRACE).timestamp()))}
    if image.status is Status.REJECTED:
        item[TTL_ATTRIBUTE] = {"N": str(int((image.updated_at + _REJECTED_KEPT).timestamp()))}
    if image.traceparent is not None:
        item["traceparent"] = {"S": image.traceparent}
    if image.rejection is not None:
        item["rejection"] = {"M": {"code": {"S": image.rejection.code}, "detail": {"S": image.rejection.detail}}}
    if image.tags:
        item["tags"] = {"L": [{"S": tag} for tag in image.tags]}
    if image.title is not None:
        item[f"{unlisted}title_key"] = {"S": title_key(image.title, image.created_at)}
    return item


def state_of(image: Image) -> Item:
    """Version and status: every write changes one of them, so together they tell whether a row is still the same."""
    return {"version": {"N": str(image.version)}, "status": {"S": image.status.value}}


def _optional_attributes(image: Image) -> Item:
    item: Item = {}
    for name in ("title", "description", "location", "sha256", "dominant_color", "placeholder", "captured_at"):
        if (value := getattr(image, name)) is not None:
            item[name] = {"S": value}
    for name in ("width", "height", "frames"):
        if (value := getattr(image, name)) is not None:
            item[name] = {"N": str(value)}
    if image.has_alpha is not None:
        item["has_alpha"] = {"BOOL": image.has_alpha}
    return item


# Making a member of an enumeration from its value takes four times as long as looking it up.
_CONTENT_TYPES = {member.value: member for member in ContentType}
_STATUSES = {member.value: member for member in Status}
_ABSENT = {"S": None, "BOOL": None}


def from_item(item: Item) -> Image:
    """The image of a row. Raises KeyError where the row lacks an attribute that every row has."""
    created_at = item.get("created_at") or item["unlisted_created_at"]
    return Image(
        image_id=item["image_id"]["S"],
        user_id=item["user_id"]["S"],
        object_key=item["object_key"]["S"],
        filename=item["filename"]["S"],
        title=item.get("title", _ABSENT)["S"],
        description=item.get("description", _ABSENT)["S"],
        location=item.get("location", _ABSENT)["S"],
        tags=tuple([tag["S"] for tag in item["tags"]["L"]]) if "tags" in item else (),
        content_type=_CONTENT_TYPES[item["content_type"]["S"]],
        file_size=int(item["file_size"]["N"]),
        width=_number(item, "width"),
        height=_number(item, "height"),
        sha256=item.get("sha256", _ABSENT)["S"],
        status=_STATUSES[item["status"]["S"]],
        created_at=from_rfc3339(created_at["S"]),
        updated_at=from_rfc3339(item["updated_at"]["S"]),
        version=int(item["version"]["N"]),
        frames=_number(item, "frames"),
        has_alpha=item.get("has_alpha", _ABSENT)["BOOL"],
        dominant_color=item.get("dominant_color", _ABSENT)["S"],
        placeholder=item.get("placeholder", _ABSENT)["S"],
        captured_at=item.get("captured_at", _ABSENT)["S"],
        expires_at=from_rfc3339(item["expires_at"]["S"]) if "expires_at" in item else None,
        rejection=_rejection(item),
        traceparent=item["traceparent"]["S"] if "traceparent" in item else None,
    )


def _rejection(item: Item) -> Rejection | None:
    if "rejection" not in item:
        return None
    reason = item["rejection"]["M"]
    return Rejection(reason["code"]["S"], reason["detail"]["S"])


def _number(item: Item, name: str) -> int | None:
    value = item.get(name)
    return int(value["N"]) if value else None
