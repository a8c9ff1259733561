"""What is known about images, in DynamoDB."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from botocore.exceptions import ClientError

from app.errors import BackendUnavailable, ImageNotFound, QuotaExceeded
from app.models import Image, ImageFilter, QueryCost, Status
from app.services.aws import AWSClientFactory, translated, was_retried
from app.services.dynamodb import (
    MAX_ACTIONS,
    batch_get,
    item_pages,
    of_user,
    row_that_failed_the_condition,
    transact,
    without_collisions,
)
from app.services.postings import PostingsTable
from app.services.query import Found, find
from app.services.reader import DynamoDBReader
from app.services.tables import (
    EXPIRY_INDEX,
    UNLISTED_USER_INDEX,
    USER_INDEX,
    Item,
    Position,
    Posting,
    from_item,
    index_key,
    postings_of,
    row_key,
    state_of,
    to_item,
)
from app.services.usage import UsageCounters
from app.settings import Settings
from app.times import rfc3339

log = logging.getLogger(__name__)


class RowChanged(Exception):
    """The row is no longer the one that a write was derived from; read it again."""


class ImageMetadataService:
    """Rows of images: read by id, listed by user, and written only onto the row they were derived from."""

    def __init__(self, factory: AWSClientFactory, settings: Settings, usage: UsageCounters) -> None:
        self._factory = factory
        self._table = settings.images_table
        self._postings_table = settings.postings_table
        self._usage = usage
        self.postings = PostingsTable(factory, settings)

    def add(self, image: Image) -> Image:
        """Write the first row of an image, unless its id has one; returns the row that is there then.

        Raises QuotaExceeded.
        """
        counting = self._usage.reserve(image)
        with translated("dynamodb"):
            try:
                self._carry_out("Put", self._first_row(image), counting)
            except ClientError as error:
                found = row_that_failed_the_condition(error)
                if found:
                    return from_item(found)
                if counting:  # then it was the counter's condition
                    raise QuotaExceeded from error
                raise
        return image

    def _first_row(self, image: Image) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Item": to_item(image),
            "ConditionExpression": "attribute_not_exists(image_id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _carry_out(self, kind: Literal["Put", "Update", "Delete"], write: dict[str, Any], others: list[Any]) -> None:
        """Write a row, in one transaction with what goes with it where there is such."""
        if others:
            transact(self._factory, [{kind: write}, *others])
            return
        client = self._factory.dynamodb()
        call: dict[str, Callable[..., object]]
        call = {"Put": client.put_item, "Update": client.update_item, "Delete": client.delete_item}
        without_collisions(lambda: call[kind](**write))

    def get(self, image_id: str) -> Image:
        """The image as last written, whatever its status. Raises ImageNotFound."""
        with translated("dynamodb"):
            answer = self._factory.dynamodb().get_item(
                TableName=self._table, Key=row_key(image_id), ConsistentRead=True
            )
        if "Item" not in answer:
            raise ImageNotFound
        return from_item(answer["Item"])

    def restore(self, image: Image) -> None:
        """Write the row of an image that has none, and its postings. Raises RowChanged where it has one."""
        others = self._usage.changes(None, image) + self.postings.puts(postings_of(image))
        with translated("dynamodb"):
            try:
                self._carry_out("Put", self._first_row(image), others)
            except ClientError as error:
                found = row_that_failed_the_condition(error)
                if not found or from_item(found) != image:
                    raise RowChanged from error

    def images(self, image_ids: Collection[str]) -> Mapping[str, Image]:
        """The images with these ids as last written, as far as there are such."""
        keys = [row_key(image_id) for image_id in image_ids]
        return {
            item["image_id"]["S"]: from_item(item)
            for items, _ in batch_get(self._factory, self._table, keys, consistent=True)
            for item in items
        }

    def replace(self, old: Image, new: Image) -> None:
        """Turn the row of `old` into that of `new`: an edit, or a step of the image's life.

        Only what differs is written, so attributes that this version of the code does not know
        survive. The postings that the image gains are written in the same transaction, and the
        user's counter, and those that it loses as well, as far as its 100 actions reach; the rest
        goes right afterwards.

        Raises RowChanged where the row has another version or status by now. When the
        acknowledgement of a write is lost, botocore's retry meets the row that the first try left
        and fails its condition; that is success, and is told apart by the row that comes back.
        """
        update = self._update(old, new)
        before, after = postings_of(old), postings_of(new)
        gained, lost = sorted(after - before), sorted(before - after)
        others = self._usage.changes(old, new) + self.postings.puts(gained)
        in_reach = max(MAX_ACTIONS - 1 - len(others), 0)
        with translated("dynamodb"):
            try:
                self._carry_out("Update", update, others + self.postings.deletes(lost[:in_reach]))
            except ClientError as error:
                found = row_that_failed_the_condition(error)
                if not found or from_item(found) != new:
                    raise RowChanged from error
        if out_of_reach := lost[in_reach:]:
            try:
                self.remove_strays(new.image_id, new, out_of_reach)
            except (RowChanged, BackendUnavailable) as error:  # the row is written, and one that stays does no harm
                log.warning("postings left for the audit", extra={"image_id": new.image_id, "cause": repr(error)})

    def _update(self, old: Image, new: Image) -> dict[str, Any]:
        before, after = to_item(old), to_item(new)
        condition = _unchanged(old)
        names, values = condition["ExpressionAttributeNames"], condition["ExpressionAttributeValues"]
        sets, removes = [], []
        for number, (name, value) in enumerate(after.items()):
            if before.get(name) != value:
                names[f"#set{number}"], values[f":set{number}"] = name, value
                sets.append(f"#set{number} = :set{number}")
        for number, name in enumerate(sorted(before.keys() - after.keys())):
            names[f"#remove{number}"] = name
            removes.append(f"#remove{number}")
        clauses = [f"{verb} {', '.join(parts)}" for verb, parts in (("SET", sets), ("REMOVE", removes)) if parts]
        return {
            "TableName": self._table,
            "Key": row_key(old.image_id),
            "UpdateExpression": " ".join(clauses),
            **condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def remove(self, image: Image) -> bool:
        """Take the image's row away, so that of many removers one is told True.

        False where it was already gone, or became another: then that stays.
        """
        row = {
            "TableName": self._table,
            "Key": row_key(image.image_id),
            **_unchanged(image),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        with translated("dynamodb"):
            try:
                self._carry_out("Delete", row, self._usage.changes(image, None))
            except ClientError as error:
                found = row_that_failed_the_condition(error)
                return not found and was_retried(error)  # the try whose answer was lost removed it
        return True

    def find(
        self, user_id: str, wanted: ImageFilter, *, limit: int, after: Position | None, max_candidates: int
    ) -> tuple[Found, QueryCost]:
        """A page of the user's images that the filter accepts (see `query.find`), and what it cost."""
        reader = DynamoDBReader(self._factory, self._table, self._postings_table, user_id)
        found = find(reader, wanted, limit=limit, after=after, max_candidates=max_candidates)
        return found, reader.cost

    def scan_all(self, *, user_id: str | None = None) -> Iterator[list[Image]]:
        """All images, or all of a user, finished or not, a page at a time. Lags behind what was written last."""
        yield from self.scan(user_id=user_id)
        if user_id is not None:
            yield from self._pages(of_user(self._table, UNLISTED_USER_INDEX, user_id))

    def scan(self, *, user_id: str | None = None, after: Position | None = None) -> Iterator[list[Image]]:
        """All images, or the finished ones of a user, a page at a time, from behind a row on.

        A row's position is the pair of its `created_at` and its id; of all rows, any time will do.
        Lags behind what was written last.
        """
        query: dict[str, Any] = {"TableName": self._table}
        if user_id is not None:
            query = of_user(self._table, USER_INDEX, user_id)
        if after is not None:
            query["ExclusiveStartKey"] = (
                index_key(USER_INDEX, user_id, *after) if user_id is not None else row_key(after[1])
            )
        yield from self._pages(query)

    def _pages(self, query: dict[str, Any]) -> Iterator[list[Image]]:
        """The images among what a query finds, or a scan. Rows without an object are of other things."""
        for items in item_pages(self._factory, query):
            yield [from_item(item) for item in items if "object_key" in item]

    def count(self) -> int:
        """About how many rows there are; DynamoDB counts them every six hours."""
        with translated("dynamodb"):
            return self._factory.dynamodb().describe_table(TableName=self._table)["Table"]["ItemCount"]

    def restore_postings(self, image: Image) -> None:
        """Write the postings that the image must have, on the condition that its row is still this one.

        Raises RowChanged where it is not; whoever changed it has written the postings that it needs.
        """
        postings = postings_of(image)
        if postings:
            self._while_unchanged(image.image_id, image, self.postings.puts(postings))

    def remove_strays(self, image_id: str, image: Image | None, strays: Collection[Posting]) -> None:
        """Take away postings that an image must not have, on the condition that its row is still this one.

        Where the image is None, on the condition that it still has no row. Raises RowChanged, and
        then some may be gone.
        """
        actions = self.postings.deletes(strays)
        for start in range(0, len(actions), MAX_ACTIONS - 1):
            self._while_unchanged(image_id, image, actions[start : start + MAX_ACTIONS - 1])

    def _while_unchanged(self, image_id: str, image: Image | None, actions: list[Any]) -> None:
        """Carry the actions out, on the condition that the image's row is this one, or that there is none."""
        check: dict[str, Any] = {"TableName": self._table, "Key": row_key(image_id)}
        if image is None:
            check["ConditionExpression"] = "attribute_not_exists(image_id)"
        else:
            check |= _unchanged(image)
        with translated("dynamodb"):
            try:
                transact(self._factory, [{"ConditionCheck": check}, *actions])
            except ClientError as error:
                row_that_failed_the_condition(error)
                raise RowChanged from error

    def expired(self, now: datetime) -> Iterator[str]:
        """Ids of uploads straight to the bucket whose time is over, also of those that are being removed.

        From an index, which lags behind: read the row before acting on it.
        """
        for status in (Status.PENDING_UPLOAD, Status.DELETING):
            for items in self._expiring(status, now):
                yield from (item["image_id"]["S"] for item in items)

    def pending(self, *, before: datetime | None = None) -> int:
        """How many uploads straight to the bucket are announced, or of those, how many whose time was over by then.

        From an index, which lags behind; costs a read unit for every 40 of them or so.
        """
        return sum(len(items) for items in self._expiring(Status.PENDING_UPLOAD, before))

    def _expiring(self, status: Status, before: datetime | None = None) -> Iterator[list[Item]]:
        """Pages of direct uploads in this status; with `before`, only those that expired before it."""
        condition, values = "#status = :status", {":status": {"S": status.value}}
        if before is not None:
            condition += " AND expires_at < :before"
            values[":before"] = {"S": rfc3339(before)}
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": EXPIRY_INDEX,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": values,
        }
        return item_pages(self._factory, query)

    def ping(self) -> None:
        """Returns if the table answers. Raises BackendUnavailable, or botocore's ClientError."""
        with translated("dynamodb"):
            self._factory.dynamodb().get_item(TableName=self._table, Key=row_key("ping"))


def _unchanged(image: Image) -> dict[str, Any]:
    """The condition of a write that the row is still this one; each write changes version or status."""
    state = state_of(image)
    return {
        "ConditionExpression": "#version = :old_version AND #status = :old_status",
        "ExpressionAttributeNames": {"#version": "version", "#status": "status"},
        "ExpressionAttributeValues": {":old_version": state["version"], ":old_status": state["status"]},
    }
