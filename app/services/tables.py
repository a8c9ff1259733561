"""How an image lies in DynamoDB: attribute names, key formats, indexes, and the way there and back.

The table's key is `image_id`. All indexes are sparse: DynamoDB leaves a row out of an index when
one of the index's key attributes is missing from it, and `created_at` and `title_key` are written
only while an image is UPLOADED. So a list never reads an unfinished row, let alone shows it.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from app.models import ContentType, Image, Rejection, Status, normalised_title, parsed_timestamp, rfc3339

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import CreateTableInputTypeDef, GlobalSecondaryIndexTypeDef

Item = dict[str, Any]
"""A row in DynamoDB's own form: attribute name -> {type: value}."""

USER_INDEX = "user_id-created_at-index"
TITLE_INDEX = "user_id-title-index"
EXPIRY_INDEX = "status-expires_at-index"

TTL_ATTRIBUTE = "ttl"
"""Seconds since 1970 after which DynamoDB deletes the row, unless the worker's sweep has."""
_TTL_GRACE = timedelta(days=1)

# A sort key has at most 1,024 bytes (DynamoDB Developer Guide, "Quotas"); the title leaves room for the time.
_MAX_TITLE_KEY_BYTES = 1024 - len("\x1f2026-01-02T03:04:05.678901Z")


def images_table(name: str) -> "CreateTableInputTypeDef":
    """The definition of the images' table, as CreateTable takes it."""
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": attribute, "AttributeType": "S"}
            for attribute in ("image_id", "user_id", "created_at", "title_key", "status", "expires_at")
        ],
        "KeySchema": [{"AttributeName": "image_id", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            # The whole row, so that a page of a list is one request.
            _index(USER_INDEX, "user_id", "created_at", "ALL"),
            _index(TITLE_INDEX, "user_id", "title_key", "ALL"),
            # Only uploads straight to the bucket have `expires_at`, and only until they are done.
            _index(EXPIRY_INDEX, "status", "expires_at", "KEYS_ONLY"),
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


def user_index_key(image_id: str, user_id: str, created_at: str) -> Item:
    """The key of a row in USER_INDEX, as a query starts from it."""
    return row_key(image_id) | {"user_id": {"S": user_id}, "created_at": {"S": created_at}}


def title_key(title: str, created_at: datetime) -> str:
    """Sorts by title as people compare titles, then by time.

    The separator is below every character that a normalised title can hold. Of a title that is
    too long for a sort key, what fits counts.
    """
    room = normalised_title(title).encode()[:_MAX_TITLE_KEY_BYTES].decode(errors="ignore")
    return f"{room}\x1f{rfc3339(created_at)}"


def to_item(image: Image) -> Item:
    """The row of an image; attributes that have no value are absent."""
    listed = image.status is Status.UPLOADED
    item: Item = {
        "image_id": {"S": image.image_id},
        "user_id": {"S": image.user_id},
        "object_key": {"S": image.object_key},
        "filename": {"S": image.filename},
        "content_type": {"S": image.content_type.value},
        "file_size": {"N": str(image.file_size)},
        "status": {"S": image.status.value},
        "created_at" if listed else "unlisted_created_at": {"S": rfc3339(image.created_at)},
        "updated_at": {"S": rfc3339(image.updated_at)},
        "version": {"N": str(image.version)},
    }
    for name in ("title", "description", "location", "sha256"):
        if (value := getattr(image, name)) is not None:
            item[name] = {"S": value}
    for name in ("width", "height"):
        if (value := getattr(image, name)) is not None:
            item[name] = {"N": str(value)}
    if image.expires_at is not None:
        item["expires_at"] = {"S": rfc3339(image.expires_at)}
        item[TTL_ATTRIBUTE] = {"N": str(int((image.expires_at + _TTL_GRACE).timestamp()))}
    if image.rejection is not None:
        item["rejection"] = {"M": {"code": {"S": image.rejection.code}, "detail": {"S": image.rejection.detail}}}
    if image.tags:
        item["tags"] = {"L": [{"S": tag} for tag in image.tags]}
    if listed and image.title is not None:
        item["title_key"] = {"S": title_key(image.title, image.created_at)}
    return item


def from_item(item: Item) -> Image:
    """The image of a row. Raises KeyError where the row lacks an attribute that every row has."""
    created_at = item.get("created_at") or item["unlisted_created_at"]
    return Image(
        image_id=item["image_id"]["S"],
        user_id=item["user_id"]["S"],
        object_key=item["object_key"]["S"],
        filename=item["filename"]["S"],
        title=_text(item, "title"),
        description=_text(item, "description"),
        location=_text(item, "location"),
        tags=tuple(tag["S"] for tag in item["tags"]["L"]) if "tags" in item else (),
        content_type=ContentType(item["content_type"]["S"]),
        file_size=int(item["file_size"]["N"]),
        width=_number(item, "width"),
        height=_number(item, "height"),
        sha256=_text(item, "sha256"),
        status=Status(item["status"]["S"]),
        created_at=parsed_timestamp(created_at["S"]),
        updated_at=parsed_timestamp(item["updated_at"]["S"]),
        version=int(item["version"]["N"]),
        expires_at=parsed_timestamp(item["expires_at"]["S"]) if "expires_at" in item else None,
        rejection=_rejection(item),
    )


def _rejection(item: Item) -> Rejection | None:
    if "rejection" not in item:
        return None
    reason = item["rejection"]["M"]
    return Rejection(reason["code"]["S"], reason["detail"]["S"])


def _number(item: Item, name: str) -> int | None:
    value = item.get(name)
    return int(value["N"]) if value else None


def _text(item: Item, name: str) -> str | None:
    value = item.get(name)
    return value["S"] if value else None
