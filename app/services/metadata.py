"""What is known about images, in DynamoDB."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from app.errors import BackendUnavailable, ImageNotFound
from app.models import Image, ImageFilter, QueryCost, Status, rfc3339
from app.services.aws import (
    CONDITION_FAILED,
    AWSClientFactory,
    back_off,
    cancellation_reasons,
    error_code,
    translated,
    was_retried,
)
from app.services.query import Found, Position, find
from app.services.reader import DynamoDBReader, batch_get
from app.services.tables import (
    EXPIRY_INDEX,
    HIGHEST_CHARACTER,
    TAG_INDEX,
    UNLISTED_USER_INDEX,
    USER_INDEX,
    Index,
    Item,
    Posting,
    from_item,
    from_posting_key,
    index_key,
    posting_item,
    posting_key,
    postings_of,
    row_key,
    to_item,
)
from app.settings import Settings

log = logging.getLogger(__name__)

_FAILED_IN_TRANSACTION = "ConditionalCheckFailed"
_MAX_ACTIONS = 100  # of a transaction (DynamoDB API Reference, "TransactWriteItems")
_BATCH_WRITES = 25  # DynamoDB API Reference, "BatchWriteItem"
_MAX_CONFLICTS = 8
_TAGS_PAGE = 25  # what fits into the 4 KB that cost no more than a single one


class RowChanged(Exception):
    """The row is no longer the one that a write was derived from; read it again."""


class ImageMetadataService:
    """Rows of images: read by id, listed by user, and written only onto the row they were derived from."""

    def __init__(self, factory: AWSClientFactory, settings: Settings) -> None:
        self._factory = factory
        self._table = settings.images_table
        self._postings_table = settings.postings_table

    def add(self, image: Image) -> Image:
        """Write the first row of an image, unless its id has one; returns the row that is there then."""
        with translated("dynamodb"):
            try:
                self._factory.dynamodb().put_item(
                    TableName=self._table,
                    Item=to_item(image),
                    ConditionExpression="attribute_not_exists(image_id)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                found = _row_that_failed_the_condition(error)
                if not found:
                    raise
                return from_item(found)
        return image

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
        row = {
            "TableName": self._table,
            "Item": to_item(image),
            "ConditionExpression": "attribute_not_exists(image_id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        with translated("dynamodb"):
            try:
                self._transact([{"Put": row}, *self._puts(postings_of(image))])
            except ClientError as error:
                found = _row_that_failed_the_condition(error)
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
        survive. The postings that the image gains are written in the same transaction, and those
        that it loses as well, as far as its 100 actions reach; the rest goes right afterwards.

        Raises RowChanged where the row has another version or status by now. When the
        acknowledgement of a write is lost, botocore's retry meets the row that the first try left
        and fails its condition; that is success, and is told apart by the row that comes back.
        """
        update = self._update(old, new)
        before, after = postings_of(old), postings_of(new)
        gained, lost = sorted(after - before), sorted(before - after)
        in_reach = max(_MAX_ACTIONS - 1 - len(gained), 0)
        actions = self._puts(gained) + self._deletes(lost[:in_reach])
        with translated("dynamodb"):
            try:
                if actions:
                    self._transact([{"Update": update}, *actions])
                else:
                    self._factory.dynamodb().update_item(**update)
            except ClientError as error:
                found = _row_that_failed_the_condition(error)
                if not found or from_item(found) != new:
                    raise RowChanged from error
        self._remove_postings(lost[in_reach:])

    def _update(self, old: Image, new: Image) -> dict[str, Any]:
        before, after = to_item(old), to_item(new)
        names = {"#version": "version", "#status": "status"}
        values = {":old_version": before["version"], ":old_status": before["status"]}
        sets, removes = [], []
        for number, name in enumerate(sorted(before.keys() | after.keys())):
            if before.get(name) == after.get(name):
                continue
            names[f"#a{number}"] = name
            if name in after:
                values[f":a{number}"] = after[name]
                sets.append(f"#a{number} = :a{number}")
            else:
                removes.append(f"#a{number}")
        clauses = [f"{verb} {', '.join(parts)}" for verb, parts in (("SET", sets), ("REMOVE", removes)) if parts]
        return {
            "TableName": self._table,
            "Key": row_key(old.image_id),
            "UpdateExpression": " ".join(clauses),
            "ConditionExpression": "#version = :old_version AND #status = :old_status",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _transact(self, actions: list[Any]) -> None:
        """Carry out all of the actions or none. Gets out of the way of others that touch the same row."""
        for attempt in range(_MAX_CONFLICTS):
            try:
                self._factory.dynamodb().transact_write_items(TransactItems=actions)
            except ClientError as error:
                codes = [reason.get("Code") for reason in cancellation_reasons(error)]
                if _FAILED_IN_TRANSACTION in codes or "TransactionConflict" not in codes:
                    raise
                back_off(attempt)
            else:
                return
        raise BackendUnavailable("dynamodb")

    def remove(self, image_id: str) -> bool:
        """Take the row away. False where it was already gone, so that of many removers one is told True."""
        with translated("dynamodb"):
            try:
                self._factory.dynamodb().delete_item(
                    TableName=self._table,
                    Key=row_key(image_id),
                    ConditionExpression="attribute_exists(image_id)",
                )
            except ClientError as error:
                if error_code(error) != CONDITION_FAILED:
                    raise
                return was_retried(error)  # the try whose answer was lost removed it
        return True

    def find(
        self, user_id: str, wanted: ImageFilter, *, limit: int, after: Position | None, max_candidates: int
    ) -> tuple[Found, QueryCost]:
        """A page of the user's images that the filter accepts (see `query.find`), and what it cost."""
        reader = DynamoDBReader(self._factory, self._table, self._postings_table, user_id)
        found = find(reader, wanted, limit=limit, after=after, max_candidates=max_candidates)
        return found, reader.cost

    def tags(self, user_id: str, *, prefix: str, limit: int) -> list[str]:
        """The user's tags that start with a prefix, in order, at most `limit`.

        The index holds each tag as often as there are images with it; behind each page it is
        leapt to the next tag, so that the cost is that of the tags alone.
        """
        found: list[str] = []
        first = prefix or "\0"
        while len(found) < limit:
            with translated("dynamodb"):
                answer = self._factory.dynamodb().query(
                    TableName=self._postings_table,
                    IndexName=TAG_INDEX,
                    KeyConditionExpression="user_id = :user AND tag BETWEEN :first AND :last",
                    ExpressionAttributeValues={
                        ":user": {"S": user_id},
                        ":first": {"S": first},
                        ":last": {"S": prefix + HIGHEST_CHARACTER},
                    },
                    Limit=_TAGS_PAGE,
                )
            found += dict.fromkeys(item["tag"]["S"] for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                break
            first = found[-1] + "\0"
        return found[:limit]

    def scan_all(self, *, user_id: str | None = None) -> Iterator[list[Image]]:
        """All images, or all of a user, finished or not, a page at a time. Lags behind what was written last."""
        yield from self.scan(user_id=user_id)
        if user_id is not None:
            yield from self._pages(self._by_user(UNLISTED_USER_INDEX, user_id))

    def scan(self, *, user_id: str | None = None, after: Position | None = None) -> Iterator[list[Image]]:
        """All images, or the finished ones of a user, a page at a time, from behind a row on.

        A row's position is the pair of its `created_at` and its id; of all rows, any time will do.
        Lags behind what was written last.
        """
        query: dict[str, Any] = {"TableName": self._table} if user_id is None else self._by_user(USER_INDEX, user_id)
        if after is not None:
            query["ExclusiveStartKey"] = (
                index_key(USER_INDEX, user_id, *after) if user_id is not None else row_key(after[1])
            )
        yield from self._pages(query)

    def _by_user(self, index: Index, user_id: str) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "IndexName": index.name,
            "KeyConditionExpression": "user_id = :user",
            "ExpressionAttributeValues": {":user": {"S": user_id}},
        }

    def _pages(self, query: dict[str, Any]) -> Iterator[list[Image]]:
        """The images among what a query finds, or a scan. Rows without an object are of other things."""
        for items in self._item_pages(query):
            yield [from_item(item) for item in items if "object_key" in item]

    def _item_pages(self, query: dict[str, Any]) -> Iterator[list[Item]]:
        while True:
            client = self._factory.dynamodb()
            with translated("dynamodb"):
                answer: Any = client.query(**query) if "IndexName" in query else client.scan(**query)
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            query |= {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

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
            self._while_unchanged(image.image_id, image, self._puts(postings))

    def remove_strays(self, image_id: str, image: Image | None, strays: Collection[Posting]) -> None:
        """Take away postings that an image must not have, on the condition that its row is still this one.

        Where the image is None, on the condition that it still has no row. Raises RowChanged, and
        then some may be gone.
        """
        actions = self._deletes(strays)
        for start in range(0, len(actions), _MAX_ACTIONS - 1):
            self._while_unchanged(image_id, image, actions[start : start + _MAX_ACTIONS - 1])

    def _while_unchanged(self, image_id: str, image: Image | None, actions: list[Any]) -> None:
        """Carry the actions out, on the condition that the image's row is this one, or that there is none."""
        check: dict[str, Any] = {"TableName": self._table, "Key": row_key(image_id)}
        if image is None:
            check["ConditionExpression"] = "attribute_not_exists(image_id)"
        else:
            row = to_item(image)
            check |= {
                "ConditionExpression": "#version = :version AND #status = :status",
                "ExpressionAttributeNames": {"#version": "version", "#status": "status"},
                "ExpressionAttributeValues": {":version": row["version"], ":status": row["status"]},
            }
        with translated("dynamodb"):
            try:
                self._transact([{"ConditionCheck": check}, *actions])
            except ClientError as error:
                _row_that_failed_the_condition(error)
                raise RowChanged from error

    def scan_postings(self, *, user_id: str | None = None) -> Iterator[list[Posting]]:
        """All postings, or those of a user, a page at a time. A user's cost as much as all."""
        query: dict[str, Any] = {"TableName": self._postings_table, "ProjectionExpression": "term_key, image_key"}
        if user_id is not None:
            query |= {
                "FilterExpression": "begins_with(term_key, :user)",
                "ExpressionAttributeValues": {":user": {"S": f"{user_id}#"}},
            }
        for items in self._item_pages(query):
            yield [from_posting_key(item) for item in items]

    def existing_postings(self, postings: Collection[Posting]) -> frozenset[Posting]:
        """Those of the postings that are there, read consistently."""
        keys = [posting_key(posting) for posting in postings]
        return frozenset(
            from_posting_key(item)
            for items, _ in batch_get(self._factory, self._postings_table, keys, consistent=True)
            for item in items
        )

    def expired(self, now: datetime) -> Iterator[str]:
        """Ids of uploads straight to the bucket whose time is over, also of those that are being removed.

        From an index, which lags behind: read the row before acting on it.
        """
        for status in (Status.PENDING_UPLOAD, Status.DELETING):
            query: dict[str, Any] = {
                "TableName": self._table,
                "IndexName": EXPIRY_INDEX,
                "KeyConditionExpression": "#status = :status AND expires_at < :now",
                "ExpressionAttributeNames": {"#status": "status"},
                "ExpressionAttributeValues": {":status": {"S": status.value}, ":now": {"S": rfc3339(now)}},
            }
            while True:
                with translated("dynamodb"):
                    answer = self._factory.dynamodb().query(**query)
                yield from (item["image_id"]["S"] for item in answer["Items"])
                if "LastEvaluatedKey" not in answer:
                    break
                query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def ping(self) -> None:
        """Returns if the table answers. Raises BackendUnavailable, or botocore's ClientError."""
        with translated("dynamodb"):
            self._factory.dynamodb().get_item(TableName=self._table, Key=row_key("ping"))

    def _puts(self, postings: Collection[Posting]) -> list[Any]:
        return [{"Put": {"TableName": self._postings_table, "Item": posting_item(it)}} for it in sorted(postings)]

    def _deletes(self, postings: Collection[Posting]) -> list[Any]:
        return [{"Delete": {"TableName": self._postings_table, "Key": posting_key(it)}} for it in sorted(postings)]

    def _remove_postings(self, postings: Sequence[Posting]) -> None:
        """Take away postings of a row that has none of them any more; one that stays does no harm."""
        for start in range(0, len(postings), _BATCH_WRITES):
            waiting: Any = {
                self._postings_table: [
                    {"DeleteRequest": {"Key": posting_key(it)}} for it in postings[start : start + _BATCH_WRITES]
                ]
            }
            try:
                for attempt in range(_MAX_CONFLICTS):
                    with translated("dynamodb"):
                        waiting = self._factory.dynamodb().batch_write_item(RequestItems=waiting)["UnprocessedItems"]
                    if not waiting:
                        break
                    back_off(attempt)
            except BackendUnavailable as error:
                log.warning("postings left for the audit", extra={"cause": str(error.__cause__)})
                return


def _row_that_failed_the_condition(error: ClientError) -> Item | None:
    """The row as it is, where a write or a transaction failed because of it, and None where the row is gone.

    Raises the error where it is another.
    """
    if error_code(error) == CONDITION_FAILED:
        found: Any = error.response.get("Item")
        return found or None
    for reason in cancellation_reasons(error):
        if reason.get("Code") == _FAILED_IN_TRANSACTION:
            return reason.get("Item") or None
    raise error
