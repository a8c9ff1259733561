"""How much each user has, counted while a quota is set.

A user's counter is a row of the images' table. It changes in the same transaction as the row that it
counts, and that row's condition holds for both: a write that is repeated because its answer was lost
fails on the row, and so counts once. Where no quota is set nobody pays for a counter, and what
there is is added up when somebody asks. docs/adr/0019-quotas.md has the reasons.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from app.errors import QuotaExceeded
from app.models import Image, Usage, usage_of
from app.services.aws import CONDITION_FAILED, AWSClientFactory, error_code, translated
from app.services.dynamodb import item_pages, of_user, without_collisions
from app.services.tables import (
    UNLISTED_USER_INDEX,
    USER_INDEX,
    Counted,
    Item,
    counted_user,
    from_usage_item,
    usage_key,
)
from app.settings import Settings
from app.times import Clock, rfc3339

_IS_COUNTED = "attribute_not_exists(rejection)"  # as `usage_of` decides


@dataclass(slots=True)
class Recount:
    """What the rows say that users have, and what the counters said when they were passed."""

    images: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    counters: dict[str, Usage] = field(default_factory=dict)

    def add(self, item: Item) -> None:
        """Count one row, of an image or of a counter; others are passed over."""
        if "object_key" in item:
            self.images[item["user_id"]["S"]] += 1
            self.bytes[item["user_id"]["S"]] += int(item["file_size"]["N"])
        elif user_id := counted_user(item):
            self.counters[user_id] = from_usage_item(item).usage

    def usage(self, user_id: str) -> Usage:
        return Usage(self.images[user_id], self.bytes[user_id])

    def suspects(self) -> list[str]:
        """The users whose counter and rows disagree."""
        users = self.images.keys() | self.counters.keys()
        return sorted(user for user in users if self.counters.get(user, Usage()) != self.usage(user))


class UsageCounters:
    """Counts what users have, and refuses what is more than they may."""

    def __init__(self, factory: AWSClientFactory, settings: Settings, *, clock: Clock) -> None:
        self._factory = factory
        self._table = settings.images_table
        self._clock = clock
        self._max_images = settings.max_images_per_user
        self._max_bytes = settings.max_bytes_per_user
        self.are_kept = settings.has_quotas

    def reserve(self, image: Image) -> list[Any]:
        """The action of a transaction that counts a new image, if its user may have it. Raises QuotaExceeded.

        Where the user may not, the transaction fails on the action's condition; it returns no item.
        """
        if not self.are_kept:
            return []
        room = {}
        if self._max_images is not None:
            room["used_images"] = self._max_images - 1
        if self._max_bytes is not None:
            if image.file_size > self._max_bytes:
                raise QuotaExceeded
            room["used_bytes"] = self._max_bytes - image.file_size
        return [self._count(image.user_id, usage_of(image), room=room)]

    def changes(self, before: Image | None, after: Image | None) -> list[Any]:
        """The action of a transaction that counts how an image changes; none where that counts for nothing."""
        difference = usage_of(after) - usage_of(before)
        image = after or before
        if not self.are_kept or image is None or difference == Usage():
            return []
        return [self._count(image.user_id, difference)]

    def _count(self, user_id: str, difference: Usage, *, room: Mapping[str, int] | None = None) -> dict[str, Any]:
        """The action that adds to a user's counter; with `room`, only where nothing in it is above that yet."""
        condition = {}
        if room:
            rooms = " AND ".join(f"{name} <= :most_{name}" for name in room)
            condition["ConditionExpression"] = f"attribute_not_exists(image_id) OR ({rooms})"
        return {
            "Update": {
                "TableName": self._table,
                "Key": usage_key(user_id),
                "UpdateExpression": "SET counted_at = :now ADD used_images :images, used_bytes :bytes",
                "ExpressionAttributeValues": {
                    ":now": {"S": rfc3339(self._clock())},
                    ":images": {"N": str(difference.images)},
                    ":bytes": {"N": str(difference.bytes)},
                    **{f":most_{name}": {"N": str(most)} for name, most in (room or {}).items()},
                },
                **condition,
            }
        }

    def of(self, user_id: str) -> Usage:
        """What a user has: as counted, or where nothing is, added up from the user's rows, which lags behind.

        Adding up reads all rows of the user: for 10,000 images of 1 KB about 1,250 read units and ten requests.
        """
        if self.are_kept:
            counted = self.counted(user_id).usage
            # Below zero where images went that were there before there was a quota; an audit sets that right.
            return Usage(max(counted.images, 0), max(counted.bytes, 0))
        found = Recount()
        for index in (USER_INDEX, UNLISTED_USER_INDEX):
            query = of_user(self._table, index, user_id) | {"FilterExpression": _IS_COUNTED}
            for items in item_pages(self._factory, query):
                for item in items:
                    found.add(item)
        return found.usage(user_id)

    def counted(self, user_id: str) -> Counted:
        """What the user's counter says."""
        with translated("dynamodb"):
            answer = self._factory.dynamodb().get_item(
                TableName=self._table, Key=usage_key(user_id), ConsistentRead=True
            )
        return from_usage_item(answer["Item"]) if "Item" in answer else Counted(Usage(), None)

    def recount(self, found: Recount, *, user_id: str | None = None) -> Iterator[int]:
        """Count all rows, or those of a user, yielding how many after each page. One user's cost as much as all.

        Consistently: what did not change since it began is counted once.
        """
        query: dict[str, Any] = {"TableName": self._table, "ConsistentRead": True, "FilterExpression": _IS_COUNTED}
        if user_id is not None:
            query["FilterExpression"] += " AND (user_id = :user OR image_id = :counter)"
            query["ExpressionAttributeValues"] = {
                ":user": {"S": user_id},
                ":counter": usage_key(user_id)["image_id"],
            }
        for items in item_pages(self._factory, query):
            for item in items:
                found.add(item)
            yield len(items)

    def correct(self, user_id: str, seen: Counted, usage: Usage) -> bool:
        """Set a counter right. False where it was changed since it was seen."""
        values = {
            ":now": {"S": rfc3339(self._clock())},
            ":images": {"N": str(usage.images)},
            ":bytes": {"N": str(usage.bytes)},
        }
        condition = "attribute_not_exists(image_id)"
        if seen.at is not None:
            condition = "counted_at = :seen"
            values[":seen"] = {"S": rfc3339(seen.at)}
        with translated("dynamodb"):
            try:
                without_collisions(
                    lambda: self._factory.dynamodb().update_item(
                        TableName=self._table,
                        Key=usage_key(user_id),
                        UpdateExpression="SET used_images = :images, used_bytes = :bytes, counted_at = :now",
                        ConditionExpression=condition,
                        ExpressionAttributeValues=values,
                    )
                )
            except ClientError as error:
                if error_code(error) != CONDITION_FAILED:
                    raise
                return False
        return True
