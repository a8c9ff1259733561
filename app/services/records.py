"""How a record, the copy of an image's row in the bucket, is written and read. Pure."""

import dataclasses
from datetime import datetime
from typing import Any

import orjson

from app.models import ContentType, Image, Rejection, Status
from app.times import parsed_timestamp, rfc3339

_TIMES = ("created_at", "updated_at", "expires_at")
_MEMBERS = frozenset(Image._fields)


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """A record as it was found; `image` is None where its text is not that of an image."""

    image: Image | None
    stored_at: datetime
    etag: str


def to_record(image: Image) -> bytes:
    """JSON with all members of the image, times as RFC 3339."""
    return orjson.dumps(image._asdict(), default=rfc3339, option=orjson.OPT_PASSTHROUGH_DATETIME)


def from_record(text: bytes) -> Image | None:
    """The image that a record tells of; None where it does not. Members that are not known are passed over."""
    try:
        values: dict[str, Any] = {name: value for name, value in orjson.loads(text).items() if name in _MEMBERS}
        times = {name: parsed_timestamp(values[name]) for name in _TIMES if values.get(name) is not None}
        rejection = values.get("rejection")
        return Image(
            **values
            | times
            | {
                "content_type": ContentType(values["content_type"]),
                "status": Status(values["status"]),
                "tags": tuple(values["tags"]),
                "rejection": Rejection(**rejection) if rejection else None,
            }
        )
    except (AttributeError, KeyError, TypeError, ValueError):  # orjson's errors are ValueErrors
        return None
