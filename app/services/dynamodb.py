"""What takes more than one call of DynamoDB, or more than a look at its answer."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from app.errors import BackendUnavailable
from app.services.attempts import Attempts
from app.services.aws import (
    CONDITION_FAILED,
    AWSClientFactory,
    cancellation_reasons,
    error_code,
    translated,
)
from app.services.tables import Index, Item

MAX_ACTIONS = 100
"""Of a transaction (DynamoDB API Reference, "TransactWriteItems")."""

_BATCH_READS = 100  # DynamoDB API Reference, "BatchGetItem"
_MAX_ATTEMPTS = 8  # at the keys that a BatchGetItem left unprocessed
_MAX_COLLISIONS = 25  # of a write; all uploads of a user meet at the user's counter, and one of them gets ahead
_FAILED_IN_TRANSACTION = "ConditionalCheckFailed"


def batch_get(
    factory: AWSClientFactory, table: str, keys: Sequence[Item], *, consistent: bool
) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
    """Those of the items that exist, as they come, with the capacity that each answer consumed.

    Raises BackendUnavailable.
    """
    for start in range(0, len(keys), _BATCH_READS):
        wanted: Any = {table: {"Keys": keys[start : start + _BATCH_READS], "ConsistentRead": consistent}}
        attempts = Attempts(_MAX_ATTEMPTS, at_last=BackendUnavailable("dynamodb"))
        while True:
            with translated("dynamodb"):
                answer = factory.dynamodb().batch_get_item(RequestItems=wanted)
            yield answer["Responses"].get(table, ()), answer.get("ConsumedCapacity", ())
            wanted = answer.get("UnprocessedKeys")
            if not wanted:
                break
            attempts.pause()


def of_user(table: str, index: Index, user_id: str) -> dict[str, Any]:
    """The query of a user's rows in an index."""
    return {
        "TableName": table,
        "IndexName": index.name,
        "KeyConditionExpression": "user_id = :user",
        "ExpressionAttributeValues": {":user": {"S": user_id}},
    }


def item_pages(factory: AWSClientFactory, query: dict[str, Any]) -> Iterator[list[Item]]:
    """What a query of an index finds, or a scan, a page at a time. Raises BackendUnavailable."""
    while True:
        client = factory.dynamodb()
        with translated("dynamodb"):
            answer: Any = client.query(**query) if "IndexName" in query else client.scan(**query)
        yield answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        query |= {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def transact(factory: AWSClientFactory, actions: list[Any]) -> None:
    """Carry out all of the actions or none.

    Raises BackendUnavailable, or botocore's ClientError with the reasons of each action.
    """
    without_collisions(lambda: factory.dynamodb().transact_write_items(TransactItems=actions))


def without_collisions(write: Callable[[], object]) -> None:
    """Write, and again where a transaction was touching the same row just then.

    DynamoDB refuses such writes, alone or in a transaction, and boto3 does not try them again (DynamoDB
    Developer Guide, "Transaction conflict handling in DynamoDB"). Raises BackendUnavailable, or botocore's ClientError.
    """
    attempts = Attempts(_MAX_COLLISIONS)
    while True:
        try:
            write()
        except ClientError as error:
            if not _is_collision(error):
                raise
            attempts.pause()
        else:
            return


def _is_collision(error: ClientError) -> bool:
    if error_code(error) == "TransactionConflictException":  # of a write that is in no transaction itself
        return True
    codes = [reason.get("Code") for reason in cancellation_reasons(error)]
    return "TransactionConflict" in codes and _FAILED_IN_TRANSACTION not in codes


def row_that_failed_the_condition(error: ClientError) -> Item | None:
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
