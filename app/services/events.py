"""What a message of the queue says: which objects came into which bucket. Pure.

Amazon S3 User Guide, "Event message structure". Anybody with the right to send could have written
the message, and S3 sends some twice or late, so it is only a hint to look.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import orjson


@dataclass(frozen=True, slots=True)
class ObjectCreated:
    """An object was stored, once or more often, maybe some time ago."""

    bucket: str
    key: str


def objects_created(body: str) -> list[ObjectCreated]:
    """The objects that a message names; none where it is no message of S3's about new objects.

    So `s3:TestEvent`, which S3 sends when notifications are switched on, names none.
    """
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    records = message.get("Records") if isinstance(message, dict) else None
    return list(_from_records(records)) if isinstance(records, list) else []


def _from_records(records: list[Any]) -> Iterator[ObjectCreated]:
    for record in records:
        match record:
            case {
                "eventSource": "aws:s3",
                "eventName": str(name),
                "s3": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)}},
            } if name.startswith("ObjectCreated:"):
                # As in a query string: a space is "+", here and there "%20"; a "+" is "%2B".
                yield ObjectCreated(bucket, unquote_plus(key))
