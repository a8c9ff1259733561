"""What is known about images, in DynamoDB."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from app.errors import ImageNotFound
from app.models import Image, ImageFilter, Status, rfc3339
from app.services.aws import AWSClientFactory, error_code, translated, was_retried
from app.services.tables import EXPIRY_INDEX, USER_INDEX, from_item, row_key, to_item, user_index_key
from app.settings import Settings

_CONDITION_FAILED = "ConditionalCheckFailedException"


class RowChanged(Exception):
    """The row is no longer the one that a write was derived from; read it again."""


class ImageMetadataService:
    """Rows of images: read by id, listed by user, and written only onto the row they were derived from."""

    def __init__(self, factory: AWSClientFactory, settings: Settings) -> None:
        self._factory = factory
        self._table = settings.images_table

    def add(self, image: Image) -> None:
        """Write the first row of an image. Its id is new, so writing it twice is writing it once."""
        with translated("dynamodb"):
            self._factory.dynamodb().put_item(TableName=self._table, Item=to_item(image))

    def get(self, image_id: str) -> Image:
        """The image as last written, whatever its status. Raises ImageNotFound."""
        with translated("dynamodb"):
            answer = self._factory.dynamodb().get_item(
                TableName=self._table, Key=row_key(image_id), ConsistentRead=True
            )
        if "Item" not in answer:
            raise ImageNotFound
        return from_item(answer["Item"])

    def replace(self, old: Image, new: Image) -> None:
        """Turn the row of `old` into that of `new`: an edit, or a step of the image's life.

        Only what differs is written, so attributes that this version of the code does not know
        survive. Raises RowChanged where the row has another version or status by now. When the
        acknowledgement of a write is lost, botocore's retry meets the row that the first try left
        and fails its condition; that is success, and is told apart by the row that comes back.
        """
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
        with translated("dynamodb"):
            try:
                self._factory.dynamodb().update_item(
                    TableName=self._table,
                    Key=row_key(old.image_id),
                    UpdateExpression=" ".join(clauses),
                    ConditionExpression="#version = :old_version AND #status = :old_status",
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=values,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if error_code(error) != _CONDITION_FAILED:
                    raise
                found: Any = error.response.get("Item")
                if not found or from_item(found) != new:
                    raise RowChanged from error

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
                if error_code(error) != _CONDITION_FAILED:
                    raise
                return was_retried(error)  # the try whose answer was lost removed it
        return True

    def uploaded_by(
        self, user_id: str, wanted: ImageFilter, *, page_size: int, after: tuple[str, str] | None = None
    ) -> Iterator[Image]:
        """A user's finished images by time, `page_size` read at once, from behind a position on.

        A position is the pair (created_at as stored, image_id) of an image already seen. What the
        index cannot answer (see `ImageFilter.accepts`) is left to the caller.
        """
        since = rfc3339(wanted.created_after) if wanted.created_after else "0"
        until = rfc3339(wanted.created_before) if wanted.created_before else "9999-12-31T23:59:60Z"
        if since >= until:
            return
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": USER_INDEX,
            "KeyConditionExpression": "user_id = :user AND created_at BETWEEN :since AND :until",
            "ExpressionAttributeValues": {":user": {"S": user_id}, ":since": {"S": since}, ":until": {"S": until}},
            "ScanIndexForward": not wanted.newest_first,
            "Limit": page_size,
        }
        if after is not None:
            created_at, image_id = after
            query["ExclusiveStartKey"] = user_index_key(image_id, user_id, created_at)
        while True:
            with translated("dynamodb"):
                answer = self._factory.dynamodb().query(**query)
            for item in answer["Items"]:
                if item["created_at"]["S"] != until:  # BETWEEN includes its end, the filter does not
                    yield from_item(item)
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

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
